import type { Journaled } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import type { Refusal } from '../../call/refusal.ts';
import type { SseEvent } from '../../lib/sse.ts';
import { bare, effectOf, isObject, parseBytes, parseObject, refusalOf, refusalOfStatus, shapeOf } from '../answer.ts';
import { mayForwardAsk } from './asks.ts';
import { unheard } from './given-out.ts';
import type { MirrorRoom } from './room.ts';
import { Exchange, mediaType, type Broken, type Headers, type Sink } from '../http/exchange.ts';
import type { Link } from '../http/link.ts';
import { go, stop, type Done } from '../room.ts';
import { HELLO, LEGACY_CHANGES, modernChanges, type Wanted } from '../streams.ts';

/** How long a server may take to open a stream, ms. */
const OPEN_MS = 30_000;
/** How long a GET stream stays open after it brought the answer to a polled call, ms: the corridor still has to inspect and record it. */
const HAND_OVER_MS = 2_000;
/** So many dropped messages of one exchange are logged. */
const LOGGED_DROPS = 5;

/** The one list that is the gateway's own here; of the others the server tells itself. */
const TOOLS_ONLY: Wanted = { tools: LEGACY_CHANGES.tools };

/** A mirrored stream without an end of its own: a legacy GET, or a modern `subscriptions/listen`. Ends when either side closes it. */
export class MirrorStream implements Sink {
  readonly #call: Journaled;
  readonly #link: Link;
  readonly #room: MirrorRoom;
  readonly #end: (done: Done) => void;
  readonly #exchange: Exchange;
  #status = 0;
  #timer: NodeJS.Timeout | null = null;
  #forget: (() => void) | null = null;
  #handedOver = false;
  #over = false;
  #dropped = 0;

  constructor(call: Journaled, link: Link, room: MirrorRoom, end: (done: Done) => void) {
    this.#call = call;
    this.#link = link;
    this.#room = room;
    this.#end = end;
    this.#exchange = new Exchange(this, link.maxBytes);
  }

