import { chmodSync, mkdirSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Approved, Known, Outcome, Received } from '../call/call.ts';
import type { Refusal } from '../call/refusal.ts';
import type { Stage, Verdict } from '../call/stage.ts';
import type { Risk } from '../call/target.ts';
import type { Clock } from '../lib/clock.ts';
import { sha256 } from '../lib/hash.ts';
import { beginChain, continueChain } from './begin.ts';
import type { AuditConfig } from './config.ts';
import { EVENT, renderFields, renderStart } from './fields.ts';
import type { AuditFields } from './fields.ts';
import { lockFolder } from './lock.ts';
import { makeRecords } from './records.ts';
import type { Intent, Records } from './records.ts';
import { SEGMENT_OPENED } from './recover.ts';
import { makeScrub } from './scrub.ts';
import type { Scrub } from './scrub.ts';
import type { Queued } from './writer.ts';
import { Writer } from './writer.ts';

export interface AuditDeps {
  /** The audit's own folder: made with mode 0700, files 0600. */
  readonly dir: string;
  readonly clock: Clock;
  /** Takes secrets out of text that goes into a record. */
  readonly redact: (text: string) => string;
  readonly log: (message: string, fields?: object) => void;
}
/** A refusal of receive/, before there is a call. */
export interface EarlyRefusal extends Pick<Received, 'id' | 'receivedAt' | 'door' | 'server'> {
  readonly remoteAddress: string;
  readonly refusal: Refusal;
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

/** Calls of these classes may change the world: their records survive a power loss before anything happens. */
const RISKY: ReadonlySet<Risk> = new Set<Risk>(['write', 'external', 'destructive', 'admin']);
const BIG = 1024 ** 2;
const NOTE_BYTES = 16 * 1024;

/**
 * Opens the chain of a folder or begins one. Throws when another gateway writes there, when the chain is broken (BrokenChain) and
 * what `fs` throws.
 */
export async function openAudit(config: AuditConfig, deps: AuditDeps): Promise<Audit> {
  mkdirSync(deps.dir, { recursive: true, mode: 0o700 });
  chmodSync(deps.dir, 0o700); // records hold what callers asked for: nobody else on this machine reads them (CWE-732)
  const unlock = lockFolder(deps.dir);
  const scrub = makeScrub(deps.redact, deps.log);
  const records = makeRecords(scrub);
  const open = new Map<string, Intent>();
  const start = stamp(deps.clock);
  const failed = { since: 0, records: 0 };
  const chain = orElse(unlock, () => beginChain(deps, start, config.checkpoint_every_ms));
  const writer = new Writer({
    dir: deps.dir, segmentMaxBytes: config.segment_max_bytes, syncWithinMs: config.sync_within_ms, log: deps.log, synced: chain.synced,
    head: (previous) => ({ start: start(SEGMENT_OPENED), rest: renderHead(previous, open.values(), records) }),
    resumed: () => renderResumed(failed, open, records, start, deps.clock),
  }, chain.segment, chain.place);
  // One object per record and no spreading: this is the hot path.
  const append = (head: string, rest: string, durable: boolean, written?: () => void, lost?: () => void): Promise<void> =>
    new Promise((resolve, reject) => {
      const fail = (cause: Error): void => {
        countFailed(failed, deps.clock);
        lost?.();
        reject(cause);
      };
      writer.append({ start: head, rest, durable, written: written ?? nothing, done: () => resolve(), fail });
    });
  const note = async (event: string, fields: Partial<AuditFields>): Promise<void> => append(start(checked(event)), renderFields(clean(fields, scrub)), true);
  const close = async (): Promise<void> => {
    await writer.close();
    chain.close();
    unlock();
  };
  try {
    await continueChain(chain, note);
  } catch (thrown) {
    await close();
    throw thrown;
  }
  const all = config.sync === 'all';
  const record = (known: Known, outcome: Outcome, outputHash: string | null): Promise<void> => {
    const latency = Math.max(0, Math.round(deps.clock.now() - known.receivedAt));
    const durable = all || (known.target !== undefined && RISKY.has(known.target.risk));
    const intent = open.get(known.id);
    if (intent === undefined) {
      const refusal = 'refusal' in outcome ? outcome.refusal : { code: 'gateway.bug', note: 'a result without an intent' } as const;
      return append(start('call.refused'), records.refused(known, refusal, outcome.effect, latency), durable);
    }
    // Closed when it is written, not before: a crash in between must leave it open in the next segment's head.
    return append(start('call.finished'), records.finished(intent, outcome, outputHash, latency), durable, () => open.delete(known.id), () => (intent.lost = true));
  };
  return {
    journal: { name: 'journal', run: (call) => journal(call, { all, open, records, start, writer, failed, clock: deps.clock }) },
    finish: (known, outcome) => {
      if (!('result' in outcome)) return record(known, outcome, null);
      const bytes = outcome.result.bytes;
      return bytes.length <= BIG ? record(known, outcome, sha256(bytes)) : hashSlices(bytes).then((hash) => record(known, outcome, hash));
    },
    refuse: (early) => append(start('call.refused'), renderFields(clean(earlyFields(early, deps.clock), scrub)), all),
    note,
    ready: () => writer.ready(),
    close,
  };
}

function orElse<T>(undo: () => void, make: () => T): T {
  try {
    return make();
  } catch (thrown) {
    undo();
    throw thrown;
  }
}

interface JournalParts {
  readonly all: boolean;
  readonly open: Map<string, Intent>;
  readonly records: Records;
  readonly start: (event: string) => string;
  readonly writer: Writer;
  readonly failed: { since: number; records: number };
  readonly clock: Clock;
}
/** No record, no act: the verdict comes when the intent is written (discovery, read) or on disk (everything else). */
function journal(call: Approved, parts: JournalParts): Promise<Verdict<{ journalSeq: number }>> {
  const intent = parts.records.intent(call);
  const rest = parts.records.intended(intent, call);
  return new Promise((resolve) => {
    parts.open.set(call.id, intent);
    parts.writer.append({
      start: parts.start('call.intended'), rest, durable: parts.all || RISKY.has(call.target.risk),
      written: (seq) => (intent.seq = seq),
      done: (seq) => resolve({ go: { journalSeq: seq } }),
      fail: (cause) => {
        if (intent.seq === 0) parts.open.delete(call.id);
        countFailed(parts.failed, parts.clock);
        resolve({ stop: { code: 'journal.unavailable', note: cause.message } });
      },
    });
  });
}

/** Timestamps are rendered once per millisecond. */
function stamp(clock: Clock): (event: string) => string {
  let at = Number.NaN;
  let text = '';
  return (event) => {
    const now = Math.floor(clock.now());
    if (now !== at) {
      at = now;
      text = new Date(now).toISOString();
    }
    return renderStart(text, event);
  };
}
function countFailed(failed: { since: number; records: number }, clock: Clock): void {
  if (failed.records === 0) failed.since = clock.now();
  failed.records += 1;
}

/** Says, before anything else is written again, that records were refused; and closes the calls whose outcome was among them. */
function renderResumed(failed: { since: number; records: number }, open: Map<string, Intent>, records: Records, start: (event: string) => string, clock: Clock): Queued[] {
  const told = failed.records;
  const quiet = { durable: false, done: nothing, fail: nothing };
  const details = { records_refused: told, for_ms: Math.max(0, Math.round(clock.now() - failed.since)) };
  const list: Queued[] = [{ ...quiet, start: start('audit.resumed'), rest: renderFields({ tool_input: details }), written: () => (failed.records -= told) }];
  for (const [id, intent] of open) {
    if (!intent.lost) continue;
    const error = 'the outcome could not be written when the call ended';
    const rest = renderFields({ ...JSON.parse(records.still(intent)), effect: 'unknown', error });
    list.push({ ...quiet, start: start('call.outcome_unknown'), rest, written: () => open.delete(id) });
  }
  return list;
}

function renderHead(previous: { readonly segment: string; readonly hash: string }, open: Iterable<Intent>, records: Records): string {
  const calls: string[] = [];
  for (const intent of open) if (intent.seq > 0) calls.push(records.still(intent));
  const details = `{"previous_segment":"${previous.segment}","previous_hash":"${previous.hash}","open_intents":[${calls.join(',')}]}`;
  return renderFields({}).replace('"tool_input":null', () => `"tool_input":${details}`);
}

const earlyFields = (early: EarlyRefusal, clock: Clock): Partial<AuditFields> => ({
  correlation_id: early.id, mcp_server: early.server, reason_code: early.refusal.code, success: false, effect: 'none',
  tool_input: { door: early.door, remote_address: early.remoteAddress }, error: early.refusal.note ?? null,
  latency_ms: Math.max(0, Math.round(clock.now() - early.receivedAt)),
});

/** Free text of a note is redacted and cut like that of a call. */
function clean(fields: Partial<AuditFields>, scrub: Scrub): Partial<AuditFields> {
  const id = fields.correlation_id ?? null;
  return {
    ...fields,
    correlation_id: id !== null && /^[\w.:-]{1,64}$/.test(id) ? id : null,
    mcp_server: scrub.short(fields.mcp_server ?? null),
    tool: scrub.short(fields.tool ?? null),
    error: scrub.long(fields.error ?? null),
    tool_input: fields.tool_input == null ? null : JSON.parse(scrub.json(JSON.stringify(fields.tool_input), NOTE_BYTES)),
  };
}
const nothing = (): void => undefined;
function checked(event: string): string {
  if (!EVENT.test(event)) throw new Error(`audit: not an event name: ${event}`);
  return event;
}

/** Big answers are hashed in slices, so that others are served meanwhile. */
async function hashSlices(bytes: Buffer): Promise<string> {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += BIG / 2) {
    hash.update(bytes.subarray(at, at + BIG / 2));
    await nextTurn();
  }
  return hash.digest('hex');
}
