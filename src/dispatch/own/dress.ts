import type { Answer, Era, Journaled } from '../../call/call.ts';
import type { Json, JsonObject } from '../../call/json.ts';
import { applyEdits, type Edit } from '../../lib/json-edit.ts';
import { cutAt, membersOf, splice, withFirst, without } from '../../lib/json-spans.ts';
import { effectOf, isObject, parseObject, worded } from '../answer.ts';
import { SELF } from '../envelope.ts';
import type { Room } from '../room.ts';
import { UpstreamFault, type Exchange } from '../upstream.ts';
import { againOf } from './again.ts';
import { hasStray, judge } from './asks.ts';
import { wrapsResult } from './dress-tool.ts';
import { cannotAsk, wantedOf } from './rounds.ts';
import type { Trip } from './trip.ts';

export { dressTool } from './dress-tool.ts';

/** Modern results that say for how long and for whom they may be kept (MCP 2026-07-28 caching). */
const CACHEABLE: ReadonlySet<string> = new Set(['prompts/list', 'resources/list', 'resources/templates/list', 'resources/read']);
/** What makes a result a question. */
const ASKING = ['resultType', 'inputRequests'] as const;
const SERVER_INFO = 'io.modelcontextprotocol/serverInfo';

/** The answer to the client, in its era, from what the server said in its own. Text that need not change keeps its bytes. */
export function dress(exchange: Exchange, trip: Trip, room: Pick<Room, 'sealed'>): Answer {
  const from = trip.era ?? trip.upstream.era() ?? 'legacy';
  if (exchange.result !== null) return dressResult(exchange.result, exchange.parsed ?? parseObject(exchange.result), from, trip, room);
  if (exchange.error !== null) return dressError(exchange.error, exchange.parsed ?? parseObject(exchange.error), from, trip, room);
  throw fault('neither result nor error');
}

function dressResult(text: string, value: JsonObject | null, from: Era, trip: Trip, room: Pick<Room, 'sealed'>): Answer {
  if (value === null) throw fault('the result is not an object that every parser reads alike');
  const { call } = trip;
  if (call.era === 'modern' && hasStray(value, ASKING)) throw fault('a word of the protocol in another case');
  const kind = value['resultType'];
  const crosses = from !== call.era || call.door === 'rest';
  // To a legacy client from a legacy server the word means nothing, and passes as every other.
  const isLegacy = from === 'legacy' && call.era === 'legacy';
  if (kind === 'input_required' && from === 'modern') return passOn(text, value, trip, room);
  // A kind that the other era does not have promises what nobody there can keep.
  if (kind !== undefined && kind !== 'complete' && crosses && !isLegacy) throw new UpstreamFault({ code: 'dispatch.translation', note: 'the result is not complete', effect: 'unknown' });
  const effect = effectOf({ result: value });
  const paged = withSealedCursor(text, value, call, room);
  const full = paged === text ? value : parsed(paged);
  if (call.era === 'modern') {
    const made = forModern(paged, full, from, trip);
    return worded(call.message.rpcId, 200, 'result', made.text, made.value, call.session, effect);
  }
  const dressed = from === 'modern' ? forLegacy(paged, full, call) : paged;
  return worded(call.message.rpcId, 200, 'result', dressed, dressed === paged ? full : parsed(dressed), call.session, effect);
}

/** A modern server's questions to a modern client: judged, and its state sealed. */
function passOn(text: string, value: JsonObject, trip: Trip, room: Pick<Room, 'sealed'>): Answer {
  const { call } = trip;
  const wanted = wantedOf(text, value);
  const edits: Edit[] = [];
  const requests = cutAt(text, ['inputRequests']);
  const members = requests === null ? [] : membersOf(text, requests.start);
  for (const { key, method, params, paramsText } of wanted.questions) {
    if (call.era === 'legacy' || call.door === 'rest') throw new UpstreamFault(cannotAsk(method));
    const judged = judge(method, paramsText, params, trip);
    // It was told what may be asked, and asks for more: nothing of that reaches the user (PROTOCOL 1.5).
    if ('instead' in judged) throw fault(`the server asked for ${method.slice(0, 64)}, which it may not`);
    const member = members.find((m) => m.name === key);
    const cut = member === undefined ? undefined : membersOf(text, member.start).find((m) => m.name === 'params');
    if (cut !== undefined && judged.ask !== paramsText) edits.push({ start: cut.start, end: cut.end, text: judged.ask });
  }
  if (call.era === 'legacy' || call.door === 'rest') throw new UpstreamFault(cannotAsk('more time'));
  const state = cutAt(text, ['requestState']);
  if (state !== null) edits.push({ start: state.start, end: state.end, text: JSON.stringify(room.sealed.close('state', call, String(value['requestState']))) });
  const dressed = applyEdits(text, edits);
  return worded(call.message.rpcId, 200, 'result', dressed, parsed(dressed), call.session, 'unknown');
}

