import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson } from './canonical-json.ts';

describe('canonicalJson', () => {
  test.each([
    ['{"b":1,"a":[true,null,false]}', '{"a":[true,null,false],"b":1}'],
    [' { "a" : 1.0 , "b" : 1e2, "c": -0 } ', '{"a":1,"b":100,"c":0}'],
    ['"\\u0041\\/\\n"', '"A/\\n"'],
    ['{"\\u20ac":1,"\\r":2,"1":3,"\\ud83d\\ude00":4,"\\ufb33":5}', '{"\\r":2,"1":3,"€":1,"😀":4,"\ufb33":5}'], // RFC 8785 section 3.2.3
    ['[]', '[]'],
    ['[ ]', '[]'],
    ['{}', '{}'],
    ['9007199254740993', '9007199254740993e0'],
    ['9007199254740993.0', '9007199254740993e0'],
    ['9007199254740992', '9007199254740992'],
    ['1e400', '1e400'],
    ['0.1', '0.1'],
  ])('%s becomes %s', (text, canonical) => expect(canonicalJson(text)).toBe(canonical));

  test.each(['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '{', '', '01', '['.repeat(300) + ']'.repeat(300)])('%s is refused', (text) => {
    expect(() => canonicalJson(text)).toThrow(SyntaxError);
  });

  test('order and spaces do not matter, values do', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const one = canonicalJson(JSON.stringify(a));
        expect(canonicalJson(JSON.stringify(a, null, 3))).toBe(one);
        expect(canonicalJson(one)).toBe(one);
        expect(canonicalJson(JSON.stringify(turned(a)))).toBe(one);
        expect(JSON.stringify(turned(turned(JSON.parse(one))))).toBe(JSON.stringify(JSON.parse(one)));
        expect(JSON.parse(one)).toEqual(JSON.parse(JSON.stringify(a)));
        if (JSON.stringify(a) !== JSON.stringify(b) && canonicalJson(JSON.stringify(b)) === one) expect(JSON.parse(JSON.stringify(b))).toEqual(JSON.parse(JSON.stringify(a)));
      }),
      { numRuns: 300 },
    );
  });
});

/** The same value with its keys in the opposite order. */
function turned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turned);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).toReversed().map(([k, v]) => [k, turned(v)]));
}
