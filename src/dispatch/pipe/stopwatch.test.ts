import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Stopwatch } from './stopwatch.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function start(ms: number, maxStretch: number): { watch: Stopwatch; pass: (ms: number) => boolean } {
  let over = false;
  const from = Date.now();
  const watch = new Stopwatch({ now: Date.now, monotonic: () => Date.now() - from }, ms, maxStretch, () => { over = true; });
  const pass = (ms: number): boolean => {
    vi.advanceTimersByTime(ms);
    return over;
  };
  return { watch, pass };
}

test('over after its time, never when that is endless, not when it was stopped', () => {
  const one = start(100, 10);
  expect([one.pass(99), one.pass(1)]).toEqual([false, true]);
  expect(start(Infinity, 10).pass(2_147_483_647)).toBe(false);
  const stopped = start(100, 10);
  stopped.watch.stop();
  stopped.watch.stretch();
  stopped.watch.resume();
  expect(stopped.pass(10_000)).toBe(false);
});

test('stretched up to so many times its length, and no further', () => {
  const { watch, pass } = start(100, 3);
  for (let i = 0; i < 5; i++) {
    expect(pass(50)).toBe(false);
    watch.stretch();
  }
  expect([pass(49), pass(1)]).toEqual([false, true]);
});

test('paused: stands still, and goes on where it stood; the deadline moves along', () => {
  const { watch, pass } = start(100, 2);
  pass(60);
  watch.pause();
  watch.pause();
  watch.stretch(); // nothing to stretch
  expect(pass(10_000)).toBe(false);
  watch.resume();
  watch.resume();
  expect(pass(39)).toBe(false);
  watch.stretch();
  expect(pass(99)).toBe(false);
  watch.stretch();
  expect([pass(1), pass(1)]).toEqual([false, true]);
  const plain = start(100, 10);
  plain.pass(60);
  plain.watch.pause();
  plain.pass(500);
  plain.watch.resume();
  expect([plain.pass(39), plain.pass(1)]).toEqual([false, true]);
});
