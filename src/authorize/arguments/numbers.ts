import type { Json } from '../../call/json.ts';
import { compareDecimals, type Decimal, isWhole, parseDecimal } from '../../lib/decimal.ts';
import type { Check, Say } from './finding.ts';
import { PolicyFault } from './finding.ts';

/** A number of the rule, held exactly. */
export interface Bound {
  readonly decimal: Decimal;
  readonly n: number;
  /** Written with at most 15 digits and no exponent: a double keeps it. */
  readonly isShort: boolean;
}

/** Nobody writes more; reading digits costs more than their number (CWE-400). */
const MAX_DIGITS = 400;
const isShort = (literal: string): boolean => literal.length <= 15 && !literal.includes('e') && !literal.includes('E');

/** Reads a number of the rule. YAML has rounded what stands without quotes, so of such numbers only those are taken that rounding leaves alone. */
export function boundOf(written: number | string): Bound {
  const text = String(written);
  const decimal = text.length > MAX_DIGITS ? null : parseDecimal(text);
  const n = Number(text);
  if (decimal === null || !Number.isFinite(n)) throw new PolicyFault('is not a finite number; write digits, with a dot for decimals');
  if (typeof written === 'number' && String(decimal.digits).replace('-', '').length > 15) throw new PolicyFault('has more than 15 digits, which YAML rounds; write it in quotes');
  return { decimal, n, isShort: isShort(text) };
}

/** The literal that begins at `at`, or null when there is none or it is not the value that was parsed (a fault of the caller's: refused, not guessed). */
export function literalAt(value: number, text: string, at: number): string | null {
  if (at < 0) return null;
  let end = at;
  for (; end < text.length; end++) {
    const c = text.charCodeAt(end);
    if (!((c >= 48 && c <= 57) || c === 45 || c === 46 || c === 43 || c === 101 || c === 69)) break;
  }
  const literal = end === at || end - at > MAX_DIGITS ? null : text.slice(at, end);
  return literal !== null && Number(literal) === value ? literal : null;
}

/** One demand on a number, asked of its exact value and of the double a server may make of it. */
export interface Demand {
  readonly holds: (exact: Decimal) => boolean;
  /** The same for a literal that a double keeps; left out: always the slow way. */
  readonly quick?: (n: number) => boolean;
  readonly otherwise: string;
}

const against = (bound: Bound, allowed: (order: number) => boolean, otherwise: string): Demand => ({
  holds: (exact) => allowed(compareDecimals(exact, bound.decimal)),
  ...(bound.isShort ? { quick: (n: number) => allowed(n - bound.n) } : {}),
  otherwise,
});
export const atLeast = (bound: Bound): Demand => against(bound, (order) => order >= 0, 'is less than the rule allows');
export const atMost = (bound: Bound): Demand => against(bound, (order) => order <= 0, 'is more than the rule allows');
export const whole: Demand = { holds: isWhole, quick: Number.isInteger, otherwise: 'is not a whole number' };
export const amongNumbers = (bounds: readonly Bound[], isWanted: boolean): Demand => {
  const all = bounds.every((bound) => bound.isShort) ? new Set(bounds.map((bound) => bound.n)) : null;
  return {
    holds: (exact) => bounds.some((bound) => compareDecimals(exact, bound.decimal) === 0) === isWanted,
    ...(all === null ? {} : { quick: (n: number) => all.has(n) === isWanted }),
    otherwise: isWanted ? 'is none of the values that the rule names' : 'is one of the values that the rule excludes',
  };
};

/**
 * All demands hold for the number. When its exact value and its double are judged differently (1000.0000000000000001 against 1000), one of them is what the
 * server executes and nobody knows which (CWE-681): error. So is 1e400, which is Infinity to most.
 */
export function numberCheck(demands: readonly Demand[], say: Say): Check {
  const mistyped = say.error('is not a number');
  const unreadable = say.error('is a number that cannot be read exactly');
  const ambiguous = say.error('is a number that a server may round to another side of the bound');
  const tests = demands.map(({ holds, quick, otherwise }) => ({ holds, quick, otherwise: say.no(otherwise) }));
  return (value: Json, text, at) => {
    if (typeof value !== 'number') return mistyped;
    const literal = literalAt(value, text, at);
    if (literal === null || !Number.isFinite(value)) return unreadable;
    const short = isShort(literal);
    let decimals: readonly [Decimal, Decimal] | null = null;
    let unclear = false;
    for (const { holds, quick, otherwise } of tests) {
      if (short && quick !== undefined) {
        if (!quick(value)) return otherwise;
        continue;
      }
      decimals ??= bothOf(literal, value);
      if (decimals === null) return unreadable;
      const exact = holds(decimals[0]);
      if (exact !== holds(decimals[1])) unclear = true;
      else if (!exact) return otherwise;
    }
    return unclear ? ambiguous : null;
  };
}
function bothOf(literal: string, value: number): readonly [Decimal, Decimal] | null {
  const [exact, rounded] = [parseDecimal(literal), parseDecimal(String(value))];
  return exact === null || rounded === null ? null : [exact, rounded];
}
