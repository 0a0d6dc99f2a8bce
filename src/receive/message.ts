import { isUtf8 } from 'node:buffer';
import type { Message } from '../call/call.ts';
import type { Json, JsonObject } from '../call/json.ts';
import type { Refusal } from '../call/refusal.ts';
import { foldKey, parseStrict, type Strict, type StrictFault } from '../lib/strict-json.ts';

/** What a body proved to be: a message, or why not. The id is given even then, when it could be read: the client waits for it. */
export type Read = { readonly message: Message } | { readonly refusal: Refusal; readonly rpcId: string | number | null; readonly isBatch?: true };
export interface BodyLimits {
  readonly maxDepth: number;
  readonly maxKeys: number;
}

const CODES: Readonly<Record<StrictFault, Refusal['code']>> = {
  json: 'receive.json', duplicate_key: 'receive.duplicate_key', prototype_key: 'receive.prototype_key', depth: 'receive.depth', keys: 'receive.too_large',
};

/** Bytes to JSON, or why not: what servers in other languages might read differently stops here. */
export function readJson(bytes: Buffer, limits: BodyLimits): { readonly text: string; readonly strict: Strict & { readonly ok: true } } | { readonly refusal: Refusal } {
  // Decoders mend bad UTF-8 each in their own way; overlong forms hide characters from whoever looks at bytes (CWE-176).
  if (!isUtf8(bytes)) return { refusal: { code: 'receive.utf8' } };
  const text = bytes.toString('utf8');
  const strict = parseStrict(text, limits, bytes);
  return strict.ok ? { text, strict } : { refusal: { code: CODES[strict.fault], note: `at byte ${strict.at}` } };
}

/** Bytes to one JSON-RPC message as MCP has it (no null ids), or why not; a batch is refused as one, and may be read by `readBatch` then. */
export function readMessage(bytes: Buffer, limits: BodyLimits): Read {
  const json = readJson(bytes, limits);
  if ('refusal' in json) return { refusal: json.refusal, rpcId: null };
  const { text, strict } = json;
  const body = strict.value;
  if (!isObject(body)) return Array.isArray(body) ? A_BATCH : refuse(null, 'not an object');
  const id = body['id'];
  const rpcId = typeof id === 'string' || (typeof id === 'number' && Number.isSafeInteger(id)) ? id : null;
  const wrong = strayKey(body, TOP) ?? shapeFault(body, rpcId) ?? (strict.inexact.some((n) => n.pointer === '/id') ? 'id is not exact' : null);
  if (wrong !== null) return refuse(rpcId, wrong);
  const method = body['method'];
  const params = body['params'];
  const span = strict.spans.arguments;
  const known = isObject(params) ? params : NO_PARAMS;
  const bad = paramsFault(typeof method === 'string' ? method : '', known);
  if (bad !== null) return { refusal: { code: 'receive.params', note: bad }, rpcId };
  return {
    message: {
      kind: typeof method !== 'string' ? 'response' : id === undefined ? 'notification' : 'request',
      method: typeof method === 'string' ? method : '',
      rpcId,
      params: known,
      bytes,
      text,
      argumentsText: span === null ? '{}' : text.slice(span.start, span.end),
      inexact: strict.inexact.length === 0 ? NONE : strict.inexact.filter((n) => n.pointer.startsWith('/params/')).map((n) => ({ pointer: n.pointer.slice(7), literal: n.literal })),
    },
  };
}
const NO_PARAMS: JsonObject = Object.freeze({});
const NONE: Message['inexact'] = Object.freeze([]);
const A_BATCH: Read = { refusal: { code: 'receive.message', note: 'a batch' }, rpcId: null, isBatch: true };
const refuse = (rpcId: string | number | null, note: string): Read => ({ refusal: { code: 'receive.message', note }, rpcId });

export const isObject = (value: Json | undefined): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);

