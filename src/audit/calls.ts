import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Approved, Known, Outcome } from '../call/call.ts';
import type { Verdict } from '../call/stage.ts';
import type { Risk } from '../call/target.ts';
import type { Clock } from '../lib/clock.ts';
import { sha256 } from '../lib/hash.ts';
import type { OpenCalls } from './open-calls.ts';
import type { Records } from './records.ts';
import type { Failed } from './told.ts';
import type { Writer } from './writer.ts';

/** What writing about calls needs. */
export interface Desk {
  /** Every record waits for the disk. */
  readonly all: boolean;
  readonly open: OpenCalls;
  readonly records: Records;
  readonly start: (event: string) => string;
  readonly writer: Writer;
  readonly failed: Failed;
  readonly clock: Clock;
}

/** Calls of these classes may change the world: their records survive a power loss before anything happens. */
const RISKY: ReadonlySet<Risk> = new Set<Risk>(['write', 'external', 'destructive', 'admin']);
const BIG = 1024 ** 2;

/** No record, no act: the verdict comes when the intent is written (discovery, read) or on disk (everything else). */
export function journal(desk: Desk, call: Approved): Promise<Verdict<{ journalSeq: number }>> {
  const intent = desk.records.intent(call);
  const rest = desk.records.intended(intent, call);
  return new Promise((resolve) => {
    desk.open.add(intent);
    desk.writer.append({
      start: desk.start('call.intended'), rest, durable: desk.all || RISKY.has(call.target.risk),
      written: (seq) => (intent.seq = seq),
      done: (seq) => resolve({ go: { journalSeq: seq } }),
      fail: (cause) => {
        if (intent.seq === 0) desk.open.delete(call.id);
        countFailed(desk);
        resolve({ stop: { code: 'journal.unavailable', note: cause.message } });
      },
    });
  });
}

/** No record, no answer: resolves when the outcome is as safe as its class asks; rejects when it is not recorded. */
export function finish(desk: Desk, known: Known, outcome: Outcome): Promise<void> {
  if (!('result' in outcome)) return outcomeOf(desk, known, outcome, null);
  const bytes = outcome.result.bytes;
  return bytes.length <= BIG ? outcomeOf(desk, known, outcome, sha256(bytes)) : hashSlices(bytes).then((hash) => outcomeOf(desk, known, outcome, hash));
}
function outcomeOf(desk: Desk, known: Known, outcome: Outcome, outputHash: string | null): Promise<void> {
  const latency = Math.max(0, Math.round(desk.clock.now() - known.receivedAt));
  const durable = desk.all || (known.target !== undefined && RISKY.has(known.target.risk));
  const intent = desk.open.get(known.id);
  if (intent === undefined) {
    const refusal = 'refusal' in outcome ? outcome.refusal : { code: 'gateway.bug', note: 'a result without an intent' } as const;
    return append(desk, 'call.refused', desk.records.refused(known, refusal, outcome.effect, latency), durable);
  }
  // Closed when it is written, not before: a crash in between must leave it open in the next segment's head.
  const written = (): void => desk.open.delete(known.id);
  return append(desk, 'call.finished', desk.records.finished(intent, outcome, outputHash, latency), durable, written, () => (intent.lost = true));
}

/** One record; resolves and rejects as the writer says. One object per record and no spreading: this is the hot path. */
export function append(desk: Desk, event: string, rest: string | readonly string[], durable: boolean, written: () => unknown = nothing, lost: () => unknown = nothing): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => {
      countFailed(desk);
      lost();
      reject(cause);
    };
    desk.writer.append({ start: desk.start(event), rest, durable, written, done: () => resolve(), fail });
  });
}
function countFailed({ failed, clock }: Desk): void {
  if (failed.records === 0) failed.since = clock.now();
  failed.records += 1;
}
const nothing = (): void => undefined;

/** Big answers are hashed in slices, so that others are served meanwhile. */
async function hashSlices(bytes: Buffer): Promise<string> {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += BIG / 2) {
    hash.update(bytes.subarray(at, at + BIG / 2));
    await nextTurn();
  }
  return hash.digest('hex');
}
