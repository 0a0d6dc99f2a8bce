import type { Journaled } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import type { Refusal } from '../../call/refusal.ts';
import type { Session } from '../../call/session.ts';
import type { SseEvent } from '../../lib/sse.ts';
import { effectOf, isObject, parseBytes, parseObject, refusalOf, refusalOfStatus, shapeOf } from '../answer.ts';
import { mayForwardAsk, sayAside } from './asks.ts';
import { agreed, givenOut, unheard } from './given-out.ts';
import type { MirrorRoom } from './room.ts';
import { Exchange, mediaType, single, type Broken, type Headers, type Sink } from '../http/exchange.ts';
import type { Link } from '../http/link.ts';
import { openSession } from '../open-session.ts';
import { go, stop, type Done } from '../room.ts';

/** Progress starts the time-out again, up to so many times its length (MCP 2026-07-28 lifecycle: an absolute maximum always). */
const PROGRESS_FACTOR = 10;
/** How long a server may take to answer a call that was cancelled, ms. */
const CANCEL_GRACE_MS = 2_000;
/** How long a server may hold its stream open after the answer, ms. */
const DRAIN_MS = 1_000;
/** So many dropped messages of one exchange are logged. */
const LOGGED_DROPS = 5;
const TOLD = Promise.resolve();

/** One mirrored request: its bytes out, its events and answer back. Ends exactly once, by an answer, a fault, the clock or the client. */
export class MirrorCall implements Sink {
  readonly #call: Journaled;
  readonly #link: Link;
  readonly #room: MirrorRoom;
  readonly #end: (done: Done) => void;
  readonly #exchange: Exchange;
  readonly #startedAt: number;
  readonly #forget: (() => void) | null;
  #timer: NodeJS.Timeout | null = null;
  #status = 0;
  #upstreamId: string | null = null;
  /** An event with an id came: the server may close the stream and answer on a resumed one. */
  #resumable = false;
  #over = false;
  #dropped = 0;
  #cancelled = false;

  constructor(call: Journaled, link: Link, room: MirrorRoom, end: (done: Done) => void) {
    this.#call = call;
    this.#link = link;
    this.#room = room;
    this.#end = end;
    this.#exchange = new Exchange(this, link.maxBytes);
    this.#startedAt = room.deps.clock.monotonic();
    const { session, message } = call;
    this.#forget = session !== null && message.rpcId !== null ? room.inFlight.add(session, message.rpcId, (tellServer) => this.#cancel(tellServer)) : null;
  }

  start(headers: string[], body: Buffer | string): void {
    const { signal, target } = this.#call;
    if (signal.aborted) return this.handleEvent();
    signal.addEventListener('abort', this);
    if (target.timeoutMs !== null) this.#timer = setTimeout(() => this.#late(), target.timeoutMs);
    this.#exchange.start(this.#link.calls, { origin: this.#link.origin, path: this.#link.path, method: 'POST', headers, body });
  }

