import type { SseEvent } from '../lib/sse.ts';
import { createModernHeaders } from './connect-headers.ts';
import type { Endpoint, Reply } from './connect-http.ts';
import { isObject, keyOfId, type Line, oneLine, readMessage } from './connect-line.ts';
import { LegacySession } from './connect-session.ts';
import type { Out } from './connect-stdio.ts';
import { follow, note, type Position } from './connect-stream.ts';
import { ENDED, errorLine, LONG_LINE, NO_MESSAGE, TOO_MANY, type Trouble, troubleOfError, troubleOfStatus } from './connect-trouble.ts';

export interface BridgeParts {
  readonly endpoint: Endpoint;
  readonly out: Out;
  /** One line for people; never a message. */
  readonly warn: (text: string) => void;
}
/** A request of the client that has no answer yet. */
interface Call {
  readonly line: Line;
  readonly key: string;
  readonly idText: string;
  readonly abort: AbortController;
  answer: Line | null;
  /** Answered, or no longer wanted: nothing with its id is passed on any more. */
  isOver: boolean;
}

/** So many requests may wait for their answers; each holds a connection. */
const MAX_CALLS = 1_024;
/** So many bytes of messages may be on their way before no more is read from the client. */
const MAX_HELD = 64 * 1_048_576;
/** How long a stream may stay open after it brought its answer, ms. */
const LINGER_MS = 1_000;
const RESUME_FAILURES = 5;
const nothing = (): void => undefined;

/** Carries messages between one client on stdio and one endpoint, as they are. */
export class Bridge {
  readonly #parts: BridgeParts;
  readonly #headers = createModernHeaders();
  readonly #session: LegacySession;
  readonly #calls = new Map<string, Call>();
  readonly #running = new Set<Promise<void>>();
  /** Legacy messages keep their order where it matters: nothing overtakes `initialize` or a notification. */
  #gate: Promise<void> = Promise.resolve();
  #held = 0;
  #roomy: (() => void) | null = null;

  constructor(parts: BridgeParts) {
    this.#parts = parts;
    this.#session = new LegacySession({ endpoint: parts.endpoint, warn: parts.warn, onEvent: this.#onEvent });
  }

