import type { Journaled } from '../../call/call.ts';
import { isObject } from '../../call/json.ts';
import type { Refusal } from '../../call/refusal.ts';
import { cutAt, splice } from '../../lib/json-spans.ts';
import { foldKey } from '../../lib/strict-json.ts';
import type { MirrorRoom } from './room.ts';
import { relatedTask } from './tasks.ts';

/** Lists that come in pages. `tools/list` is the gateway's own. */
export const PAGED: ReadonlySet<string> = new Set(['prompts/list', 'resources/list', 'resources/templates/list', 'tasks/list']);

/**
 * Puts what the server once gave in the place of what the gateway made of it: request state and cursors are opened, task ids looked up.
 * Everything else keeps its bytes. null: something is not this caller's, or not for this, or was never given (MCP 2026-07-28 MRTR,
 * "attacker-controlled"; CWE-639); one answer for all of it (CWE-203). Nothing may be sent then.
 */
export function givenBack(call: Journaled, body: Buffer | string, room: MirrorRoom): Buffer | string | null {
  const { method, params } = call.message;
  const related = relatedTask(params);
  if (related !== undefined && !room.tasks.isOwn(call, related)) return null;
  if (call.era === 'modern' && params['requestState'] !== undefined) return opened(call, body, 'requestState', room);
  if (params['cursor'] !== undefined && params['cursor'] !== null && PAGED.has(method)) return opened(call, body, 'cursor', room);
  if (method === 'subscriptions/listen') return listening(call, body, room);
  if (method.startsWith('tasks/') && method !== 'tasks/list' && !room.tasks.isOwn(call, params['taskId'])) return null;
  return body;
}

/**
 * What to say then. A server without tasks has no methods for them, and `tasks/result` is of 2025-11-25 only (MCP 2026-07-28 tasks): the
 * client hears what the server itself would have said.
 */
export function unknownTo(call: Journaled, room: MirrorRoom): Refusal {
  const { era, message: { method } } = call;
  const isMissing = method.startsWith('tasks/') && ((era === 'modern' && method === 'tasks/result') || !room.hasTasks(call.target.server ?? ''));
  return { code: isMissing ? 'resolve.unknown_method' : 'dispatch.state', effect: 'none' };
}

function opened(call: Journaled, body: Buffer | string, name: 'requestState' | 'cursor', room: MirrorRoom): string | null {
  const sealed = call.message.params[name];
  const inner = typeof sealed === 'string' ? room.sealed.open(name === 'cursor' ? 'cursor' : 'state', call, sealed) : null;
  return inner === null ? null : put(call, body, ['params', name], JSON.stringify(inner));
}

const FOLDED_IDS = foldKey('taskIds');
/** Only the caller's own tasks can be listened to; of others the server hears no more than of invented ones: nothing. */
function listening(call: Journaled, body: Buffer | string, room: MirrorRoom): Buffer | string | null {
  const wanted = call.message.params['notifications'];
  if (!isObject(wanted)) return body;
  // Another spelling would pass us by and be read by servers that fold case (CVE-2026-27896).
  if (Object.keys(wanted).some((key) => key !== 'taskIds' && foldKey(key) === FOLDED_IDS)) return null;
  const ids = wanted['taskIds'];
  if (ids === undefined) return body;
  if (!Array.isArray(ids)) return null;
  const own = ids.filter((id) => room.tasks.isOwn(call, id));
  return own.length === ids.length ? body : put(call, body, ['params', 'notifications', 'taskIds'], JSON.stringify(own));
}

function put(call: Journaled, body: Buffer | string, path: readonly string[], value: string): string | null {
  const text = typeof body === 'string' ? body : call.message.text;
  const cut = cutAt(text, path);
  return cut === null ? null : splice(text, cut, value); // not where it was read: a differing parser, never forward
}
