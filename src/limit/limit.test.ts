import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Validated } from '../call/call.ts';
import type { Obligation } from '../call/decision.ts';
import type { Risk } from '../call/target.ts';
import type { Clock } from '../lib/clock.ts';
import { limitConfig } from './config.ts';
import { createLimit } from './index.ts';
import { parseRate } from '../lib/rate.ts';
import { createWindow } from './window.ts';

interface Asked {
  caller?: string;
  kind?: 'api_key' | 'jwt';
  id?: string;
  tool?: string;
  server?: string | null;
  risk?: Risk;
  method?: string;
  message?: 'request' | 'notification' | 'response' | 'stream' | 'end';
  duties?: readonly Obligation[];
}
const callOf = ({ caller = 'ann', kind = 'api_key', id = `key:${caller}`, tool = 'a', server = 's', risk = 'read', method = 'tools/call', message = 'request', duties = [] }: Asked): Validated =>
  ({ principal: { id, kind, caller }, target: { id: `${server}__${tool}`, server, method, name: tool, risk }, message: { kind: message }, decision: { effect: 'allow', obligations: duties } }) as unknown as Validated;

function gate(config: unknown): { at: (ms: number) => void; ask: (asked?: Asked) => { stop?: string; wait?: number; note?: string; met?: readonly string[]; release: () => void } } {
  let now = 0;
  const clock: Clock = { now: () => 0, monotonic: () => now };
  const { stage } = createLimit(limitConfig.parse(config), { clock });
  return {
    at: (ms) => void (now = ms),
    ask: (asked = {}) => {
      const verdict = stage.run(callOf(asked));
      if (verdict instanceof Promise) throw new Error('must be synchronous');
      if ('go' in verdict) return { release: verdict.go.permit.release, ...(verdict.met && { met: verdict.met }) };
      return { stop: verdict.stop.code, ...(verdict.stop.retryAfterMs === undefined ? {} : { wait: verdict.stop.retryAfterMs }), ...(verdict.stop.note !== undefined && { note: verdict.stop.note }), release: () => undefined };
    },
  };
}

