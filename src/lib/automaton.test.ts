import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildAutomaton } from './automaton.ts';

const lower = { fold: (code: number) => (code >= 65 && code <= 90 ? code + 32 : code), skip: (code: number) => code === 32 };

describe('automaton', () => {
  it('finds exactly what a search for each pattern finds', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'ä'), minLength: 1, maxLength: 4 });
    fc.assert(fc.property(fc.uniqueArray(word, { minLength: 1, maxLength: 8 }), fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'ä', 'x'), maxLength: 60 }), (words, text) => {
      const automaton = buildAutomaton(words.map((pattern, value) => ({ text: pattern, value })), lower);
      const found = new Set<string>();
      automaton.each(text, (value, end) => found.add(`${value}@${end}`));
      const expected = new Set<string>();
      words.forEach((pattern, value) => {
        for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, at + 1)) expected.add(`${value}@${at + pattern.length}`);
      });
      expect(found).toEqual(expected);
    }), { numRuns: 300 });
  });

  it('folds, skips, and ors the values in bytes', () => {
    const automaton = buildAutomaton([{ text: 'ab', value: 1 }, { text: 'bc', value: 2 }, { text: 'abcd', value: 4 }], lower);
    expect(automaton.flags(Buffer.from('xA bCy'), 7)).toBe(3);
    expect(automaton.flags(Buffer.from('abcd'), 7)).toBe(7);
    expect(automaton.flags(Buffer.from('a\\nb'), 7)).toBe(1);
    expect(automaton.flags(Buffer.from('a\\\\nb'), 7)).toBe(0);
    expect(automaton.flags(Buffer.from('a-b'), 7)).toBe(0);
  });

  it('refuses a pattern that would be everywhere', () => {
    expect(() => buildAutomaton([{ text: ' ', value: 1 }], lower)).toThrow('empty');
  });
});
