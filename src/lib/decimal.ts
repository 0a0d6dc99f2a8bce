/**
 * JSON numbers, exactly. A double holds 53 bits; a literal may hold any number of digits, and two programs that round
 * differently judge different values (CWE-681, CWE-436). Nothing here ever rounds.
 */
export interface Decimal {
  /** All digits as one whole number, with the sign; no trailing zeros unless it is 0. */
  readonly digits: bigint;
  /** The value is `digits` × 10^`exponent`. */
  readonly exponent: number;
}

const LITERAL = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,9}))?$/;

/** Reads a JSON number literal. null: not a JSON number, or an exponent of ten and more digits. */
export function parseDecimal(literal: string): Decimal | null {
  const match = LITERAL.exec(literal);
  if (match === null) return null;
  const fraction = match[3] ?? '';
  const all = `${match[2]}${fraction}`;
  let end = all.length;
  while (end > 1 && all[end - 1] === '0') end--;
  const digits = BigInt(`${match[1] ?? ''}${all.slice(0, end)}`);
  if (digits === 0n) return { digits: 0n, exponent: 0 };
  return { digits, exponent: Number(match[4] ?? 0) - fraction.length + (all.length - end) };
}

/** -1, 0 or 1, as a is less than, equal to or more than b. Cost depends on the digits written, not on the exponents. */
export function compareDecimals(a: Decimal, b: Decimal): -1 | 0 | 1 {
  const signA = sign(a.digits);
  const signB = sign(b.digits);
  if (signA !== signB || signA === 0) return signA < signB ? -1 : signA > signB ? 1 : 0;
  // Where the first digit stands decides first, so that 1e999999999 is never written out (CWE-400).
  const magnitude = Math.sign(leading(a) - leading(b)) * signA;
  if (magnitude !== 0) return magnitude < 0 ? -1 : 1;
  const low = Math.min(a.exponent, b.exponent);
  const x = a.digits * 10n ** BigInt(a.exponent - low);
  const y = b.digits * 10n ** BigInt(b.exponent - low);
  return x < y ? -1 : x > y ? 1 : 0;
}

/** True for 5, 5.0 and 5e3; false for 5.5. */
export const isWhole = (value: Decimal): boolean => value.exponent >= 0;

/** True when a double keeps the literal: what is read and written again has the same decimal value. */
export function isExact(literal: string): boolean {
  if (literal.length <= 15 && !literal.includes('e') && !literal.includes('E')) return true;
  const number = Number(literal);
  if (!Number.isFinite(number)) return false;
  const written = parseDecimal(literal);
  const kept = parseDecimal(String(number));
  return written !== null && kept !== null && written.digits === kept.digits && written.exponent === kept.exponent;
}

const sign = (value: bigint): -1 | 0 | 1 => (value < 0n ? -1 : value > 0n ? 1 : 0);
const leading = (value: Decimal): number => String(value.digits < 0n ? -value.digits : value.digits).length + value.exponent;