describe('rates', () => {
  it('reads the notation and refuses the rest', () => {
    expect(parseRate('30/minute')).toEqual({ count: 30, windowMs: 60_000 });
    expect(parseRate('10/second burst 20')).toEqual({ count: 20, windowMs: 2_000 });
    expect(parseRate('30/minute burst 5')).toEqual({ count: 5, windowMs: 10_000 });
    for (const wrong of ['', '0/minute', '-1/minute', '30 / minute', '30/min', '1e3/minute', '30/minute burst 0', '30/minute burst', '30/fortnight']) expect(parseRate(wrong), wrong).toBeNull();
    expect(limitConfig.safeParse({ rates: { classes: { read: '60/min' } } }).success).toBe(false);
    expect(limitConfig.safeParse({ rates: { classes: { reed: '60/minute' } } }).success).toBe(false);
  });

  // THREATS section 2: never more than the limit in any sliding window. A refilled bucket fails this with 2N-1.
  it.each(['5/minute', '60/minute', '7/second', '10/second burst 20', '2000/minute', '5000/second'])('%s: no window ever holds more', (text) => {
    const rate = parseRate(text);
    if (rate === null) throw new Error(text);
    fc.assert(fc.property(fc.array(fc.tuple(fc.double({ min: 0, max: 1.4, noNaN: true }), fc.integer({ min: 1, max: rate.count * 2 })), { maxLength: 40 }), (steps) => {
      const window = createWindow(rate);
      const passed: number[] = [];
      let now = 3;
      for (const [pause, tries] of steps) {
        now += pause * rate.windowMs;
        for (let i = 0; i < tries; i++) {
          if (window.waitMs(now) > 0) break;
          window.take(now);
          passed.push(now);
        }
      }
      for (let i = rate.count; i < passed.length; i++) expect((passed[i] ?? 0) - (passed[i - rate.count] ?? 0)).toBeGreaterThanOrEqual(rate.windowMs);
    }), { numRuns: 60 });
  });

  it.each(['5/minute', '3/second', '2000/minute'])('%s: says exactly how long to wait', (text) => {
    const rate = parseRate(text);
    if (rate === null) throw new Error(text);
    const window = createWindow(rate);
    for (let i = 0; i < rate.count; i++) window.take(1_000);
    const wait = Math.ceil(window.waitMs(1_000));
    expect(wait).toBeGreaterThanOrEqual(rate.windowMs);
    expect(wait).toBeLessThanOrEqual(rate.windowMs * (1 + 2 / 128));
    expect(window.waitMs(1_000 + wait - 1)).toBeGreaterThan(0);
    expect(window.waitMs(1_000 + wait)).toBe(0);
  });

  it.each(['5/minute', '2000/minute'])('%s: forgets in full what has left the window', (text) => {
    const rate = parseRate(text);
    if (rate === null) throw new Error(text);
    for (let pause = rate.windowMs * 1.02; pause < rate.windowMs * 4; pause += rate.windowMs / 97) {
      const window = createWindow(rate);
      for (let i = 0; i < rate.count; i++) window.take(500);
      expect(window.isIdle(500)).toBe(false);
      expect(window.isIdle(500 + pause)).toBe(true);
      for (let i = 0; i < rate.count; i++) {
        expect(window.waitMs(500 + pause)).toBe(0);
        window.take(500 + pause);
      }
      expect(window.waitMs(500 + pause)).toBeGreaterThan(0);
    }
  });

  it('applies the class defaults per caller and tool', () => {
    const most: [Asked, number][] = [
      [{ risk: 'destructive' }, 5], [{ risk: 'admin' }, 5], [{ risk: 'write' }, 30], [{ risk: 'external' }, 20], [{ risk: 'read' }, 60], [{ risk: 'discovery' }, 600],
      [{ tool: 'get_job_logs' }, 20], [{ tool: 'searchCode' }, 30], [{ tool: 'list_catalog' }, 60], [{ tool: 'delete_logs', risk: 'destructive' }, 5],
    ];
    for (const [asked, expected] of most) {
      const { ask } = gate({});
      let passed = 0;
      for (; passed < 1_000; passed++) {
        const got = ask(asked);
        got.release();
        if (got.stop !== undefined) break;
      }
      expect(passed, JSON.stringify(asked)).toBe(expected);
    }
  });

  it('counts callers and tools apart, keys of one account together, subjects per issuer', () => {
    const { ask, at } = gate({ rates: { classes: { read: '1/minute' } } });
    expect(ask().stop).toBeUndefined();
    at(20_500.25);
    expect(ask()).toMatchObject({ stop: 'limit.rate', wait: 39_500 });
    expect(ask({ id: 'key:second' }).stop).toBe('limit.rate');
    expect(ask({ caller: 'bob' }).stop).toBeUndefined();
    expect(ask({ tool: 'b' }).stop).toBeUndefined();
    expect(ask({ kind: 'jwt', id: 'jwt:https://one#ann' }).stop).toBeUndefined();
    expect(ask({ kind: 'jwt', id: 'jwt:https://two#ann' }).stop).toBeUndefined();
    at(60_000);
    expect(ask().stop).toBeUndefined();
  });

  it('lets the operator name tools and callers by glob; the first match counts', () => {
    const { ask } = gate({ rates: { tools: { 's__quick*': '3/minute', 's__*': '1/minute' }, callers: { 'ci-*': '2/minute', '*': '100/minute' } } });
    expect(['quick1', 'quick1', 'quick1', 'quick1'].map((tool) => ask({ tool }).stop)).toEqual([undefined, undefined, undefined, 'limit.rate']);
    expect([ask({ tool: 'slow' }).stop, ask({ tool: 'slow' }).stop]).toEqual([undefined, 'limit.rate']);
    expect(['a', 'b', 'c'].map((tool) => ask({ caller: 'ci-7', tool }).stop)).toEqual([undefined, undefined, 'limit.rate']);
  });

  it('charges notifications and responses to the caller only, and a refused call to nobody', () => {
    const { ask } = gate({ rates: { classes: { read: '1/minute' }, callers: { '*': '4/minute' } } });
    expect(ask().stop).toBeUndefined();
    expect(ask().stop).toBe('limit.rate');
    expect(ask({ message: 'notification' }).stop).toBeUndefined();
    expect(ask({ message: 'response' }).stop).toBeUndefined();
    expect(ask({ message: 'end' }).stop).toBeUndefined();
    expect(ask({ message: 'notification' }).stop).toBe('limit.rate');
  });

  it('keeps at most max_buckets, and never forgets one that counts', () => {
    const { ask, at } = gate({ max_buckets: 4, rates: { classes: { destructive: '1/minute' }, callers: { '*': '100/minute' } } });
    expect(ask({ risk: 'destructive' }).stop).toBeUndefined();
    for (let i = 0; i < 50; i++) {
      at(i * 500);
      ask({ caller: `flood${i}`, risk: 'destructive' });
    }
    expect(ask({ risk: 'destructive' })).toMatchObject({ stop: 'limit.rate', wait: 35_500 });
    expect(ask({ caller: 'newcomer' })).toMatchObject({ stop: 'limit.rate' });
    at(200_000);
    expect(ask({ caller: 'newcomer' }).stop).toBeUndefined();
    expect(ask({ risk: 'destructive' }).stop).toBeUndefined();
  });

  it('cannot be confused by names that JavaScript knows', () => {
    const { ask } = gate({ concurrency: { default: 1 } });
    expect(ask({ server: '__proto__', tool: 'constructor', caller: 'toString' }).stop).toBeUndefined();
    expect(ask({ server: '__proto__', tool: 'constructor', caller: 'toString' }).stop).toBe('limit.concurrency');
  });
});

