import type { Journaled } from '../../call/call.ts';
import { isObject, type Json, type JsonObject } from '../../call/json.ts';
import { applyEdits, type Edit } from '../../lib/json-edit.ts';
import { cutAt, elementsOf } from '../../lib/json-spans.ts';
import { withData } from '../../lib/sse.ts';
import { foldKey } from '../../lib/strict-json.ts';
import { mayAsk } from '../capabilities.ts';
import type { Capability } from '../config.ts';
import { LEGACY_VERSIONS } from '../envelope.ts';
import { PAGED } from './given-back.ts';
import type { MirrorRoom } from './room.ts';
import { isForeign } from './tasks.ts';

/** An answer on its way to the client: the exact bytes, the same parsed, and the event that carried them. */
export interface Given {
  readonly bytes: Buffer;
  readonly message: JsonObject;
  readonly event: Buffer | null;
}

/** Results that a modern server may let caches on the way keep (MCP 2026-07-28 caching). */
const CACHEABLE: ReadonlySet<string> = new Set(['server/discover', 'prompts/list', 'resources/list', 'resources/templates/list', 'resources/read']);

/** A value of the result that is changed: what stands there now, and its text. */
interface Change {
  readonly name: string;
  readonly value: Json;
  readonly text: (there: string) => string;
}

/**
 * What the client may keep for the server is sealed, the tasks that the server made for it are remembered, and what policy stands
 * before is not left to caches. Only those values change, every other byte stays; an answer without them comes back as it is.
 * A text says why the answer may not pass at all.
 */
export function givenOut(call: Journaled, given: Given, allowed: readonly Capability[], room: MirrorRoom): Given | string {
  const { result } = given.message;
  if (!isObject(result)) return given;
  if (asksTooMuch(result, allowed)) return 'it asks the client for what it may not';
  remember(call, result, room);
  const changes = [sealed(call, result, room), unshared(call, result), ownTasks(call, result, room), spoken(call, result)].filter((change) => change !== null);
  return changes.length === 0 ? given : changed(given, result, changes);
}

/**
 * A result that asks the client for what the server was not to know of: the capability was taken out of the request, so an honest server
 * does not ask, and a hostile one must not get the user's model or files for it (PROTOCOL 1.5).
 */
function asksTooMuch(result: Json | undefined, allowed: readonly Capability[]): boolean {
  if (!isObject(result)) return false;
  for (const key in result) {
    if (key.length !== ASKS.length || (key !== ASKS && foldKey(key) !== FOLDED_ASKS)) continue;
    const asks = result[key];
    if (key !== ASKS || !isObject(asks) || Object.values(asks).some((ask) => !mayBeAsked(ask, allowed))) return true;
  }
  return false;
}
const ASKS = 'inputRequests';
const FOLDED_ASKS = foldKey(ASKS);
/** Spelled in another case some clients would read it all the same (CVE-2026-27896). */
const mayBeAsked = (ask: Json, allowed: readonly Capability[]): boolean =>
  isObject(ask) && mayAsk(String(ask['method']), allowed) && !Object.keys(ask).some((key) => key !== 'method' && foldKey(key) === 'method');

/** Why an event must not be heard by this caller; null: it may. */
export function unheard(message: JsonObject, call: Journaled, allowed: readonly Capability[], room: MirrorRoom): string | null {
  if (isForeign(message, call, room.tasks)) return 'about a task that is not this caller’s';
  return asksTooMuch(message['params'], allowed) ? 'it asks the client for what it may not' : null;
}

function sealed(call: Journaled, result: JsonObject, room: MirrorRoom): Change | null {
  const name = PAGED.has(call.message.method) ? 'nextCursor' : call.era === 'modern' && result['resultType'] === 'input_required' ? 'requestState' : null;
  const inner = name === null ? undefined : result[name];
  if (name === null || typeof inner !== 'string') return null;
  const value = room.sealed.close(name === 'nextCursor' ? 'cursor' : 'state', call, inner);
  return { name, value, text: () => JSON.stringify(value) };
}

/** What one caller may see says nothing about another: a page behind policy must not be served to others by a cache on the way (CWE-524). */
function unshared(call: Journaled, result: JsonObject): Change | null {
  const isShared = call.era === 'modern' && result['cacheScope'] !== undefined && result['cacheScope'] !== 'private';
  return isShared && CACHEABLE.has(call.message.method) ? { name: 'cacheScope', value: 'private', text: () => '"private"' } : null;
}

/** A server may answer `initialize` with a later revision than its client can know; the client then hears its own, the server its (`mirrorHeaders`). */
function spoken(call: Journaled, result: JsonObject): Change | null {
  if (call.message.method !== 'initialize' || call.era !== 'legacy') return null;
  const version = agreed(call, result['protocolVersion']);
  return version === null ? null : { name: 'protocolVersion', value: version, text: () => JSON.stringify(version) };
}
/** The client's revision where the server's is a later one; null: the server's will do. The legacy revisions differ in what they may say, not in how. */
export function agreed(call: Journaled, theirs: Json | undefined): string | null {
  const asked = call.message.params['protocolVersion'];
  return typeof asked === 'string' && typeof theirs === 'string' && LEGACY_VERSIONS.includes(asked) && asked < theirs ? asked : null;
}

/** Of all tasks that the server lists, the caller's own (2025-11-25 `tasks/list`; the gateway is one client to it). */
function ownTasks(call: Journaled, result: JsonObject, room: MirrorRoom): Change | null {
  const tasks = call.message.method === 'tasks/list' ? result['tasks'] : undefined;
  if (tasks === undefined) return null;
  if (!Array.isArray(tasks)) return { name: 'tasks', value: [], text: () => '[]' };
  const isOwn = tasks.map((task: Json) => isObject(task) && room.tasks.isOwn(call, task['taskId']));
  if (!isOwn.includes(false)) return null;
  const kept = (there: string): string[] => elementsOf(there).filter((_cut, at) => isOwn[at] === true).map((cut) => there.slice(cut.start, cut.end));
  return { name: 'tasks', value: tasks.filter((_task, at) => isOwn[at] === true), text: (there) => `[${kept(there).join(',')}]` };
}

/** `resultType: "task"` makes one since 2026-07-28, `task` in the answer to a request with `task` in 2025-11-25; later results tell how long it lives. */
function remember(call: Journaled, result: JsonObject, room: MirrorRoom): void {
  const { era, message: { method, params } } = call;
  const made = era === 'modern' ? (result['resultType'] === 'task' ? result : null) : isObject(params['task']) && isObject(result['task']) ? result['task'] : null;
  if (made === null && !(method.startsWith('tasks/') && room.tasks.isOwn(call, result['taskId']))) return;
  const { taskId, ttlMs, ttl } = made ?? result;
  if (typeof taskId === 'string') room.tasks.own(call, taskId, ttlMs ?? ttl);
}

function changed(given: Given, result: JsonObject, changes: readonly Change[]): Given | string {
  const text = given.bytes.toString('utf8');
  const edits: Edit[] = [];
  for (const { name, text: textOf } of changes) {
    const cut = cutAt(text, ['result', name]);
    if (cut === null) return 'a value does not stand where it was read';
    edits.push({ start: cut.start, end: cut.end, text: textOf(text.slice(cut.start, cut.end)) });
  }
  const now = applyEdits(text, edits);
  const values = Object.fromEntries(changes.map(({ name, value }) => [name, value]));
  return {
    bytes: Buffer.from(now),
    message: { ...given.message, result: { ...result, ...values } },
    event: given.event === null ? null : Buffer.from(withData(given.event.toString('utf8'), now)),
  };
}
