import { isUtf8 } from 'node:buffer';
import type { Json, JsonObject } from '../call/json.ts';
import { textAt } from '../lib/json-spans.ts';

/** The longest line either way, bytes: what is longer is refused, never kept (CWE-770). */
export const MAX_LINE = 16 * 1_048_576;

/** One message, read once. `bytes` are what goes on; nothing is ever written anew, so unknown fields and large integers survive. */
export interface Line {
  readonly kind: 'request' | 'notification' | 'response';
  readonly bytes: Buffer;
  readonly text: string;
  /** Empty for responses. */
  readonly method: string;
  readonly params: JsonObject;
  /** What requests and their answers are told apart by; null for notifications. */
  readonly key: string | null;
  /** The id as the sender spelled it. */
  readonly idText: string | null;
  /** The revision the message claims for itself: it is of the modern era. null: legacy. */
  readonly modern: string | null;
  readonly message: JsonObject;
}

const VERSION = 'io.modelcontextprotocol/protocolVersion';
const FIRST_MODERN = '2026-07-28';
export const isObject = (value: Json | undefined): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
export const keyOfId = (id: Json | undefined): string | null => (typeof id === 'string' || typeof id === 'number' ? JSON.stringify(id) : null);

/** Reads one JSON-RPC message; null when it is none, or a batch, which MCP no longer has. */
export function readMessage(bytes: Buffer): Line | null {
  if (!isUtf8(bytes)) return null;
  const text = bytes.toString('utf8');
  let message: Json;
  try {
    message = JSON.parse(text) as Json; // parse edge
  } catch {
    return null;
  }
  if (!isObject(message)) return null;
  const { id, method, params, result, error } = message;
  const key = keyOfId(id);
  const hasMethod = typeof method === 'string';
  if (!hasMethod && result === undefined && error === undefined) return null;
  return {
    kind: !hasMethod ? 'response' : key === null ? 'notification' : 'request', bytes, text, message, key,
    method: hasMethod ? method : '', params: isObject(params) ? params : {},
    idText: key === null ? null : textAt(text, ['id']),
    modern: hasMethod ? claimOf(method, params) : null,
  };
}

/** The body alone says which era it is (MCP 2026-07-28 versioning); `initialize` is the legacy handshake unless it claims a modern revision. */
function claimOf(method: string, params: Json | undefined): string | null {
  const meta = isObject(params) ? params['_meta'] : undefined;
  const claim = isObject(meta) ? meta[VERSION] : undefined;
  if (typeof claim !== 'string' || (method === 'initialize' && claim < FIRST_MODERN)) return null;
  return claim;
}

/** What some reader takes for the end of a line: Node's readline splits at U+2028, Python's str.splitlines at U+0085. */
const ENDS = /[\r\n\u0085\u2028\u2029]/g;
/**
 * JSON text on one line. A server that could put a line break into its answer would write messages of its own to the client (CWE-93).
 * In JSON, raw CR and LF stand between tokens only: a space. The other three stand in strings only: an escape. The value is the same.
 */
export function oneLine(text: string): string {
  if (text.search(ENDS) < 0) return text;
  return text.replace(ENDS, (c) => (c === '\n' || c === '\r' ? ' ' : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`));
}
