import type { GivenUp } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import type { Refusal } from '../../call/refusal.ts';
import type { SseEvent } from '../../lib/sse.ts';
import { parseBytes, parseObject, refusalOf, refusalOfStatus, shapeOf } from '../answer.ts';
import { Asked, type Askable } from '../asked.ts';
import { Exchange, mediaType, single, type Broken, type Headers, type Sink } from './exchange.ts';
import type { Link } from './link.ts';
import { Resumption } from './resumption.ts';
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
  /** Notifications of the server on this stream. True: progress, the time-out starts again. */
  readonly onNotification: (message: JsonObject, text: string) => boolean;
  /** The caller gave up, or the time is over: tell the server before the line is cut. */
  readonly onGiveUp: () => void;
  /** What belongs to a legacy session; null: the server may ask nothing on this stream, and it cannot be taken up again. */
  readonly legacy: LegacySaying | null;
}
export interface LegacySaying {
  /** Who answers requests of the server on this stream. */
  readonly askable: Askable;
  /** Sends the server the text of a response. Never throws. */
  readonly respond: (text: string) => void;
  /** Headers of a GET that takes up a stream that ended before the answer. */
  readonly headers: readonly string[];
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

/** Says it and waits for the response. Rejects with an UpstreamFault for all but a response and a 4xx. */
export function talk(link: Link, saying: Saying, monotonic: () => number): Promise<Told> {
  const begin = (credential: readonly string[]): Promise<Told> => {
    if (saying.signal?.aborted === true) return Promise.reject(new UpstreamFault({ code: 'dispatch.cancelled', effect: 'none' }));
    return new Promise((resolve, reject) => new Talk(link, saying, monotonic, resolve, reject).start(credential));
  };
  const credential = link.credential();
  return credential instanceof Promise ? credential.then(begin) : begin(credential);
}

class Talk implements Sink {
  readonly #link: Link;
  readonly #saying: Saying;
  readonly #monotonic: () => number;
  readonly #resolve: (told: Told) => void;
  readonly #reject: (fault: UpstreamFault) => void;
  readonly #exchange: Exchange;
  #timer: NodeJS.Timeout;
  /** The timer was set for the whole time-out, so it may be refreshed. */
  #isWhole = true;
  /** monotonic(): when the time is over, and when no progress helps any more. */
  #deadline: number;
  #last: number;
  /** monotonic() since when the time stands still; null: it runs. */
  #pausedAt: number | null = null;
  #asked: Asked | null = null;
  #resumption: Resumption | null = null;
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
    const now = monotonic();
    this.#deadline = now + saying.timeoutMs;
    this.#last = now + saying.timeoutMs * PROGRESS_FACTOR;
    this.#timer = setTimeout(this.#late, saying.timeoutMs);
  }

  start(credential: readonly string[]): void {
    const { origin, path, calls, streams } = this.#link;
    // A reply must not wait for a connection behind the calls that wait for it (CWE-833).
    const pool = this.#saying.id === null ? streams : calls;
    this.#saying.signal?.addEventListener('abort', this);
    this.#exchange.start(pool, { origin, path, method: 'POST', headers: [...JSON_HEADERS, ...this.#saying.headers, ...credential], body: this.#saying.body });
  }
  handleEvent(): void {
    this.#giveUp('dispatch.cancelled');
  }
  readonly #late = (): void => this.#giveUp('dispatch.timeout');

