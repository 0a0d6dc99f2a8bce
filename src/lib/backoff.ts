import { randomInt } from 'node:crypto';

/** The wait before the attempt after `failures` failed ones, ms: doubles from `firstMs` to `maxMs`, with up to a quarter of jitter so that many waiters do not come back at once. */
export function backoffMs(failures: number, firstMs = 500, maxMs = 30_000): number {
  const wait = Math.min(maxMs, firstMs * 2 ** Math.min(20, Math.max(0, failures - 1)));
  return wait - randomInt(Math.max(1, Math.floor(wait / 4)));
}
