import type { Permit, Validated } from '../call/call.ts';
import type { Principal } from '../call/principal.ts';
import type { Stage, Verdict } from '../call/stage.ts';
import type { Clock } from '../lib/clock.ts';
import { type Buckets, createStore, type Store } from './buckets.ts';
import type { LimitConfig } from './config.ts';
import { createPlaces, type Places } from './places.ts';
import type { Window } from './window.ts';

/**
 * Stops runaway agents and exhaustion (CWE-770, CWE-799; MISSION L1): refuses with `limit.rate` and the exact wait, and with
 * `limit.concurrency` when a server's places are taken. Only admitted messages are counted. Synchronous; state lives in this process
 * and is gone after a restart.
 */
export function createLimit(config: LimitConfig, deps: { readonly clock: Clock }): { readonly stage: Stage<Validated, { permit: Permit }> } {
  const store = createStore(config);
  const places = createPlaces(config.concurrency);
  return { stage: { name: 'limit', run: (call) => judge(call, deps.clock.monotonic(), store, places) } };
}

type Judged = Verdict<{ permit: Permit }>;
const PLACE_WAIT_MS = 1_000;
const FULL: Judged = { stop: { code: 'limit.rate', retryAfterMs: PLACE_WAIT_MS, note: 'limit.max_buckets live counters are in use' } };

function judge(call: Validated, now: number, store: Store, places: Places): Judged {
  const { principal, target, message } = call;
  const caller = idOf(principal);
  const buckets = store.of(caller, principal.caller, now);
  if (buckets === null) return FULL;
  // Responses, notifications and the end of a session belong to something that was counted; alone they weigh on the caller only.
  if (message.kind !== 'request' && message.kind !== 'stream') return judgeSmall(call, buckets, now);
  const bucket = store.target(buckets, target, now);
  if (bucket === null) return FULL;
  const waitMs = Math.max(buckets.overall.waitMs(now), bucket.waitMs(now));
  if (waitMs > 0) return tooOften(waitMs);
  const isStream = message.kind === 'stream' || target.method === '$stream' || target.method === 'subscriptions/listen';
  const duties = store.duties(buckets, call.decision.obligations, now);
  if (duties === null) return FULL;
  for (const { id, window } of duties) if (window.waitMs(now) > 0) return tooOften(Math.max(...duties.map((duty) => duty.window.waitMs(now))), id);
  const permit = isStream ? places.stream(caller) : places.call(target.server);
  if (permit === null) return { stop: { code: 'limit.concurrency', retryAfterMs: PLACE_WAIT_MS, note: isStream ? 'open streams' : `calls on ${target.server ?? 'the gateway'}` } };
  take(buckets.overall, bucket, now);
  if (duties.length === 0) return { go: { permit } };
  for (const { window } of duties) window.take(now);
  return { go: { permit }, met: duties.map(({ id }) => id) };
}

const NO_PLACE: Permit = { release: () => undefined };

/** What belongs to a call that was counted is not counted again by a rule's rate. Takes no place among the calls: a cancellation must get through to a server that is full. */
function judgeSmall({ decision }: Validated, buckets: Buckets, now: number): Judged {
  const waitMs = buckets.overall.waitMs(now);
  if (waitMs > 0) return tooOften(waitMs);
  buckets.overall.take(now);
  return { go: { permit: NO_PLACE }, met: decision.obligations.filter((duty) => duty.by === 'limit').map((duty) => duty.id) };
}

function take(overall: Window, bucket: Window, now: number): void {
  overall.take(now);
  bucket.take(now);
}

/** Rounded up: who waits exactly so long must not be refused for the fraction of a millisecond. */
const tooOften = (waitMs: number, note?: string): Judged => ({ stop: { code: 'limit.rate', retryAfterMs: Math.ceil(waitMs), ...(note !== undefined && { note }) } });

/**
 * Whom the counters belong to. A service account's keys share them, or every further key would double its limit; a token's subject
 * counts together with its issuer, or one issuer's "alice" could use up another's.
 */
const idOf = (principal: Principal): string => (principal.kind === 'api_key' ? principal.caller : principal.id);
