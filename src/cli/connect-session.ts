import type { Endpoint, Reply } from './connect-http.ts';
import { isObject, readMessage, type Line } from './connect-line.ts';
import { type Following, follow } from './connect-stream.ts';
import { Broken, NO_HELLO, OTHER_VERSION, troubleOfStatus } from './connect-trouble.ts';

/** One session of the legacy eras, as the gateway gave it out. */
export interface Opened {
  /** null: the server keeps none. */
  readonly id: string | null;
  /** The negotiated revision; null before there was an answer. */
  readonly version: string | null;
}
export interface SessionParts {
  readonly endpoint: Endpoint;
  readonly warn: (text: string) => void;
  readonly onEvent: Following['onEvent'];
}

/**
 * The client's legacy session. Its stdio client knows nothing of sessions and cannot open one again in mid-way, so when the gateway
 * has forgotten it (404: nothing was executed) the client's own two messages are said once more.
 */
export class LegacySession {
  readonly #parts: SessionParts;
  #hello: Line | null = null;
  #ready: Line | null = null;
  #now: Opened = { id: null, version: null };
  #reviving: Promise<Opened> | null = null;
  #streaming: AbortController | null = null;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  get now(): Opened {
    return this.#now;
  }
  readonly headers = (opened: Opened = this.#now): string[] => [
    ...(opened.id === null ? [] : ['mcp-session-id', opened.id]), ...(opened.version === null ? [] : ['mcp-protocol-version', opened.version]),
  ];

  /** The gateway answered `hello`. A client that begins again leaves its old session behind. */
  opened(hello: Line, sessionId: string | null, answer: Line): void {
    const version = versionOf(answer);
    if (version === null) return;
    const old = this.#now;
    this.#hello = hello;
    this.#ready = null;
    this.#now = { id: sessionId, version };
    this.#streaming?.abort();
    if (old.id !== null) void this.#parts.endpoint.end(this.headers(old), 5_000);
  }

  /** The client said `notifications/initialized`, and the gateway took it: from now on it may speak by itself. */
  initialized(line: Line): void {
    this.#ready = line;
    this.#listen();
  }

  /** The session that follows on `old`, opened by whoever comes first. Throws `Broken` when there can be none. */
  revive(old: Opened): Promise<Opened> {
    if (this.#now !== old) return Promise.resolve(this.#now);
    return (this.#reviving ??= this.#reopen(old).finally(() => (this.#reviving = null)));
  }

  /** Stops listening and tells the gateway that nobody will come back. */
  async end(ms: number): Promise<void> {
    this.#streaming?.abort();
    const old = this.#now;
    this.#now = { id: null, version: null };
    if (old.id !== null) await this.#parts.endpoint.end(this.headers(old), ms);
  }

  async #reopen(old: Opened): Promise<Opened> {
    const { endpoint, warn } = this.#parts;
    if (this.#hello === null || old.id === null) throw new Broken(NO_HELLO);
    warn('the gateway forgot the session; opening it again');
    const reply = await endpoint.post([], this.#hello.bytes, null);
    const answer = await helloOf(reply, this.#hello.key);
    const version = answer === null ? null : versionOf(answer);
    if (version === null) throw new Broken(troubleOfStatus(reply.status, endpoint.url, null));
    const opened: Opened = { id: reply.sessionId, version };
    if (version !== old.version) {
      await endpoint.end(this.headers(opened), 5_000);
      throw new Broken(OTHER_VERSION);
    }
    if (this.#ready !== null) await (await endpoint.post(this.headers(opened), this.#ready.bytes, null)).dump();
    this.#now = opened;
    if (this.#ready !== null) this.#listen();
    return opened;
  }

  #listen(): void {
    this.#streaming?.abort();
    const streaming = (this.#streaming = new AbortController());
    const opened = this.#now;
    void follow({
      ...this.#parts, headers: () => this.headers(opened), at: { lastId: null, retryMs: null }, signal: streaming.signal, maxFailures: Infinity, isResumed: false,
    }).then((end) => {
      if (end === 'session' && !streaming.signal.aborted) return this.revive(opened);
      return null;
    }).catch((error: unknown) => this.#parts.warn(`no events from the gateway until the next call: ${error instanceof Error ? error.message : String(error)}`));
  }
}

const versionOf = (answer: Line): string | null => {
  const result = answer.message['result'];
  return isObject(result) && typeof result['protocolVersion'] === 'string' ? result['protocolVersion'] : null;
};

async function helloOf(reply: Reply, key: string | null): Promise<Line | null> {
  if (!reply.isStream) return readMessage(await reply.whole());
  for await (const event of reply.events()) {
    const message = event.data === null ? null : readMessage(Buffer.from(event.data));
    if (message?.kind === 'response' && message.key === key) return message;
  }
  return null;
}
