import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cutAt, elementsOf, hasDuplicateName, membersOf, splice, textAt, withFirst, without } from './json-spans.ts';

describe('json spans', () => {
  test('cut any JSON object into its members and put it together again', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(undefined, 1, '\t'), (value, space) => {
        const text = JSON.stringify(value, null, space);
        const back = Object.fromEntries(membersOf(text).map((m) => [m.name, JSON.parse(text.slice(m.start, m.end)) as unknown]));
        expect(JSON.stringify(back)).toBe(JSON.stringify(value));
      }),
      { numRuns: 300 },
    );
  });
  test('cut any JSON array into its elements', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.constantFrom(undefined, 2), (value, space) => {
        const text = JSON.stringify(value, null, space);
        expect(elementsOf(text).map((c) => JSON.parse(text.slice(c.start, c.end)) as unknown)).toEqual(JSON.parse(text));
      }),
      { numRuns: 300 },
    );
  });
  test('numbers beyond 2^53 and escapes keep their text', () => {
    const text = '{"a": {"\\u0062" : 12345678901234567890, "q":"x\\\\\\"}"}, "c":[1e400 ,2]}';
    expect(textAt(text, ['a', 'b'])).toBe('12345678901234567890');
    expect(textAt(text, ['a', 'q'])).toBe('"x\\\\\\"}"');
    expect(textAt(text, ['c'])).toBe('[1e400 ,2]');
    expect(textAt(text, ['a', 'none'])).toBeNull();
  });
  test('take members out, put members in, replace a value', () => {
    expect(without('{"a":1, "b" : 2 ,"c":3}', ['b'])).toBe('{"a":1,"c":3}');
    const same = '{ "a":1 }';
    expect(without(same, ['b'])).toBe(same);
    expect(withFirst('{}', '"x":1')).toBe('{"x":1}');
    expect(withFirst(' { "a":1}', '"x":1')).toBe('{"x":1, "a":1}');
    const cut = cutAt('{"a":{"b":1}}', ['a', 'b']);
    expect(cut && splice('{"a":{"b":1}}', cut, '"z"')).toBe('{"a":{"b":"z"}}');
  });
  test('a key that stands twice is found, at any depth and however it is written', () => {
    for (const text of ['{"a":1,"a":2}', '[{"x":{"b":[{}],"\\u0062":2}}]', '{"a":{},"c":[],"a":1}']) expect(hasDuplicateName(text)).toBe(true);
    for (const text of ['{"a":1,"A":2}', '[{"a":1},{"a":1}]', '{"a":{"a":["a","a"]},"b":"a"}']) expect(hasDuplicateName(text)).toBe(false);
    fc.assert(fc.property(fc.jsonValue(), (value) => !hasDuplicateName(JSON.stringify(value))));
  });
  test('text that is not JSON neither hangs nor throws', () => {
    for (const text of ['', '{', '{"a', '{"a":', '[', '[1,', '{"a":"\\', '[{"x":[}', '{"a" 1}', 'null']) {
      membersOf(text);
      elementsOf(text);
      cutAt(text, ['a', 'b']);
    }
  });
});
