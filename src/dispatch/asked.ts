import type { JsonObject } from '../call/json.ts';
import { textAt } from '../lib/json-spans.ts';
import { isObject, parseObject } from './answer.ts';
import { mayAnswer } from './capabilities.ts';
import type { Reply, RequestOptions } from './upstream.ts';

/** What the questions of one request need of the transport that carries it. */
export interface Asker {
  /** Stops the request's time-out; the absolute maximum moves along. False: too many requests wait at this server already. */
  readonly pause: () => boolean;
  /** Lets it run again. */
  readonly resume: () => void;
  /** The request has ended: nobody hears a reply any more. */
  readonly isOver: () => boolean;
  /** Sends the server the text of a JSON-RPC response. Never throws. */
  readonly respond: (text: string) => void;
}
/** What one request says about whom may be asked what. */
export type Askable = Pick<RequestOptions, 'capabilities' | 'onQuestion'>;

/** Questions of one request that may be open at once, and that it may ask in all (CWE-770, CWE-834). */
const MAX_OPEN = 16;
const MAX_ASKED = 256;

/** The server's requests that came in the course of one request of ours. */
export class Asked {
  readonly #askable: Askable;
  readonly #asker: Asker;
  readonly #open = new Set<string>();
  #count = 0;

  constructor(askable: Askable, asker: Asker) {
    this.#askable = askable;
    this.#asker = asker;
  }

  /** `message` is a JSON-RPC request of the server, `text` its exact text. Returns at once. */
  take(message: JsonObject, text: string): void {
    const id = textAt(text, ['id']) ?? 'null';
    const { onQuestion, capabilities } = this.#askable;
    const method = String(message['method']);
    // One id, one answer: a second question under it would take the first one's reply.
    if (this.#open.has(id) || this.#asker.isOver()) return;
    const params = isObject(message['params']) ? message['params'] : {};
    // A server may ask only what the client declared it can do (MCP 2025-11-25 lifecycle; elicitation modes).
    if (onQuestion === null || !mayAnswer(method, params, parseObject(capabilities) ?? {})) return this.#asker.respond(unasked(message, text));
    if (this.#open.size >= MAX_OPEN || ++this.#count > MAX_ASKED || (this.#open.size === 0 && !this.#asker.pause())) return this.#asker.respond(declined(id));
    this.#open.add(id);
    const reply = onQuestion({ method, paramsText: textAt(text, ['params']) ?? '{}', params });
    reply.then((said) => this.#answer(id, responseText(id, said)), () => this.#answer(id, declined(id)));
  }

  #answer(id: string, text: string): void {
    this.#open.delete(id);
    if (this.#asker.isOver()) return;
    if (this.#open.size === 0) this.#asker.resume();
    this.#asker.respond(text);
  }
}

/** The response to a request of a server that has nobody to ask: `ping` is answered, everything else declined. */
export function unasked(message: JsonObject, text: string): string {
  const id = textAt(text, ['id']) ?? 'null';
  return message['method'] === 'ping' ? `{"jsonrpc":"2.0","id":${id},"result":{}}` : declined(id);
}
const declined = (id: string): string => `{"jsonrpc":"2.0","id":${id},"error":{"code":-32601,"message":"Method not found"}}`;
const responseText = (id: string, reply: Reply): string => `{"jsonrpc":"2.0","id":${id},${'result' in reply ? `"result":${reply.result}` : `"error":${reply.error}`}}`;
