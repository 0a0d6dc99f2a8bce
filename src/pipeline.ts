import type * as c from './call/call.ts';
import type { Effect, Refusal, StageName } from './call/refusal.ts';
import type { Stage, Verdict } from './call/stage.ts';

/**
 * READ THIS FIRST: the gateway on one page. Every message walks this corridor, in this order; what a stage must know and
 * what it adds is its type, so a missing or misplaced stage does not compile (test/architecture/order.test-d.ts).
 */
export interface Stages {
  readonly authenticate: Stage<c.Received, { principal: c.Authenticated['principal'] }>;
  readonly resolve: Stage<c.Authenticated, Pick<c.Resolved, 'target' | 'session'>>;
  readonly authorize: Stage<c.Resolved, { decision: c.Authorized['decision'] }>;
  readonly validate: Stage<c.Authorized, { input: c.ValidInput }>;
  readonly limit: Stage<c.Validated, { permit: c.Permit }>;
  /** `isAsking`: the caller's own user is looking at a question about this call just now. */
  readonly approve: Stage<c.Limited, Pick<c.Approved, 'approvalId' | 'answersUs'>> & { readonly isAsking?: (call: c.Limited) => boolean };
  readonly journal: Stage<c.Approved, { journalSeq: number }>; // durable intent: no record, no dispatch
  readonly dispatch: Stage<c.Journaled, { answer: c.Answer }>;
  readonly inspect: Stage<c.Answered, { result: c.SafeResult }>;
}
/** Writes the outcome record; must resolve before anyone is answered. */
export type Finish = (known: c.Known, outcome: c.Outcome, passed: readonly StageName[]) => Promise<void>;

/** A guard that hangs is a refusal. */
const GUARD_MS = 10_000;
/** A person reads slower than that: while his question is open, and no longer than this in all, approve's time begins again. */
const ASKING_MS = 3_600_000;
/** Dispatch keeps its own time-outs, which progress from the server may stretch so many times; this is the backstop behind them. */
const STRETCH = 10;

/** Runs one call through the stages. Never throws; whatever is not an explicit `go` ends as a refusal. */
export async function handleCall(call: c.Received, stages: Stages, finish: Finish): Promise<c.Outcome> {
  const passed: StageName[] = [];
  const known: c.Known = call;
  // Facts are added to the one record of the call, never replaced: spreading a copy per stage costs 4 µs a call (ADR 0001).
  const take = <N extends c.Received, A extends object>(stage: Stage<N, A>, now: N, verdict: Verdict<A>): N & Readonly<A> => {
    if ('stop' in verdict) throw new Stopped(verdict.stop);
    if (!('go' in verdict)) throw new Stopped({ code: 'gateway.bug', note: `${stage.name} gave neither go nor stop` });
    const next = Object.assign(now, verdict.go);
    const decision = known.decision;
    if (decision?.effect === 'allow' && decision.obligations.length > 0) {
      const unmet = decision.obligations.filter((o) => o.by === stage.name && !verdict.met?.includes(o.id));
      if (unmet.length > 0) throw new Stopped({ code: 'gateway.obligation_unmet', note: unmet.map((o) => o.id).join() });
    }
    passed.push(stage.name);
    return next;
  };
  // Not async: a stage that answers at once costs no promise.
  const pass = <N extends c.Received, A extends object>(stage: Stage<N, A>, now: N, within = GUARD_MS, isAsking?: (now: N) => boolean): (N & Readonly<A>) | Promise<N & Readonly<A>> => {
    const running = stage.run(now);
    return running instanceof Promise ? inTime(running, within, stage.name, isAsking && ((): boolean => isAsking(now))).then((verdict) => take(stage, now, verdict)) : take(stage, now, running);
  };
  let end: { result: c.SafeResult } | { refusal: Refusal };
  try {
    const authenticated = await pass(stages.authenticate, call);
    const resolved = await pass(stages.resolve, authenticated);
    const authorized = await pass(stages.authorize, resolved);
    const validated = await pass(stages.validate, authorized);
    const limited = await pass(stages.limit, validated);
    const approved = await pass(stages.approve, limited, GUARD_MS, stages.approve.isAsking);
    if (call.signal.aborted) throw new Stopped({ code: 'gateway.cancelled' });
    const journaled = await pass(stages.journal, approved); // no record, no act
    const timeoutMs = resolved.target.timeoutMs;
    const answered = await pass(stages.dispatch, journaled, timeoutMs === null ? Infinity : timeoutMs * STRETCH + GUARD_MS);
    const inspected = await pass(stages.inspect, answered);
    end = { result: inspected.result };
  } catch (thrown) {
    end = { refusal: thrown instanceof Stopped ? thrown.refusal : { code: 'gateway.bug', note: describe(thrown) } };
  }
  known.permit?.release();
  const outcome: c.Outcome = { ...end, effect: effectOf(passed, known, 'refusal' in end ? end.refusal : null) };
  try {
    await inTime(finish(known, outcome, passed), GUARD_MS, 'audit'); // no record, no answer
    return outcome;
  } catch (thrown) {
    // Before the intent was written nothing was executed, and the caller may be told so.
    const code = passed.includes('journal') ? 'audit.unavailable' : 'journal.unavailable';
    return { effect: outcome.effect, refusal: { code, note: describe(thrown), effect: outcome.effect } };
  }
}

/** Did the server act? none before the intent is on disk; what dispatch says afterwards; unknown when it says nothing. */
function effectOf(passed: readonly StageName[], known: c.Known, refusal: Refusal | null): Effect {
  if (!passed.includes('journal')) return 'none';
  return refusal?.effect ?? known.answer?.effect ?? 'unknown';
}

/** Settles as `work` does, or refuses when it takes longer than `ms`; a permit that arrives after that is given back, or it would be held for ever. */
function inTime<T>(work: Promise<T>, ms: number, name: StageName | 'audit', isAsking?: () => boolean): Promise<T> {
  if (ms === Infinity) return work;
  return new Promise((resolve, reject) => {
    let left = Math.floor(ASKING_MS / ms);
    const timer = setTimeout(() => {
      if (isAsking?.() === true && left-- > 0) return void timer.refresh();
      reject(new Stopped({ code: name === 'audit' ? 'audit.unavailable' : 'gateway.stage_timeout', note: `${name} gave no verdict in ${ms} ms` }));
      work.then((late) => (late as Partial<{ go: { permit?: c.Permit } }> | undefined)?.go?.permit?.release(), () => undefined);
    }, ms);
    work.then((value) => { clearTimeout(timer); resolve(value); }, (fault: unknown) => { clearTimeout(timer); reject(fault); });
  });
}

class Stopped {
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    this.refusal = refusal;
  }
}
const describe = (thrown: unknown): string => (thrown instanceof Stopped ? (thrown.refusal.note ?? thrown.refusal.code) : thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown));