  start(headers: string[], body: Buffer | string | null): void {
    if (this.#link.streaming >= this.#link.maxStreams) {
      this.#over = true;
      return this.#end(stop({ code: 'dispatch.unavailable', note: 'max_streams are open', effect: 'none' }));
    }
    this.#link.streaming++;
    this.#timer = setTimeout(() => this.#fail({ code: 'dispatch.timeout', note: 'opening a stream', effect: 'none' }), OPEN_MS);
    this.#call.signal.addEventListener('abort', this);
    if (this.#call.signal.aborted) return this.handleEvent();
    this.#exchange.start(this.#link.streams, { origin: this.#link.origin, path: this.#link.path, method: body === null ? 'GET' : 'POST', headers, body });
  }

  /** The client, its credential or the gateway closes the stream. */
  handleEvent(): void {
    this.#settle(go(bare(200, this.#call.session, 'done')));
  }

  head(status: number, headers: Headers): void {
    this.#status = status;
    const { session } = this.#call;
    if (status === 200 && mediaType(headers) === 'text/event-stream') return this.#opened();
    if (this.#call.message.kind === 'stream') {
      if (status === 405) return this.#settle(go(bare(405, session, 'none')));
      if (status === 404 && session !== null && session.upstreamId !== null) {
        session.upstreamId = null;
        this.#room.deps.sessions.end(session.id);
        return this.#fail({ code: 'dispatch.session', effect: 'none' });
      }
    } else if (mediaType(headers) === 'application/json' && status !== 401 && status !== 403 && (status < 300 || status >= 400)) return;
    this.#fail({ ...refusalOfStatus(status), effect: 'none' });
  }

  body(bytes: Buffer): void {
    const message = parseBytes(bytes);
    const isOurs = message !== null && shapeOf(message) === 'response' && message['id'] === this.#call.message.rpcId;
    if (!isOurs) return this.#fail(refusalOfStatus(this.#status));
    this.#settle(go({ status: this.#status, bytes, message, event: null, session: null, effect: effectOf(message), droppedBytes: 0 }));
  }

  event = (event: SseEvent): void => {
    if (this.#over) return;
    if (event.data === null || event.data === '') return this.#send(event.raw);
    const message = parseObject(event.data);
    const shape = message === null ? 'junk' : shapeOf(message);
    if (message === null || shape === 'junk') return this.#drop('no JSON-RPC message');
    if (shape === 'response') return this.#response(event, event.data, message);
    if (shape === 'request' && !mayForwardAsk(message, this.#call, this.#link, this.#room)) return;
    const why = shape === 'notification' ? unheard(message, this.#call, this.#link.config.client_capabilities, this.#room) : null;
    if (why !== null) return this.#drop(why);
    const block = this.#room.deps.screen(event.raw, this.#call);
    if (block !== null) this.#send(block);
    if (shape === 'notification') this.#heard(message);
  };

  ended(): void {
    if (!this.#handedOver) return this.handleEvent();
    this.#timer = setTimeout(() => this.handleEvent(), HAND_OVER_MS);
  }

  broken(broken: Broken): void {
    if (broken.why === 'network') this.#room.suspect(this.#link.name);
    if (this.#status === 0) return this.#fail({ ...refusalOf(broken), effect: 'none' });
    this.ended();
  }

  #opened(): void {
    this.#stopTimer();
    // The client waits for the head of its stream; a comment opens it before there is news.
    if (this.#call.message.kind !== 'stream') return;
    this.#send(HELLO);
    if (!this.#over) this.#register(TOOLS_ONLY);
  }

  #register(wanted: Wanted): void {
    this.#forget ??= this.#room.streams.add({ call: this.#call, send: (block) => this.#call.side.event(block), close: () => this.handleEvent(), wanted });
  }

  #response(event: SseEvent, data: string, message: JsonObject): void {
    const id = message['id'];
    if (this.#call.message.kind === 'stream') {
      const waiter = typeof id === 'string' || typeof id === 'number' ? this.#call.session?.resumable.get(id) : undefined;
      if (waiter === undefined) return this.#drop('an answer nobody waits for');
      this.#handedOver = true;
      return waiter(event.raw, Buffer.from(data));
    }
    if (id !== this.#call.message.rpcId) return this.#drop('an answer with a foreign id');
    this.#settle(go({ status: 200, bytes: Buffer.from(data), message, event: event.raw, session: null, effect: effectOf(message), droppedBytes: 0 }));
  }

  #heard(message: JsonObject): void {
    if (message['method'] === 'notifications/tools/list_changed') return this.#room.nudge(this.#link.name);
    if (message['method'] !== 'notifications/subscriptions/acknowledged') return;
    // The gateway's own news may follow once the server has acknowledged, and only what it acknowledged.
    const params = message['params'];
    const honoured = isObject(params) ? params['notifications'] : undefined;
    const wanted = isObject(honoured) && honoured['toolsListChanged'] === true;
    this.#register(wanted ? modernChanges(['tools'], this.#call.message.rpcId) : {});
  }

  #send(block: Buffer): void {
    if (!this.#call.side.event(block)) this.handleEvent(); // the reader is gone or too slow: never buffer without bound
  }
  #fail(refusal: Refusal): void {
    this.#settle(stop(refusal));
  }
  #settle(done: Done): void {
    if (this.#over) return;
    this.#over = true;
    this.#link.streaming--;
    this.#stopTimer();
    this.#forget?.();
    this.#call.signal.removeEventListener('abort', this);
    this.#exchange.abort();
    this.#end(done);
  }
  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
  #drop(why: string): void {
    if (++this.#dropped > LOGGED_DROPS) return; // a hostile server must not fill the log (CWE-779)
    this.#room.deps.log('dropped a message of the server', { server: this.#link.name, correlation_id: this.#call.id, why });
  }
}
