import { describe, expect, it } from 'vitest';
import type { Known, Outcome, Received } from '../../src/call/call.ts';
import type { StageName } from '../../src/call/refusal.ts';
import { handleCall, type Stages } from '../../src/pipeline.ts';

/** The kill test (one per stage): a stage that throws, hangs or returns junk must leave no dispatch behind, exactly one record, and no held permit. */
const ORDER: readonly StageName[] = ['authenticate', 'resolve', 'authorize', 'validate', 'limit', 'approve', 'journal', 'dispatch', 'inspect'];

interface Trace {
  dispatched: number;
  released: number;
  records: { outcome: Outcome; passed: readonly StageName[] }[];
}
type Broken = (() => unknown) | undefined;

function build(broken: Partial<Record<StageName, Broken>>, obligations: object[] = [], met: string[] = []): { stages: Stages; trace: Trace } {
  const trace: Trace = { dispatched: 0, released: 0, records: [] };
  const facts: Record<StageName, object> = {
    authenticate: { principal: {} }, resolve: { target: { timeoutMs: 1 }, session: null },
    authorize: { decision: { effect: 'allow', ruleIds: ['r'], policyVersion: '1', obligations } },
    validate: { input: {} }, limit: { permit: { release: () => void (trace.released += 1) } }, approve: { approvalId: null },
    journal: { journalSeq: 1 }, dispatch: { answer: { effect: 'done' } }, inspect: { result: { effect: 'done' } },
  };
  const stages = Object.fromEntries(ORDER.map((name) => [name, {
    name,
    run: (): unknown => {
      if (name === 'dispatch') trace.dispatched += 1;
      const fail = broken[name];
      return fail ? fail() : { go: facts[name], met };
    },
  }]));
  return { stages: stages as unknown as Stages, trace };
}
const call = (): Received => ({ id: 'x', signal: new AbortController().signal }) as unknown as Received;
const finish = (trace: Trace) => async (_known: Known, outcome: Outcome, passed: readonly StageName[]): Promise<void> => void trace.records.push({ outcome, passed });

