import type { Folding } from '../lib/automaton.ts';

/**
 * What a reader takes for one another counts as one (Unicode TR39 in small): capitals, digits written for letters, Cyrillic and Greek
 * look-alikes. It is applied to vocabulary and text alike, so what it confuses it confuses on both sides.
 */
export function fold(code: number): number {
  if (code < 128) return ASCII[code] ?? code;
  return ALIKE.get(code) ?? code;
}
export const foldText = (text: string): string => {
  let folded = '';
  for (let i = 0; i < text.length; i++) folded += String.fromCharCode(fold(text.charCodeAt(i)));
  return folded;
};
/** Blanks between letters do not hide a word (`i g n o r e`). */
export const folding: Folding = { fold, skip: (code) => code === 32 || code === 9 || code === 10 || code === 13 };

const ASCII = Uint8Array.from({ length: 128 }, (_, code) => {
  const lower = code >= 65 && code <= 90 ? code + 32 : code;
  const at = '013457l'.indexOf(String.fromCharCode(lower));
  return at < 0 ? lower : 'oieasti'.charCodeAt(at);
});
/** Latin letters with accents, by the letter they stand on. */
const ACCENTED = Array.from({ length: 0x190 }, (_, i) => i + 0xc0)
  .map((code) => [code, String.fromCharCode(code).normalize('NFD').toLowerCase().charCodeAt(0)] as const)
  .filter(([code, plain]) => plain < 128 && plain !== code);
const ALIKE: ReadonlyMap<number, number> = new Map([
  ...ACCENTED.map(([code, plain]) => [code, ASCII[plain] ?? plain] as const),
  ...[...'аaеeоoрpсcуyхxіiјjѕsԁdһhӏiкkмmтtвbԛqԝwαaοoνvιiκkρpτtυuεeηnχxγyωwıiđdøołiɑaɡgʟiʀrɴnꜱsᴀaᴇeᴏo'.matchAll(/(.)(.)/gu)]
    .map(([, alike = '', plain = '']) => [alike.charCodeAt(0), ASCII[plain.charCodeAt(0)] ?? 0] as const),
]);

/** Format and filler characters that show nothing, and control characters other than tab and line ends. */
// oxlint-disable-next-line no-control-regex
const UNSEEN = /[\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/gu;
const FILLER = /[\u115f\u1160\u3164\uffa0\u2800]/g;
/** Latin script and the punctuation of ordinary prose: `fold` alone reads it. */
const LATIN = /^[\t\n\r\x20-\x7e\u00a0-\u00ac\u00ae-\u024f\u2010-\u2015\u2018-\u201f\u2022\u2026\u20ac\u2122\u2190-\u21ff\u2500-\u257f\u2713\u2714]*$/;
const MARKS = /[\u0300-\u036f]/g;

/** The text as a reader would speak it: unseen characters gone, NFKC, accents gone, lower case. Linear time. */
export function normalise(text: string): string {
  if (LATIN.test(text)) return text.toLowerCase();
  const seen = text.replace(FILLER, ' ').replace(UNSEEN, '');
  return seen.normalize('NFKC').toLowerCase().normalize('NFD').replace(MARKS, '').normalize('NFC');
}
