import { skeleton } from './look-alike.ts';
import { visible } from './visible.ts';

/** Characters that take no place or look like a space though they are none: fillers, joiners, variation selectors, the blank braille cell. */
const UNSEEN = /[\p{Default_Ignorable_Code_Point}\u2800\u3164\uffa0]|(?! )\p{Zs}/gu;
const ASCII = /^[\x20-\x7e]*$/;
/** A word as people read it: an address, a name, a path. */
const WORD = /[\p{L}\p{N}\p{M}._@/:-]+/gu;
/** One character beyond ASCII that is drawn like one of ASCII and is no letter or number. */
const POSING_SIGN = /[^\p{L}\p{N}\p{M}\p{Zs}\p{C}\x20-\x7e]/gu;

/**
 * Text as a person may judge it: what acts on a terminal or cannot be seen is written out as `\u{200b}`, and a character that only looks
 * like one of ASCII is followed by its code point, `а\u{430}` (CWE-150, CWE-1007, Unicode TR39). Other people's scripts stay as they are.
 */
export function shown(text: string): string {
  if (ASCII.test(text)) return text;
  const marked = text.replace(WORD, inWord).replace(POSING_SIGN, (c) => (isAsciiAlike(c) || /[‐‑−∕⁄∶]/.test(c) ? c + coded(c) : c));
  return visible(marked.replace(UNSEEN, coded));
}
/** True when there is something that `shown` would write out. */
export const isDeceptive = (text: string): boolean => shown(text) !== text;

const coded = (c: string): string => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`;
function inWord(word: string): string {
  if (ASCII.test(word)) return word;
  const letters = [...word].filter((c) => /\p{L}/u.test(c));
  // A word that mixes scripts, or one made of twins alone: both can be read as another word.
  const poses = letters.some((c) => /[A-Za-z]/.test(c)) || letters.every(isTwin);
  return [...word].map((c) => (c > '~' && (isAsciiAlike(c) || (poses && (isTwin(c) || isForeign(c)))) ? c + coded(c) : c)).join('');
}
/** Full-width, mathematical and other forms of one ASCII character. */
const isAsciiAlike = (c: string): boolean => /^[\x21-\x7e]$/.test(c.normalize('NFKC'));
/** Drawn like a Latin letter without being one; an accent makes a difference that can be seen. */
const isTwin = (c: string): boolean => c.normalize('NFKD') === c && skeleton(c) !== c.toLowerCase() && /^[a-z]$/.test(skeleton(c));
const isForeign = (c: string): boolean => /(?!\p{Default_Ignorable_Code_Point})\p{L}/u.test(c) && !/\p{Script=Latin}/u.test(c);
