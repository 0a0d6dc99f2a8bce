import type { Received } from '../call/call.ts';

const INPUT_BYTES = 16 * 1024;
/** Whoever has not proved who he is may not fill the disk with what he sends (CWE-400, CWE-779). */
const STRANGER_BYTES = 1024;
const SHORT = 256;
const LONG = 2048;
const WITHHELD = '[withheld: redaction failed]';

/** Makes text from outside fit for a record: redacted, short, on one line. Never throws. */
export interface Scrub {
  /** A name: at most 256 characters. */
  readonly short: (text: string | null) => string | null;
  /** A sentence or URI: at most 2048 characters. */
  readonly long: (text: string | null) => string | null;
  /** Cuts only; for text that is redacted already. */
  readonly cut: (text: string, length: number) => string;
  /** What the caller asked for, as JSON text on one line. */
  readonly input: (call: Received, known: boolean) => string;
  /** Any JSON text. */
  readonly json: (text: string, most: number) => string;
}

export function makeScrub(redact: (text: string) => string, log: (message: string, fields?: object) => void): Scrub {
  const safely = (text: string): string => {
    try {
      return redact(text);
    } catch (thrown) {
      log('audit: redaction failed, the text is withheld', { cause: String(thrown) });
      return WITHHELD;
    }
  };
  const brief = (text: string | null, length: number): string | null => {
    if (text === null) return null;
    // Cut before (a megabyte is not worth scanning) and after; far enough apart that half a secret at the first edge never shows.
    return cut(safely(cut(text, INPUT_BYTES)), length);
  };
  const json = (text: string, most: number): string => {
    if (text.length > most) return truncated(text);
    const clean = safely(text);
    const fit = clean === text ? oneLine(text) : asJson(clean);
    return fit.length > most / 3 && Buffer.byteLength(fit) > most ? truncated(text) : fit;
  };
  return {
    short: (text) => brief(text, SHORT),
    long: (text) => brief(text, LONG),
    cut,
    json,
    input: (call, known) => json(call.message.method === 'tools/call' ? call.message.argumentsText : paramsText(call), known ? INPUT_BYTES : STRANGER_BYTES),
  };
}

const cut = (text: string, length: number): string => (text.length <= length ? text : `${text.slice(0, length - 1)}…`);
const truncated = (text: string): string => `{"truncated":true,"bytes":${Buffer.byteLength(text)}}`;

/** JSON may hold line ends between its tokens; in a record they would begin a line of the sender's making (CWE-117). Inside strings they cannot stand. */
const oneLine = (text: string): string => (text.includes('\n') || text.includes('\r') ? text.replaceAll(/[\r\n]/g, ' ') : text);

/** Redacted text that is no longer JSON is kept as a string. */
function asJson(text: string): string {
  try {
    JSON.parse(text);
    return oneLine(text);
  } catch {
    return JSON.stringify(text);
  }
}
/** `_meta` carries protocol state and tokens of progress, nothing the caller asked for. */
function paramsText(call: Received): string {
  const { _meta: _, ...params } = call.message.params;
  return JSON.stringify(params);
}
