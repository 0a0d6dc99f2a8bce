import type { Era } from '../../call/call.ts';
import type { Json, JsonObject } from '../../call/json.ts';
import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { textAt } from '../../lib/json-spans.ts';
import { isObject, refusalOfStatus, shapeOf } from '../answer.ts';
import { cancelled, MODERN, requestText } from '../envelope.ts';
import { Exchange as HttpExchange, type Sink } from './exchange.ts';
import type { Link, Log } from './link.ts';
import { listen, type News } from './news.ts';
import { encodeHeader, paramHeaders, paramHeadersOf, type ParamHeader } from '../../call/param-headers.ts';
import { initialize, probe, sessionHeaders, type Found, type UpSession } from './probe.ts';
import { talk, type Told } from './talk.ts';
import { createUpSessions, type UpSessions } from './up-sessions.ts';
import { UpstreamFault, type Exchange, type Change, type RequestOptions, type Upstream, type UpstreamInfo } from '../upstream.ts';

/** The gateway's own sessions are kept under a principal that no credential can have: the catalog's requests belong to nobody. */
export const CONTROL = '';

export interface HttpUpstream extends Upstream {
  /** Somebody could not reach it: look again now. */
  readonly suspect: () => void;
  /** Every era it speaks; `era` is the one the gateway itself uses. */
  readonly eras: () => readonly Era[];
}

/** A stream that ended sooner counts as a failure, so that a server which closes at once is not asked again at once, ms. */
const STEADY_MS = 10_000;
const SWEEP_MS = 60_000;

/** An MCP server over Streamable HTTP, to which the gateway is the client. */
export function createHttpUpstream(link: Link, deps: { readonly clock: Clock; readonly log: Log }): HttpUpstream {
  return new Http(link, deps.clock, deps.log);
}

class Http implements HttpUpstream {
  readonly name: string;
  readonly transport = 'http';
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #listeners: ((change: Change) => void)[] = [];
  readonly #sessions: UpSessions;
  /** Which headers each tool asks for, as its last list said. */
  #declared: ReadonlyMap<string, readonly ParamHeader[]> = new Map();
  #found: Found | null = null;
  #info: UpstreamInfo | null = null;
  #eras: readonly Era[];
  #cause: string | null = 'not connected yet';
  #lastId = 0;
  #closed = false;
  #connecting: Promise<void> | null = null;
  #news: News | null = null;
  #wake: () => void = () => undefined;
  #sweeper: NodeJS.Timeout | null = null;

  constructor(link: Link, clock: Clock, log: Log) {
    this.name = link.name;
    this.#link = link;
    this.#clock = clock;
    this.#log = log;
    this.#eras = link.config.era === 'auto' ? [] : [link.config.era];
    this.#sessions = createUpSessions({
      open: async () => (await initialize(link, this.#id(), clock.monotonic)).session,
      end: (session) => void this.#endSession(session),
      monotonic: clock.monotonic,
    });
  }

