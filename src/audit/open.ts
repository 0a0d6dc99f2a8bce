import { chmodSync, mkdirSync } from 'node:fs';
import type { Approved, Known, Outcome } from '../call/call.ts';
import type { Stage } from '../call/stage.ts';
import type { Clock } from '../lib/clock.ts';
import { beginChain, continueChain } from './begin.ts';
import { append, finish, journal } from './calls.ts';
import type { Desk } from './calls.ts';
import type { AuditConfig } from './config.ts';
import { EVENT, renderFields } from './fields.ts';
import type { AuditFields } from './fields.ts';
import { lockFolder } from './lock.ts';
import { OpenCalls } from './open-calls.ts';
import { makeRecords } from './records.ts';
import { SEGMENT_OPENED } from './recover.ts';
import { makeScrub } from './scrub.ts';
import { clean, earlyFields, renderHead, renderResumed, stamp } from './told.ts';
import type { EarlyRefusal } from './told.ts';
import { Writer } from './writer.ts';

export interface AuditDeps {
  /** The audit's own folder: made with mode 0700, files 0600. */
  readonly dir: string;
  readonly clock: Clock;
  /** Takes secrets out of text that goes into a record. */
  readonly redact: (text: string) => string;
  readonly log: (message: string, fields?: object) => void;
}
export interface Audit {
  /** Writes `call.intended`; goes on when it is as safe as its class asks. Refuses with `journal.unavailable`. */
  readonly journal: Stage<Approved, { journalSeq: number }>;
  /** Writes `call.finished`, or `call.refused` when there was no intent. Rejects when it cannot be recorded. */
  readonly finish: (known: Known, outcome: Outcome) => Promise<void>;
  /** Writes `call.refused`. Rejects when it cannot be recorded. */
  readonly refuse: (early: EarlyRefusal) => Promise<void>;
  /** Writes any other event, e.g. `key.created`, and waits for the disk. `tool_input` holds its details. Rejects when it cannot be recorded. */
  readonly note: (event: string, fields: Partial<AuditFields>) => Promise<void>;
  /** null: records can be written; otherwise the cause for `/ready`. */
  readonly ready: () => string | null;
  /** Writes what is queued, signs the end of the chain, gives the folder free. */
  readonly close: () => Promise<void>;
}

/**
 * Opens the chain of a folder or begins one. Throws when another gateway writes there, when the chain is broken (BrokenChain) and
 * what `fs` throws.
 */
export async function openAudit(config: AuditConfig, deps: AuditDeps): Promise<Audit> {
  mkdirSync(deps.dir, { recursive: true, mode: 0o700 });
  chmodSync(deps.dir, 0o700); // records hold what callers asked for: nobody else on this machine reads them (CWE-732)
  const undo: (() => void | Promise<void>)[] = [lockFolder(deps.dir)];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    return await openLocked(config, deps, undo, close);
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

async function openLocked(config: AuditConfig, deps: AuditDeps, undo: (() => void | Promise<void>)[], close: () => Promise<void>): Promise<Audit> {
  const scrub = makeScrub(deps.redact, deps.log);
  const records = makeRecords(scrub);
  const open = new OpenCalls();
  const start = stamp(deps.clock);
  const failed = { since: 0, records: 0 };
  const chain = beginChain(deps, start, config.checkpoint_every_ms);
  undo.push(chain.close);
  const writer = new Writer({
    dir: deps.dir, segmentMaxBytes: config.segment_max_bytes, syncWithinMs: config.sync_within_ms, log: deps.log, synced: chain.synced,
    head: (previous) => ({ start: start(SEGMENT_OPENED), rest: renderHead(previous, open, records) }),
    resumed: () => renderResumed(failed, open, records, start, deps.clock),
  }, chain.segment, chain.place);
  undo.push(() => writer.close());
  const desk: Desk = { all: config.sync === 'all', open, records, start, writer, failed, clock: deps.clock };
  const note = async (event: string, fields: Partial<AuditFields>): Promise<void> => append(desk, checked(event), renderFields(clean(fields, scrub)), true);
  await continueChain(chain, note);
  return {
    journal: { name: 'journal', run: (call) => journal(desk, call) },
    finish: (known, outcome) => finish(desk, known, outcome),
    refuse: (early) => append(desk, 'call.refused', renderFields(clean(earlyFields(early, deps.clock), scrub)), desk.all),
    note,
    ready: () => writer.ready(),
    close,
  };
}

function checked(event: string): string {
  if (!EVENT.test(event)) throw new Error(`audit: not an event name: ${event}`);
  return event;
}