describe('rates that policy sets', () => {
  const duty = (more: { id?: string; count?: number; per?: 'caller' | 'rule' } = {}): Obligation => ({ id: 'rate:rule:a', why: 'rule:a', by: 'limit', kind: 'rate', count: 2, windowMs: 1_000, per: 'caller', ...more });

  it('hold in every window, for each caller, and are reported as met', () => {
    const { ask, at } = gate({});
    const asked = { duties: [duty()] };
    expect(ask(asked).met).toEqual(['rate:rule:a']);
    at(600);
    expect(ask({ ...asked, tool: 'another' }).met).toEqual(['rate:rule:a']);
    expect(ask(asked)).toMatchObject({ stop: 'limit.rate', wait: 400, note: 'rate:rule:a' });
    expect(ask({ ...asked, caller: 'bob' }).met).toEqual(['rate:rule:a']);
    expect(ask({}).stop).toBeUndefined(); // a call another rule allows
    at(1_000);
    expect(ask(asked).met).toEqual(['rate:rule:a']);
    expect(ask(asked)).toMatchObject({ stop: 'limit.rate', wait: 600 });
  });
  it('per rule: all callers together', () => {
    const { ask } = gate({});
    const asked = { duties: [duty({ per: 'rule' })] };
    expect([ask(asked).stop, ask({ ...asked, caller: 'bob' }).stop, ask({ ...asked, caller: 'cid' }).stop, ask(asked).stop]).toEqual([undefined, undefined, 'limit.rate', 'limit.rate']);
  });
  it('of several the strictest holds, and a refused call uses up none', () => {
    const { ask, at } = gate({});
    const both = { duties: [duty({ count: 1 }), duty({ id: 'rate:rule:b' })] };
    expect(ask(both).met).toEqual(['rate:rule:a', 'rate:rule:b']);
    for (let i = 0; i < 5; i++) expect(ask(both).stop).toBe('limit.rate');
    expect(ask({ duties: [duty({ id: 'rate:rule:b' })] }).met).toEqual(['rate:rule:b']);
    at(1_000);
    expect(ask(both).stop).toBeUndefined();
  });
  it('a rule with another rate after a change of policy counts anew', () => {
    const { ask } = gate({});
    for (let i = 0; i < 3; i++) ask({ duties: [duty({ count: 100 })] });
    expect(ask({ duties: [duty({ count: 1 })] }).stop).toBeUndefined();
    expect(ask({ duties: [duty({ count: 1 })] }).stop).toBe('limit.rate');
  });
  it('a full table refuses them, and what is no request is not counted', () => {
    const { ask } = gate({ max_buckets: 2 });
    expect(ask({}).stop).toBeUndefined();
    expect(ask({ duties: [duty()] })).toMatchObject({ stop: 'limit.rate' });
    const other = gate({});
    for (let i = 0; i < 5; i++) expect(other.ask({ message: 'notification', duties: [duty()] }).met).toEqual(['rate:rule:a']);
  });
});

