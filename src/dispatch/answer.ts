import { isUtf8 } from 'node:buffer';
import type { Answer } from '../call/call.ts';
import { isObject, type Json, type JsonObject } from '../call/json.ts';
import type { Effect, Refusal } from '../call/refusal.ts';
import type { Session } from '../call/session.ts';
import { hasDuplicateName } from '../lib/json-spans.ts';
import { parseStrict } from '../lib/strict-json.ts';
import type { Broken } from './http/exchange.ts';

/** Deeper answers are refused: later stages walk them (CWE-674). */
const LIMITS = { maxDepth: 128 };

export { isObject };

/**
 * A JSON object that every parser reads alike, or null: what inspect/ judges must be what the client reads (CWE-436). Answers are
 * data: keys that differ only in case, reserved keys and half surrogates are a request's faults, but legitimate in what a tool found.
 */
export function parseObject(text: string, bytes?: Buffer): JsonObject | null {
  const parsed = parseStrict(text, LIMITS, bytes);
  if (parsed.ok) return isObject(parsed.value) ? parsed.value : null;
  if (parsed.fault === 'depth') return null;
  try {
    const value = JSON.parse(text) as Json; // parse edge
    return isObject(value) && !hasDuplicateName(text) && isPlain(value) && (!isObject(value['result']) || isPlain(value['result'])) ? value : null;
  } catch {
    return null;
  }
}
/** No two keys alike up to case, where the protocol's own words stand: some clients fold case (CVE-2026-27896). */
const isPlain = (value: JsonObject): boolean => {
  const names = Object.keys(value).map((name) => name.toLowerCase());
  return new Set(names).size === names.length;
};
/** The same for bytes; null too when they are not UTF-8. */
export const parseBytes = (bytes: Buffer): JsonObject | null => (isUtf8(bytes) ? parseObject(bytes.toString('utf8'), bytes) : null);

export type Shape = 'request' | 'notification' | 'response' | 'junk';

/** What a JSON-RPC 2.0 message is; `junk` for everything that is none, batches too. */
export function shapeOf(message: JsonObject): Shape {
  if (message['jsonrpc'] !== '2.0') return 'junk';
  const id = message['id'];
  const idFits = typeof id === 'string' || typeof id === 'number';
  if (message['method'] !== undefined) {
    if (typeof message['method'] !== 'string' || message['result'] !== undefined || message['error'] !== undefined) return 'junk';
    return idFits ? 'request' : id === undefined ? 'notification' : 'junk';
  }
  const { result, error } = message;
  if ((result === undefined) === (error === undefined)) return 'junk';
  if (result !== undefined) return idFits && isObject(result) ? 'response' : 'junk';
  const isError = isObject(error) && Number.isInteger(error['code']) && typeof error['message'] === 'string';
  return isError && (idFits || id === null || id === undefined) ? 'response' : 'junk';
}

/** Errors by which a server says that it looked at the request and did not begin: parse, request, method, params, header, capability, version. */
const NOT_BEGUN: ReadonlySet<number> = new Set([-32700, -32600, -32601, -32602, -32020, -32021, -32022]);

/** Did the server act, judged by its answer? The table stands in README.md. */
export function effectOf(message: JsonObject): Effect {
  const { result, error } = message;
  if (isObject(error)) return NOT_BEGUN.has(Number(error['code'])) ? 'none' : 'unknown';
  if (!isObject(result) || result['isError'] === true) return 'unknown';
  return result['resultType'] === undefined || result['resultType'] === 'complete' ? 'done' : 'unknown';
}

/** The refusal for an exchange that broke. Bytes that went out may have had an effect; what was never sent had none. */
export function refusalOf(broken: Broken): Refusal {
  const note = broken.detail;
  switch (broken.why) {
    case 'egress': return { code: 'dispatch.egress', note, effect: 'none' };
    case 'too_large': return { code: 'dispatch.bad_answer', tell: 'The answer is larger than allowed; ask for less.', note, effect: 'unknown' };
    case 'malformed': return { code: 'dispatch.bad_answer', note, effect: 'unknown' };
    case 'network': return broken.sent ? { code: 'dispatch.crashed', note, effect: 'unknown' } : { code: 'dispatch.unavailable', note, effect: 'none' };
  }
}

/** The refusal for a status without a message of ours. */
export function refusalOfStatus(status: number): Refusal {
  const note = `status ${status}`;
  if (status === 401 || status === 403) return { code: 'dispatch.upstream_auth', note, effect: 'none' };
  if (status >= 300) return { code: 'dispatch.upstream', note, effect: 'unknown' };
  return { code: 'dispatch.bad_answer', note, effect: 'unknown' };
}

const EMPTY = Buffer.alloc(0);
/** An answer without a message: 202, 405, streams that ended. */
export const bare = (status: number, session: Session | null, effect: Effect): Answer => ({ status, bytes: EMPTY, message: null, event: null, session, effect, droppedBytes: 0 });

/** An answer that the gateway words itself. */
export function worded(id: string | number | null, status: number, member: 'result' | 'error', text: string, value: Json, session: Session | null, effect: Effect): Answer {
  return {
    status,
    bytes: Buffer.from(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"${member}":${text}}`),
    message: { jsonrpc: '2.0', id, [member]: value },
    event: null,
    session,
    effect,
    droppedBytes: 0,
  };
}
