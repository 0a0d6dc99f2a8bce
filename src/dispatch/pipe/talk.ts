import type { Era, GivenUp } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import type { Refusal } from '../../call/refusal.ts';
import { LOG_LEVELS, type LogLevel } from '../../call/session.ts';
import type { Clock } from '../../lib/clock.ts';
import { isObject, shapeOf } from '../answer.ts';
import { Asked, unasked } from '../asked.ts';
import { type Exchange, type RequestOptions, UpstreamFault } from '../upstream.ts';
import { notificationLine, oneLine, readLine, requestLine } from './line.ts';
import { Stopwatch } from './stopwatch.ts';

/** Where messages go, as far as a conversation needs it: the pipes of a process, or the POSTs of an HTTP+SSE channel. */
export interface Out {
  /** `id`: the request on this line; what comes of a line that did not get there is told through `Talk.unsent`. */
  readonly write: (line: string, id?: number) => boolean;
  /** Takes a request back: true when no byte of it was sent, and none will be. */
  readonly revoke: (id: number) => boolean;
  /** Bytes that wait for the server to take them. */
  readonly queuedBytes: () => number;
  /** Ends it at once. */
  readonly kill: (cause: string) => void;
}
/** One line of the gateway's log. */
export type PipeLog = (message: string, fields?: object) => void;

/** How one request is to be run. */
export interface Errand extends Omit<RequestOptions, 'principalId' | 'signal'> {
  /** ms; Infinity: it stays open for as long as the pipe. */
  readonly timeoutMs: number;
  /** null: nobody can give it up. */
  readonly signal: GivenUp | null;
  /** Of a caller: what the server asks or logs may be about it. False: the gateway's own. */
  readonly forCaller: boolean;
}
/** What the gateway asks in its own name. */
export const OWN: Errand = {
  timeoutMs: 30_000, maxBytes: 1_048_576, signal: null, progressToken: false, onNotification: () => undefined, logLevel: null, onQuestion: null, capabilities: '{}', forCaller: false,
};

/** Progress starts the time-out again, up to so many times its length: an absolute maximum always (MCP 2026-07-28 lifecycle). */
const MAX_STRETCH = 10;
/** L5: a server that does not answer, or does not read, must not gather the callers' memory (CWE-400). */
const MAX_PENDING = 1_000;
const MAX_QUEUED_BYTES = 16_777_216;
/** Lines in a row that are no messages. Banners are forgiven, a flood is not. */
const MAX_JUNK = 1_000;
/** So many oddities are logged for each pipe: a server must not fill the log (CWE-779). */
const MAX_NOTES = 20;
/** After a request was given up the server may still speak of it for so long, ms: until then nothing it says can be laid to another one. */
const LINGER_MS = 2_000;

interface Pending {
  readonly errand: Errand;
  readonly resolve: (exchange: Exchange) => void;
  readonly reject: (fault: UpstreamFault) => void;
  readonly time: Stopwatch;
  readonly onAbort: (() => void) | null;
  /** What the server asks about it; null: nothing so far. */
  asked: Asked | null;
  /** It waits for its client. */
  waits: boolean;
}
type TextOf = (name: string) => string | null;

/**
 * The conversation over one pipe. Ids and progress tokens are minted here and each leads back to exactly one request, so that no answer
 * and no notification reaches another caller (CVE-2026-25536); what leads to none is dropped.
 */
export class Talk {
  private readonly name: string;
  private readonly out: Out;
  /** Several callers use the pipe: what names no request can be laid to nobody. */
  private readonly shared: boolean;
  private readonly deps: { readonly clock: Clock; readonly log: PipeLog; readonly onNews: (method: string, params: JsonObject, paramsText: string) => void };
  private readonly pending = new Map<number, Pending>();
  /** Requests of callers that run, and those of late that were given up: which of them the server speaks of is decided by these alone. */
  private readonly running = new Set<number>();
  private lastId = 0;
  private junk = 0;
  private notes = 0;
  /** Messages heard so far. */
  heard = 0;
  private over: Refusal | null = null;

  constructor(name: string, out: Out, shared: boolean, deps: Talk['deps']) {
    this.name = name;
    this.out = out;
    this.shared = shared;
    this.deps = deps;
  }

