import type { GivenUp } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import type { Refusal } from '../../call/refusal.ts';
import type { SseEvent } from '../../lib/sse.ts';
import { parseBytes, parseObject, refusalOf, refusalOfStatus, shapeOf } from '../answer.ts';
import { Exchange, mediaType, single, type Broken, type Headers, type Sink } from './exchange.ts';
import type { Link } from './link.ts';
import { UpstreamFault } from '../upstream.ts';

/** A message the gateway sends to a server in its own name. */
export interface Saying {
  /** Name, value; without the credential. */
  readonly headers: readonly string[];
  readonly body: string;
  /** The id whose response is awaited; null for notifications and responses. */
  readonly id: number | null;
  readonly signal: GivenUp | null;
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** Requests and notifications of the server on this stream. True: progress, the time-out starts again. */
  readonly onMessage: (message: JsonObject, text: string) => boolean;
  /** The caller gave up, or the time is over: tell the server before the line is cut. */
  readonly onGiveUp: () => void;
}
/** What the server said to it. */
export interface Told {
  readonly status: number;
  readonly sessionId: string | null;
  /** The response's exact text; null when none was awaited, or the status says enough: 4xx without a response of ours. */
  readonly text: string | null;
  readonly message: JsonObject | null;
}

const PROGRESS_FACTOR = 10;
const DRAIN_MS = 1_000;

/** Says it and waits for the response. Throws an UpstreamFault for all but a response and a 4xx. */
export async function talk(link: Link, saying: Saying, monotonic: () => number): Promise<Told> {
  const credential = await link.credential();
  if (saying.signal?.aborted === true) throw new UpstreamFault({ code: 'dispatch.cancelled', effect: 'none' });
  return new Promise((resolve, reject) => new Talk(link, saying, monotonic, resolve, reject).start(credential));
}

class Talk implements Sink {
  readonly #link: Link;
  readonly #saying: Saying;
  readonly #monotonic: () => number;
  readonly #resolve: (told: Told) => void;
  readonly #reject: (fault: UpstreamFault) => void;
  readonly #exchange: Exchange;
  readonly #startedAt: number;
  #timer: NodeJS.Timeout;
  #status = 0;
  #sessionId: string | null = null;
  #over = false;

  constructor(link: Link, saying: Saying, monotonic: () => number, resolve: (told: Told) => void, reject: (fault: UpstreamFault) => void) {
    this.#link = link;
    this.#saying = saying;
    this.#monotonic = monotonic;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#exchange = new Exchange(this, saying.maxBytes);
    this.#startedAt = monotonic();
    this.#timer = setTimeout(() => this.#giveUp('dispatch.timeout'), saying.timeoutMs);
  }

  start(credential: readonly string[]): void {
    const { origin, path, calls } = this.#link;
    this.#saying.signal?.addEventListener('abort', this);
    this.#exchange.start(calls, { origin, path, method: 'POST', headers: [...JSON_HEADERS, ...this.#saying.headers, ...credential], body: this.#saying.body });
  }
  handleEvent(): void {
    this.#giveUp('dispatch.cancelled');
  }

  head(status: number, headers: Headers): void {
    this.#status = status;
    this.#sessionId = single(headers, 'mcp-session-id');
    if (status === 401 || status === 403 || (status >= 300 && status < 400)) return this.#fail(refusalOfStatus(status));
    if (this.#saying.id === null && mediaType(headers) === 'text/event-stream') this.#told(null, null);
  }
  body(bytes: Buffer): void {
    if (this.#saying.id === null) return this.#status < 500 ? this.#told(null, null) : this.#fail(refusalOfStatus(this.#status));
    const message = parseBytes(bytes);
    const isOurs = message !== null && shapeOf(message) === 'response' && (message['id'] === this.#saying.id || (this.#status >= 400 && message['error'] !== undefined && (message['id'] ?? null) === null));
    if (isOurs) return this.#told(bytes.toString('utf8'), message);
    if (this.#status >= 400 && this.#status < 500) return this.#told(null, null);
    this.#fail(refusalOfStatus(this.#status));
  }
  event = (event: SseEvent): void => {
    if (this.#over || event.data === null || event.data === '') return;
    const message = parseObject(event.data);
    if (message === null) return;
    const shape = shapeOf(message);
    if (shape === 'response') {
      if (message['id'] !== this.#saying.id) return; // CVE-2026-25536: not an answer to this
      return this.#told(event.data, message);
    }
    if (shape !== 'junk' && this.#saying.onMessage(message, event.data)) this.#extend();
  };
  ended(): void {
    if (this.#over) return clearTimeout(this.#timer);
    this.#fail({ code: 'dispatch.bad_answer', note: 'the stream ended without an answer', effect: 'unknown' });
  }
  broken(broken: Broken): void {
    this.#fail(refusalOf(broken));
  }

  #extend(): void {
    const left = this.#startedAt + this.#saying.timeoutMs * PROGRESS_FACTOR - this.#monotonic();
    if (left >= this.#saying.timeoutMs) this.#timer.refresh();
  }
  #giveUp(code: 'dispatch.timeout' | 'dispatch.cancelled'): void {
    if (this.#over) return;
    if (this.#exchange.sent) this.#saying.onGiveUp();
    this.#fail({ code, effect: this.#exchange.sent ? 'unknown' : 'none' });
  }
  #told(text: string | null, message: JsonObject | null): void {
    if (this.#over) return;
    this.#settle();
    this.#timer = setTimeout(() => this.#exchange.abort(), DRAIN_MS).unref();
    this.#resolve({ status: this.#status, sessionId: this.#sessionId, text, message });
  }
  #fail(refusal: Refusal): void {
    if (this.#over) return;
    this.#settle();
    this.#exchange.abort();
    this.#reject(new UpstreamFault(refusal));
  }
  #settle(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#saying.signal?.removeEventListener('abort', this);
  }
}

export const JSON_HEADERS = ['content-type', 'application/json', 'accept', 'application/json, text/event-stream'] as const;
