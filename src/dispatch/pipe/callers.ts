import type { Era } from '../../call/call.ts';
import { backoffMs } from '../../lib/backoff.ts';
import type { Refusal } from '../../call/refusal.ts';
import { UpstreamFault, type Exchange, type RequestOptions } from '../upstream.ts';
import { Conversation, type Kind, type PipeDeps } from './conversation.ts';
import type { News } from './news.ts';

/** One caller's own pipe; `opening` null: it failed, and is not tried again before `notBefore`. */
interface Entry {
  opening: Promise<Conversation> | null;
  conversation: Conversation | null;
  /** Requests that run over it or wait for it. */
  running: number;
  /** clock.monotonic() */
  usedAt: number;
  failures: number;
  notBefore: number;
  refusal: Refusal;
}

/** How often idle pipes are looked for, ms. */
const SWEEP_MS = 15_000;
/** The wait after the first failure and the longest one, ms. */
const FIRST_WAIT = 250, LONGEST_WAIT = 30_000;
/** A request waits no longer for a pipe that opens, ms. */
const OPEN_MS = 30_000;
const NO_REFUSAL: Refusal = { code: 'dispatch.unavailable', effect: 'none' };

/**
 * The pipes of the callers: one for each principal and what its client declared, never another's. What a server keeps in memory for one
 * caller, and what it asks, stays with that caller (MCP security best practices, session hijacking; CWE-488).
 */
export class Callers {
  private readonly name: string;
  private readonly kind: Kind;
  private readonly deps: PipeDeps;
  private readonly news: News;
  /** In order of use: the first is the idlest. */
  private readonly entries = new Map<string, Entry>();
  private sweeper: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(name: string, kind: Kind, deps: PipeDeps, news: News) {
    this.name = name;
    this.kind = kind;
    this.deps = deps;
    this.news = news;
  }

  /** `era`: the server's, as the gateway's own pipe found it; null: not known, so no new pipe is opened and `down` is thrown. */
  async request(method: string, params: string, options: RequestOptions, era: Era | null, down: Refusal): Promise<Exchange> {
    // A modern request declares by itself; a legacy server holds what it heard in its greeting.
    const declared = era === 'modern' ? '{}' : options.capabilities;
    const key = JSON.stringify([options.principalId, declared]);
    const entry = this.entryOf(key, declared, era, down);
    entry.running++;
    try {
      const conversation = entry.conversation ?? await inTime(entry.opening, options);
      return await conversation.request(method, params, options);
    } finally {
      entry.running--;
      entry.usedAt = this.deps.clock.monotonic();
    }
  }

  close(): Promise<unknown> {
    this.closed = true;
    clearInterval(this.sweeper);
    return Promise.allSettled([...this.entries].map(([key, entry]) => this.end(key, entry)));
  }
  /** Pipes that are open or being opened. */
  get size(): number {
    let size = 0;
    for (const entry of this.entries.values()) if (entry.opening !== null) size++;
    return size;
  }

  private entryOf(key: string, declared: string, era: Era | null, down: Refusal): Entry {
    const now = this.deps.clock.monotonic();
    const known = this.entries.get(key);
    if (known?.opening != null) {
      known.usedAt = now;
      this.entries.delete(key);
      this.entries.set(key, known);
      return known;
    }
    if (this.closed || era === null) throw new UpstreamFault(down);
    if (known !== undefined && now < known.notBefore) throw new UpstreamFault(known.refusal); // a process that dies at once must not be started at every call
    const room = this.makeRoom();
    const entry: Entry = known ?? { opening: null, conversation: null, running: 0, usedAt: now, failures: 0, notBefore: 0, refusal: NO_REFUSAL };
    this.entries.set(key, entry);
    entry.opening = this.open(entry, declared, era, room);
    entry.opening.catch(() => undefined); // whoever waits hears of it
    this.sweeper ??= setInterval(() => this.sweep(), Math.min(SWEEP_MS, this.kind.idleMs)).unref();
    return entry;
  }

  /** CWE-770: callers must not start processes without end. The idlest that runs nothing goes; when all are busy, the newcomer is refused. */
  private makeRoom(): Promise<unknown> | null {
    if (this.size < this.kind.maxCallers) return null;
    for (const [key, entry] of this.entries) if (entry.opening !== null && entry.running === 0) return this.end(key, entry);
    throw new UpstreamFault({ code: 'dispatch.unavailable', note: `all ${this.kind.maxCallers} places for callers of this server are taken`, effect: 'none' });
  }

  private async open(entry: Entry, declared: string, era: Era, room: Promise<unknown> | null): Promise<Conversation> {
    let conversation: Conversation | null = null;
    try {
      await room; // the place is free when the old one is gone
      if (this.closed) throw new UpstreamFault({ code: 'dispatch.unavailable', note: 'closed', effect: 'none' });
      const pipe = await this.kind.open();
      conversation = new Conversation(this.name, this.kind, pipe, false, this.deps, this.news, (cause) => this.ended(entry, cause));
      if (this.closed) throw new UpstreamFault({ code: 'dispatch.unavailable', note: 'closed', effect: 'none' });
      await conversation.greet(era, declared, () => undefined);
      entry.conversation = conversation;
      entry.failures = 0;
      return conversation;
    } catch (thrown) {
      const refusal: Refusal = thrown instanceof UpstreamFault ? { ...thrown.refusal, effect: 'none' } : { code: 'dispatch.unavailable', note: String(thrown), effect: 'none' };
      conversation?.pipe.kill(refusal.note ?? refusal.code);
      this.failed(entry, refusal);
      throw new UpstreamFault(refusal);
    }
  }

  private ended(entry: Entry, cause: string): void {
    if (entry.conversation === null) return; // `open` has the word
    if (!this.closed) this.deps.log('a caller’s line to the server ended', { server: this.name, cause });
    this.failed(entry, { code: 'dispatch.unavailable', note: cause, effect: 'none' });
  }
  private failed(entry: Entry, refusal: Refusal): void {
    entry.opening = null;
    entry.conversation = null;
    entry.refusal = refusal;
    entry.notBefore = this.deps.clock.monotonic() + backoffMs(++entry.failures, FIRST_WAIT, LONGEST_WAIT);
  }

  private sweep(): void {
    const now = this.deps.clock.monotonic();
    for (const [key, entry] of this.entries) if (entry.running === 0 && now - entry.usedAt > this.kind.idleMs) void this.end(key, entry);
  }
  private async end(key: string, entry: Entry): Promise<void> {
    if (this.entries.get(key) === entry) this.entries.delete(key);
    const conversation = entry.conversation ?? await entry.opening?.catch(() => null);
    entry.conversation = null;
    conversation?.talk.end({ code: 'dispatch.crashed', note: 'the gateway ended it', effect: 'unknown' });
    await conversation?.pipe.stop();
  }
}

/** Waits for a pipe no longer than the request may take, and no longer than its caller wants. */
function inTime(opening: Promise<Conversation> | null, { timeoutMs, signal }: RequestOptions): Promise<Conversation> {
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      finish();
    };
    const onAbort = (): void => settle(() => reject(new UpstreamFault({ code: 'dispatch.cancelled', note: 'before it was sent', effect: 'none' })));
    const onLate = (): void => settle(() => reject(new UpstreamFault({ code: 'dispatch.unavailable', note: 'the server takes long to start', effect: 'none' })));
    const timer = setTimeout(onLate, Math.min(timeoutMs, OPEN_MS));
    signal.addEventListener('abort', onAbort);
    opening?.then((conversation) => settle(() => resolve(conversation)), (thrown: unknown) => settle(() => reject(thrown)));
  });
}
