import type { Journaled } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import { mayAsk } from '../capabilities.ts';
import { Exchange, type Sink } from '../http/exchange.ts';
import { mirrorHeaders, type Link } from '../http/link.ts';
import type { MirrorRoom } from './room.ts';
import { isForeign } from './tasks.ts';

/** Questions of one server that a session's client has not answered: more are declined, so that no server can fill the table (CWE-770). */
const MAX_ASKED = 1_000;
/** How long the gateway's own small messages may take, ms. */
const ASIDE_MS = 10_000;
const ASIDE_BYTES = 65_536;

/**
 * Judges a request that a server sends to the client on a mirrored stream, and remembers its id, so that only the client that was
 * asked can answer, once. What may not pass is declined, so that the server does not wait for an answer that cannot come.
 */
export function mayForwardAsk(message: JsonObject, call: Journaled, link: Link, room: MirrorRoom): boolean {
  const { session } = call;
  const id = message['id'];
  const method = String(message['method']);
  const note = (why: string): void => room.deps.log('refused a request of the server to the client', { server: link.name, correlation_id: call.id, why });
  if (call.era === 'modern') { // MCP 2026-07-28: servers send no requests
    note('modern servers send no requests');
    return false;
  }
  if (session === null || (typeof id !== 'string' && typeof id !== 'number')) {
    note('no session to bind the answer to');
    return false;
  }
  const isOurs = !isForeign(message, call, room.tasks);
  if (isOurs && mayAsk(method, link.config.client_capabilities) && session.asked.size < MAX_ASKED) {
    session.asked.add(id);
    return true;
  }
  note(isOurs ? 'not among client_capabilities, or too many unanswered' : 'about a task that is not this caller’s');
  void sayAside(link, call, JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } }));
  return false;
}

/** Sends the server a small message of the gateway's own on the call's behalf. Resolves when it was answered, broke or took too long; never rejects. */
export async function sayAside(link: Link, call: Journaled, text: string): Promise<void> {
  let credential: readonly string[];
  try {
    credential = await link.credential();
  } catch {
    return; // without a credential the server could not be told; the call itself has said so already
  }
  const headers = mirrorHeaders(call, call.session, credential, 'POST');
  return new Promise((told) => {
    const timer = setTimeout(() => {
      exchange.abort();
      told();
    }, ASIDE_MS).unref();
    const over = (): void => {
      clearTimeout(timer);
      told();
    };
    const sink: Sink = { head: () => told(), event: () => undefined, body: over, ended: over, broken: over };
    const exchange = new Exchange(sink, ASIDE_BYTES);
    exchange.start(link.calls, { origin: link.origin, path: link.path, method: 'POST', headers, body: text });
  });
}
