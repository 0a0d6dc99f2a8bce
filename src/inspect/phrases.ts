import { type Automaton, buildAutomaton, type Pattern } from '../lib/automaton.ts';
import { folding } from './fold.ts';
import { anchorsOf, buildLexicon } from './lexicon.ts';
import { LITERALS } from './literals.ts';
import { judgeWords, type Sign } from './rules.ts';
import { wordsOf } from './words.ts';

export interface Phrases {
  /** The signs in a normalised text, and whether something in it looks encoded. */
  readonly find: (normalised: string) => Found;
  /** Every anchor and literal: a text without any of them has no sign. */
  readonly anchors: readonly string[];
}

export interface Found {
  readonly signs: Sign[];
  readonly encoded: boolean;
}

/** What is read around an anchor: a sentence before and three after. */
const BEFORE = 100, AFTER = 260;
const ANCHOR = -1, ENCODED = -2, STEM = -3;

/** Compiles vocabulary and literals once. */
export function buildPhrases(encoded: readonly string[]): Phrases {
  const lexicon = buildLexicon();
  const anchors = anchorsOf(lexicon);
  const patterns: Pattern[] = anchors.map((text) => ({ text, value: ANCHOR }));
  LITERALS.forEach((literal, index) => literal.texts.forEach((text) => patterns.push({ text, value: index })));
  for (const stem of lexicon.stems) if (stem.text.charCodeAt(0) < 128) patterns.push({ text: stem.text, value: STEM });
  for (const text of encoded) patterns.push({ text, value: ENCODED });
  const automaton: Automaton = buildAutomaton(patterns, folding);
  const find = (text: string): Found => {
    const signs: Sign[] = [];
    let from = -1;
    let to = -1;
    let isEncoded = false;
    let hasStem = false;
    const read = (): void => {
      if (from >= 0) judgeWords(wordsOf(text, from, to, lexicon, hasStem), (sign) => signs.push(sign));
    };
    automaton.each(text, (value, end) => {
      if (value === STEM) hasStem = true;
      if (value === ENCODED || value === STEM) {
        isEncoded ||= value === ENCODED;
        return;
      }
      const literal = LITERALS[value];
      if (literal !== undefined) signs.push({ rule: literal.rule, weight: literal.weight, at: end - 1 });
      if (from >= 0 && end - BEFORE <= to) {
        to = Math.min(text.length, end + AFTER);
        return;
      }
      read();
      from = Math.max(0, end - BEFORE);
      to = Math.min(text.length, end + AFTER);
    });
    read();
    return { signs, encoded: isEncoded };
  };
  return { find, anchors: [...encoded, ...anchors, ...LITERALS.flatMap((literal) => literal.texts)] };
}

/** Signs further apart than this are not one attempt; weak ones in a long text must not add up. */
const REACH = 700;

/** The largest sum of weights of different rules within reach of one another, and the rules of that place. */
export function score(signs: readonly Sign[]): { readonly total: number; readonly rules: readonly string[] } {
  const sorted = signs.toSorted((a, b) => a.at - b.at);
  let best = 0;
  let bestAt = 0;
  const counts = new Map<string, number[]>();
  let sum = 0;
  let tail = 0;
  for (let head = 0; head < sorted.length; head++) {
    sum += add(counts, sorted[head], 1);
    while ((sorted[head]?.at ?? 0) - (sorted[tail]?.at ?? 0) > REACH) sum += add(counts, sorted[tail++], -1);
    if (sum > best) [best, bestAt] = [sum, head];
  }
  const end = sorted[bestAt]?.at ?? 0;
  const rules = new Set(sorted.filter((sign) => sign.at <= end && end - sign.at <= REACH).map((sign) => sign.rule));
  return { total: best, rules: [...rules] };
}

/** Keeps how often each weight of a rule is in reach; only the rule's heaviest counts. Returns how the sum changes. */
function add(counts: Map<string, number[]>, sign: Sign | undefined, by: 1 | -1): number {
  if (sign === undefined) return 0;
  let weights = counts.get(sign.rule);
  if (weights === undefined) counts.set(sign.rule, (weights = [0, 0, 0, 0, 0, 0]));
  const before = heaviest(weights);
  const weight = Math.min(5, sign.weight);
  weights[weight] = (weights[weight] ?? 0) + by;
  return heaviest(weights) - before;
}
function heaviest(weights: readonly number[]): number {
  for (let weight = weights.length - 1; weight > 0; weight--) if ((weights[weight] ?? 0) > 0) return weight;
  return 0;
}
