/** A rate as the operator wrote it. */
export interface Rate {
  /** How many calls any window holds. */
  readonly count: number;
  /** The window's length, ms. */
  readonly windowMs: number;
}

const UNIT_MS: Readonly<Record<string, number>> = { second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000 };
/** `N/unit`, optionally `burst B`. */
export const RATE_PATTERN = /^([1-9][0-9]{0,6})\/(second|minute|hour|day)(?: burst ([1-9][0-9]{0,6}))?$/;

/**
 * Reads `"30/minute"` or `"10/second burst 20"`; null when it is neither. The promise is about windows, not about refills (a bucket
 * of N that refills at N a minute lets 2N-1 calls through in one minute): `N/unit` is at most N calls in any such unit. `burst B`
 * keeps the average and changes the helping: at most B calls in any B/N of the unit.
 */
export function parseRate(text: string): Rate | null {
  const found = RATE_PATTERN.exec(text);
  if (found === null) return null;
  const count = Number(found[1]);
  const unitMs = UNIT_MS[found[2] ?? ''] ?? 0;
  const burst = found[3] === undefined ? count : Number(found[3]);
  return { count: burst, windowMs: Math.ceil((unitMs * burst) / count) };
}
