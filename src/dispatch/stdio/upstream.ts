import type { Era } from '../../call/call.ts';
import type { Refusal } from '../../call/refusal.ts';
import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { LiteralOrSecret } from '../config.ts';
import { greet, type Hello, LateModern } from './hello.ts';
import { type Pipes, type StdioLog, Talk } from './talk.ts';
import { type Exchange, type RequestOptions, type Upstream, UpstreamFault, type Change } from '../upstream.ts';

/** A running process, as sandbox/ hands it out. */
export interface StdioProcess extends Pipes {
  readonly onLine: (listener: (line: Buffer) => void) => void;
  readonly onExit: (listener: (exit: { readonly code: number | null; readonly signal: string | null; readonly cause: string | null }) => void) => void;
  readonly stderrTail: () => string;
  readonly stop: () => Promise<void>;
}
export interface StdioDeps {
  /** sandbox's `spawn`: never throws, owns the process with all its descendants. */
  readonly spawn: (spec: { readonly name: string; readonly command: readonly string[]; readonly cwd: string; readonly env: Readonly<Record<string, string>>; readonly onStderr: (line: string) => void }) => StdioProcess;
  /** The value behind a reference; rejects when there is none. */
  readonly secret: (ref: string) => Promise<string>;
  /** The working folder: what the config says made absolute, or a folder of the server's own. May create it. */
  readonly cwd: (name: string, given: string | undefined) => string | Promise<string>;
  readonly clock: Clock;
  readonly log: StdioLog;
}
/** The part of a server's section that matters here. */
export interface StdioConfig {
  readonly command?: readonly string[] | undefined;
  readonly cwd?: string | undefined;
  readonly env: Readonly<Record<string, LiteralOrSecret>>;
  readonly era: Era | 'auto';
}

/** The wait after the first death and the longest one, ms. */
const FIRST_WAIT = 250, LONGEST_WAIT = 30_000;
/** A server that lived so long has recovered: its next death counts as the first. */
const RECOVERED_MS = 10_000;
/** How long a call waits for a server that is being started for the first time, ms. */
const FIRST_START_MS = 10_000;
/** Of a flood of list changes one is heard. */
const CHANGED_MS = 100;
/** What is kept of stderr in the log when a server dies, characters. */
const LAST_WORDS = 2_000;

/**
 * A stdio server: one process, shared by all callers, spawned with a back-off and asked for its era once. While it is down, requests are
 * refused at once; what was sent to a process that died is never sent again, because it may have been done (L6).
 */
export function createStdioUpstream(name: string, config: StdioConfig, deps: StdioDeps): Upstream {
  return new StdioUpstream(name, config, deps).door;
}

class StdioUpstream {
  readonly door: Upstream;
  private readonly name: string;
  private readonly config: StdioConfig;
  private readonly deps: StdioDeps;
  private readonly listeners: ((change: Change) => void)[] = [];
  private process: StdioProcess | null = null;
  /** Not null while the server is up. */
  private talk: Talk | null = null;
  private hello: Hello | null = null;
  private askedAt = 0;
  /** What a death or a late answer taught about the era; null: the config's word. */
  private learned: Era | null = null;
  private probing = false;
  private late = false;
  private down: Refusal = { code: 'dispatch.unavailable', note: 'not started', effect: 'none' };
  private failures = 0;
  private restart: NodeJS.Timeout | undefined;
  private changed: NodeJS.Timeout | undefined;
  private begun = false;
  /** Settles when the first start has come to an end, good or bad; null before and after. */
  private first: Promise<void> | null = null;
  private firstOver: () => void = () => undefined;
  private closed = false;

