import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileGlob } from './glob.ts';
import { ambiguousGlobs, globsOverlap, mostSpecific } from './glob-order.ts';

describe('globs in order', () => {
  test.each([['a*', '*b', true], ['a*', 'b*', false], ['a', 'a', true], ['*', '', true], ['ab*cd', 'a*d', true], ['ab*', 'a', false], ['*x*', 'y*', true]])('%s and %s overlap: %s', (a, b, overlap) => {
    expect(globsOverlap(a, b)).toBe(overlap);
    expect(globsOverlap(b, a)).toBe(overlap);
  });
  test('a text that both match proves an overlap', () => {
    const glob = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 6 });
    const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 6 });
    fc.assert(
      fc.property(glob, glob, text, (a, b, t) => {
        if (compileGlob(a)(t) && compileGlob(b)(t)) expect(globsOverlap(a, b)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
  test('equal literal length and a common text is ambiguous', () => {
    expect(ambiguousGlobs(['fs__*', '*fs__', 'g__*', 'fs__read'])).toEqual([['fs__*', '*fs__']]);
  });
  test('the longest literal text wins', () => {
    const find = mostSpecific({ '*': 1, 'fs__*': 2, 'fs__read_*': 3, 'fs__read_file': 4 });
    expect(['x', 'fs__x', 'fs__read_x', 'fs__read_file'].map((t) => find(t)?.[1])).toEqual([1, 2, 3, 4]);
    expect(mostSpecific({})('x')).toBeUndefined();
  });
});
