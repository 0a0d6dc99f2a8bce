import type { Json } from '../call/json.ts';
import { type Fault, type Limits, Scan } from './json-scan.ts';
import { type Inexact, pointersAt, type Span } from './json-text.ts';

/** The objects at `/params`, `/params/arguments`, `/inputs` and `/result`; null where there is none or it is not an object. */
export interface Spans {
  readonly params: Span | null;
  readonly arguments: Span | null;
  readonly inputs: Span | null;
  readonly result: Span | null;
}
export type StrictFault = Fault;
export type Strict =
  | { readonly ok: true; readonly value: Json; readonly inexact: readonly Inexact[]; readonly spans: Spans }
  | { readonly ok: false; readonly fault: StrictFault; readonly at: number };

/**
 * Reads JSON that every parser reads alike (RFC 8259 section 4, RFC 7493 I-JSON), or refuses it:
 * - `json`: not JSON, a BOM, or an unpaired surrogate (escaped or not);
 * - `duplicate_key`: an object with two keys that are equal after unescaping and case folding. Servers take the first, the last, or
 *   fold case (CVE-2026-27896, CVE-2017-12635), so what is judged would not be what runs;
 * - `prototype_key`: `__proto__` anywhere, `prototype` inside `constructor` (CWE-1321);
 * - `depth`: more than `maxDepth` containers in each other. Judged before anything recursive sees the text (CWE-674).
 * - `keys`: an object with more than `maxKeys` keys (CWE-400).
 * `at` is the byte offset. `bytes` are the UTF-8 bytes that `text` was decoded from, if the caller has them (they were checked to be
 * UTF-8): saves encoding them again. Linear in the length of the text; never throws.
 */
export function parseStrict(text: string, limits: Limits, bytes?: Buffer): Strict {
  // An unpaired surrogate has no UTF-8 form: every program replaces it by something else.
  if (bytes === undefined && !text.isWellFormed()) return { ok: false, fault: 'json', at: 0 };
  const raw = bytes ?? Buffer.from(text);
  const scan = new Scan(raw, limits);
  const fault = scan.run();
  if (fault !== null) return { ok: false, fault, at: scan.at };
  let value: Json;
  try {
    value = JSON.parse(text) as Json; // parse edge
  } catch {
    return { ok: false, fault: 'json', at: 0 };
  }
  const ascii = raw.length === text.length;
  const inexact = scan.inexact === null ? NONE : pointersAt(text, ascii ? scan.inexact : charOffsets(raw, scan.inexact));
  return { ok: true, value, inexact, spans: ascii ? scan.spans : charSpans(raw, scan.spans) };
}
const NONE: readonly Inexact[] = Object.freeze([]);

function charSpans(raw: Buffer, spans: Spans): Spans {
  return {
    params: charSpan(raw, spans.params),
    arguments: charSpan(raw, spans.arguments),
    inputs: charSpan(raw, spans.inputs),
    result: charSpan(raw, spans.result),
  };
}
function charSpan(raw: Buffer, span: Span | null): Span | null {
  if (span === null) return null;
  const start = raw.toString('utf8', 0, span.start).length;
  return { start, end: start + raw.toString('utf8', span.start, span.end).length };
}
/** Byte offsets, ascending, as offsets in the decoded text. */
function charOffsets(raw: Buffer, offsets: readonly number[]): number[] {
  let bytes = 0;
  let chars = 0;
  return offsets.map((offset) => {
    chars += raw.toString('utf8', bytes, offset).length;
    bytes = offset;
    return chars;
  });
}

export { foldKey } from './json-scan.ts';
export { type Inexact, type Span } from './json-text.ts';
