import type { Era, GivenUp } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import type { Refusal } from '../../call/refusal.ts';
import type { Clock } from '../../lib/clock.ts';
import { isObject, shapeOf } from '../answer.ts';
import { notificationLine, readLine, requestLine } from './line.ts';
import { type Exchange, UpstreamFault } from '../upstream.ts';

/** The pipes of one process, as far as a conversation needs them. */
export interface Pipes {
  readonly write: (line: string) => boolean;
  readonly queuedBytes: () => number;
  readonly kill: (cause: string) => void;
}
/** One line of the gateway's log. */
export type StdioLog = (message: string, fields?: object) => void;
export interface Question {
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** null: nobody can give it up. */
  readonly signal: GivenUp | null;
  /** null: no progress is asked for. */
  readonly onProgress: ((method: string, paramsText: string) => void) | null;
  /** The server is told when its answer is no longer wanted. */
  readonly cancellable: boolean;
}

/** Progress starts the time-out again, up to so many times its length: an absolute maximum always (MCP 2026-07-28 lifecycle). */
const MAX_STRETCH = 10;
/** L5: a server that does not answer, or does not read, must not gather the callers' memory (CWE-400). */
const MAX_PENDING = 1_000;
const MAX_QUEUED_BYTES = 16_777_216;
/** Lines in a row that are no messages. Banners are forgiven, a flood is not. */
const MAX_JUNK = 1_000;
/** So many oddities are logged for each process: a server must not fill the log (CWE-779). */
const MAX_NOTES = 20;

const LIST_CHANGED = /^notifications\/(?:tools|prompts|resources)\/list_changed$/;

interface Pending {
  readonly question: Question;
  readonly resolve: (exchange: Exchange) => void;
  readonly reject: (fault: UpstreamFault) => void;
  /** clock.monotonic() at which no progress helps any more. */
  readonly deadline: number;
  timer: NodeJS.Timeout;
  readonly onAbort: (() => void) | null;
}

/**
 * The conversation with one process, shared by all callers. Ids and progress tokens are minted here and each leads back to exactly one
 * request, so that no answer and no notification reaches another caller (CVE-2026-25536); what leads to none is dropped.
 */
export class Talk {
  private readonly name: string;
  private readonly pipes: Pipes;
  private readonly deps: { readonly clock: Clock; readonly log: StdioLog; readonly onListChanged: () => void };
  private readonly pending = new Map<number, Pending>();
  private lastId = 0;
  private junk = 0;
  private notes = 0;
  private over: Refusal | null = null;

  constructor(name: string, pipes: Pipes, deps: Talk['deps']) {
    this.name = name;
    this.pipes = pipes;
    this.deps = deps;
  }

