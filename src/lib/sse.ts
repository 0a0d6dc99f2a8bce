import { isUtf8 } from 'node:buffer';

/** One event of a stream (WHATWG HTML section 9.2). */
export interface SseEvent {
  /** The bytes as received, with the blank line that ends them: forwarded as they are, id and retry lines survive. */
  readonly raw: Buffer;
  /** The `data` lines joined by a newline; null for blocks without any (comments, a bare `id` or `retry`). */
  readonly data: string | null;
  readonly id: string | null;
  readonly event: string | null;
  /** ms. */
  readonly retry: number | null;
}
/** too_large: an event over the limit. utf8: not UTF-8, which readers would mend differently. Both end the stream: push nothing more. */
export type SseFault = 'too_large' | 'utf8';
export interface SseSplitter {
  /** Calls `onEvent` for each event that is complete, in order. */
  readonly push: (chunk: Buffer, onEvent: (event: SseEvent) => void) => SseFault | null;
  /** Bytes of an event that has not ended. The standard says to drop them when the stream ends. */
  readonly pending: () => number;
}

const LF = 10, CR = 13;

/** Splits a stream into events; lines may end in CR, LF or CRLF, chunks may end anywhere, even inside a character. */
export function createSseSplitter(maxEventBytes: number): SseSplitter {
  const state: State = { held: [], heldBytes: 0, lineHasBytes: false, eventHasLines: false, swallowLf: false, first: true, crlf: false, heldCr: false };
  return { push: (chunk, onEvent) => splitChunk(state, chunk, maxEventBytes, onEvent), pending: () => state.heldBytes };
}

/** What is carried from one chunk to the next. */
interface State {
  /** The event's bytes in earlier chunks. */
  held: Buffer[];
  heldBytes: number;
  lineHasBytes: boolean;
  eventHasLines: boolean;
  /** The last chunk ended in CR: a LF at the head of the next one belongs to it. */
  swallowLf: boolean;
  first: boolean;
  /** A line of this event has ended in CRLF: a CR at the end of a chunk waits for its LF, so that the event keeps all its bytes. */
  crlf: boolean;
  /** The last byte of `held` is such a CR. */
  heldCr: boolean;
}
const CR_BYTE = Buffer.from('\r');

function splitChunk(state: State, given: Buffer, maxBytes: number, onEvent: (event: SseEvent) => void): SseFault | null {
  let chunk = given;
  if (state.heldCr && chunk.length > 0) {
    state.heldCr = false;
    chunk = Buffer.concat([CR_BYTE, chunk]);
  }
  let start = 0;
  let from = 0;
  if (state.swallowLf && chunk.length > 0) {
    state.swallowLf = false;
    if (chunk[0] === LF) {
      from = 1;
      if (state.eventHasLines) state.crlf = true;
      else start = 1; // it belongs to an event that was given already
    }
  }
  let lf = chunk.indexOf(LF, from);
  let cr = chunk.indexOf(CR, from);
  while (lf >= 0 || cr >= 0) {
    const at = lf < 0 ? cr : cr < 0 ? lf : Math.min(lf, cr);
    if (at > from) state.lineHasBytes = true;
    let end = at + 1;
    if (at === cr && chunk[end] === LF) {
      end++;
      state.crlf = true;
    } else if (at === cr && end === chunk.length) {
      if (state.crlf) {
        state.heldCr = true;
        chunk = chunk.subarray(0, at);
        break;
      }
      state.swallowLf = true;
    }
    if (state.lineHasBytes) {
      state.eventHasLines = true;
      state.lineHasBytes = false;
    } else {
      const fault = emit(state, chunk.subarray(start, end), maxBytes, onEvent);
      if (fault !== null) return fault;
      start = end;
    }
    from = end;
    // Each is looked for again only when it was passed, so that a chunk is read at most twice (CWE-407).
    if (lf >= 0 && lf < from) lf = chunk.indexOf(LF, from);
    if (cr >= 0 && cr < from) cr = chunk.indexOf(CR, from);
  }
  if (from < chunk.length) state.lineHasBytes = true;
  if (start < chunk.length) {
    state.held.push(chunk.subarray(start));
    state.heldBytes += chunk.length - start;
  }
  return state.heldBytes > maxBytes ? 'too_large' : null;
}

function emit(state: State, tail: Buffer, maxBytes: number, onEvent: (event: SseEvent) => void): SseFault | null {
  let raw = state.held.length === 0 ? tail : Buffer.concat([...state.held, tail]);
  state.held = [];
  state.heldBytes = 0;
  if (raw.length > maxBytes) return 'too_large';
  if (!isUtf8(raw)) return 'utf8';
  // A byte order mark may open a stream; forwarded in the middle of another one it would hide a field.
  if (state.first && raw[0] === 0xef && raw[1] === 0xbb && raw[2] === 0xbf) raw = raw.subarray(3);
  state.first = false;
  const hadLines = state.eventHasLines;
  state.eventHasLines = false;
  state.crlf = false;
  if (hadLines) onEvent(parseBlock(raw));
  return null;
}

/** The event that carries one message. JSON with line breaks takes one `data` line for each of its lines. */
export function eventBlock(data: string | Buffer): Buffer {
  if (typeof data !== 'string' && data.indexOf(LF) < 0 && data.indexOf(CR) < 0) return Buffer.concat([HEAD, data, TAIL]);
  const text = typeof data === 'string' ? data : data.toString('utf8');
  return Buffer.from(`event: message\ndata: ${text.replace(/\r\n|\r|\n/g, '\ndata: ')}\n\n`);
}
const HEAD = Buffer.from('event: message\ndata: ');
const TAIL = Buffer.from('\n\n');

function parseBlock(raw: Buffer): SseEvent {
  const text = raw.toString('utf8');
  let data: string | null = null;
  let id: string | null = null;
  let event: string | null = null;
  let retry: number | null = null;
  for (const line of text.split(/\r\n|\r|\n/)) {
    const colon = line.indexOf(':');
    if (line === '' || colon === 0) continue;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1);
    if (name === 'data') data = data === null ? value : `${data}\n${value}`;
    else if (name === 'event') event = value;
    else if (name === 'id' && !value.includes('\0')) id = value;
    else if (name === 'retry' && /^[0-9]{1,9}$/.test(value)) retry = Number(value);
  }
  return { raw, data, id, event, retry };
}

/** The `data` of one event block, or null when it has none. */
export function dataOf(block: string): string | null {
  let data: string | null = null;
  for (const line of block.split(LINE_END)) {
    if (!isData(line)) continue;
    const value = line.slice(line.charCodeAt(5) === 32 ? 6 : 5);
    data = data === null ? value : `${data}\n${value}`;
  }
  return data;
}

/** The block with other data; `id`, `event`, `retry` and comment lines stay as they are and where they are. */
export function withData(block: string, data: string): string {
  const lines: string[] = [];
  let isPut = false;
  for (const line of block.replace(/(?:\r\n|\r|\n)+$/, '').split(LINE_END)) {
    if (!isData(line)) lines.push(line);
    else if (!isPut) {
      lines.push(...data.split(LINE_END).map((part) => `data: ${part}`));
      isPut = true;
    }
  }
  return `${lines.join('\n')}\n\n`;
}

const LINE_END = /\r\n|\r|\n/;
const isData = (line: string): boolean => line === 'data' || line.startsWith('data:');