/** A server's cursor comes back from the client, so it goes out sealed: it is the caller's own, for this list of this server. */
function withSealedCursor(text: string, value: JsonObject, call: Journaled, room: Pick<Room, 'sealed'>): string {
  const cursor = value['nextCursor'];
  const cut = typeof cursor === 'string' && call.message.method.endsWith('/list') ? cutAt(text, ['nextCursor']) : null;
  return cut === null ? text : splice(text, cut, JSON.stringify(room.sealed.close('cursor', call, String(cursor))));
}

interface Shown {
  readonly text: string;
  readonly value: JsonObject;
}

function forModern(text: string, value: JsonObject, from: Era, trip: Trip): Shown {
  const { call } = trip;
  const add: Record<string, Json> = {};
  if (value['resultType'] === undefined) add['resultType'] = 'complete';
  let dressed = text;
  if (CACHEABLE.has(call.message.method)) {
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
  const info = from === 'legacy' && call.door === 'mcp' ? serverInfoOf(trip) : undefined;
  if (info === undefined) return withMembers(dressed, value, add);
  const meta = value['_meta'];
  if (isObject(meta) && meta[SERVER_INFO] === undefined) {
    const cut = cutAt(dressed, ['_meta']);
    if (cut !== null) dressed = splice(dressed, cut, withFirst(dressed.slice(cut.start, cut.end), `"${SERVER_INFO}":${JSON.stringify(info)}`));
    return withMembers(dressed, { ...value, _meta: { [SERVER_INFO]: info, ...meta } }, add);
  }
  return withMembers(dressed, value, meta === undefined ? { ...add, _meta: { [SERVER_INFO]: info } } : add);
}

function withMembers(text: string, value: JsonObject, add: Readonly<Record<string, Json>>): Shown {
  const members = JSON.stringify(add);
  return members === '{}' ? { text, value } : { text: withFirst(text, members.slice(1, -1)), value: { ...value, ...add } };
}

/** Modern results say who made them; behind the aggregate that is the gateway, whose client this is. */
function serverInfoOf(trip: Trip): JsonObject | undefined {
  const info = trip.call.server === null ? { ...SELF } : trip.upstream.info()?.serverInfo;
  return info !== undefined && typeof info['name'] === 'string' ? info : undefined;
}

function forLegacy(text: string, value: JsonObject, call: Journaled): string {
  let dressed = without(text, ['resultType', 'ttlMs', 'cacheScope']);
  const meta = isObject(value['_meta']) && value['_meta'][SERVER_INFO] !== undefined ? cutAt(dressed, ['_meta']) : null;
  if (meta !== null) {
    const kept = without(dressed.slice(meta.start, meta.end), [SERVER_INFO]);
    dressed = kept === '{}' ? without(dressed, ['_meta']) : splice(dressed, meta, kept);
  }
  const structured = value['structuredContent'] !== undefined && wrapsResult(call.target.tool, value['structuredContent']) ? cutAt(dressed, ['structuredContent']) : null;
  if (structured !== null) dressed = splice(dressed, structured, `{"result":${dressed.slice(structured.start, structured.end)}}`);
  return dressed;
}

function dressError(text: string, value: JsonObject | null, from: Era, trip: Trip, room: Pick<Room, 'sealed'>): Answer {
  if (value === null || !Number.isInteger(value['code']) || typeof value['message'] !== 'string') throw fault('the error is not a JSON-RPC error');
  const { call } = trip;
  const code = Number(value['code']);
  const asks = code === -32042 && from === 'legacy' && call.era === 'modern' ? againOf(text, value, trip, room) : null;
  if (asks !== null) return asks;
  const renamed = from === call.era ? code : call.era === 'modern' ? modernCode(code) : legacyCode(code, call.message.method);
  const cut = renamed === code ? null : cutAt(text, ['code']);
  const dressed = cut === null ? text : splice(text, cut, String(renamed));
  return worded(call.message.rpcId, call.era === 'modern' ? statusOf(renamed) : 200, 'error', dressed, cut === null ? value : { ...value, code: renamed }, call.session, effectOf({ error: value }));
}

/** Codes that the modern era keeps for itself or forbids (MCP 2026-07-28 base protocol, error codes). */
const isModernOwn = (code: number): boolean => code <= -32020 && code >= -32099;
const modernCode = (code: number): number => (code === -32002 ? -32602 : isModernOwn(code) ? -32603 : code);
const legacyCode = (code: number, method: string): number => (code === -32602 && method === 'resources/read' ? -32002 : isModernOwn(code) ? -32603 : code);
const statusOf = (code: number): number => (code === -32601 ? 404 : code <= -32020 && code >= -32022 ? 400 : 200);

/** Text that was cut, read again: what inspect/ judges is what goes out. */
function parsed(text: string): JsonObject {
  const value = parseObject(text);
  if (value === null) throw new Error('dressing an answer broke it');
  return value;
}
const fault = (note: string): UpstreamFault => new UpstreamFault({ code: 'dispatch.bad_answer', note, effect: 'unknown' });
