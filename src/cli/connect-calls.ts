import type { SseEvent } from '../lib/sse.ts';
import type { Endpoint, Reply } from './connect-http.ts';
import { isObject, keyOfId, type Line, oneLine, readMessage } from './connect-line.ts';
import type { Out } from './connect-stdio.ts';
import { note, type Position } from './connect-stream.ts';
import { errorLine, type Trouble, troubleOfStatus } from './connect-trouble.ts';

export interface BridgeParts {
  readonly endpoint: Endpoint;
  readonly out: Out;
  /** One line for people; never a message. */
  readonly warn: (text: string) => void;
}
/** A request of the client that has no answer yet. */
export interface Call {
  readonly line: Line;
  readonly key: string;
  readonly idText: string;
  readonly abort: AbortController;
  answer: Line | null;
  /** Answered, or no longer wanted: nothing with its id is passed on any more. */
  isOver: boolean;
}

/** How long a stream may stay open after it brought its answer, ms. */
const LINGER_MS = 1_000;

/** What the client waits for, and what it is told: one answer to each request, from whichever stream it comes. */
export class Calls {
  readonly #parts: BridgeParts;
  readonly #onAnswer: (call: Call, answer: Line) => void;
  readonly #open = new Map<string, Call>();

  constructor(parts: BridgeParts, onAnswer: (call: Call, answer: Line) => void) {
    this.#parts = parts;
    this.#onAnswer = onAnswer;
  }

  get size(): number {
    return this.#open.size;
  }
  all(): Call[] {
    return [...this.#open.values()];
  }
  /** The call a `requestId` or an `id` means. */
  find(id: Line['message'][string] | undefined): Call | null {
    const key = keyOfId(id);
    return key === null ? null : (this.#open.get(key) ?? null);
  }
  /** null: its id is in use. */
  add(line: Line, key: string, idText: string): Call | null {
    if (this.#open.has(key)) return null;
    const call: Call = { line, key, idText, abort: new AbortController(), answer: null, isOver: false };
    this.#open.set(key, call);
    return call;
  }
  /** Nothing more of it is passed on. Its connection may end by itself, or is ended. */
  over(call: Call): void {
    call.isOver = true;
    if (this.#open.get(call.key) === call) this.#open.delete(call.key);
    setTimeout(() => call.abort.abort(), LINGER_MS).unref();
  }

  /** Passes on what a reply holds. `at` follows the events of a stream that may be resumed. */
  async read(call: Call, reply: Reply, at: Position | null): Promise<void> {
    if (!reply.isStream) return this.answer(call, reply.status, readMessage(await reply.whole()));
    for await (const event of reply.events()) {
      if (at !== null) note(at, event);
      await this.event(event);
    }
  }
  /** A body that is not a stream: an answer or a refusal to this id is passed on, all else is put into words. */
  answer(call: Call, status: number, said: Line | null): Promise<void> {
    const isOurs = said?.kind === 'response' && said.key === call.key;
    if (isOurs && status < 400) return this.#pass(said);
    const trouble = troubleOfStatus(status, this.#parts.endpoint.url, wordsOf(said));
    if (!isOurs) return call.isOver ? DONE : this.fail(call, trouble);
    if (status === 401 || status === 403) this.#parts.warn(trouble.text); // the gateway does not know where our key came from
    return this.#pass(said);
  }
  readonly event = async (event: SseEvent): Promise<void> => {
    if (event.data === null || event.data === '' || (event.event !== null && event.event !== 'message')) return;
    const line = readMessage(Buffer.from(event.data));
    if (line === null) this.#parts.warn('dropped an event that is no message');
    else await this.#pass(line);
  };
  /** Tells the client that there will be no answer of the gateway's own. */
  fail(call: Call, trouble: Trouble): Promise<void> {
    this.over(call);
    this.#parts.warn(trouble.text);
    return this.#parts.out.line(errorLine(call.idText, trouble));
  }

  #pass(line: Line): Promise<void> {
    if (line.kind === 'response') {
      const call = this.find(line.message['id']);
      // An answer to nobody, or a second one, could be taken for the answer to a later request with that id (CVE-2026-25536).
      if (call === null) return Promise.resolve(this.#parts.warn('dropped an answer that nobody waits for'));
      call.answer = line;
      this.over(call);
      this.#onAnswer(call, line);
    }
    return this.#parts.out.line(oneLine(line.text));
  }
}

const DONE = Promise.resolve();
const wordsOf = (said: Line | null): string | null => {
  const error = said?.message['error'];
  return isObject(error) && typeof error['message'] === 'string' ? error['message'].slice(0, 500) : null;
};
