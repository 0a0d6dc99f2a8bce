import { visible } from './visible.ts';

/** Characters that take no place or look like a space though they are none: fillers, joiners, variation selectors, the blank braille cell. */
const UNSEEN = /[\p{Default_Ignorable_Code_Point}\u2800\u3164\uffa0]|(?! )\p{Zs}/gu;
const ASCII = /^[\x20-\x7e]*$/;
/** A word as people read it: an address, a name, a path. */
const WORD = /[\p{L}\p{N}\p{M}._@/:-]+/gu;
/** Letters of other scripts that are drawn like a Latin one (Unicode TR39, the ones that carry attacks). */
const TWINS = new Set('аеорсухіјѕһԁԛԝьАВЕКМНОРСТУХІЈЅԌΑΒΕΖΗΙΚΜΝΟΡΤΥΧαικνορτυχγօոսցհӏǃɑɡɩıƖꓐꓑꓒꓓꓔ');

/**
 * Text as a person may judge it: what acts on a terminal or cannot be seen is written out as `\u{200b}`, and a letter that only looks like a
 * Latin one is followed by its code point, `а\u{430}` (CWE-150, CWE-1007, Unicode TR39). Other people's scripts stay as they are.
 */
export function shown(text: string): string {
  if (ASCII.test(text)) return text;
  return visible(text.replace(WORD, marked)).replace(UNSEEN, coded);
}
/** True when there is something that `shown` would write out. */
export const isDeceptive = (text: string): boolean => shown(text) !== text;

const coded = (c: string): string => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`;
function marked(word: string): string {
  if (ASCII.test(word)) return word;
  const letters = [...word].filter((c) => /\p{L}/u.test(c));
  // A word that mixes scripts, or one made of twins alone: both can be read as another word. A word in its own script has letters without a Latin twin.
  const posing = letters.some((c) => /[A-Za-z]/.test(c)) || letters.every((c) => TWINS.has(c) || /[A-Za-z]/.test(c.normalize('NFKC')));
  return [...word].map((c) => (isTwin(c, posing) ? c + coded(c) : c)).join('');
}
function isTwin(c: string, posing: boolean): boolean {
  if (c <= '~') return false;
  if (/^[\x21-\x7e]+$/.test(c.normalize('NFKC'))) return true; // full-width, mathematical, superscript
  return posing && (TWINS.has(c) || (/\p{L}/u.test(c) && !/\p{Script=Latin}/u.test(c)));
}