  head(status: number, headers: Headers): void {
    this.#status = status;
    this.#sessionId = single(headers, 'mcp-session-id');
    if (status === 401 || status === 403 || (status >= 300 && status < 400)) return this.#fail(refusalOfStatus(status));
    if (this.#saying.id === null && mediaType(headers) === 'text/event-stream') this.#told(null, null);
  }
  body(bytes: Buffer): void {
    this.#read(bytes);
    clearTimeout(this.#timer); // the exchange is over: a timer that waits for its end would keep the whole answer for a second
  }
  #read(bytes: Buffer): void {
    if (this.#saying.id === null) return this.#status < 500 ? this.#told(null, null) : this.#fail(refusalOfStatus(this.#status));
    const message = parseBytes(bytes);
    const isOurs = message !== null && shapeOf(message) === 'response' && (message['id'] === this.#saying.id || (this.#status >= 400 && message['error'] !== undefined && (message['id'] ?? null) === null));
    if (isOurs) return this.#told(bytes.toString('utf8'), message);
    if (this.#status >= 400 && this.#status < 500) return this.#told(null, null);
    this.#fail(refusalOfStatus(this.#status));
  }
  event = (event: SseEvent): void => {
    if (this.#over) return;
    const { legacy } = this.#saying;
    if (legacy !== null && (event.id !== null || event.retry !== null)) this.#resumable(legacy).heard(event);
    if (event.data === null || event.data === '') return;
    const message = parseObject(event.data);
    if (message === null) return;
    switch (shapeOf(message)) {
      case 'response': // CVE-2026-25536: one with another id is not an answer to this
        if (message['id'] === this.#saying.id) this.#told(event.data, message);
        return;
      case 'notification':
        if (this.#saying.onNotification(message, event.data)) this.#extend();
        return;
      case 'request':
        if (legacy !== null) this.#questions(legacy).take(message, event.data);
        return;
      case 'junk':
        return;
    }
  };
  ended(): void {
    if (this.#over) return clearTimeout(this.#timer);
    if (this.#resumption?.begin() !== true) this.#fail({ code: 'dispatch.bad_answer', note: 'the stream ended without an answer', effect: 'unknown' });
  }
  broken(broken: Broken): void {
    if (this.#over) return;
    if (broken.why !== 'network' || this.#resumption?.begin() !== true) this.#fail(refusalOf(broken));
  }

  #questions({ askable, respond }: LegacySaying): Asked {
    return (this.#asked ??= new Asked(askable, { pause: () => this.#pause(), resume: () => this.#resume(), isOver: () => this.#over, respond }));
  }
  #resumable({ headers }: LegacySaying): Resumption {
    const hears = { event: this.event, fail: (refusal: Refusal): void => this.#fail(refusal) };
    return (this.#resumption ??= new Resumption(this.#link, headers, this.#saying.maxBytes, hears));
  }

  #pause(): boolean {
    // Whoever waits for a person holds a connection: they must not take them all from the calls that do not wait (CWE-400).
    if (this.#link.asking >= this.#link.maxAsking) return false;
    this.#link.asking++;
    this.#pausedAt = this.#monotonic();
    clearTimeout(this.#timer);
    return true;
  }
  #resume(): void {
    if (this.#pausedAt === null) return;
    const now = this.#monotonic();
    this.#deadline += now - this.#pausedAt;
    this.#last += now - this.#pausedAt;
    this.#pausedAt = null;
    this.#link.asking--;
    this.#setTimer(this.#deadline - now);
  }
  #extend(): void {
    const { timeoutMs } = this.#saying;
    const now = this.#pausedAt ?? this.#monotonic();
    this.#deadline = Math.min(now + timeoutMs, this.#last);
    if (this.#pausedAt !== null) return;
    if (this.#isWhole && this.#deadline === now + timeoutMs) this.#timer.refresh();
    else this.#setTimer(this.#deadline - now);
  }
  #setTimer(ms: number): void {
    clearTimeout(this.#timer);
    this.#isWhole = ms >= this.#saying.timeoutMs;
    this.#timer = setTimeout(this.#late, Math.max(1, ms));
  }

  #giveUp(code: 'dispatch.timeout' | 'dispatch.cancelled'): void {
    if (this.#over) return;
    const isSent = this.#exchange.sent;
    if (isSent) this.#saying.onGiveUp();
    this.#fail({ code, effect: isSent ? 'unknown' : 'none' });
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
    if (this.#pausedAt !== null) this.#link.asking--;
    this.#pausedAt = null;
    this.#resumption?.stop();
    this.#saying.signal?.removeEventListener('abort', this);
  }
}

export const JSON_HEADERS = ['content-type', 'application/json', 'accept', 'application/json, text/event-stream'] as const;
