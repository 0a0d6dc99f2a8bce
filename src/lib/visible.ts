/** Control, format (bidi, zero-width), surrogate, private and line-separating characters: what a terminal or a log reader acts upon. */
const ACTS = /[\p{C}\p{Zl}\p{Zp}]/gu;
/** The same for ASCII and Latin-1 alone; tells cheaply that nothing is to do. */
const PLAIN = /^[\x20-\x7e]*$/;
/** Escape sequences as a whole (ECMA-48): CSI, OSC and the rest, so that no half of one stays behind as text. */
// oxlint-disable-next-line no-control-regex -- these are the characters it looks for
const ESCAPES = /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|\u001b[\]PX^_][^\u0007\u001b]{0,4096}(?:\u0007|\u001b\\)?|\u001b[ -/]*[0-~]/g;

/** Makes characters that act visible as `\u{1b}`, so that a name cannot draw on the operator's terminal or forge a line (CWE-150, CWE-117). */
export function visible(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.replace(ACTS, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);
}

/** Takes such characters out, escape sequences as a whole; a tab becomes a space. For text that people read and nobody compares. */
export function stripControls(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.replace(ESCAPES, '').replaceAll('\t', ' ').replace(ACTS, '');
}
