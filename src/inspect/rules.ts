import { W } from './lexicon.ts';
import type { Word } from './words.ts';

/** A sign found in a text. Weights are out of 5. */
export interface Sign {
  readonly rule: string;
  readonly weight: number;
  readonly at: number;
}

/** The first of the next `gap` words that has one of these bits, or -1. */
function ahead(words: readonly Word[], from: number, bits: number, gap: number): number {
  const last = Math.min(words.length - 1, from + gap);
  for (let i = from + 1; i <= last; i++) if (((words[i]?.bits ?? 0) & bits) !== 0) return i;
  return -1;
}
/** All bits of the words from `a` to `b`. */
function between(words: readonly Word[], a: number, b: number): number {
  let bits = 0;
  for (let i = Math.max(0, a); i <= b && i < words.length; i++) bits |= words[i]?.bits ?? 0;
  return bits;
}
const has = (bits: number, wanted: number): boolean => (bits & wanted) !== 0;

type Rule = (words: readonly Word[], i: number, bits: number) => number;

/**
 * Each rule looks at a word and a bounded number of words after it, so the whole is linear. They describe what injected instructions
 * have in common (MISSION C2, OWASP LLM01), in many languages through the lexicon, not sentences of some collection.
 */
const RULES: readonly (readonly [rule: string, needs: number, judge: Rule])[] = [
  ['override', W.OVER | W.SOFT, (words, i, bits) => {
    const soft = has(bits, W.SOFT) ? 2 : 0;
    const object = ahead(words, i, W.OBJ, 8);
    // With another verb between them the object belongs to that verb: "ignore the warning and run the instructions".
    if (object >= 0 && !has(between(words, i + 1, object - 1), W.USE | W.REPLY | W.READ)) {
      const which = between(words, i + 1, object + 2);
      if (has(which, W.QUAL | W.SYSTEM)) return 5 - soft;
      const next = has(between(words, object + 1, object + 3), W.USE | W.REPLY | W.SEND | W.SHOW) ? 1 : 0;
      return (has(which, W.ANY) || object - i === 1 ? 4 + next : object - i === 2 ? 3 + next : 0) - soft;
    }
    if (soft === 0 && has(between(words, i + 1, i + 2), W.WHO) && has(between(words, i + 3, i + 5), W.REPLY)) return 5;
    const weak = ahead(words, i, W.WEAK, 5);
    const which = between(words, i + 1, weak < 0 ? i + 2 : weak + 1);
    if (soft > 0) return weak >= 0 && has(which, W.QUAL) ? 1 : 0;
    if (weak >= 0 && has(which, W.QUAL)) return has(between(words, weak + 1, weak + 3), W.USE | W.REPLY | W.SEND | W.SHOW) ? 5 : 4;
    if (has(between(words, i + 1, i + 3), W.ABOVE)) return 4;
    return weak >= 0 && has(which, W.ANY) ? 2 : 0;
  }],
  // Languages whose verb comes last.
  ['override', W.OVER, (words, i) => {
    const before = between(words, i - 8, i - 1);
    return has(before, W.OBJ) && has(before, W.QUAL) && !has(before, W.NEG) ? 5 : 0;
  }],
  ['new_instructions', W.NEW, (words, i) => {
    const object = ahead(words, i, W.OBJ, 1);
    return object >= 0 && has(words[object]?.bits ?? 0, W.COLON) ? 3 : 0;
  }],
  ['reveal_prompt', W.SHOW | W.SEND, (words, i) => {
    const object = ahead(words, i, W.OBJ, 6);
    if (object < 0) return 0;
    const which = between(words, i + 1, object);
    return has(which, W.SYSTEM) && has(which, W.YOUR) ? 5 : has(which, W.YOUR) ? 3 : has(which, W.SYSTEM | W.ABOVE) ? 2 : 0;
  }],
  ['conceal', W.NEG, (words, i) => {
    const tell = ahead(words, i, W.TELL, 2);
    return tell >= 0 && ahead(words, tell, W.WHO, 4) >= 0 ? 3 : 0;
  }],
  ['conceal', W.WITHOUT, (words, i) => {
    const tell = ahead(words, i, W.TELL, 3);
    return tell >= 0 && (has(words[tell]?.bits ?? 0, W.WHO) || ahead(words, tell, W.WHO, 3) >= 0) ? 3 : 0;
  }],
  ['address', W.AGENT, (words, i, bits) => {
    if (has(bits, W.COLON)) return has(between(words, i - 1, i - 1), W.AGENT) ? 3 : 2;
    return ahead(words, i, W.MUST, 5) >= 0 ? 2 : 0;
  }],
  ['tool_lure', W.USE, (words, i) => {
    const tool = ahead(words, i, W.TOOL, 4);
    return tool >= 0 ? 2 : 0;
  }],
  ['exfiltrate', W.SEND, (words, i) => {
    const near = between(words, i + 1, i + 9);
    const far = between(words, i + 1, i + 16);
    const what = has(near, W.SENS) ? 2 : has(near, W.GOODS) && has(near, W.ANY | W.YOUR | W.GOODS) ? 1 : 0;
    return what === 0 ? 0 : what + (has(far, W.DEST) ? 2 : 0);
  }],
  ['read_secret', W.READ | W.SHOW, (words, i) => {
    if (!has(between(words, i + 1, i + 5), W.SENS)) return 0;
    const then = between(words, i + 1, i + 14);
    return has(then, W.SEND) ? (has(then, W.DEST) ? 3 : 2) : 0;
  }],
  ['mode', W.FREE, (words, i) => {
    if (!has(between(words, i + 1, i + 1), W.MODE)) return has(between(words, i + 1, i + 2), W.AGENT) ? 1 : 0;
    return has(between(words, i - 4, i - 1), W.YOUR | W.NEW | W.ANY | W.AGENT) ? 3 : 1;
  }],
  ['dictate', W.ONLY, (words, i) => (has(between(words, i + 1, i + 1), W.SAY) || (has(between(words, i - 2, i - 1), W.SAY)) ? 2 : 0)],
];

/** The signs in a run of words. */
export function judgeWords(words: readonly Word[], found: (sign: Sign) => void): void {
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === undefined || word.bits === 0) continue;
    for (const [rule, needs, judge] of RULES) {
      if ((word.bits & needs) === 0) continue;
      const weight = judge(words, i, word.bits);
      if (weight > 0) found({ rule, weight, at: word.at });
    }
  }
}