  /** Sends a request; rejects with an `UpstreamFault`. Never sends anything twice. `onId` hears its id before it is sent. */
  ask(method: string, params: string, era: Era, errand: Errand, onId?: (id: number) => void): Promise<Exchange> {
    const refusal = this.refusalNow(errand);
    if (refusal !== null) return Promise.reject(new UpstreamFault(refusal));
    const id = ++this.lastId;
    onId?.(id);
    return new Promise((resolve, reject) => {
      const onAbort = errand.signal === null ? null : () => this.giveUp(id, { code: 'dispatch.cancelled', effect: 'unknown' }, 'cancelled');
      const time = new Stopwatch(this.deps.clock, errand.timeoutMs, MAX_STRETCH, () => this.giveUp(id, { code: 'dispatch.timeout', effect: 'unknown' }, 'timeout'));
      this.pending.set(id, { errand, resolve, reject, time, onAbort, asked: null, waits: false });
      if (errand.forCaller) this.running.add(id);
      if (onAbort !== null) errand.signal?.addEventListener('abort', onAbort);
      this.out.write(requestLine(id, method, params, era, errand), id);
    });
  }

  tell(method: string, params: string): void {
    if (this.out.queuedBytes() < MAX_QUEUED_BYTES) this.out.write(notificationLine(method, params));
  }
  /** The request is no longer wanted, for a reason of the gateway's own. */
  drop(id: number): void {
    this.giveUp(id, { code: 'dispatch.cancelled', effect: 'unknown' }, 'no longer wanted');
  }
  /** The line with this request did not get to the server, or it is not known. */
  unsent(id: number, refusal: Refusal): void {
    this.take(id)?.reject(new UpstreamFault(refusal));
  }

  /** Fails everything that waits: the pipe has ended. */
  end(refusal: Refusal): void {
    this.over = { code: 'dispatch.unavailable', note: refusal.note ?? 'the server has ended', effect: 'none' };
    for (const id of this.pending.keys()) this.take(id)?.reject(new UpstreamFault(refusal));
    this.running.clear();
  }

  /** One message of the server, as bytes. */
  hear(line: Buffer): void {
    const read = readLine(line);
    if (read === null) return this.onJunk(line);
    this.heard++;
    const { message, textOf } = read;
    switch (shapeOf(message)) {
      case 'response':
        return this.onAnswer(message, line.length, textOf);
      case 'notification':
        return this.onNotification(message, textOf);
      case 'request':
        return this.onRequest(message, read.text);
      case 'junk':
        return this.onMisshapen(message, line);
    }
  }

  private refusalNow(errand: Errand): Refusal | null {
    if (this.over !== null) return this.over;
    if (errand.signal?.aborted === true) return { code: 'dispatch.cancelled', note: 'before it was sent', effect: 'none' };
    if (errand.forCaller && this.running.size >= MAX_PENDING) return { code: 'dispatch.unavailable', note: `${MAX_PENDING} requests wait for this server`, effect: 'none' };
    if (this.out.queuedBytes() > MAX_QUEUED_BYTES) return { code: 'dispatch.unavailable', note: 'the server does not take what it is sent', effect: 'none' };
    return null;
  }

  /** Whoever takes a request out settles it; nobody else can. */
  private take(id: number): Pending | null {
    const pending = this.pending.get(id);
    if (pending === undefined) return null;
    this.pending.delete(id);
    this.running.delete(id);
    pending.time.stop();
    if (pending.onAbort !== null) pending.errand.signal?.removeEventListener('abort', pending.onAbort);
    return pending;
  }

  private giveUp(id: number, refusal: Refusal, reason: string): void {
    const pending = this.take(id);
    if (pending === null) return;
    if (this.out.revoke(id)) return pending.reject(new UpstreamFault({ ...refusal, effect: 'none' }));
    this.tell('notifications/cancelled', `{"requestId":${id},"reason":"${reason}"}`);
    if (pending.errand.forCaller) this.linger(id);
    pending.reject(new UpstreamFault(refusal));
  }
  private linger(id: number): void {
    this.running.add(id);
    setTimeout(() => this.running.delete(id), LINGER_MS).unref();
  }

  private onAnswer(message: JsonObject, bytes: number, textOf: TextOf): void {
    this.junk = 0;
    const id = message['id'];
    const pending = typeof id === 'number' ? this.take(id) : null;
    if (pending === null) {
      if (typeof id === 'number') this.running.delete(id);
      return this.note('dropped an answer that nobody waits for');
    }
    if (bytes > pending.errand.maxBytes) {
      return pending.reject(new UpstreamFault({ code: 'dispatch.bad_answer', tell: 'The answer is larger than allowed; ask for less.', note: `${bytes} bytes`, effect: 'unknown' }));
    }
    pending.resolve({ result: textOf('result'), error: textOf('error') });
  }

