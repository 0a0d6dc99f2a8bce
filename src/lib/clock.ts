/** The one source of time, so that tests can turn the hands. */
export interface Clock {
  /** ms since epoch, UTC; may jump. For records and expiry. */
  readonly now: () => number;
  /** ms from an arbitrary start; never goes back. For durations and limits. */
  readonly monotonic: () => number;
}
export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };
