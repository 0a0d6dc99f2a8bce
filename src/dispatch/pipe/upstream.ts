import type { Era } from '../../call/call.ts';
import type { Refusal } from '../../call/refusal.ts';
import { backoffMs } from '../../lib/backoff.ts';
import { type Change, type Exchange, type RequestOptions, type Upstream, UpstreamFault } from '../upstream.ts';
import { Callers } from './callers.ts';
import { Conversation, type Kind, type Pipe, type PipeDeps } from './conversation.ts';
import { LateModern, type Hello } from './hello.ts';
import { News } from './news.ts';

/** The wait after the first death and the longest one, ms. */
const FIRST_WAIT = 250, LONGEST_WAIT = 30_000;
/** A server that lived so long has recovered: its next death counts as the first. */
const RECOVERED_MS = 10_000;
/** How long a call waits for a server that is being started for the first time, ms. */
const FIRST_START_MS = 10_000;
/** What is kept of stderr in the log when a server dies, characters. */
const LAST_WORDS = 2_000;

/** An upstream behind pipes. */
export interface PipeUpstream extends Upstream {
  /** Told each time the gateway's own pipe has gone, or could not be opened. */
  readonly onDown: (listener: () => void) => void;
  /** Somebody got no answer: look whether the server is still there. */
  readonly suspect: () => void;
}

/**
 * A server behind pipes. One pipe is the gateway's own: opened with a back-off, asked for its era once, used for the catalog, for news and by
 * all callers who share it. While it is down, requests are refused at once; what was sent over a pipe that broke is never sent again,
 * because it may have been done (L6).
 */
export function createPipeUpstream(name: string, kind: Kind, deps: PipeDeps): PipeUpstream {
  return new Server(name, kind, deps).door;
}

class Server {
  readonly door: PipeUpstream;
  private readonly name: string;
  private readonly kind: Kind;
  private readonly deps: PipeDeps;
  private readonly listeners: ((change: Change) => void)[] = [];
  private readonly downListeners: (() => void)[] = [];
  private readonly news: News;
  private readonly callers: Callers;
  private current: Conversation | null = null;
  /** `current`, once the server is up. */
  private up: { readonly conversation: Conversation; readonly hello: Hello } | null = null;
  /** What it said last; kept while it is away. */
  private known: { readonly hello: Hello; readonly askedAt: number } | null = null;
  /** What a death or a late answer taught about the era; null: the config's word. */
  private learned: Era | null = null;
  private probing = false;
  private late = false;
  private down: Refusal = { code: 'dispatch.unavailable', note: 'not started', effect: 'none' };
  private failures = 0;
  private restart: NodeJS.Timeout | undefined;
  private begun = false;
  /** Settles when the first start has come to an end, good or bad; null before and after. */
  private first: Promise<void> | null = null;
  private firstOver: () => void = () => undefined;
  private closed = false;

  constructor(name: string, kind: Kind, deps: PipeDeps) {
    this.name = name;
    this.kind = kind;
    this.deps = deps;
    this.news = new News(name, deps, (change) => this.announce(change));
    this.callers = new Callers(name, kind, deps, this.news);
    this.door = {
      name,
      transport: kind.transport,
      era: () => this.known?.hello.era ?? this.learned ?? (kind.era === 'auto' ? null : kind.era),
      start: () => this.start(),
      request: (method, params, options) => this.request(method, params, options),
      onChanged: (listener) => void this.listeners.push(listener),
      onDown: (listener) => void this.downListeners.push(listener),
      info: () => (this.known === null ? null : { ...this.known.hello, askedAt: this.known.askedAt }),
      watch: (uri, onUpdated) => this.news.watch(uri, onUpdated),
      state: () => (this.up !== null ? { ok: true } : { ok: false, cause: this.down.note ?? this.down.code }),
      suspect: () => void this.up?.conversation.check(),
      close: () => this.close(),
    };
  }

  private start(): void {
    if (this.begun || this.closed) return;
    this.begun = true;
    this.first = new Promise((done) => {
      this.firstOver = () => {
        this.first = null;
        done();
      };
    });
    void this.launch();
  }

  private async request(method: string, params: string, options: RequestOptions): Promise<Exchange> {
    // A server that is starting for the first time is waited for: it is late, not broken.
    if (this.up === null && this.first !== null) await within(this.first, Math.min(options.timeoutMs, FIRST_START_MS));
    if (this.kind.perCaller && options.principalId !== '') return this.callers.request(method, params, options, this.up?.hello.era ?? null, this.down);
    if (this.up === null) throw new UpstreamFault(this.down);
    // One pipe for all: its server heard in the greeting that nobody can be asked, and log messages would be anybody's.
    const isOld = this.up.hello.era === 'legacy';
    return this.up.conversation.request(method, params, { ...options, capabilities: isOld ? '{}' : options.capabilities, logLevel: null, onQuestion: null });
  }

  private async launch(): Promise<void> {
    this.down = { code: 'dispatch.unavailable', note: 'starting', effect: 'none' };
    let pipe: Pipe;
    try {
      pipe = await this.kind.open();
    } catch (thrown) {
      return this.fail(thrown instanceof UpstreamFault ? { ...thrown.refusal, effect: 'none' } : { code: 'dispatch.unavailable', note: describe(thrown), effect: 'none' });
    }
    if (this.closed) return void pipe.stop();
    const bornAt = this.deps.clock.monotonic();
    const conversation = new Conversation(this.name, this.kind, pipe, true, this.deps, this.news, (cause) => this.onExit(conversation, cause, bornAt));
    this.current = conversation;
    await this.open(conversation);
  }

  private async open(conversation: Conversation): Promise<void> {
    try {
      const hello = await conversation.greet(this.learned ?? this.kind.era, '{}', (running) => {
        this.probing = running;
      });
      if (this.current !== conversation) return; // died in the very moment; onExit has the word
      this.known = { hello, askedAt: this.deps.clock.now() };
      this.learned = hello.era;
      this.up = { conversation, hello };
      this.deps.log('server is up', { server: this.name, era: hello.era, version: hello.version });
      this.firstOver();
      this.announce('connected');
      this.news.connected(conversation.talk, hello);
    } catch (thrown) {
      this.late = thrown instanceof LateModern;
      conversation.pipe.kill(describe(thrown)); // does nothing when it is already dead
    }
  }

  private onExit(conversation: Conversation, cause: string, bornAt: number): void {
    if (this.current !== conversation) return;
    // A legacy server may die of a request before `initialize`: it gets the old greeting next time. One that was never up is asked afresh.
    if (this.up === null) this.learned = this.probing ? 'legacy' : this.late ? 'modern' : null;
    this.current = null;
    this.up = null;
    this.probing = false;
    this.late = false;
    this.news.gone();
    if (this.deps.clock.monotonic() - bornAt >= RECOVERED_MS) this.failures = 0;
    if (!this.closed) this.deps.log('server ended', { server: this.name, cause, stderr: conversation.pipe.lastWords().slice(-LAST_WORDS) });
    this.fail({ code: 'dispatch.unavailable', note: cause, effect: 'none' });
  }

  private fail(refusal: Refusal): void {
    this.down = refusal;
    this.firstOver();
    if (this.closed) return;
    const wait = backoffMs(++this.failures, FIRST_WAIT, LONGEST_WAIT);
    this.restart = setTimeout(() => void this.launch(), wait);
    for (const listener of this.downListeners) listener();
  }

  private announce(change: Change): void {
    if (this.up !== null) for (const listener of this.listeners) listener(change);
  }

  private async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.restart);
    this.news.close();
    const { current } = this;
    current?.talk.end({ code: 'dispatch.crashed', note: 'the gateway is shutting down', effect: 'unknown' });
    this.up = null;
    this.down = { code: 'dispatch.unavailable', note: 'closed', effect: 'none' };
    this.firstOver();
    await Promise.all([current?.pipe.stop(), this.callers.close()]);
  }
}

const describe = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown)).slice(0, 300);
async function within(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work, new Promise<void>((done) => (timer = setTimeout(done, ms)))]);
  clearTimeout(timer);
}
