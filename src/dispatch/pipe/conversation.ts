import type { Era } from '../../call/call.ts';
import type { Refusal } from '../../call/refusal.ts';
import { LOG_LEVELS, type LogLevel } from '../../call/session.ts';
import type { Clock } from '../../lib/clock.ts';
import { isObject } from '../answer.ts';
import { type Exchange, type RequestOptions, UpstreamFault } from '../upstream.ts';
import { greet, type Hello } from './hello.ts';
import type { News } from './news.ts';
import { OWN, type Out, type PipeLog, Talk } from './talk.ts';

/** One line to a server: a running process, or an HTTP+SSE channel. */
export interface Pipe extends Out {
  /** One listener; a message of the server, as bytes. */
  readonly onLine: (listener: (line: Buffer) => void) => void;
  /** One listener; called once, after the last line, with the cause. */
  readonly onExit: (listener: (cause: string) => void) => void;
  /** One listener; the line with this request did not get there. */
  readonly onUnsent: (listener: (id: number, refusal: Refusal) => void) => void;
  /** The end of what it said on the side, for the log. */
  readonly lastWords: () => string;
  /** Ends it in good order; resolves when it is gone. */
  readonly stop: () => Promise<void>;
}

/** A kind of server behind pipes. */
export interface Kind {
  readonly transport: 'http' | 'stdio';
  readonly era: Era | 'auto';
  /** One pipe for all callers, or one for each of them and what it declares. */
  readonly perCaller: boolean;
  /** Pipes of callers that may be open at once; one that nobody used for `idleMs` is ended. */
  readonly maxCallers: number;
  readonly idleMs: number;
  /** After a time-out the server is pinged, and one that says nothing at all for so long is given up, ms; null: a pipe that cannot die without a word. */
  readonly checkMs: number | null;
  /** Opens a pipe. Rejects with an `UpstreamFault` when that cannot even be tried; what fails later is told by `onExit`. */
  readonly open: () => Promise<Pipe>;
}
export interface PipeDeps {
  readonly clock: Clock;
  readonly log: PipeLog;
}

/** A pipe, and what is said over it. */
export class Conversation {
  readonly pipe: Pipe;
  readonly talk: Talk;
  private readonly checkMs: number | null;
  /** null until it was greeted. */
  hello: Hello | null = null;
  /** What the server was last told to log; null: nothing. */
  private level: LogLevel | null = null;
  private levelled: Promise<void> = Promise.resolve();
  private checking = false;

  constructor(name: string, kind: Kind, pipe: Pipe, shared: boolean, deps: PipeDeps, news: News, onExit: (cause: string) => void) {
    this.pipe = pipe;
    this.checkMs = kind.checkMs;
    this.talk = new Talk(name, pipe, shared, { ...deps, onNews: (method, params, text) => news.hear(this.talk, method, params, text) });
    pipe.onLine((line) => this.talk.hear(line));
    pipe.onUnsent((id, refusal) => this.talk.unsent(id, refusal));
    pipe.onExit((cause) => {
      this.talk.end({ code: 'dispatch.crashed', note: cause, effect: 'unknown' });
      onExit(cause);
    });
  }

  async greet(era: Era | 'auto', capabilities: string, onProbe: (running: boolean) => void): Promise<Hello> {
    return (this.hello = await greet(this.talk, era, capabilities, onProbe));
  }

  /** A caller's request. */
  async request(method: string, params: string, options: RequestOptions): Promise<Exchange> {
    const { hello, talk } = this;
    if (hello === null) throw new UpstreamFault({ code: 'dispatch.unavailable', note: 'not greeted', effect: 'none' });
    if (options.logLevel !== null && hello.era === 'legacy') await this.wantLogs(options.logLevel, hello);
    const { capabilities, logLevel, signal, timeoutMs, maxBytes, onNotification, progressToken, onQuestion } = options;
    const answered = talk.ask(method, params, hello.era, { capabilities, logLevel, signal, timeoutMs, maxBytes, onNotification, progressToken, onQuestion, forCaller: true });
    if (this.checkMs !== null) answered.catch((thrown: unknown) => void (thrown instanceof UpstreamFault && thrown.refusal.code === 'dispatch.timeout' && this.check()));
    return answered;
  }

  /** Is somebody there? A pipe over a network may be dead without a word; then it is ended. */
  async check(): Promise<void> {
    if (this.checking || this.checkMs === null) return;
    this.checking = true;
    const { heard } = this.talk;
    try {
      await this.talk.ask('ping', '{}', this.hello?.era ?? 'legacy', { ...OWN, timeoutMs: this.checkMs });
    } catch (thrown) {
      if (thrown instanceof UpstreamFault && thrown.refusal.code === 'dispatch.timeout' && this.talk.heard === heard) this.pipe.kill('does not answer');
    } finally {
      this.checking = false;
    }
  }

  /** The one level of the pipe is the lowest that any request wanted; each request gets its own part (PROTOCOL 3.1, logging). */
  private async wantLogs(level: LogLevel, hello: Hello): Promise<void> {
    if (!isObject(hello.capabilities['logging'])) return;
    if (this.level === null || LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(this.level)) {
      this.level = level;
      this.levelled = this.talk.ask('logging/setLevel', `{"level":"${level}"}`, 'legacy', { ...OWN, timeoutMs: 5_000 }).then(() => undefined, () => undefined); // a call is worth more than its logs
    }
    await this.levelled;
  }
}
