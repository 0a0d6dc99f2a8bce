import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyEdits, findPlaces } from './json-edit.ts';

describe('json-edit', () => {
  it('finds values by path and leaves every other byte alone', () => {
    const text = '{ "a" : [ {"t":"x\\u0041"} , 12345678901234567890 ],"b":{"t" :"y"} }';
    const places = findPlaces(text, (path) => (path.at(-1) === 't' ? 'take' : 'enter'));
    expect(places.map((place) => [place.path, text.slice(place.start, place.end)])).toEqual([[['a', 0, 't'], '"x\\u0041"'], [['b', 't'], '"y"']]);
    expect(applyEdits(text, places.map(({ start, end }) => ({ start, end, text: '"z"' })))).toBe('{ "a" : [ {"t":"z"} , 12345678901234567890 ],"b":{"t" :"z"} }');
  });

  it('removes any member and leaves valid JSON without it', () => {
    fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), fc.nat(), fc.boolean(), (value, pick, pretty) => {
      const text = JSON.stringify(value, null, pretty ? 2 : 0);
      const key = Object.keys(value)[pick % Object.keys(value).length] ?? '';
      const place = findPlaces(text, (path) => (path.length === 1 && path[0] === key ? 'take' : 'skip'))[0];
      if (place === undefined) throw new Error('not found');
      const expected: Record<string, unknown> = JSON.parse(text);
      delete expected[key];
      expect(JSON.parse(applyEdits(text, [{ ...place.removal, text: '' }]))).toEqual(expected);
    }));
  });

  it('refuses overlapping edits and absurd nesting', () => {
    expect(() => applyEdits('abc', [{ start: 0, end: 2, text: '' }, { start: 1, end: 3, text: '' }])).toThrow('overlap');
    expect(() => findPlaces('['.repeat(1_000) + ']'.repeat(1_000), () => 'enter')).toThrow('deeply');
  });
});