  era = (): Era | null => this.#found?.era ?? (this.#link.config.era === 'auto' ? null : this.#link.config.era);
  eras = (): readonly Era[] => this.#eras;
  info = (): ReturnType<Upstream['info']> => this.#info;
  state = (): ReturnType<Upstream['state']> => (this.#cause === null ? { ok: true } : { ok: false, cause: this.#cause });
  onChanged = (listener: (change: Change) => void): void => void this.#listeners.push(listener);

  start = (): void => {
    if (this.#sweeper !== null || this.#closed) return;
    this.#sweeper = setInterval(this.#sessions.sweep, SWEEP_MS).unref();
    void this.#live();
  };
  suspect = (): void => {
    // While it is known to be away, back-off decides when to look: callers must not become a load on a server that comes up.
    if (this.#closed || this.#connecting !== null || this.#cause !== null) return;
    this.#news?.close();
    this.#wake();
  };
  close = async (): Promise<void> => {
    this.#closed = true;
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    this.#news?.close();
    this.#wake();
    this.#sessions.clear();
  };

  request = async (method: string, paramsText: string, options: RequestOptions): Promise<Exchange> => {
    if (this.#cause !== null || this.#found === null) await this.#connect();
    const found = this.#found;
    if (found === null) throw new UpstreamFault({ code: 'dispatch.unavailable', effect: 'none' });
    try {
      return await (found.era === 'modern' ? this.#modern(method, paramsText, options) : this.#legacy(method, paramsText, options));
    } catch (thrown) {
      if (thrown instanceof UpstreamFault && (thrown.refusal.code === 'dispatch.unavailable' || thrown.refusal.code === 'dispatch.crashed')) this.suspect();
      throw thrown;
    }
  };

  watch = async (): Promise<() => void> => {
    throw new UpstreamFault({ code: 'dispatch.translation', note: 'resource subscriptions', effect: 'none' });
  };

  async #modern(method: string, paramsText: string, options: RequestOptions): Promise<Exchange> {
    const id = this.#id();
    const headers = ['mcp-protocol-version', MODERN, 'mcp-method', method, ...this.#named(method, paramsText)];
    const told = await this.#say(id, headers, requestText(id, method, paramsText, 'modern', options.progressToken), options, () => undefined);
    const exchange = exchangeOf(told);
    if (method === 'tools/list' && exchange.result !== null) this.#learn(told.message);
    return exchange;
  }

  async #legacy(method: string, paramsText: string, options: RequestOptions): Promise<Exchange> {
    for (const isLast of [false, true]) {
      const session = await this.#sessions.of(options.principalId);
      const id = this.#id();
      const told = await this.#say(id, sessionHeaders(session), requestText(id, method, paramsText, 'legacy', options.progressToken), options, () => this.#aside(session, cancelled(id)), session);
      if (told.status !== 404 || session.id === null) return exchangeOf(told);
      this.#sessions.drop(options.principalId, session);
      // The only retry there is: 404 says that the session, and so the request, was not known (MCP 2025-11-25 transports).
      if (isLast) throw new UpstreamFault({ code: 'dispatch.upstream', note: 'two sessions in a row were unknown', effect: 'none' });
    }
    throw new Error('unreachable');
  }

  /** `Mcp-Name` and `Mcp-Param-*` (MCP 2026-07-28 transports): a server refuses a request whose headers do not repeat its body. */
  #named(method: string, paramsText: string): string[] {
    const key = NAMED.get(method);
    if (key === undefined) return [];
    const params = JSON.parse(paramsText) as JsonObject; // our own text
    const name = params[key];
    if (typeof name !== 'string') return [];
    const declared = method === 'tools/call' ? (this.#declared.get(name) ?? []) : [];
    return ['mcp-name', encodeHeader(name), ...(declared.length === 0 ? [] : paramHeaders(declared, textAt(paramsText, ['arguments']) ?? '{}'))];
  }

  #learn(message: JsonObject | null): void {
    const result = message?.['result'];
    const tools = isObject(result) && Array.isArray(result['tools']) ? result['tools'] : [];
    const declared = new Map(this.#declared);
    for (const tool of tools as readonly Json[]) {
      if (!isObject(tool) || typeof tool['name'] !== 'string' || !isObject(tool['inputSchema'])) continue;
      declared.set(tool['name'], paramHeadersOf(tool['inputSchema']) ?? []);
    }
    this.#declared = declared;
  }

  async #say(id: number, headers: readonly string[], body: string, options: RequestOptions, onGiveUp: () => void, session: UpSession | null = null): Promise<Told> {
    let wasAsked = false;
    const onMessage = (message: JsonObject, text: string): boolean => {
      if (shapeOf(message) === 'request') {
        wasAsked ||= message['method'] !== 'ping';
        if (session !== null) this.#decline(session, message);
        return false;
      }
      if (message['method'] !== 'notifications/progress') return false;
      options.onNotification('notifications/progress', textAt(text, ['params']) ?? '{}');
      return true;
    };
    const told = await talk(this.#link, { headers, body, id, signal: options.signal, timeoutMs: options.timeoutMs, maxBytes: options.maxBytes, onMessage, onGiveUp }, this.#clock.monotonic);
    // The server wanted something of the client and was declined; its failure is the declining's, which the caller must hear.
    if (wasAsked && failed(told.message)) throw new UpstreamFault({ code: 'dispatch.translation', note: 'the server asked for input', effect: 'unknown' });
    return told;
  }

  #decline(session: UpSession, message: JsonObject): void {
    const id = JSON.stringify(message['id']);
    const says = message['method'] === 'ping' ? '"result":{}' : '"error":{"code":-32601,"message":"Method not found"}';
    this.#aside(session, `{"jsonrpc":"2.0","id":${id},${says}}`);
  }
  #aside(session: UpSession, body: string): void {
    const saying = { headers: sessionHeaders(session), body, id: null, signal: null, timeoutMs: 10_000, maxBytes: 65_536, onMessage: () => false, onGiveUp: () => undefined };
    talk(this.#link, saying, this.#clock.monotonic).catch(() => undefined); // nobody waits for it
  }
  async #endSession(session: UpSession): Promise<void> {
    if (session.id === null) return;
    try {
      const credential = await this.#link.credential();
      const { calls, origin, path } = this.#link;
      const exchange = new HttpExchange(DEAF, 65_536);
      setTimeout(() => exchange.abort(), 5_000).unref();
      exchange.start(calls, { origin, path, method: 'DELETE', headers: [...sessionHeaders(session), ...credential], body: null });
    } catch {
      // The server forgets it by itself.
    }
  }

  /** Connects, listens for news, and begins again when the line breaks. */
  async #live(): Promise<void> {
    let failures = 0;
    while (!this.#closed) {
      const since = this.#clock.monotonic();
      try {
        await this.#connect();
        await this.#watch();
        failures = this.#clock.monotonic() - since > STEADY_MS ? 0 : failures + 1;
      } catch {
        failures++; // #connect has noted the cause
      }
      if (!this.#closed) await this.#sleep(backoffMs(failures));
    }
  }

  #connect(): Promise<void> {
    return (this.#connecting ??= this.#reach().finally(() => (this.#connecting = null)));
  }
  async #reach(): Promise<void> {
    if (this.#closed) throw new UpstreamFault({ code: 'dispatch.unavailable', note: 'closed', effect: 'none' });
    try {
      const found = await probe(this.#link, this.#link.config.era, () => this.#id(), this.#clock.monotonic);
      if (found.era === 'modern') this.#sessions.clear();
      else this.#sessions.put(CONTROL, found.session);
      this.#eras = found.era === 'modern' && this.#link.config.era === 'auto' && (await this.#speaksLegacy()) ? ['modern', 'legacy'] : [found.era];
      this.#found = found;
      this.#info = { ...found.info, askedAt: this.#clock.now() };
      if (this.#cause !== null) this.#log('server connected', { server: this.name, era: found.era });
      this.#cause = null;
      for (const listener of this.#listeners) listener('connected');
    } catch (thrown) {
      const fault = thrown instanceof UpstreamFault ? thrown : new UpstreamFault({ code: 'dispatch.unavailable', note: String(thrown), effect: 'none' });
      if (this.#cause !== fault.message) this.#log('server not reachable', { server: this.name, cause: fault.message });
      this.#cause = fault.message;
      throw new UpstreamFault({ ...fault.refusal, effect: 'none' }); // whatever broke, the caller's request was not sent
    }
  }
  /** Many modern servers still take the handshake: their legacy clients can be mirrored too. */
  async #speaksLegacy(): Promise<boolean> {
    try {
      const { session } = await initialize(this.#link, this.#id(), this.#clock.monotonic);
      void this.#endSession(session);
      return true;
    } catch {
      return false;
    }
  }
  async #watch(): Promise<void> {
    const found = this.#found;
    if (found === null || this.#closed) return;
    this.#news = listen(this.#link, found, this.#id(), () => this.#listeners.forEach((listener) => listener('tools')));
    const reopen = await this.#news.over;
    if (!reopen) await new Promise<void>((resolve) => (this.#wake = resolve)); // the server keeps no stream: until someone suspects it
    this.#news = null;
  }
  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
  #id(): number {
    return ++this.#lastId;
  }
}

const nothing = (): void => undefined;
/** For exchanges of which nobody wants to hear. */
const DEAF: Sink = { head: nothing, event: nothing, body: nothing, ended: nothing, broken: nothing };
/** Methods whose header `Mcp-Name` repeats a parameter. */
const NAMED: ReadonlyMap<string, string> = new Map([['tools/call', 'name'], ['prompts/get', 'name'], ['resources/read', 'uri']]);

function exchangeOf(told: Told): Exchange {
  if (told.text === null || told.message === null) throw new UpstreamFault({ ...refusalOfStatus(told.status), effect: told.status >= 400 && told.status < 500 ? 'none' : 'unknown' });
  const member = told.message['result'] === undefined ? 'error' : 'result';
  const text = textAt(told.text, [member]);
  const parsed = told.message[member];
  if (!isObject(parsed)) throw new UpstreamFault({ code: 'dispatch.bad_answer', effect: 'unknown' });
  return { result: member === 'result' ? text : null, error: member === 'error' ? text : null, parsed };
}
const failed = (message: JsonObject | null): boolean => {
  const result = message?.['result'];
  return !isObject(result) || result['isError'] === true;
};
