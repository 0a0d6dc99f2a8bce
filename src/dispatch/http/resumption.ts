import type { Refusal } from '../../call/refusal.ts';
import { backoffMs } from '../../lib/backoff.ts';
import type { SseEvent } from '../../lib/sse.ts';
import { Exchange, mediaType, type Headers, type Sink } from './exchange.ts';
import type { Link } from './link.ts';
import { UpstreamFault } from '../upstream.ts';

/** Who waits for what comes on the stream. */
export interface Hears {
  readonly event: (event: SseEvent) => void;
  readonly fail: (refusal: Refusal) => void;
}

/** Bounds of the wait before the stream is taken up, ms: a server must not make us a flood, nor sleep through the time-out. */
const SHORTEST = 100, LONGEST = 30_000, USUAL = 1_000;
/** It goes into a header: nothing that could end it (CWE-93), nothing endless. */
const PRINTABLE = /^[\x20-\x7e]{1,1024}$/;
/** Later may be better: another stream is still open there, too many requests, the server is coming up. */
const isPassing = (status: number): boolean => status === 409 || status === 429 || status >= 500;

/**
 * Takes up a POST's event stream that the server ended before the answer, by GET with Last-Event-ID (MCP 2025-11-25 transports, polling
 * and resumability), as often as it takes; whoever waits bounds it by a time-out. The request itself is never sent again.
 */
export class Resumption {
  readonly #link: Link;
  readonly #headers: readonly string[];
  readonly #maxBytes: number;
  readonly #hears: Hears;
  #lastId: string | null = null;
  #retryMs = USUAL;
  /** Attempts in a row that brought nothing. */
  #failures = 0;
  #exchange: Exchange | null = null;
  #timer: NodeJS.Timeout | null = null;
  #over = false;

  constructor(link: Link, headers: readonly string[], maxBytes: number, hears: Hears) {
    this.#link = link;
    this.#headers = headers;
    this.#maxBytes = maxBytes;
    this.#hears = hears;
  }

  /** Notes where the stream stands. */
  heard(event: SseEvent): void {
    if (event.id !== null) this.#lastId = event.id;
    if (event.retry !== null) this.#retryMs = Math.min(event.retry, LONGEST);
    this.#failures = 0;
  }
  /** The stream is over. False: nothing on it said where to begin again. */
  begin(): boolean {
    if (this.#lastId === null || !PRINTABLE.test(this.#lastId)) return false;
    const wait = this.#failures === 0 ? this.#retryMs : Math.max(this.#retryMs, backoffMs(this.#failures));
    this.#failures++;
    this.#timer = setTimeout(() => void this.#get(), Math.max(SHORTEST, wait));
    return true;
  }
  stop(): void {
    this.#over = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#exchange?.abort();
  }

  async #get(): Promise<void> {
    let credential: readonly string[];
    try {
      credential = await this.#link.credential();
    } catch (thrown) {
      return this.#hears.fail({ ...(thrown instanceof UpstreamFault ? thrown.refusal : { code: 'dispatch.credential' }), effect: 'unknown' });
    }
    if (this.#over) return;
    const { origin, path, streams } = this.#link;
    const again = (): void => void this.begin();
    const sink: Sink = { head: (status, headers) => this.#head(status, headers), event: this.#hears.event, body: again, ended: again, broken: again };
    this.#exchange = new Exchange(sink, this.#maxBytes);
    const headers = ['accept', 'text/event-stream', ...this.#headers, 'last-event-id', this.#lastId ?? '', ...credential];
    this.#exchange.start(streams, { origin, path, method: 'GET', headers, body: null });
  }

  #head(status: number, headers: Headers): void {
    if (status === 200 && mediaType(headers) === 'text/event-stream') return;
    this.#exchange?.abort();
    if (isPassing(status)) return void this.begin();
    this.#hears.fail({ code: 'dispatch.upstream', note: `the stream could not be taken up again: status ${status}`, effect: 'unknown' });
  }
}
