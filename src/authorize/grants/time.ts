import type { Clock } from '../../lib/clock.ts';

/** Time, ms since epoch, that never goes back: neither when the clock is turned back nor, with `seen` from the last run, over a restart. */
export interface Onward {
  readonly now: () => number;
  /** At least this is past. */
  readonly atLeast: (seen: number) => void;
}

/** Stops a grant from coming back, or lasting longer, when the clock is turned (CWE-367, THREATS "time"): the steady clock goes on meanwhile. */
export function onward(clock: Clock): Onward {
  let wall = clock.now();
  let steady = clock.monotonic();
  const now = (): number => {
    const [seen, later] = [clock.now(), clock.monotonic()];
    const next = Math.max(wall + Math.max(0, later - steady), Number.isFinite(seen) ? seen : wall);
    [wall, steady] = [next, Math.max(later, steady)];
    return Math.ceil(next); // the steady clock has fractions, the store has none
  };
  return { now, atLeast: (seen) => void (wall = Math.max(wall, seen)) };
}