  /** The client gave up (AbortSignal calls this). */
  handleEvent(): void {
    if (this.#over) return;
    // Modern: closing the stream is the cancellation. Legacy: it is a message of its own, and the server may still answer.
    if (this.#call.era === 'legacy') return void this.#cancel(true);
    this.#giveUp({ code: 'dispatch.cancelled', effect: this.#exchange.sent ? 'unknown' : 'none' });
  }

  head(status: number, headers: Headers): void {
    this.#status = status;
    if (this.#call.message.method === 'initialize') this.#upstreamId = single(headers, 'mcp-session-id');
    const { session, era } = this.#call;
    if (status === 404 && era === 'legacy' && session !== null && session.upstreamId !== null) return this.#sessionGone(session);
    // Whatever a server says with these, its own challenge stays here: it is about the gateway's credential, not the client's.
    // A redirect is not followed: it would carry the credential to whomever the server names (CWE-601).
    if (status === 401 || status === 403 || (status >= 300 && status < 400)) return this.#giveUp(refusalOfStatus(status));
    if (status === 200 && mediaType(headers) === 'text/event-stream') return;
    if (mediaType(headers) !== 'application/json') this.#giveUp(refusalOfStatus(status));
  }

  body(bytes: Buffer): void {
    const message = parseBytes(bytes);
    if (message === null || shapeOf(message) !== 'response') return this.#fail(refusalOfStatus(this.#status));
    // An error without an id answers a request whose id the server did not read; on this exchange there is only ours.
    const isOurs = message['id'] === this.#call.message.rpcId || (this.#status >= 400 && message['error'] !== undefined && (message['id'] ?? null) === null);
    if (!isOurs) return this.#fail({ code: 'dispatch.bad_answer', note: 'an answer with a foreign id', effect: 'unknown' });
    this.#answer(bytes, message, null);
  }

  event = (event: SseEvent): void => {
    if (event.id !== null && event.id !== '') this.#resumable = true;
    if (event.data === null || event.data === '') {
      if (!this.#over) this.#call.side.event(event.raw);
      return;
    }
    const message = parseObject(event.data);
    const shape = message === null ? 'junk' : shapeOf(message);
    if (message === null || shape === 'junk') return this.#drop('no JSON-RPC message');
    if (shape === 'response') return this.#response(event, message);
    if (this.#over) return this.#drop('a message after the answer');
    if (shape === 'request' && !mayForwardAsk(message, this.#call, this.#link, this.#room)) return;
    if (shape === 'notification') {
      const why = unheard(message, this.#call, this.#link.config.client_capabilities, this.#room);
      if (why !== null) return this.#drop(why);
      this.#heard(message);
    }
    const block = this.#room.deps.screen(event.raw, this.#call);
    if (block !== null) this.#call.side.event(block);
  };

  ended(): void {
    if (this.#over) return this.#stopTimer();
    const { session, message, side, era } = this.#call;
    if (!this.#resumable || era === 'modern' || session === null || message.rpcId === null) {
      return this.#fail({ code: 'dispatch.bad_answer', note: 'the stream ended without an answer', effect: 'unknown' });
    }
    // MCP 2025-11-25 transports, polling: the client comes back with GET and Last-Event-ID, and the answer comes on that stream.
    session.resumable.set(message.rpcId, (event, data) => {
      const parsed = parseBytes(data);
      if (parsed !== null) this.#answer(data, parsed, event);
    });
    side.detached();
  }

  broken(broken: Broken): void {
    if (broken.why === 'network') this.#room.suspect(this.#link.name);
    this.#fail(refusalOf(broken));
  }

  #response(event: SseEvent, message: JsonObject): void {
    // CVE-2026-25536: an answer that is not to this request belongs to somebody else, or to nobody. A second answer too.
    if (this.#over) return this.#drop('a second answer');
    if (message['id'] !== this.#call.message.rpcId) return this.#drop('an answer with a foreign id');
    this.#answer(Buffer.from(event.data ?? ''), message, event.raw);
  }

  #answer(bytes: Buffer, message: JsonObject, event: Buffer | null): void {
    const session = this.#call.message.method === 'initialize' ? this.#opened(message) : this.#call.session;
    if (session !== null) session.streamed = event !== null;
    const given = givenOut(this.#call, { bytes, message, event }, this.#link.config.client_capabilities, this.#room);
    if (typeof given === 'string') this.#fail({ code: 'dispatch.bad_answer', note: given, effect: 'unknown' });
    else this.#settle(go({ status: this.#status, bytes: given.bytes, message: given.message, event: given.event, session, effect: effectOf(message), droppedBytes: 0 }));
    if (event !== null) this.#timer = setTimeout(() => this.#exchange.abort(), DRAIN_MS).unref();
  }

  /** After a successful `initialize`: one client session stands for exactly one server session. */
  #opened(message: JsonObject): Session | null {
    const { result } = message;
    if (this.#call.era !== 'legacy' || !isObject(result)) return null;
    const theirs = typeof result['protocolVersion'] === 'string' ? result['protocolVersion'] : this.#call.version;
    const { clock, sessions } = this.#room.deps;
    const session = openSession(this.#call, agreed(this.#call, theirs) ?? theirs, this.#upstreamId, clock.now());
    session.upstreamVersion = theirs;
    sessions.admit(session);
    return session;
  }

  #heard(message: JsonObject): void {
    if (message['method'] === 'notifications/progress') this.#extend();
    if (message['method'] === 'notifications/tools/list_changed') this.#room.nudge(this.#link.name);
  }

  #extend(): void {
    const { timeoutMs } = this.#call.target;
    if (timeoutMs === null || this.#timer === null || this.#cancelled) return;
    const left = this.#startedAt + timeoutMs * PROGRESS_FACTOR - this.#room.deps.clock.monotonic();
    if (left >= timeoutMs) this.#timer.refresh();
  }

  /** Resolves when the server has been told. */
  #cancel(tellServer: boolean): Promise<void> {
    if (this.#over || this.#cancelled) return TOLD;
    // While it waits for a connection nobody has it: sent after this, it would run unheard and be recorded as if it had not.
    if (!this.#exchange.sent) {
      this.#giveUp({ code: 'dispatch.cancelled', effect: 'none' });
      return TOLD;
    }
    this.#cancelled = true;
    const told = tellServer ? this.#tellCancelled() : TOLD;
    this.#stopTimer();
    const refusal: Refusal = { code: 'dispatch.cancelled', effect: 'unknown' };
    this.#timer = setTimeout(() => this.#giveUp(refusal), CANCEL_GRACE_MS);
    return told;
  }

  #late(): void {
    if (this.#call.era === 'legacy') void this.#tellCancelled();
    this.#giveUp({ code: 'dispatch.timeout', note: `${this.#call.target.timeoutMs} ms`, effect: this.#exchange.sent ? 'unknown' : 'none' });
  }

  #tellCancelled(): Promise<void> {
    if (!this.#exchange.sent || this.#call.message.method === 'initialize') return TOLD; // the handshake cannot be cancelled
    const text = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: this.#call.message.rpcId } });
    return sayAside(this.#link, this.#call, text);
  }

  #sessionGone(session: Session): void {
    session.upstreamId = null; // nothing is left to end on the server
    this.#giveUp({ code: 'dispatch.session', effect: 'none' }); // before the session's end cancels what runs in it
    this.#room.deps.sessions.end(session.id);
  }

  #giveUp(refusal: Refusal): void {
    this.#exchange.abort();
    this.#fail(refusal);
  }
  #fail(refusal: Refusal): void {
    this.#settle(stop(refusal));
  }
  #settle(done: Done): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopTimer();
    this.#call.signal.removeEventListener('abort', this);
    this.#forget?.();
    if (this.#resumable && this.#call.message.rpcId !== null) this.#call.session?.resumable.delete(this.#call.message.rpcId);
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
