import type { Answer, Era, Journaled } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import { cutAt, splice, withFirst, without } from '../../lib/json-spans.ts';
import { effectOf, isObject, parseObject, worded } from '../answer.ts';
import { UpstreamFault, type Exchange } from '../upstream.ts';

/** Modern results that say for how long and for whom they may be kept (MCP 2026-07-28 caching). */
const CACHEABLE: ReadonlySet<string> = new Set(['prompts/list', 'resources/list', 'resources/templates/list', 'resources/read']);
const SERVER_INFO = 'io.modelcontextprotocol/serverInfo';

/** The answer to the client, in its era, from what the server said in its own. Text that need not change keeps its bytes. */
export function dress(exchange: Exchange, from: Era, call: Journaled): Answer {
  if (exchange.result !== null) return dressResult(exchange.result, exchange.parsed ?? parseObject(exchange.result), from, call);
  if (exchange.error !== null) return dressError(exchange.error, exchange.parsed ?? parseObject(exchange.error), from, call);
  throw new UpstreamFault({ code: 'dispatch.bad_answer', note: 'neither result nor error', effect: 'unknown' });
}

function dressResult(text: string, value: JsonObject | null, from: Era, call: Journaled): Answer {
  if (value === null) throw new UpstreamFault({ code: 'dispatch.bad_answer', note: 'the result is not an object that every parser reads alike', effect: 'unknown' });
  const kind = value['resultType'];
  // input_required asks the client, task promises an answer later: both belong to the server's own era and stay there in this release.
  if (kind !== undefined && kind !== 'complete') throw new UpstreamFault({ code: 'dispatch.translation', note: 'the result is not complete', effect: 'unknown' });
  const effect = effectOf({ result: value });
  if (call.era === 'modern') {
    const { text: dressed, value: shown } = forModern(text, value, call.message.method);
    return worded(call.message.rpcId, 200, 'result', dressed, shown, call.session, effect);
  }
  const dressed = from === 'modern' ? forLegacy(text, value) : text;
  const shown = dressed === text ? value : parseObject(dressed);
  if (shown === null) throw new Error('dressing a result broke it');
  return worded(call.message.rpcId, 200, 'result', dressed, shown, call.session, effect);
}

function forModern(text: string, value: JsonObject, method: string): { readonly text: string; readonly value: JsonObject } {
  const add: Record<string, string | number> = {};
  if (value['resultType'] === undefined) add['resultType'] = 'complete';
  let dressed = text;
  if (CACHEABLE.has(method)) {
    if (typeof value['ttlMs'] !== 'number') {
      dressed = without(dressed, ['ttlMs']);
      add['ttlMs'] = 0;
    }
    // What one caller may see says nothing about another, whatever the server thinks of its own callers.
    if (value['cacheScope'] !== 'private') {
      dressed = without(dressed, ['cacheScope']);
      add['cacheScope'] = 'private';
    }
  }
  const members = JSON.stringify(add);
  return members === '{}' ? { text: dressed, value } : { text: withFirst(dressed, members.slice(1, -1)), value: { ...value, ...add } };
}

function forLegacy(text: string, value: JsonObject): string {
  let dressed = without(text, ['resultType', 'ttlMs', 'cacheScope']);
  const meta = isObject(value['_meta']) && value['_meta'][SERVER_INFO] !== undefined ? cutAt(dressed, ['_meta']) : null;
  if (meta !== null) dressed = splice(dressed, meta, without(dressed.slice(meta.start, meta.end), [SERVER_INFO]));
  // Until 2025-11-25 structured content is an object.
  const structured = value['structuredContent'] !== undefined && !isObject(value['structuredContent']) ? cutAt(dressed, ['structuredContent']) : null;
  if (structured !== null) dressed = splice(dressed, structured, `{"result":${dressed.slice(structured.start, structured.end)}}`);
  return dressed;
}

function dressError(text: string, value: JsonObject | null, from: Era, call: Journaled): Answer {
  if (value === null || !Number.isInteger(value['code']) || typeof value['message'] !== 'string') {
    throw new UpstreamFault({ code: 'dispatch.bad_answer', note: 'the error is not a JSON-RPC error', effect: 'unknown' });
  }
  const effect = effectOf({ error: value });
  const { code } = value;
  const crosses = from !== call.era;
  // URL elicitation by error exists only in 2025-11-25.
  if (crosses && code === -32042) throw new UpstreamFault({ code: 'dispatch.translation', note: 'the server asked for input', effect });
  const renamed = crosses && call.era === 'modern' && code === -32002 ? -32602 : code;
  const cut = renamed === code ? null : cutAt(text, ['code']);
  const dressed = cut === null ? text : splice(text, cut, String(renamed));
  const status = call.era === 'modern' && code === -32601 ? 404 : 200;
  return worded(call.message.rpcId, status, 'error', dressed, cut === null ? value : { ...value, code: renamed ?? null }, call.session, effect);
}
