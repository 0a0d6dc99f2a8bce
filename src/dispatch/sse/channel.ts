import type { Refusal } from '../../call/refusal.ts';
import type { SseEvent } from '../../lib/sse.ts';
import { refusalOf, refusalOfStatus } from '../answer.ts';
import { Exchange, mediaType, type Broken, type Headers, type Sink } from '../http/exchange.ts';
import type { Link } from '../http/link.ts';
import type { Pipe } from '../pipe/conversation.ts';
import { UpstreamFault } from '../upstream.ts';
import { endpointPath } from './endpoint.ts';
import { Posts } from './posts.ts';

/** A server names its endpoint in this time, ms. */
const OPEN_MS = 15_000;

/**
 * Opens a channel to a 2024-11-05 server: one event stream on which it says everything, and an address for what is said to it (MCP
 * 2024-11-05 transports, HTTP with SSE). Resolves when the server has named that address; rejects with an `UpstreamFault`.
 */
export async function openChannel(link: Link): Promise<Pipe> {
  const credential = await link.credential();
  return new Promise((resolve, reject) => new Channel(link, resolve, reject).open(credential));
}

class Channel implements Sink {
  readonly #link: Link;
  readonly #opened: (pipe: Pipe) => void;
  readonly #refused: (fault: UpstreamFault) => void;
  readonly #stream: Exchange;
  readonly #timer: NodeJS.Timeout;
  #posts: Posts | null = null;
  #over = false;
  #onLine: (line: Buffer) => void = () => undefined;
  #onExit: (cause: string) => void = () => undefined;
  #onUnsent: (id: number, refusal: Refusal) => void = () => undefined;

  constructor(link: Link, opened: (pipe: Pipe) => void, refused: (fault: UpstreamFault) => void) {
    this.#link = link;
    this.#opened = opened;
    this.#refused = refused;
    this.#stream = new Exchange(this, link.maxBytes);
    this.#timer = setTimeout(() => this.#end({ code: 'dispatch.unavailable', note: 'no endpoint was named in time', effect: 'none' }), OPEN_MS);
  }

  open(credential: readonly string[]): void {
    const { origin, path, streams } = this.#link;
    this.#stream.start(streams, { origin, path, method: 'GET', headers: ['accept', 'text/event-stream', ...credential], body: null });
  }

  head(status: number, headers: Headers): void {
    if (status === 200 && mediaType(headers) === 'text/event-stream') return;
    this.#end({ ...(status === 200 ? { code: 'dispatch.bad_answer', note: 'no event stream' } : refusalOfStatus(status)), effect: 'none' });
  }
  event = (event: SseEvent): void => {
    if (this.#over || event.data === null) return;
    if (event.event === 'endpoint') return this.#endpoint(event.data);
    if (this.#posts !== null && (event.event === null || event.event === '' || event.event === 'message')) this.#onLine(Buffer.from(event.data.trim()));
  };
  body(): void {
    this.#end({ code: 'dispatch.bad_answer', note: 'no event stream', effect: 'none' });
  }
  ended(): void {
    this.#end({ code: 'dispatch.unavailable', note: 'the event stream ended', effect: 'none' });
  }
  broken(broken: Broken): void {
    this.#end({ ...refusalOf(broken), effect: 'none' });
  }

  #endpoint(data: string): void {
    if (this.#posts !== null) return; // where the gateway's credential goes is not changed in mid-conversation
    const path = endpointPath(this.#link, data);
    if (path === null) return this.#end({ code: 'dispatch.egress', note: 'the server named an endpoint of another origin', effect: 'none' });
    clearTimeout(this.#timer);
    const posts = new Posts(this.#link, path, (id, refusal) => this.#onUnsent(id, refusal), () => this.#end({ code: 'dispatch.unavailable', note: 'the server no longer knows the channel', effect: 'none' }));
    this.#posts = posts;
    this.#opened({
      write: (text, id) => posts.send(text, id ?? null),
      revoke: (id) => posts.revoke(id),
      queuedBytes: () => posts.queuedBytes,
      kill: (cause) => this.#end({ code: 'dispatch.unavailable', note: cause, effect: 'none' }),
      onLine: (listener) => void (this.#onLine = listener),
      onExit: (listener) => void (this.#onExit = listener),
      onUnsent: (listener) => void (this.#onUnsent = listener),
      lastWords: () => '',
      stop: async () => this.#end({ code: 'dispatch.unavailable', note: 'closed', effect: 'none' }),
    });
  }

  #end(refusal: Refusal): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#stream.abort();
    if (this.#posts === null) return this.#refused(new UpstreamFault(refusal));
    this.#posts.close();
    // Not at once: whoever ends it may be in the middle of a message.
    setImmediate(() => this.#onExit(refusal.note ?? refusal.code));
  }
}
