import type { Clock } from '../lib/clock.ts';

/** Bounds what a stranger who tries keys or links can make us write and do. */
export interface Failures {
  /** Counts one; false: too many from there in this minute. */
  readonly count: (address: string) => boolean;
}
const PER_MINUTE = 10;
const MINUTE = 60_000;
const MOST_ADDRESSES = 1_000;

/**
 * Ten failures a minute and address are answered and recorded, more are cut short (CWE-307, CWE-779). A right key is let in all the same: keys
 * have 256 bits and cannot be tried out, but whoever shares the address, an agent on this machine, could lock people out (CWE-645).
 */
export function createFailures(clock: Clock): Failures {
  let start = clock.monotonic();
  let counts = new Map<string, number>();
  return {
    count: (address) => {
      if (clock.monotonic() - start >= MINUTE) {
        start = clock.monotonic();
        counts = new Map();
      }
      const key = counts.has(address) || counts.size < MOST_ADDRESSES ? address : 'others';
      const so = (counts.get(key) ?? 0) + 1;
      counts.set(key, so);
      return so <= PER_MINUTE;
    },
  };
}
