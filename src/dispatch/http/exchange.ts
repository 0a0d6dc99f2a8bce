import type { Dispatcher } from 'undici';
import { createSseSplitter, type SseEvent, type SseSplitter } from '../../lib/sse.ts';

/** Why an exchange over HTTP broke. `sent`: bytes of the request may have reached the server, so it may have acted. */
export interface Broken {
  readonly why: 'network' | 'too_large' | 'malformed' | 'egress';
  readonly sent: boolean;
  readonly detail: string;
}

/** Who listens to an exchange. After `body`, `ended` or `broken` nothing more comes. */
export interface Sink {
  /** Status and headers (lower-case names) of the final response. */
  readonly head: (status: number, headers: Headers) => void;
  /** One event of an event stream. */
  readonly event: (event: SseEvent) => void;
  /** The whole body, when the answer is not an event stream. */
  readonly body: (bytes: Buffer) => void;
  /** The event stream ended. */
  readonly ended: () => void;
  readonly broken: (broken: Broken) => void;
}
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** The parts of one request that differ; the rest is the same for every request. */
export interface Outgoing {
  readonly origin: string;
  readonly path: string;
  readonly method: 'POST' | 'GET' | 'DELETE';
  /** Name, value, name, value. */
  readonly headers: string[];
  readonly body: Buffer | string | null;
}

/**
 * One request to a server and its answer, straight on `dispatcher.dispatch()`: no fetch, no streams, no retry, no redirect (a redirect
 * would carry the gateway's credential to whomever the server names, CWE-601). undici's own timers are off: the caller's rule.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #sink: Sink;
  readonly #maxBytes: number;
  #controller: Dispatcher.DispatchController | null = null;
  #splitter: SseSplitter | null = null;
  #first: Buffer | null = null;
  #rest: Buffer[] | null = null;
  #bytes = 0;
  #over = false;
  /** True from the moment undici begins to write the request. */
  sent = false;

  constructor(sink: Sink, maxBytes: number) {
    this.#sink = sink;
    this.#maxBytes = maxBytes;
  }

  start(dispatcher: Dispatcher, out: Outgoing): void {
    try {
      dispatcher.dispatch({ origin: out.origin, path: out.path, method: out.method, headers: out.headers, body: out.body, headersTimeout: 0, bodyTimeout: 0 }, this);
    } catch (thrown) {
      this.#break('network', describe(thrown));
    }
  }

  /** Closes the connection and says nothing more to the sink. */
  abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#controller?.abort(GIVEN_UP);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#over) return controller.abort(GIVEN_UP); // given up while it waited for a connection: never sent
    this.#controller = controller;
    this.sent = true;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    if (this.#over || status < 200) return;
    // An encoded body would pass the scanners unread; none was asked for.
    if (headers['content-encoding'] !== undefined && headers['content-encoding'] !== 'identity') {
      this.#break('malformed', 'the answer is encoded');
      return controller.abort(GIVEN_UP);
    }
    if (mediaType(headers) === 'text/event-stream') this.#splitter = createSseSplitter(this.#maxBytes);
    this.#sink.head(status, headers);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return;
    if (this.#splitter !== null) {
      const fault = this.#splitter.push(chunk, this.#sink.event);
      if (fault !== null && !this.#over) {
        this.#break(fault === 'too_large' ? 'too_large' : 'malformed', `event: ${fault}`);
        controller.abort(GIVEN_UP);
      }
      return;
    }
    this.#bytes += chunk.length;
    if (this.#bytes > this.#maxBytes) { // CWE-400: a server must not fill our memory
      this.#break('too_large', `more than ${this.#maxBytes} bytes`);
      return controller.abort(GIVEN_UP);
    }
    if (this.#first === null) this.#first = chunk;
    else (this.#rest ??= [this.#first]).push(chunk);
  }

  onResponseEnd(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#splitter !== null) this.#sink.ended();
    else this.#sink.body(this.#rest === null ? (this.#first ?? EMPTY) : Buffer.concat(this.#rest, this.#bytes));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#over) return;
    const code = codeOf(error);
    if (EGRESS.test(error.name) || EGRESS.test(code)) this.#break('egress', describe(error));
    else this.#break(code.startsWith('HPE_') || error.name === 'HTTPParserError' || code === 'UND_ERR_HEADERS_OVERFLOW' ? 'malformed' : 'network', describe(error));
  }

  #break(why: Broken['why'], detail: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#sink.broken({ why, sent: this.sent, detail });
  }
}

/** The media type of an answer in lower case, without parameters; empty when it names none. */
export function mediaType(headers: Headers): string {
  const value = headers['content-type'];
  if (typeof value !== 'string') return '';
  if (value === 'application/json' || value === 'text/event-stream') return value;
  const semicolon = value.indexOf(';');
  return (semicolon < 0 ? value : value.slice(0, semicolon)).trim().toLowerCase();
}
/** A header that must stand at most once; null when absent or repeated. */
export const single = (headers: Headers, name: string): string | null => {
  const value = headers[name];
  return typeof value === 'string' ? value : null;
};

const EMPTY = Buffer.alloc(0);
const EGRESS = /egress/i;
class GivenUp extends Error {
  override readonly name = 'GivenUp';
}
const GIVEN_UP = new GivenUp('the gateway gave the exchange up');
const codeOf = (error: Error): string => ('code' in error && typeof error.code === 'string' ? error.code : '');
const describe = (thrown: unknown): string => (thrown instanceof Error ? `${codeOf(thrown) || thrown.name}: ${thrown.message}` : String(thrown)).slice(0, 300);