  /** An object that is no message. With an id of ours it is the answer all the same, a bad one. */
  private onMisshapen(message: JsonObject, line: Buffer): void {
    const id = message['id'];
    const pending = typeof id === 'number' && message['method'] === undefined ? this.take(id) : null;
    if (pending === null) return this.onJunk(line);
    pending.reject(new UpstreamFault({ code: 'dispatch.bad_answer', note: 'no JSON-RPC response', effect: 'unknown' }));
  }

  private onNotification(message: JsonObject, textOf: TextOf): void {
    const { method, params } = message;
    const object = isObject(params) ? params : {};
    switch (method) {
      case 'notifications/progress':
        return this.onProgress(object, textOf);
      case 'notifications/message':
        return this.onLog(object, textOf);
      default:
        this.deps.onNews(String(method), object, textOf('params') ?? '{}');
    }
  }

  private onProgress(params: JsonObject, textOf: TextOf): void {
    const token = params['progressToken'];
    const pending = typeof token === 'number' ? this.pending.get(token) : undefined;
    if (pending === undefined || !pending.errand.progressToken) return;
    pending.time.stretch();
    this.pass(pending, 'notifications/progress', textOf);
  }

  /** Log messages name no request: of a shared server nobody can tell whose data they carry, so no caller gets them. */
  private onLog(params: JsonObject, textOf: TextOf): void {
    const id = this.subject();
    const pending = id === null ? undefined : this.pending.get(id);
    const wanted = pending?.errand.logLevel ?? null;
    if (pending === undefined || wanted === null) return this.note('withheld a log message that belongs to no request');
    if (LOG_LEVELS.indexOf(params['level'] as LogLevel) < LOG_LEVELS.indexOf(wanted)) return; // parse edge: unknown levels are -1
    this.pass(pending, 'notifications/message', textOf);
  }

  private pass(pending: Pending, method: string, textOf: TextOf): void {
    try {
      pending.errand.onNotification(method, textOf('params') ?? '{}');
    } catch (thrown) { // the reader of one call must not end the others
      this.note('a notification could not be passed on', { fault: String(thrown) });
    }
  }

  private onRequest(message: JsonObject, text: string): void {
    if (this.out.queuedBytes() > MAX_QUEUED_BYTES) return; // it asks and does not read
    const id = message['method'] === 'ping' ? null : this.subject();
    const pending = id === null ? undefined : this.pending.get(id);
    if (id === null || pending === undefined) {
      if (message['method'] !== 'ping') this.note('declined a question that belongs to no one request', { method: message['method'] });
      return void this.out.write(oneLine(unasked(message, text)));
    }
    (pending.asked ??= this.askedOf(id, pending)).take(message, text);
  }
  private askedOf(id: number, pending: Pending): Asked {
    return new Asked(pending.errand, {
      pause: () => {
        pending.waits = true;
        pending.time.pause();
        return true; // no more requests wait than MAX_PENDING
      },
      resume: () => {
        pending.waits = false;
        pending.time.resume();
      },
      isOver: () => this.pending.get(id) !== pending,
      respond: (said) => void this.out.write(oneLine(said)),
    });
  }

  /**
   * The request that the server speaks of although it names none: the only one that runs, or the only one that is not waiting for its
   * client already. null: there is none, or it could be several, and what is about one call must not come up in another (CVE-2026-25536).
   */
  private subject(): number | null {
    if (this.shared) return null;
    let found: number | null = null;
    for (const id of this.running) {
      if (this.running.size > 1 && this.pending.get(id)?.waits === true) continue;
      if (found !== null) return null;
      found = id;
    }
    return found;
  }

  private onJunk(line: Buffer): void {
    this.note('a line of the server is no message', { line: line.toString('utf8', 0, 200) });
    if (++this.junk >= MAX_JUNK) this.out.kill(`wrote ${MAX_JUNK} lines in a row that are no messages`);
  }

  private note(text: string, more?: object): void {
    if (++this.notes <= MAX_NOTES) this.deps.log(text, { server: this.name, ...more });
  }
}
