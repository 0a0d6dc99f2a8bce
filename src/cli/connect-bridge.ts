import { type BridgeParts, type Call, Calls } from './connect-calls.ts';
import { createModernHeaders } from './connect-headers.ts';
import { isObject, type Line, readMessage } from './connect-line.ts';
import { LegacySession } from './connect-session.ts';
import { follow, type Position } from './connect-stream.ts';
import { ENDED, errorLine, LONG_LINE, NO_MESSAGE, TOO_MANY, troubleOfError } from './connect-trouble.ts';

/** So many requests may wait for their answers; each holds a connection. */
const MAX_CALLS = 256;
/** So many bytes of messages may be on their way before no more is read from the client. */
const MAX_HELD = 64 * 1_048_576;
const RESUME_FAILURES = 5;
const nothing = (): void => undefined;

/** Carries messages between one client on stdio and one endpoint, as they are. */
export class Bridge {
  readonly #parts: BridgeParts;
  readonly #headers = createModernHeaders();
  readonly #session: LegacySession;
  readonly #calls: Calls;
  readonly #running = new Set<Promise<void>>();
  /** Legacy messages keep their order where it matters: nothing overtakes `initialize` or a notification. */
  #gate: Promise<void> = Promise.resolve();
  #held = 0;
  #roomy: (() => void) | null = null;

  constructor(parts: BridgeParts) {
    this.#parts = parts;
    this.#session = new LegacySession({ endpoint: parts.endpoint, warn: parts.warn, onEvent: (event) => this.#calls.event(event) });
    this.#calls = new Calls(parts, (call, answer) => {
      if (call.line.method === 'tools/list' && call.line.modern !== null) this.#headers.learn(answer.message['result']);
    });
  }

  /** Takes one line of the client; null: it was too long. Resolves when the next may be read. */
  async take(bytes: Buffer | null): Promise<void> {
    if (bytes !== null && bytes.length < 64 && bytes.toString('latin1').trim() === '') return;
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
    for (const call of this.#calls.all()) {
      if (call.line.method !== 'subscriptions/listen') continue;
      this.#calls.over(call);
      call.abort.abort();
    }
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** Gives up what still runs, each as its era does, and ends the session; each of the two steps may take `ms`. */
  async close(ms: number): Promise<void> {
    const { endpoint } = this.#parts;
    const given = this.#calls.all();
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
    if (this.#calls.size >= MAX_CALLS) return this.#parts.out.line(errorLine(idText, TOO_MANY));
    const call = this.#calls.add(line, key, idText);
    if (call === null) return this.#parts.warn('dropped a request whose id is in use');
    try {
      if (line.modern !== null) await this.#askModern(call, line.modern, release);
      else if (line.method === 'initialize') await this.#inOrder(() => this.#initialize(call, release));
      else await this.#gate.then(() => this.#askLegacy(call, release));
      if (!call.isOver) await this.#calls.fail(call, ENDED);
    } catch (error) {
      if (!call.isOver) await this.#calls.fail(call, troubleOfError(error, this.#parts.endpoint.url));
    } finally {
      call.abort.abort(); // forgets the connection if it is still open
    }
  }

  async #askModern(call: Call, version: string, release: () => void): Promise<void> {
    const reply = await this.#parts.endpoint.post(this.#headers.of(call.line, version), call.line.bytes, call.abort.signal).finally(release);
    await this.#calls.read(call, reply, null);
  }

  async #initialize(call: Call, release: () => void): Promise<void> {
    const reply = await this.#parts.endpoint.post([], call.line.bytes, call.abort.signal).finally(release);
    await this.#calls.read(call, reply, null).catch((error: unknown) => {
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
      if (codeOf(said) === METHOD_NOT_FOUND) return this.#calls.answer(call, 404, said);
      // The session is unknown, so the request was not executed: once more is not twice.
      reply = await endpoint.post(this.#session.headers(await this.#session.revive(opened)), bytes, call.abort.signal);
    }
    const at: Position = { lastId: null, retryMs: null };
    await this.#calls.read(call, reply, at).catch((error: unknown) => {
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
        await this.#calls.event(event);
        if (call.isOver) call.abort.abort();
      },
    });
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
    const call = this.#calls.find(line.params['requestId']);
    if (call === null) return line.modern !== null || this.#session.now.version === null;
    this.#calls.over(call);
    if (call.line.modern === null) return false;
    call.abort.abort();
    return true;
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
