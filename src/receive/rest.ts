import type { CallId, Known, Message, SafeResult } from '../call/call.ts';
import type { Json } from '../call/json.ts';
import type { Refusal } from '../call/refusal.ts';
import { textAt } from '../lib/json-spans.ts';
import { type BodyLimits, isObject, readJson } from './message.ts';
import { isPending, refusalHeaders, type Reply, tell } from './respond.ts';

/** The revision that calls through this door speak: they are stateless, as the modern era is. */
export const REST_VERSION = '2026-07-28';

const KEYS: ReadonlySet<string> = new Set(['tool', 'inputs', 'reason', 'ticket']);
/** Longer words of the requester are none that a person reads. */
const LONGEST = 4_096;

/** The body of `POST /tool`, `{"tool": "server__name", "inputs": {…}}`, with `reason` and `ticket` where policy asks for them, as the call it stands for; or why not. */
export function readToolCall(bytes: Buffer, limits: BodyLimits, id: CallId): { readonly message: Message } | { readonly refusal: Refusal } {
  const json = readJson(bytes, limits);
  if ('refusal' in json) return json;
  const { text, strict } = json;
  const body = strict.value;
  if (!isObject(body)) return wrong('not an object');
  for (const key in body) if (!KEYS.has(key)) return wrong('a key that is none of tool, inputs, reason, ticket');
  const tool = body['tool'];
  const inputs = body['inputs'] ?? {};
  if (typeof tool !== 'string' || tool === '') return wrong('tool is not a text');
  if (!isObject(inputs) || body['inputs'] === null) return wrong('inputs is not an object');
  const { reason, ticket } = body;
  if (!isWord(reason) || !isWord(ticket)) return wrong('reason or ticket is not a text of at most 4,096 characters');
  const meta = { ...(reason !== undefined && { 'sallyport/reason': reason }), ...(ticket !== undefined && { 'sallyport/ticket': ticket }) };
  const span = strict.spans.inputs;
  return {
    message: {
      kind: 'request', method: 'tools/call', rpcId: id, params: reason === undefined && ticket === undefined ? { name: tool, arguments: inputs } : { name: tool, arguments: inputs, _meta: meta }, bytes, text,
      argumentsText: span === null ? '{}' : text.slice(span.start, span.end),
      inexact: strict.inexact.map((n) => ({ pointer: n.pointer.replace(/^\/inputs/, '/arguments'), literal: n.literal })),
    },
  };
}
const isWord = (value: Json | undefined): boolean => value === undefined || (typeof value === 'string' && value.length > 0 && value.length <= LONGEST);
const wrong = (note: string): { readonly refusal: Refusal } => ({
  refusal: { code: 'receive.message', tell: 'Send {"tool": "server__name", "inputs": {…}} and nothing else but `reason` and `ticket`.', note },
});

/** What the envelope says about the call, besides its result. */
export interface About {
  readonly id: CallId;
  readonly caller: string | null;
  readonly tool: string | null;
  readonly latencyMs: number;
}
/** The names are the caller's own and the principal's: never the target's, which would tell a hidden tool from an unknown one. */
export const aboutOf = (known: Known, latencyMs: number): About => ({ id: known.id, caller: known.principal?.caller ?? null, tool: known.name, latencyMs });

export function restRefusal(about: About, refusal: Refusal, metadataUrl: string | null): Reply {
  const told = tell(refusal, 'rest', 'tools/call');
  const result = `{"code":"${told.code}","message":${JSON.stringify(told.message)},"retryable":${told.retryable}}`;
  const { approval } = told;
  const waits = approval === null ? '' : `,"approval":{"id":"${approval.id}","expires_at":"${approval.expiresAt}","url":"${approval.url}"}`;
  return { status: told.status, headers: refusalHeaders(told, refusal, metadataUrl), body: envelope(isPending(told) ? 'pending' : 'error', `${result}${waits}`, about, []) };
}

/** A GET for the state of an approval, as a call: it walks the corridor like any other, so it is authenticated, limited and recorded like one. */
export const approvalPoll = (id: string, callId: CallId): Message => ({
  kind: 'poll', method: '$approval', rpcId: callId, params: { id }, bytes: NOTHING, text: '', argumentsText: '{}', inexact: [],
});
const NOTHING = Buffer.alloc(0);

/** The tool's result, its text exactly as inspected; a JSON-RPC error of the server becomes `status: "error"` with that error. */
export function restResult(about: About, result: SafeResult): Reply | null {
  const text = result.bytes.toString('utf8');
  const ok = textAt(text, ['result']);
  const told = ok ?? textAt(text, ['error']);
  if (told === null) return null;
  const status = ok !== null && result.success ? 'ok' : 'error';
  return { status: result.status, headers: ['content-type', 'application/json'], body: envelope(status, told, about, result.warnings) };
}

function envelope(status: 'ok' | 'error' | 'pending', result: string, about: About, warnings: readonly string[]): Buffer {
  const metadata = JSON.stringify({ caller: about.caller, tool: about.tool, latency_ms: about.latencyMs, correlation_id: about.id });
  return Buffer.from(`{"status":"${status}","result":${result},"metadata":${metadata},"warnings":${JSON.stringify(warnings)}}`);
}