  /** Sends a request; rejects with an `UpstreamFault`. Never sends anything twice. */
  ask(method: string, params: string, era: Era, question: Question): Promise<Exchange> {
    const refusal = this.refusalNow(question);
    if (refusal !== null) return Promise.reject(new UpstreamFault(refusal));
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      const onAbort = question.signal === null ? null : () => this.giveUp(id, { code: 'dispatch.cancelled', effect: 'unknown' }, 'cancelled');
      const timer = setTimeout(() => this.late(id), question.timeoutMs);
      const deadline = this.deps.clock.monotonic() + MAX_STRETCH * question.timeoutMs;
      this.pending.set(id, { question, resolve, reject, deadline, timer, onAbort });
      if (onAbort !== null) question.signal?.addEventListener('abort', onAbort);
      this.pipes.write(requestLine(id, method, params, era, question.onProgress !== null));
    });
  }

  tell(method: string, params: string): void {
    if (this.pipes.queuedBytes() < MAX_QUEUED_BYTES) this.pipes.write(notificationLine(method, params));
  }

  /** Fails everything that waits: the process has ended. */
  end(refusal: Refusal): void {
    this.over = { code: 'dispatch.unavailable', note: refusal.note ?? 'the server has ended', effect: 'none' };
    for (const id of this.pending.keys()) this.take(id)?.reject(new UpstreamFault(refusal));
  }

  /** One line of the server's stdout. */
  hear(line: Buffer): void {
    const read = readLine(line);
    if (read === null) return this.onJunk(line);
    const { message, textOf } = read;
    switch (shapeOf(message)) {
      case 'response':
        return this.onAnswer(message, line.length, textOf);
      case 'notification':
        return this.onNotification(message, textOf);
      case 'request':
        return this.onRequest(message);
      case 'junk':
        return this.onMisshapen(message, line);
    }
  }

  private refusalNow(question: Question): Refusal | null {
    if (this.over !== null) return this.over;
    if (question.signal?.aborted === true) return { code: 'dispatch.cancelled', note: 'before it was sent', effect: 'none' };
    if (this.pending.size >= MAX_PENDING) return { code: 'dispatch.unavailable', note: `${MAX_PENDING} requests wait for this server`, effect: 'none' };
    if (this.pipes.queuedBytes() > MAX_QUEUED_BYTES) return { code: 'dispatch.unavailable', note: 'the server does not read its stdin', effect: 'none' };
    return null;
  }

  /** Whoever takes a request out settles it; nobody else can. */
  private take(id: number): Pending | null {
    const pending = this.pending.get(id);
    if (pending === undefined) return null;
    this.pending.delete(id);
    clearTimeout(pending.timer);
    if (pending.onAbort !== null) pending.question.signal?.removeEventListener('abort', pending.onAbort);
    return pending;
  }

  private late(id: number): void {
    this.giveUp(id, { code: 'dispatch.timeout', effect: 'unknown' }, 'timeout');
  }

  private giveUp(id: number, refusal: Refusal, reason: string): void {
    const pending = this.take(id);
    if (pending === null) return;
    if (pending.question.cancellable) this.tell('notifications/cancelled', `{"requestId":${id},"reason":"${reason}"}`);
    pending.reject(new UpstreamFault(refusal));
  }

  private onAnswer(message: JsonObject, bytes: number, textOf: (name: string) => string | null): void {
    this.junk = 0;
    const id = message['id'];
    const pending = typeof id === 'number' ? this.take(id) : null;
    if (pending === null) return this.note('dropped an answer that nobody waits for');
    if (bytes > pending.question.maxBytes) {
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

  private onNotification(message: JsonObject, textOf: (name: string) => string | null): void {
    const { method } = message;
    if (method === 'notifications/progress') return this.onProgress(message, textOf);
    if (typeof method === 'string' && LIST_CHANGED.test(method)) return this.deps.onListChanged();
    // Log messages and the like name no request: in a shared process nobody can tell whose data they carry, so no caller gets them.
    this.note('withheld a notification that belongs to no request');
  }

  private onProgress(message: JsonObject, textOf: (name: string) => string | null): void {
    const params = message['params'];
    const token = isObject(params) ? params['progressToken'] : undefined;
    const pending = typeof token === 'number' ? this.pending.get(token) : undefined;
    const onProgress = pending?.question.onProgress;
    if (typeof token !== 'number' || pending === undefined || onProgress === null || onProgress === undefined) return;
    this.stretch(token, pending);
    try {
      onProgress('notifications/progress', textOf('params') ?? '{}');
    } catch (thrown) { // the reader of one call must not end the others
      this.note('progress could not be passed on', { fault: String(thrown) });
    }
  }

  private stretch(id: number, pending: Pending): void {
    const left = pending.deadline - this.deps.clock.monotonic();
    if (left >= pending.question.timeoutMs) {
      pending.timer.refresh();
      return;
    }
    clearTimeout(pending.timer);
    pending.timer = setTimeout(() => this.late(id), Math.max(1, left));
  }

  /** Servers may ask only what a client declared, and we declare nothing: no caller's model, files or attention for a shared process. */
  private onRequest(message: JsonObject): void {
    if (this.pipes.queuedBytes() > MAX_QUEUED_BYTES) return; // it asks and does not read
    const answer = message['method'] === 'ping' ? '"result":{}' : '"error":{"code":-32601,"message":"Method not found"}';
    this.pipes.write(`{"jsonrpc":"2.0","id":${JSON.stringify(message['id'])},${answer}}`);
  }

  private onJunk(line: Buffer): void {
    this.note('a line on stdout is no message', { line: line.toString('utf8', 0, 200) });
    if (++this.junk >= MAX_JUNK) this.pipes.kill(`wrote ${MAX_JUNK} lines in a row that are no messages`);
  }

  private note(text: string, more?: object): void {
    if (++this.notes <= MAX_NOTES) this.deps.log(text, { server: this.name, ...more });
  }
}