describe('the corridor', () => {
  it('walks every stage once, in order, and answers what inspect made', async () => {
    const { stages, trace } = build({});
    const outcome = await handleCall(call(), stages, finish(trace));
    expect(outcome).toMatchObject({ effect: 'done', result: { effect: 'done' } });
    expect(trace).toMatchObject({ dispatched: 1, released: 1 });
    expect(trace.records.map((r) => r.passed)).toEqual([ORDER]);
  });

  const breaks: [string, () => unknown, string][] = [
    ['throws', () => { throw new Error('boom'); }, 'gateway.bug'],
    ['rejects', () => Promise.reject(new Error('boom')), 'gateway.bug'],
    ['returns junk', () => ({}), 'gateway.bug'],
    ['returns nothing', () => undefined, 'gateway.bug'],
    ['refuses', () => ({ stop: { code: 'limit.rate' } }), 'limit.rate'],
  ];
  for (const stage of ORDER) {
    for (const [how, fail, code] of breaks) {
      it(`${stage} ${how}: refused with ${code}, one record, permit released`, async () => {
        const { stages, trace } = build({ [stage]: fail });
        const outcome = await handleCall(call(), stages, finish(trace));
        const at = ORDER.indexOf(stage);
        expect(outcome).toMatchObject({ refusal: { code } });
        expect(trace.dispatched).toBe(at >= ORDER.indexOf('dispatch') ? 1 : 0);
        expect(trace.records).toHaveLength(1);
        expect(trace.records[0]?.passed).toEqual(ORDER.slice(0, at));
        expect(trace.released).toBe(at > ORDER.indexOf('limit') ? 1 : 0);
        // Once dispatch may have run, nobody may say that nothing happened.
        expect(outcome.effect).toBe(at < ORDER.indexOf('dispatch') ? 'none' : stage === 'dispatch' ? 'unknown' : 'done');
      });
    }
  }

  for (const stage of ORDER) {
    it(`${stage} hangs: refused after its time, one record`, async () => {
      const { vi } = await import('vitest');
      vi.useFakeTimers();
      try {
        const { stages, trace } = build({ [stage]: () => new Promise(() => undefined) });
        const running = handleCall(call(), stages, finish(trace));
        await vi.advanceTimersByTimeAsync(60_000);
        expect(await running).toMatchObject({ refusal: { code: 'gateway.stage_timeout' } });
        expect(trace.dispatched).toBe(ORDER.indexOf(stage) >= ORDER.indexOf('dispatch') ? 1 : 0);
        expect(trace.records).toHaveLength(1);
      } finally {
        vi.useRealTimers();
      }
    });
  }

  describe('approve, while the caller’s own user is asked', () => {
    const asking = async (isAsking: () => boolean, until: number): Promise<{ outcome: Outcome | null; trace: Trace; settle: () => void }> => {
      const { vi } = await import('vitest');
      vi.useFakeTimers();
      try {
        let settle: () => void = () => undefined;
        const { stages, trace } = build({ approve: () => new Promise((done) => (settle = () => done({ go: { approvalId: null } }))) });
        let outcome: Outcome | null = null;
        const running = handleCall(call(), { ...stages, approve: { ...stages.approve, isAsking } }, finish(trace)).then((ended) => (outcome = ended));
        await vi.advanceTimersByTimeAsync(until);
        if (outcome === null) {
          settle();
          await running;
        }
        return { outcome, trace, settle };
      } finally {
        vi.useRealTimers();
      }
    };
    it('may take minutes', async () => {
      const { outcome, trace } = await asking(() => true, 600_000);
      expect([outcome, trace.dispatched]).toMatchObject([{ effect: 'done' }, 1]);
    });
    it('is a refusal ten seconds after the question is closed, and after an hour whatever it says', async () => {
      const started = performance.now();
      let isOpen = true;
      const closed = await asking(() => isOpen && (isOpen = false, true), 30_000);
      expect([closed.outcome, closed.trace.dispatched]).toMatchObject([{ refusal: { code: 'gateway.stage_timeout' } }, 0]);
      const endless = await asking(() => true, 3_700_000);
      expect([endless.outcome, endless.trace.dispatched, endless.trace.released]).toMatchObject([{ refusal: { code: 'gateway.stage_timeout' } }, 0, 1]);
      expect(performance.now() - started).toBeLessThan(20_000);
    });
    it('is the only stage that may', async () => {
      const { vi } = await import('vitest');
      vi.useFakeTimers();
      try {
        const { stages, trace } = build({ limit: () => new Promise(() => undefined) });
        const running = handleCall(call(), { ...stages, limit: { ...stages.limit, isAsking: () => true } as never }, finish(trace));
        await vi.advanceTimersByTimeAsync(11_000);
        expect(await running).toMatchObject({ refusal: { code: 'gateway.stage_timeout' } });
      } finally {
        vi.useRealTimers();
      }
    });
  });

  it('releases a permit that arrives after its call was given up', async () => {
    const { vi } = await import('vitest');
    vi.useFakeTimers();
    try {
      let grant: (verdict: unknown) => void = () => undefined;
      const { stages, trace } = build({ limit: () => new Promise((done) => (grant = done)) });
      const running = handleCall(call(), stages, finish(trace));
      await vi.advanceTimersByTimeAsync(60_000);
      await running;
      grant({ go: { permit: { release: () => void (trace.released += 1) } } });
      await vi.advanceTimersByTimeAsync(1);
      expect(trace.released).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });

  it('refuses when a stage leaves its obligation unmet, and goes on when it is met', async () => {
    const duty = [{ id: 'ask-1', by: 'approve', kind: 'ask', why: 'test' }];
    const unmet = build({}, duty);
    expect(await handleCall(call(), unmet.stages, finish(unmet.trace))).toMatchObject({ effect: 'none', refusal: { code: 'gateway.obligation_unmet' } });
    expect(unmet.trace.dispatched).toBe(0);
    const met = build({}, duty, ['ask-1']);
    expect(await handleCall(call(), met.stages, finish(met.trace))).toMatchObject({ effect: 'done' });
  });

  it('answers nothing that could not be recorded', async () => {
    const { stages } = build({});
    const outcome = await handleCall(call(), stages, () => Promise.reject(new Error('disk full')));
    expect(outcome).toMatchObject({ effect: 'done', refusal: { code: 'audit.unavailable' } });
    expect('result' in outcome).toBe(false);
  });

  it('does not dispatch for a client that has gone', async () => {
    const { stages, trace } = build({});
    const gone = { ...call(), signal: AbortSignal.abort() };
    expect(await handleCall(gone, stages, finish(trace))).toMatchObject({ effect: 'none', refusal: { code: 'gateway.cancelled' } });
    expect(trace.dispatched).toBe(0);
  });
});