/** JSON-RPC 2.0 sections 4 and 5, MCP "Messages". A message that is both request and response is read by some as the one, by some as the other. */
function shapeFault(body: JsonObject, rpcId: string | number | null): string | null {
  if (body['jsonrpc'] !== '2.0') return 'jsonrpc is not "2.0"';
  const hasId = body['id'] !== undefined;
  if (hasId && rpcId === null) return 'id is neither a string nor an integer';
  const method = body['method'];
  const result = body['result'];
  const error = body['error'];
  if (method !== undefined) {
    if (typeof method !== 'string' || method === '') return 'method is not a text';
    if (method.startsWith('$')) return 'method begins with $'; // the gateway's own names for a GET and a DELETE
    if (result !== undefined || error !== undefined) return 'both a request and a response';
    if (body['params'] !== undefined && !isObject(body['params'])) return 'params is not an object';
    return null;
  }
  if ((result === undefined) === (error === undefined)) return 'neither a request nor one response';
  if (!hasId) return 'a response without an id';
  if (body['params'] !== undefined) return 'a response with params';
  if (result !== undefined) return isObject(result) ? null : 'result is not an object';
  return isObject(error) && typeof error['code'] === 'number' && typeof error['message'] === 'string' ? null : 'error is not an error object';
}

const TOP = vocabulary(['jsonrpc', 'id', 'method', 'params', 'result', 'error']);
const PARAMS = vocabulary([
  '_meta', 'name', 'arguments', 'uri', 'cursor', 'taskId', 'task', 'ref', 'argument', 'context', 'level', 'inputResponses', 'requestState',
  'protocolVersion', 'capabilities', 'clientInfo', 'progressToken', 'progress', 'total', 'message', 'requestId', 'reason', 'notifications',
]);
const META = vocabulary([
  'progressToken', 'io.modelcontextprotocol/protocolVersion', 'io.modelcontextprotocol/clientCapabilities', 'io.modelcontextprotocol/clientInfo',
  'io.modelcontextprotocol/logLevel', 'io.modelcontextprotocol/subscriptionId', 'io.modelcontextprotocol/related-task',
  'sallyport/modelRequestId', 'sallyport/reason', 'sallyport/ticket',
]);
interface Vocabulary {
  readonly exact: ReadonlySet<string>;
  readonly folded: ReadonlySet<string>;
}
function vocabulary(words: readonly string[]): Vocabulary {
  return { exact: new Set(words), folded: new Set(words.map(foldKey)) };
}

/**
 * A key that is a word of the protocol but for its case. We would pass over `Arguments`; a server in Go would run with it
 * (CVE-2026-27896), so nobody would have judged what runs.
 */
function strayKey(object: JsonObject, words: Vocabulary): string | null {
  for (const key in object) if (!words.exact.has(key) && words.folded.has(foldKey(key))) return 'a protocol key in another case';
  return null;
}

/** What the methods we judge by name must have, and what no params may have. */
function paramsFault(method: string, params: JsonObject): string | null {
  if (params === NO_PARAMS && method !== 'tools/call' && method !== 'prompts/get' && method !== 'resources/read') return null;
  const meta = params['_meta'];
  if (meta !== undefined) {
    if (!isObject(meta)) return '_meta is not an object';
    const token = meta['progressToken'];
    if (token !== undefined && typeof token !== 'string' && !Number.isInteger(token)) return 'progressToken is neither a string nor an integer';
    const stray = strayKey(meta, META);
    if (stray !== null) return stray;
  }
  const stray = strayKey(params, PARAMS);
  if (stray !== null) return stray;
  if ((method === 'tools/call' || method === 'prompts/get') && typeof params['name'] !== 'string') return 'name is not a text';
  if (method === 'resources/read' && typeof params['uri'] !== 'string') return 'uri is not a text';
  if (params['arguments'] !== undefined && !isObject(params['arguments'])) return 'arguments is not an object';
  return null;
}
