import type { Constraint } from './constraint.ts';
import { type Check, PolicyFault, type Say } from './finding.ts';
import { literalAt } from './numbers.ts';

type AmountConstraint = NonNullable<Constraint['amount']>;

/**
 * An amount of money: a JSON number or text, written as plain digits with at most `decimals` places. Signs, exponents, separators, leading zeros, NaN and words are
 * errors: a negative amount is a payment the other way (CWE-839), and `1e3`, `1,000` or `1.000` are different amounts to different programs.
 * At most 12 digits before the point, so that every double keeps the amount.
 */
export function amountCheck(wanted: AmountConstraint, say: Say): Check {
  const places = wanted.decimals ?? 2;
  const plain = new RegExp(`^(?:0|[1-9]\\d{0,11})${places === 0 ? '' : `(?:\\.\\d{1,${places}})?`}$`);
  const [max, min] = [limitOf('max', wanted.max, plain), limitOf('min', wanted.min ?? 0, plain)];
  if (min > max) throw new PolicyFault('`min` is above `max`; no amount would do');
  const [mistyped, odd] = [say.error('is not an amount'), say.error('is not an amount in plain digits')];
  const [above, below] = [say.no('is more than the rule allows'), say.no('is less than the rule allows')];
  return (value, text, at) => {
    if (typeof value !== 'number' && typeof value !== 'string') return mistyped;
    const literal = typeof value === 'string' ? value : literalAt(value, text, at);
    if (literal === null || literal.length > 20 || !plain.test(literal)) return odd;
    const amount = Number(literal);
    return amount > max ? above : amount < min ? below : null;
  };
}

function limitOf(key: string, written: number | string, plain: RegExp): number {
  if (!plain.test(String(written))) throw new PolicyFault(`\`${key}\` is not an amount: up to 12 digits and no more places than \`decimals\` (2 if left out)`);
  return Number(written);
}
