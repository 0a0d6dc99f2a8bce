import type { LogLevel } from '../../call/session.ts';
import { cancelled, requestText } from '../envelope.ts';
import { Exchange as HttpExchange, type Sink } from './exchange.ts';
import { initialize, sessionHeaders, type UpSession } from './probe.ts';
import { CONTROL, exchangeOf, own, rankOf, say, type Voice } from './say.ts';
import { talk } from './talk.ts';
import { createUpSessions, type Held, type UpSessions } from './up-sessions.ts';
import { UpstreamFault, type Exchange, type RequestOptions } from '../upstream.ts';

/** What is said beside a request: replies, cancellations, log levels, the end of a session, ms. */
const ASIDE_MS = 10_000;

/** A server of 2025-11-25 and older, spoken to in sessions: one for each principal and what its client can be asked. */
export class Legacy {
  readonly #voice: Voice;
  readonly #sessions: UpSessions;
  readonly #onControlLost: () => void;
  /** The gateway's own session, on whose stream the server tells its news. */
  #control: Held | null = null;

  constructor(voice: Voice, onControlLost: () => void) {
    this.#voice = voice;
    this.#onControlLost = onControlLost;
    this.#sessions = createUpSessions({
      open: (capabilities) => this.#open(capabilities),
      end: (session) => void this.end(session),
      monotonic: voice.monotonic,
    });
  }

  /** Takes the session that the probe opened for the gateway's own. */
  adopt(session: UpSession): void {
    const old = this.#control;
    this.#control = this.#sessions.put(CONTROL, '{}', session);
    old?.release();
  }
  sweep = (): void => this.#sessions.sweep();
  /** Ends every session as soon as nothing runs in it. */
  clear(): void {
    this.#control?.release();
    this.#control = null;
    this.#sessions.clear();
  }

  async request(method: string, paramsText: string, options: RequestOptions, hasLogging: boolean): Promise<Exchange> {
    for (const isLast of [false, true]) {
      const holding = this.#sessions.hold(options.principalId, options.capabilities);
      const held = holding instanceof Promise ? await holding : holding;
      try {
        if (hasLogging && options.logLevel !== null) await this.#setLevel(held, options.logLevel);
        const { session } = held;
        const id = this.#voice.nextId();
        const headers = sessionHeaders(session);
        const aside = (text: string): void => this.aside(session, text);
        const told = await say(this.#voice, id, headers, requestText(id, method, paramsText, 'legacy', options), options, () => aside(cancelled(id)), { askable: options, respond: aside, headers });
        if (told.status !== 404 || session.id === null) return exchangeOf(told);
        held.drop();
        if (held === this.#control) this.#onControlLost();
        // The only retry there is: 404 says that the session, and so the request, was not known (MCP 2025-11-25 transports).
        if (isLast) throw new UpstreamFault({ code: 'dispatch.upstream', note: 'two sessions in a row were unknown', effect: 'none' });
      } finally {
        held.release();
      }
    }
    throw new Error('unreachable');
  }

  /** Something in the gateway's own session; throws an UpstreamFault when the server refuses. */
  async command(method: string, paramsText: string): Promise<void> {
    const { error, parsed } = await this.request(method, paramsText, own(ASIDE_MS, this.#voice.link.maxBytes), false);
    if (error !== null) throw new UpstreamFault({ code: 'dispatch.upstream', note: `${method}: error ${String(parsed?.['code'])}`, effect: 'none' });
  }

  /** Says something of which nobody waits to hear. */
  aside(session: UpSession, body: string): void {
    const saying = { headers: sessionHeaders(session), body, id: null, signal: null, timeoutMs: ASIDE_MS, maxBytes: 65_536, onNotification: () => false, onGiveUp: () => undefined, legacy: null };
    talk(this.#voice.link, saying, this.#voice.monotonic).catch(() => undefined);
  }

  async end(session: UpSession): Promise<void> {
    if (session.id === null) return;
    try {
      const credential = await this.#voice.link.credential();
      const { calls, origin, path } = this.#voice.link;
      const exchange = new HttpExchange(DEAF, 65_536);
      setTimeout(() => exchange.abort(), ASIDE_MS).unref();
      exchange.start(calls, { origin, path, method: 'DELETE', headers: [...sessionHeaders(session), ...credential], body: null });
    } catch {
      // The server forgets it by itself.
    }
  }

  async #open(capabilities: string): Promise<UpSession> {
    try {
      return (await initialize(this.#voice.link, this.#voice.nextId(), capabilities, this.#voice.monotonic)).session;
    } catch (thrown) {
      throw thrown instanceof UpstreamFault ? new UpstreamFault({ ...thrown.refusal, effect: 'none' }) : thrown; // the caller's request was not sent
    }
  }

  /** The level belongs to the session: it is only ever made chattier, for whoever wants most; each call hears no more than it asked for. */
  #setLevel(held: Held, level: LogLevel): Promise<unknown> | null {
    const rank = rankOf(level);
    if (rank >= held.logRank) return held.levelSet;
    held.logRank = rank;
    const set = (held.levelSet ?? Promise.resolve()).then(() => this.#sayLevel(held.session, level)).then(() => {
      if (held.levelSet === set) held.levelSet = null;
    });
    held.levelSet = set;
    return set;
  }
  async #sayLevel(session: UpSession, level: LogLevel): Promise<void> {
    const options = own(ASIDE_MS, 65_536);
    const id = this.#voice.nextId();
    const body = requestText(id, 'logging/setLevel', `{"level":"${level}"}`, 'legacy', options);
    await say(this.#voice, id, sessionHeaders(session), body, options, () => undefined, null).catch(() => undefined); // without it there are fewer log lines, no more
  }
}

const nothing = (): void => undefined;
/** For exchanges of which nobody wants to hear. */
const DEAF: Sink = { head: nothing, event: nothing, body: nothing, ended: nothing, broken: nothing };