  /** Takes one line of the client; null: it was too long. Resolves when the next may be read. */
  async take(bytes: Buffer | null): Promise<void> {
    if (bytes !== null && bytes.toString('latin1').trim() === '') return;
    const line = bytes === null ? null : readMessage(bytes);
    if (line === null) {
      const trouble = bytes === null ? LONG_LINE : NO_MESSAGE;
      this.#parts.warn(trouble.text);
      return this.#parts.out.line(errorLine(null, trouble));
    }
    if (line.method === 'notifications/cancelled' && this.#cancel(line)) return;
    const release = this.#hold(line.bytes.length);
    const running = (line.kind === 'request' ? this.#ask(line, release) : this.#tell(line)).finally(() => {
      release();
      this.#running.delete(running);
    });
    this.#running.add(running);
    if (this.#held > MAX_HELD) await new Promise<void>((resolve) => (this.#roomy = resolve));
  }

  /** Resolves when everything taken has ended. Subscriptions have no end of their own: they end now. */
  async idle(): Promise<void> {
    for (const call of this.#calls.values()) {
      if (call.line.method !== 'subscriptions/listen') continue;
      this.#over(call);
      call.abort.abort();
    }
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** Gives up what still runs, each as its era does, and ends the session; each of the two steps may take `ms`. */
  async close(ms: number): Promise<void> {
    const { endpoint } = this.#parts;
    const given = [...this.#calls.values()];
    for (const call of given) {
      call.isOver = true;
      call.abort.abort();
    }
    const told = given.filter(({ line }) => line.modern === null && line.method !== 'initialize').map(({ idText }) => {
      const cancelled = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${idText},"reason":"the client closed its connection"}}`;
      return endpoint.post(this.#session.headers(), Buffer.from(cancelled), AbortSignal.timeout(ms)).then((reply) => reply.dump(), nothing); // the session ends in any case
    });
    await Promise.all(told);
    await this.#session.end(ms);
  }

  async #ask(line: Line, release: () => void): Promise<void> {
    const { key, idText } = line;
    if (key === null || idText === null) return;
    if (this.#calls.has(key)) return this.#parts.warn('dropped a request whose id is in use');
    if (this.#calls.size >= MAX_CALLS) return this.#parts.out.line(errorLine(idText, TOO_MANY));
    const call: Call = { line, key, idText, abort: new AbortController(), answer: null, isOver: false };
    this.#calls.set(key, call);
    try {
      if (line.modern !== null) await this.#read(call, await this.#parts.endpoint.post(this.#headers.of(line, line.modern), line.bytes, call.abort.signal).finally(release), null);
      else if (line.method === 'initialize') await this.#inOrder(() => this.#initialize(call, release));
      else await this.#gate.then(() => this.#askLegacy(call, release));
      if (!call.isOver) await this.#fail(call, ENDED);
    } catch (error) {
      if (!call.isOver) await this.#fail(call, troubleOfError(error, this.#parts.endpoint.url));
    } finally {
      call.abort.abort(); // forgets the connection if it is still open
      if (this.#calls.get(key) === call) this.#calls.delete(key);
    }
  }

  async #initialize(call: Call, release: () => void): Promise<void> {
    const reply = await this.#parts.endpoint.post([], call.line.bytes, call.abort.signal).finally(release);
    await this.#read(call, reply, null).catch((error: unknown) => {
      if (!call.isOver) throw error;
    });
    if (call.answer !== null) this.#session.opened(call.line, reply.sessionId, call.answer);
  }

  async #askLegacy(call: Call, release: () => void): Promise<void> {
    const { endpoint } = this.#parts;
    const { bytes } = call.line;
    if (call.isOver) return; // cancelled before it was sent
    const opened = this.#session.now;
    let reply = await endpoint.post(this.#session.headers(opened), bytes, call.abort.signal).finally(release);
    if (reply.status === 404 && opened.id !== null) {
      const said = readMessage(await reply.whole());
      if (codeOf(said) === METHOD_NOT_FOUND) return this.#answer(call, 404, said);
      // The session is unknown, so the request was not executed: once more is not twice.
      reply = await endpoint.post(this.#session.headers(await this.#session.revive(opened)), bytes, call.abort.signal);
    }
    const at: Position = { lastId: null, retryMs: null };
    await this.#read(call, reply, at).catch((error: unknown) => {
      if (at.lastId === null && !call.isOver) throw error;
    });
    if (!call.isOver && at.lastId !== null) await this.#resume(call, at);
  }

  /** The stream ended before the answer: it comes on another one (MCP 2025-11-25 "Resumability"). */
  async #resume(call: Call, at: Position): Promise<void> {
    const opened = this.#session.now;
    await follow({
      ...this.#parts, headers: () => this.#session.headers(opened), at, signal: call.abort.signal, maxFailures: RESUME_FAILURES, isResumed: true,
      onEvent: async (event) => {
        await this.#onEvent(event);
        if (call.isOver) call.abort.abort();
      },
    });
  }

  async #read(call: Call, reply: Reply, at: Position | null): Promise<void> {
    if (!reply.isStream) return this.#answer(call, reply.status, readMessage(await reply.whole()));
    for await (const event of reply.events()) {
      if (at !== null) note(at, event);
      await this.#onEvent(event);
    }
  }
  /** A body that is not a stream: an answer or a refusal to this id is passed on, all else is put into words. */
  #answer(call: Call, status: number, said: Line | null): Promise<void> {
    const isOurs = said?.kind === 'response' && said.key === call.key;
    if (isOurs && status < 400) return this.#pass(said);
    const trouble = troubleOfStatus(status, this.#parts.endpoint.url, wordsOf(said));
    if (!isOurs) return call.isOver ? Promise.resolve() : this.#fail(call, trouble);
    if (status === 401 || status === 403) this.#parts.warn(trouble.text); // the gateway does not know where our key came from
    return this.#pass(said);
  }

  readonly #onEvent = async (event: SseEvent): Promise<void> => {
    if (event.data === null || event.data === '' || (event.event !== null && event.event !== 'message')) return;
    const line = readMessage(Buffer.from(event.data));
    if (line === null) this.#parts.warn('dropped an event that is no message');
    else await this.#pass(line);
  };

  #pass(line: Line): Promise<void> {
    if (line.kind === 'response') {
      const call = line.key === null ? undefined : this.#calls.get(line.key);
      if (call === undefined) return Promise.resolve(this.#parts.warn('dropped an answer that nobody waits for'));
      call.answer = line;
      this.#over(call);
      if (call.line.method === 'tools/list' && call.line.modern !== null) this.#headers.learn(line.message['result']);
    }
    return this.#parts.out.line(oneLine(line.text));
  }

  /** Notifications and answers to the server's questions: nobody waits for what comes back. */
  async #tell(line: Line): Promise<void> {
    const post = async (): Promise<void> => {
      const headers = line.modern === null ? this.#session.headers() : this.#headers.of(line, line.modern);
      const reply = await this.#parts.endpoint.post(headers, line.bytes, null);
      if (reply.status >= 300) this.#parts.warn(`${line.method === '' ? 'an answer' : line.method} was not taken: HTTP ${reply.status}`);
      await reply.dump();
    };
    const posted = line.kind === 'notification' && line.modern === null ? this.#inOrder(post) : this.#gate.then(post);
    await posted.catch((error: unknown) => this.#parts.warn(troubleOfError(error, this.#parts.endpoint.url).text));
    if (line.method === 'notifications/initialized' && line.modern === null) this.#session.initialized(line);
  }

  /** True when nothing is left to send. In the modern era giving up the request is what cancels it; the legacy eras say so in a message. */
  #cancel(line: Line): boolean {
    const key = keyOfId(line.params['requestId']);
    const call = key === null ? undefined : this.#calls.get(key);
    if (call === undefined) return line.modern !== null || this.#session.now.version === null;
    this.#over(call);
    if (call.line.modern === null) return false;
    call.abort.abort();
    return true;
  }

  #fail(call: Call, trouble: Trouble): Promise<void> {
    this.#over(call);
    this.#parts.warn(trouble.text);
    return this.#parts.out.line(errorLine(call.idText, trouble));
  }
  #over(call: Call): void {
    call.isOver = true;
    if (this.#calls.get(call.key) === call) this.#calls.delete(call.key);
    setTimeout(() => call.abort.abort(), LINGER_MS).unref();
  }

  #inOrder(work: () => Promise<void>): Promise<void> {
    const done = this.#gate.then(work);
    this.#gate = done.catch(nothing);
    return done;
  }
  #hold(bytes: number): () => void {
    let left = bytes;
    this.#held += bytes;
    return () => {
      this.#held -= left;
      left = 0;
      if (this.#held > MAX_HELD) return;
      this.#roomy?.();
      this.#roomy = null;
    };
  }
}

const METHOD_NOT_FOUND = -32_601;
const codeOf = (said: Line | null): unknown => (isObject(said?.message['error']) ? said.message['error']['code'] : null);
const wordsOf = (said: Line | null): string | null => {
  const error = said?.message['error'];
  return isObject(error) && typeof error['message'] === 'string' ? error['message'].slice(0, 500) : null;
};
