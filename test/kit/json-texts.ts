import * as fc from 'fast-check';

/** Texts of JSON values as no serialiser writes them: odd spacing, escapes where none are needed, numbers that no double holds. */
const SPACE = fc.constantFrom('', '', '', ' ', '\n', '\t', '  ', '\n\t ');
const PIECE = fc.oneof(
  fc.constantFrom('a', 'Z', '0', ' ', '/', '~', '{', '}', '[', ']', ':', ',', "'", '<', '&', 'é', 'ß', '€', '漢', '\u2028', '\u00a0', '🦜', 'data: ', 'id: 7'),
  fc.constantFrom('\\"', '\\\\', '\\/', '\\b', '\\f', '\\n', '\\r', '\\t', '\\u00e9', '\\u00E9', '\\u0041', '\\u2029', '\\ud83e\\udd9c', '\\u007f'),
);
const pieces = (max: number): fc.Arbitrary<string> => fc.array(PIECE, { maxLength: max }).map((parts) => parts.join(''));
export const stringText: fc.Arbitrary<string> = pieces(12).map((inner) => `"${inner}"`);
const digits = (max: number): fc.Arbitrary<string> => fc.tuple(fc.constantFrom('1', '2', '5', '9'), fc.array(fc.constantFrom('0', '1', '7', '9'), { maxLength: max })).map(([first, rest]) => first + rest.join(''));
export const numberText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom('0', '-0', '0.0', '1.0', '1.50', '-1.10e+2', '1E5', '1e-7', '9007199254740993', '-9007199254740993', '18446744073709551616', '0.1000000000000000055511151231257827'),
  fc.tuple(fc.constantFrom('', '-'), digits(40)).map((parts) => parts.join('')),
  fc.tuple(fc.constantFrom('', '-'), digits(5), digits(20), fc.constantFrom('', 'e3', 'E-12', 'e+0')).map(([sign, whole, part, power]) => `${sign}${whole}.${part}${power}`),
);
const scalar = fc.oneof({ weight: 3, arbitrary: stringText }, { weight: 3, arbitrary: numberText }, { weight: 1, arbitrary: fc.constantFrom('true', 'false', 'null', '""', '[]', '{}', '[ ]', '{\n}') });

/** Members of an object; no two names are alike even to those who fold case, and none means anything in the protocol. */
const members = (value: fc.Arbitrary<string>, max: number): fc.Arbitrary<string[]> =>
  fc.array(fc.tuple(pieces(4), SPACE, SPACE, value), { maxLength: max }).map((list) => list.map(([name, before, after, text], n) => `"x${n}${name}"${before}:${after}${text}`));
export const objectOf = (list: readonly string[], spaces: readonly string[]): string => {
  const at = (n: number): string => spaces[n % Math.max(1, spaces.length)] ?? '';
  return `{${at(0)}${list.map((member, n) => `${member}${at(n + 1)}`).join(`,${at(2)}`)}}`;
};
const { anyValue } = fc.letrec<{ anyValue: string }>((tie) => ({
  anyValue: fc.oneof(
    { depthSize: 'small', maxDepth: 4, withCrossShrink: true },
    scalar,
    fc.tuple(fc.array(tie('anyValue'), { maxLength: 4 }), SPACE, SPACE).map(([list, before, after]) => `[${before}${list.join(`${after},${before}`)}${after}]`),
    fc.tuple(members(tie('anyValue'), 4), fc.array(SPACE, { maxLength: 3 })).map(([list, spaces]) => objectOf(list, spaces)),
  ),
}));
export const valueText: fc.Arbitrary<string> = anyValue;
export const memberTexts: fc.Arbitrary<string[]> = members(anyValue, 4);
export const spaces: fc.Arbitrary<string[]> = fc.array(SPACE, { minLength: 1, maxLength: 4 });
/** Puts members in an order of their own. */
export const shuffled = (list: readonly string[], order: readonly number[]): string[] => {
  const rest = [...list];
  return list.map((_member, n) => rest.splice((order[n] ?? 0) % rest.length, 1)[0] as string);
};
export const order: fc.Arbitrary<number[]> = fc.array(fc.nat(99), { minLength: 8, maxLength: 8 });