describe('concurrency', () => {
  it('refuses when a server is full, and a permit counts once however often it is released', () => {
    const { ask } = gate({ concurrency: { default: 2, servers: { small: 1 } } });
    const first = ask();
    ask();
    expect(ask()).toMatchObject({ stop: 'limit.concurrency', wait: 1_000 });
    expect(ask({ server: 'other' }).stop).toBeUndefined();
    expect([ask({ server: 'small' }).stop, ask({ server: 'small' }).stop]).toEqual([undefined, 'limit.concurrency']);
    first.release();
    first.release();
    first.release();
    expect([ask().stop, ask().stop]).toEqual([undefined, 'limit.concurrency']);
  });

  it('lets notifications through to a full server, and what the gateway answers itself', () => {
    const { ask } = gate({ concurrency: { default: 1 } });
    ask();
    expect(ask({ message: 'notification' }).stop).toBeUndefined();
    for (let i = 0; i < 5; i++) expect(ask({ server: null, risk: 'discovery', tool: 'tools/list' }).stop).toBeUndefined();
  });

  it('caps streams per caller and in all, apart from the calls', () => {
    const { ask } = gate({ concurrency: { default: 1, streams_per_caller: 2, streams: 3 } });
    const stream: Asked = { message: 'stream', method: '$stream', risk: 'discovery' };
    const first = ask(stream);
    ask({ ...stream, message: 'request', method: 'subscriptions/listen' });
    expect(ask(stream).stop).toBe('limit.concurrency');
    expect(ask().stop).toBeUndefined();
    expect(ask({ ...stream, caller: 'bob' }).stop).toBeUndefined();
    expect(ask({ ...stream, caller: 'cid' }).stop).toBe('limit.concurrency');
    first.release();
    first.release();
    expect(ask(stream).stop).toBeUndefined();
    expect(ask(stream).stop).toBe('limit.concurrency');
  });

  it('costs little', () => {
    const config = limitConfig.parse({ rates: { classes: { read: '1000000/second' }, callers: { '*': '1000000/second' } } });
    let now = 0;
    const { stage } = createLimit(config, { clock: { now: () => 0, monotonic: () => (now += 0.05) } });
    const call = callOf({});
    const started = performance.now();
    for (let i = 0; i < 200_000; i++) {
      const verdict = stage.run(call);
      if (!(verdict instanceof Promise) && 'go' in verdict) verdict.go.permit.release();
    }
    const perCall = ((performance.now() - started) * 1_000) / 200_000;
    console.info(`limit: ${perCall.toFixed(2)} µs a call`); // eslint-disable-line no-console
    expect(perCall).toBeLessThan(10);
  });
});
