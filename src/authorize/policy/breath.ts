import { setImmediate as nextTurn } from 'node:timers/promises';
import { systemClock } from '../../lib/clock.ts';

const BUSY_MS = 10;

/** To be awaited between pieces of work: lets calls in between when 10 ms were spent, or a thousand tests would stand in the way of every call. */
export function breathing(): () => Promise<void> | undefined {
  let since = systemClock.monotonic();
  return () => {
    if (systemClock.monotonic() - since < BUSY_MS) return undefined;
    return nextTurn().then(() => { since = systemClock.monotonic(); });
  };
}