  constructor(name: string, config: StdioConfig, deps: StdioDeps) {
    this.name = name;
    this.config = config;
    this.deps = deps;
    this.door = {
      name,
      transport: 'stdio',
      era: () => this.hello?.era ?? this.learned ?? (config.era === 'auto' ? null : config.era),
      start: () => this.start(),
      request: (method, params, options) => this.request(method, params, options),
      onChanged: (listener) => {
        this.listeners.push(listener);
      },
      info: () => (this.hello === null ? null : { ...this.hello, askedAt: this.askedAt }),
      watch: async () => {
        throw new UpstreamFault({ code: 'dispatch.translation', note: 'resource subscriptions', effect: 'none' });
      },
      state: () => (this.talk !== null ? { ok: true } : { ok: false, cause: this.down.note ?? this.down.code }),
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
    if (this.talk === null && this.first !== null) await within(this.first, Math.min(options.timeoutMs, FIRST_START_MS));
    if (this.talk === null || this.hello === null) throw new UpstreamFault(this.down);
    return this.talk.ask(method, params, this.hello.era, {
      timeoutMs: options.timeoutMs,
      maxBytes: options.maxBytes,
      signal: options.signal,
      onProgress: options.progressToken ? options.onNotification : null,
      cancellable: true,
    });
  }

  private async launch(): Promise<void> {
    this.down = { code: 'dispatch.unavailable', note: 'starting', effect: 'none' };
    let env: Record<string, string>;
    let cwd: string;
    try {
      env = await this.environment();
      cwd = await this.deps.cwd(this.name, this.config.cwd);
    } catch (thrown) {
      return this.fail(thrown instanceof UpstreamFault ? thrown.refusal : { code: 'dispatch.unavailable', note: describe(thrown), effect: 'none' });
    }
    if (this.closed) return;
    const { log } = this.deps;
    const process = this.deps.spawn({ name: this.name, command: this.config.command ?? [], cwd, env, onStderr: (line) => log('stderr', { server: this.name, line }) });
    const talk = new Talk(this.name, process, { clock: this.deps.clock, log, onListChanged: () => this.announceSoon() });
    const bornAt = this.deps.clock.monotonic();
    this.process = process;
    process.onLine((line) => talk.hear(line));
    process.onExit((exit) => this.onExit(process, talk, describeExit(exit), bornAt));
    await this.open(process, talk);
  }

  private async open(process: StdioProcess, talk: Talk): Promise<void> {
    try {
      const hello = await greet(talk, this.learned ?? this.config.era, (running) => {
        this.probing = running;
      });
      if (this.process !== process) return; // died in the very moment; onExit has the word
      this.hello = hello;
      this.askedAt = this.deps.clock.now();
      this.learned = hello.era;
      this.talk = talk;
      this.deps.log('server is up', { server: this.name, era: hello.era, version: hello.version });
      if (hello.era === 'modern') this.subscribe(talk, hello);
      this.firstOver();
      this.announce();
    } catch (thrown) {
      this.late = thrown instanceof LateModern;
      process.kill(describe(thrown)); // does nothing when it is already dead
    }
  }

  /** Since 2026-07-28 a server tells of changed lists only who listens. The request stays open for as long as the process lives. */
  private subscribe(talk: Talk, hello: Hello): void {
    const wanted = (['tools', 'prompts', 'resources'] as const).filter((kind) => {
      const capability = hello.capabilities[kind];
      return typeof capability === 'object' && capability !== null && 'listChanged' in capability && capability['listChanged'] === true;
    });
    if (wanted.length === 0) return;
    const params = JSON.stringify({ notifications: Object.fromEntries(wanted.map((kind) => [`${kind}ListChanged`, true])) });
    const listen = { timeoutMs: 2_147_483_647, maxBytes: 1_048_576, signal: null, onProgress: null, cancellable: false };
    talk.ask('subscriptions/listen', params, 'modern', listen).then(
      () => this.deps.log('the server no longer tells of changed lists', { server: this.name }),
      () => undefined, // the process ended; the next one is asked again
    );
  }

  private onExit(process: StdioProcess, talk: Talk, how: string, bornAt: number): void {
    if (this.process !== process) return;
    // A legacy server may die of a request before `initialize`: it gets the old greeting next time. One that was never up is asked afresh.
    if (this.talk === null) this.learned = this.probing ? 'legacy' : this.late ? 'modern' : null;
    this.process = null;
    this.talk = null;
    this.probing = false;
    this.late = false;
    talk.end({ code: 'dispatch.crashed', note: how, effect: 'unknown' });
    if (this.deps.clock.monotonic() - bornAt >= RECOVERED_MS) this.failures = 0;
    if (!this.closed) this.deps.log('server ended', { server: this.name, cause: how, stderr: process.stderrTail().slice(-LAST_WORDS) });
    this.fail({ code: 'dispatch.unavailable', note: how, effect: 'none' });
  }

  private fail(refusal: Refusal): void {
    this.down = refusal;
    this.firstOver();
    if (this.closed) return;
    const wait = backoffMs(++this.failures, FIRST_WAIT, LONGEST_WAIT);
    this.restart = setTimeout(() => void this.launch(), wait);
  }

  /** Secrets are read when a process starts: its environment is the one place they can go to. */
  private async environment(): Promise<Record<string, string>> {
    const env: Record<string, string> = {};
    for (const [key, value] of Object.entries(this.config.env)) {
      env[key] = typeof value === 'string' ? value : value.prefix + await this.secretOf(key, value.secret);
    }
    return env;
  }
  private async secretOf(key: string, ref: string): Promise<string> {
    const value = await this.deps.secret(ref).catch((thrown: unknown) => {
      throw new UpstreamFault({ code: 'dispatch.credential', note: describe(thrown), effect: 'none' });
    });
    if (value.includes('\0')) throw new UpstreamFault({ code: 'dispatch.credential', note: `the value for ${key} has a NUL`, effect: 'none' });
    return value;
  }

  private announceSoon(): void {
    this.changed ??= setTimeout(() => {
      this.changed = undefined;
      if (this.talk !== null) this.announce();
    }, CHANGED_MS);
  }
  private announce(): void {
    for (const listener of this.listeners) listener('connected');
  }

  private async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.restart);
    clearTimeout(this.changed);
    this.talk?.end({ code: 'dispatch.crashed', note: 'the gateway is shutting down', effect: 'unknown' });
    this.talk = null;
    this.down = { code: 'dispatch.unavailable', note: 'closed', effect: 'none' };
    this.firstOver();
    await this.process?.stop();
  }
}

const describe = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown)).slice(0, 300);
const describeExit = (exit: { readonly code: number | null; readonly signal: string | null; readonly cause: string | null }): string =>
  exit.cause ?? (exit.signal !== null ? `ended by ${exit.signal}` : `ended with exit code ${exit.code}`);
async function within(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work, new Promise<void>((done) => (timer = setTimeout(done, ms)))]);
  clearTimeout(timer);
}
