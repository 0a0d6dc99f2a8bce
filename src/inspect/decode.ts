/** Words whose encoded forms make a text worth decoding. */
const TELLTALE = ['ignore', 'Ignore', 'IGNORE', 'instruction', 'INSTRUCTION', 'disregard', 'Disregard', 'forget', 'Forget', 'system prompt', 'previous', 'password', 'you are now', 'You are now', 'the user', 'developer', 'assistant', 'mention'];

/** Fragments that a telltale word leaves in base64 (at each of its three alignments), hex, rot13 and reversed text, and marks of escapes. */
export function encodedAnchors(): string[] {
  const anchors = ['&#', '\\u', '//5', '/v8A'];
  for (const word of TELLTALE) {
    for (let shift = 0; shift < 3; shift++) {
      const padded = Buffer.from(`${'x'.repeat(shift)}${word}`).toString('base64');
      // Characters that mix bits of the neighbours differ from text to text.
      const whole = padded.slice(shift === 0 ? 0 : shift + 1, Math.floor(((word.length + shift) * 8) / 6));
      if (whole.length >= 6) anchors.push(whole);
    }
    anchors.push(Buffer.from(word.slice(1)).toString('hex'), rot13(word), reverse(word));
  }
  return anchors;
}

const BASE64 = /[A-Za-z0-9+/_-]{24,}={0,2}/g;
const HEX = /[0-9a-fA-F]{32,}/g;
const SHORTEST = 12;

/** What a text says once it is decoded: entities, escapes, base64, hex, rot13, reversed. One level deep, linear. */
export function decodings(text: string): string[] {
  const found: string[] = [];
  if (text.includes('&#')) found.push(text.replace(/&#(x?)([0-9a-f]{1,7});?/gi, (_, hex: string, digits: string) => point(Number.parseInt(digits, hex === '' ? 10 : 16))));
  if (text.includes('\\u')) found.push(text.replace(/\\+u([0-9a-f]{4})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))));
  for (const [run] of text.matchAll(BASE64)) keep(found, Buffer.from(run, 'base64'));
  for (const [run] of text.matchAll(HEX)) keep(found, Buffer.from(run.length % 2 === 0 ? run : run.slice(0, -1), 'hex'));
  const lower = text.toLowerCase();
  if (ROT13.some((word) => lower.includes(word))) found.push(rot13(text));
  if (REVERSED.some((word) => lower.includes(word))) found.push(reverse(text));
  return found;
}

const rot13 = (text: string): string => text.replace(/[a-z]/gi, (letter) => {
  const code = letter.charCodeAt(0);
  const first = code < 97 ? 65 : 97;
  return String.fromCharCode(((code - first + 13) % 26) + first);
});
const reverse = (text: string): string => [...text].toReversed().join('');
const ROT13 = TELLTALE.map((word) => rot13(word.toLowerCase()));
const REVERSED = TELLTALE.map((word) => reverse(word.toLowerCase()));

const point = (code: number): string => (code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : ' ');

/** Keeps what reads as text; binary data is recognised by its first bytes and left. */
function keep(found: string[], bytes: Buffer): void {
  if (bytes.length < SHORTEST) return;
  const text = bytes[0] === 0xff && bytes[1] === 0xfe ? bytes.toString('utf16le') : bytes[0] === 0xfe && bytes[1] === 0xff ? swapped(bytes) : bytes.toString('utf8');
  const head = text.slice(0, 64);
  const odd = head.replace(/[\p{L}\p{N}\p{P}\p{Zs}\s]/gu, '').length;
  if (odd <= head.length / 10) found.push(text);
}
const swapped = (bytes: Buffer): string => Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % 2))).swap16().toString('utf16le');
