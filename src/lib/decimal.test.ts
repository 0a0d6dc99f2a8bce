import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareDecimals, isExact, isWhole, parseDecimal } from './decimal.ts';

const compare = (a: string, b: string): number => {
  const x = parseDecimal(a);
  const y = parseDecimal(b);
  if (x === null || y === null) throw new Error('not a number');
  return compareDecimals(x, y);
};

test.each([
  ['9007199254740993', '9007199254740992', 1],
  ['-9007199254740993', '-9007199254740992', -1],
  ['1e3', '1000.0', 0],
  ['0', '-0.00', 0],
  ['0.1', '0.10000000000000000001', -1],
  ['1e999999999', '9', 1],
  ['-1e999999999', '9', -1],
  ['1e-999999999', '0', 1],
])('%s against %s is %i', (a, b, order) => expect(compare(a, b)).toBe(order));

test.each([['0.1', true], ['1', true], ['9007199254740992', true], ['9007199254740993', false], ['1e400', false], ['0.1000000000000000000001', false], ['1.50', true], ['100000000000000000000', true], ['1e23', true]])(
  'isExact(%s) is %s',
  (literal, exact) => expect(isExact(literal)).toBe(exact),
);

test('agrees with BigInt on whole numbers and with doubles on what they hold', () => {
  fc.assert(fc.property(fc.bigInt({ max: 10n ** 40n, min: -(10n ** 40n) }), fc.bigInt(), (a, b) => { expect(compare(String(a), String(b))).toBe(a < b ? -1 : a > b ? 1 : 0); }));
  fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (a) => { expect(isExact(String(a))).toBe(true); }));
  fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (a) => { expect(isWhole(parseDecimal(String(a)) ?? { digits: 1n, exponent: -1 })).toBe(Number.isInteger(a)); }));
});
