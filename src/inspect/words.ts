import { fold, foldText } from './fold.ts';
import { type Lexicon, W } from './lexicon.ts';

/** What stands at one place of a text, as rules see it. */
export interface Word {
  readonly bits: number;
  /** Offset in the text. */
  readonly at: number;
}

/**
 * Cuts a piece of normalised text into words and looks each up. Addresses count as places to send to, `snake_case` as the name of a
 * tool, single letters in a row as one word. Linear time.
 * `hasStem`: one of the lexicon's stems in Latin script is somewhere in the text.
 */
export function wordsOf(text: string, from: number, to: number, lexicon: Lexicon, hasStem: boolean): readonly Word[] {
  const words: Word[] = [];
  let foreign = false;
  let i = from;
  while (i < to) {
    const code = text.charCodeAt(i);
    // In JSON inside a text a line end is written `\\n` and would stick to the next word.
    if (!isLetter(code) || (i > 0 && text.charCodeAt(i - 1) === 92 && (code === 110 || code === 114 || code === 116))) {
      i++;
      continue;
    }
    if (code > 0x24f) foreign = true;
    const end = endOfWord(text, i, to);
    words.push({ bits: lookUp(text, i, end, lexicon) | around(text, i, end, to), at: i });
    i = isAddress(text, end) ? endOfChunk(text, end, to) : end;
  }
  const joined = joinLetters(words, text, lexicon);
  return foreign || hasStem ? withStems(joined, text.slice(from, to), from, lexicon, foreign) : joined;
}

const isLetter = (code: number): boolean => (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || code > 191;
const APOSTROPHE = 39, UNDERSCORE = 95, CURLY = 0x2019;

function endOfWord(text: string, at: number, to: number): number {
  let end = at + 1;
  while (end < to && end - at < 64) {
    const code = text.charCodeAt(end);
    const isInside = isLetter(code) ? code !== CURLY : code === UNDERSCORE || code === APOSTROPHE;
    if (!isInside && !(code === CURLY)) break;
    end++;
  }
  return end;
}
function endOfChunk(text: string, at: number, to: number): number {
  let end = at;
  while (end < to && end - at < 512 && !' \t\n\r"\'<>'.includes(text[end] ?? ' ')) end++;
  return end;
}
/** `https://…`, `name@host`. */
const isAddress = (text: string, end: number): boolean => text.startsWith('://', end) || (text.charCodeAt(end) === 64 && isLetter(text.charCodeAt(end + 1)));

function lookUp(text: string, at: number, end: number, lexicon: Lexicon): number {
  let word = '';
  let isSnake = 0;
  for (let i = at; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === UNDERSCORE && i > at && i < end - 1) isSnake = W.TOOL;
    if (code !== APOSTROPHE && code !== CURLY) word += String.fromCharCode(fold(code));
  }
  return (lexicon.words.get(word) ?? 0) | isSnake;
}

function around(text: string, at: number, end: number, to: number): number {
  let bits = isAddress(text, end) ? W.DEST : 0;
  for (let i = end; i < to && i < end + 4; i++) {
    const code = text.charCodeAt(i);
    if (code === 58) return text.startsWith('://', i) ? bits : bits | W.COLON;
    if (code !== 32 && code !== 42 && code !== 41 && code !== 93 && code !== 34) break;
  }
  if (at > 0 && text.charCodeAt(at - 1) === 36) bits |= W.GOODS; // an amount of money
  return bits;
}

/** `d i s r e g a r d   t h e` is two words: letters one blank apart, when a row of at least five of them is there. */
function joinLetters(words: readonly Word[], text: string, lexicon: Lexicon): readonly Word[] {
  const runs: number[] = [];
  let longest = 0;
  for (let i = 0, run = 0; i < words.length; i = run + 1) {
    run = endOfLetters(words, text, i);
    runs.push(run);
    longest = Math.max(longest, run - i + 1);
  }
  if (longest < 5) return words;
  let from = 0;
  return runs.map((run) => {
    const first = from;
    from = run + 1;
    if (run === first) return words[first] ?? NOTHING;
    const word = words.slice(first, run + 1).map((letter) => text[letter.at] ?? '').join('');
    return { bits: lookUp(word, 0, word.length, lexicon), at: words[first]?.at ?? 0 };
  });
}
const NOTHING: Word = { bits: 0, at: 0 };

function endOfLetters(words: readonly Word[], text: string, from: number): number {
  let run = from;
  while (isSingle(text, words, run) && run + 1 < words.length && (words[run + 1]?.at ?? 0) - (words[run]?.at ?? 0) === 2 && isSingle(text, words, run + 1)) run++;
  return run;
}
function isSingle(text: string, words: readonly Word[], index: number): boolean {
  const at = words[index]?.at ?? 0;
  return !isLetter(text.charCodeAt(at + 1)) && (at === 0 || !isLetter(text.charCodeAt(at - 1)));
}

function withStems(words: readonly Word[], text: string, from: number, lexicon: Lexicon, foreign: boolean): readonly Word[] {
  const piece = foldText(text);
  const stems: Word[] = [];
  for (const stem of lexicon.stems) {
    if (!foreign && stem.text.charCodeAt(0) > 0x24f) continue;
    for (let at = piece.indexOf(stem.text); at >= 0; at = piece.indexOf(stem.text, at + stem.text.length)) stems.push({ bits: stem.bits, at: from + at });
  }
  return stems.length === 0 ? words : [...words, ...stems].toSorted((a, b) => a.at - b.at);
}
