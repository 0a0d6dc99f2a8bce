import type { Refusal } from '../../call/refusal.ts';
import { refusalOf, refusalOfStatus } from '../answer.ts';
import { Exchange, type Broken, type Sink } from '../http/exchange.ts';
import type { Link } from '../http/link.ts';
import { UpstreamFault } from '../upstream.ts';

/** A server takes a message in this time, ms; the request in it has its own time-out. */
const TAKE_MS = 30_000;
/** What a notification or a response goes before waits no longer than this for it to be taken, ms. */
const BEFORE_MS = 2_000;
/** How long the rest of the answer to a POST may take, ms. */
const DRAIN_MS = 1_000;
/** What is read of the answer to a POST, bytes: only its status counts. */
const ANSWER_BYTES = 65_536;

interface Post {
  readonly text: string;
  /** The request in it; null: a notification or a response. */
  readonly id: number | null;
  exchange: Exchange | null;
}

/**
 * Messages to a 2024-11-05 server, each in a POST of its own, none twice. Requests may overtake each other; what comes after a notification or
 * a response waits until that was taken: a server refuses requests that arrive before `notifications/initialized`.
 */
export class Posts {
  queuedBytes = 0;
  readonly #link: Link;
  readonly #path: string;
  readonly #onUnsent: (id: number, refusal: Refusal) => void;
  readonly #onForgotten: () => void;
  readonly #open = new Set<Post>();
  readonly #waiting: Post[] = [];
  /** The notification or response that is on its way. */
  #before: Post | null = null;
  #over = false;

  /** `onForgotten`: the server says that there is no such channel. */
  constructor(link: Link, path: string, onUnsent: (id: number, refusal: Refusal) => void, onForgotten: () => void) {
    this.#link = link;
    this.#path = path;
    this.#onUnsent = onUnsent;
    this.#onForgotten = onForgotten;
  }

  send(text: string, id: number | null): boolean {
    if (this.#over) return false;
    const post: Post = { text, id, exchange: null };
    this.queuedBytes += text.length;
    this.#open.add(post);
    if (this.#before !== null) this.#waiting.push(post);
    else void this.#start(post);
    return true;
  }

  /** Takes a request back; true when no byte of it was sent, and none will be. */
  revoke(id: number): boolean {
    for (const post of this.#open) {
      if (post.id !== id) continue;
      const isUnsent = post.exchange === null || !post.exchange.sent;
      if (isUnsent) this.#close(post);
      return isUnsent;
    }
    return false;
  }

  close(): void {
    this.#over = true;
    this.#waiting.length = 0;
    for (const post of this.#open) this.#close(post);
  }

  async #start(post: Post): Promise<void> {
    if (post.id === null) this.#goFirst(post);
    let credential: readonly string[];
    try {
      const given = this.#link.credential();
      credential = given instanceof Promise ? await given : given;
    } catch (thrown) {
      return this.#failed(post, thrown instanceof UpstreamFault ? thrown.refusal : { code: 'dispatch.credential', note: String(thrown), effect: 'none' });
    }
    if (!this.#open.has(post)) return;
    const { origin, calls } = this.#link;
    const exchange = new Exchange(this.#sink(post), ANSWER_BYTES);
    post.exchange = exchange;
    exchange.start(calls, { origin, path: this.#path, method: 'POST', headers: ['content-type', 'application/json', 'accept', 'application/json, text/event-stream', ...credential], body: post.text });
  }

  #goFirst(post: Post): void {
    this.#before = post;
    setTimeout(() => this.#goOn(post), BEFORE_MS).unref();
  }
  #goOn(post: Post): void {
    if (this.#before !== post) return;
    this.#before = null;
    while (this.#before === null) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      if (this.#open.has(next)) void this.#start(next);
    }
  }

  #sink(post: Post): Sink {
    let timer = setTimeout(() => {
      if (post.exchange?.sent === false) return this.#failed(post, { code: 'dispatch.unavailable', note: 'no connection was free in time', effect: 'none' });
      this.#close(post); // perhaps it was taken: the request's own time-out decides
    }, TAKE_MS).unref();
    let status = 0;
    const over = (): void => {
      clearTimeout(timer);
      this.#close(post);
    };
    return {
      head: (given) => {
        status = given;
        clearTimeout(timer);
        if (status < 300) { // taken: an answer to it comes on the stream, and what else stands here must not hold a connection
          timer = setTimeout(() => this.#close(post), DRAIN_MS).unref();
          return this.#goOn(post);
        }
        this.#failed(post, { ...refusalOfStatus(status), effect: status < 500 ? 'none' : 'unknown' });
        if (status === 404 || status === 410) this.#onForgotten();
      },
      event: () => undefined,
      body: over,
      ended: over,
      broken: (broken: Broken) => {
        clearTimeout(timer);
        if (status === 0) this.#failed(post, refusalOf(broken));
        else this.#close(post);
      },
    };
  }

  #failed(post: Post, refusal: Refusal): void {
    if (!this.#open.has(post)) return;
    this.#close(post);
    if (post.id !== null) this.#onUnsent(post.id, refusal);
  }
  #close(post: Post): void {
    if (!this.#open.delete(post)) return;
    this.queuedBytes -= post.text.length;
    post.exchange?.abort();
    this.#goOn(post);
  }
}
