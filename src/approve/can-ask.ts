import type { Limited } from '../call/call.ts';
import { isObject, type Json } from '../call/json.ts';

/** How the user behind a call can be asked: by an answer that asks (modern), by a request on the call's stream (legacy); null: not at all. */
export type Way = 'modern' | 'legacy' | null;

/** What may be answered with a question (MCP 2026-07-28 MRTR). */
const MAY_ASK: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';

/** A client is asked only what it declared: with this request in the modern era, at its handshake before. */
export function wayToAsk(call: Limited): Way {
  if (call.door === 'rest' || call.message.kind !== 'request') return null;
  if (call.era === 'legacy') return call.session !== null && hasForms(call.session.declared['elicitation']) ? 'legacy' : null;
  const meta = call.message.params['_meta'];
  const declared = isObject(meta) ? meta[CAPABILITIES] : undefined;
  return MAY_ASK.has(call.message.method) && isObject(declared) && hasForms(declared['elicitation']) ? 'modern' : null;
}
/** A form needs no more than the capability itself, unless that names other modes only (MCP 2025-11-25 elicitation). */
const hasForms = (elicitation: Json | undefined): boolean => isObject(elicitation) && (isObject(elicitation['form']) || elicitation['url'] === undefined);
