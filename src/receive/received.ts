import type { IncomingMessage } from 'node:http';
import type { Message, Received } from '../call/call.ts';
import type { Json } from '../call/json.ts';
import type { Exchange } from './exchange.ts';
import type { Heads } from './headers.ts';
import { isObject } from './message.ts';

/** A request whose head was judged. */
export interface Arrival {
  readonly exchange: Exchange;
  readonly heads: Heads;
  readonly req: IncomingMessage;
}

/** The call that a message of this exchange is. */
export function received({ exchange, heads, req }: Arrival, message: Message, era: Received['era'], version: string): Received {
  const isLegacy = era === 'legacy';
  return {
    id: exchange.id,
    receivedAt: exchange.receivedAt,
    door: exchange.door,
    server: exchange.server,
    era,
    version,
    message,
    name: nameOf(message),
    // A modern client has no session; what it sends under that name is ignored (MCP 2026-07-28 Streamable HTTP).
    sessionId: isLegacy ? heads.sessionId : null,
    lastEventId: isLegacy ? heads.lastEventId : null,
    mirrored: heads.mirrored,
    presented: { authorization: heads.authorization, apiKey: heads.apiKey, remoteAddress: req.socket.remoteAddress ?? '' },
    modelRequestId: modelRequestIdOf(message, heads),
    signal: exchange.signal,
    side: exchange,
  };
}

function nameOf(message: Message): string | null {
  const { method, params } = message;
  if (method === 'tools/call' || method === 'prompts/get') return textOf(params['name']);
  if (method === 'completion/complete') return nameOfRef(params['ref']);
  return method.startsWith('resources/') ? textOf(params['uri']) : null;
}
/** What a completion is asked for (MCP completion): a prompt by its name, a resource or template by its URI. */
function nameOfRef(ref: Json | undefined): string | null {
  if (!isObject(ref)) return null;
  return ref['type'] === 'ref/prompt' ? textOf(ref['name']) : ref['type'] === 'ref/resource' ? textOf(ref['uri']) : null;
}
const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** An assertion of the client, of bounded length; where it is not one line of plain text it is nothing. */
function modelRequestIdOf(message: Message, heads: Heads): string | null {
  const meta = message.params['_meta'];
  const said = (isObject(meta) ? textOf(meta['sallyport/modelRequestId']) : null) ?? heads.modelRequestId;
  return said !== null && /^[\x21-\x7e]{1,256}$/.test(said) ? said : null;
}
