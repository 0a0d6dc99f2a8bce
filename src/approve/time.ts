import type { Clock } from '../lib/clock.ts';

/** How far the clocks of two processes, or of one before and after a restart, may stand apart. */
const SKEW_MS = 60_000;

/**
 * Time as approvals see it: never goes back while the process runs, and goes at least as fast as the steady clock, so that turning the
 * clock back neither revives nor prolongs anything (THREATS "clock").
 */
export function forwardTime(clock: Clock): () => number {
  let wall = clock.now();
  let steady = clock.monotonic();
  return () => {
    const now = clock.monotonic();
    wall = Math.max(clock.now(), wall + now - steady);
    steady = now;
    return Math.floor(wall);
  };
}

/** Past its end, or dated later than now, which only a clock that was turned back can bring about: no. */
export const isOver = (times: { readonly createdAt: number; readonly expiresAt: number }, now: number): boolean => now >= times.expiresAt || now < times.createdAt - SKEW_MS;
