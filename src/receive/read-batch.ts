import type { Message } from '../call/call.ts';
import type { Refusal } from '../call/refusal.ts';
import { elementsOf } from '../lib/json-spans.ts';
import { type BodyLimits, readMessage } from './message.ts';

/** Messages one batch may hold: each costs a walk through the corridor and one record (CWE-770). */
const MAX_MESSAGES = 50;

/**
 * The messages of a JSON-RPC batch, each with its own exact text, or why not. `bytes`: a body that `readMessage` took for a batch, so all
 * of it is strict JSON. One message that is not as MCP has it refuses the whole: half a batch is not what the client meant.
 */
export function readBatch(bytes: Buffer, limits: BodyLimits): { readonly messages: readonly Message[] } | { readonly refusal: Refusal } {
  const text = bytes.toString('utf8');
  const cuts = elementsOf(text);
  if (cuts.length === 0) return wrong('an empty batch');
  if (cuts.length > MAX_MESSAGES) return wrong(`a batch of more than ${MAX_MESSAGES}`);
  const messages: Message[] = [];
  const ids = new Set<string | number>();
  for (const { start, end } of cuts) {
    const read = readMessage(Buffer.from(text.slice(start, end)), limits);
    if ('refusal' in read) return { refusal: { ...read.refusal, note: `in a batch: ${read.refusal.note ?? 'unreadable'}` } };
    const { message } = read;
    // The handshake settles what may come in a batch, so it cannot come in one (MCP 2025-03-26 lifecycle).
    if (message.method === 'initialize') return wrong('initialize in a batch');
    if (message.kind === 'request' && message.rpcId !== null) {
      // Two answers to one id: nobody could tell whose is whose (CVE-2026-25536).
      if (ids.has(message.rpcId)) return wrong('an id twice in a batch');
      ids.add(message.rpcId);
    }
    messages.push(message);
  }
  return { messages };
}
const wrong = (note: string): { readonly refusal: Refusal } => ({ refusal: { code: 'receive.message', note } });
