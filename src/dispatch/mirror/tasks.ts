import type { Journaled } from '../../call/call.ts';
import { isObject, type Json, type JsonObject } from '../../call/json.ts';
import { sha256 } from '../../lib/hash.ts';

/**
 * Whose tasks are whose. A task id is a bearer handle that the server made (MCP tasks, both kinds): it is looked up here, not sealed, so
 * that messages keep their bytes and routers their `Mcp-Name`. Another caller's id is as unknown as an invented one (CWE-639).
 * In memory: after a restart no task is anybody's.
 */
export interface Tasks {
  /** The server made this task for this caller, or told this caller about it. `ttl`: ms to live as the server says; null or absent: no end. */
  readonly own: (call: Journaled, taskId: string, ttl: Json | undefined) => void;
  readonly isOwn: (call: Journaled, taskId: Json | undefined) => boolean;
  /** Has this server ever made a task here? */
  readonly hasMade: (server: string) => boolean;
  readonly size: () => number;
}

/** Tasks remembered for one caller, and in all: the oldest go first (CWE-770). */
const LIMITS = { perCaller: 1_000, all: 100_000 };
const DAY_MS = 86_400_000;
/** Servers keep a task a while after they say it ends. */
const LEAST_MS = 60_000;

export function createTasks(now: () => number, limits: typeof LIMITS = LIMITS): Tasks {
  /** By caller, who made a task last at the end; by task, the one heard of last at the end: until when. */
  const callers = new Map<string, Map<string, number>>();
  const makers = new Set<string>();
  let all = 0;

  const forget = (caller: string, held: Map<string, number>, key: string): void => {
    if (held.delete(key)) all--;
    if (held.size === 0) callers.delete(caller);
  };
  const forgetOldest = (caller: string, held: Map<string, number>): void => {
    for (const key of held.keys()) return forget(caller, held, key);
  };
  return {
    own: (call, taskId, ttl) => {
      const caller = call.principal.id;
      const key = keyOf(call, taskId);
      const before = callers.get(caller);
      if (before !== undefined) forget(caller, before, key);
      const held = before ?? new Map<string, number>();
      if (held.size >= limits.perCaller) forgetOldest(caller, held);
      else if (all >= limits.all) for (const [other, theirs] of callers) { forgetOldest(other, theirs); break; }
      makers.add(call.target.server ?? '');
      callers.delete(caller);
      callers.set(caller, held.set(key, now() + lifeOf(ttl)));
      all++;
    },
    isOwn: (call, taskId) => {
      if (typeof taskId !== 'string') return false;
      const caller = call.principal.id;
      const held = callers.get(caller);
      const key = keyOf(call, taskId);
      const until = held?.get(key);
      if (held === undefined || until === undefined) return false;
      if (until > now()) return true;
      forget(caller, held, key);
      return false;
    },
    hasMade: (server) => makers.has(server),
    size: () => all,
  };
}

/** Hashed: a server's ids may be of any length. */
const keyOf = (call: Journaled, taskId: string): string => sha256(JSON.stringify([call.target.server, taskId]));
const lifeOf = (ttl: Json | undefined): number => (typeof ttl === 'number' && ttl >= 0 ? Math.min(DAY_MS, Math.max(LEAST_MS, ttl)) : DAY_MS);

const RELATED = 'io.modelcontextprotocol/related-task';

/** The task a message says it belongs to (`_meta`, 2025-11-25 tasks); undefined: none. */
export function relatedTask(params: Json | undefined): Json | undefined {
  const meta = isObject(params) ? params['_meta'] : undefined;
  const related = isObject(meta) ? meta[RELATED] : undefined;
  return isObject(related) ? (related['taskId'] ?? null) : related;
}

/** Is a message of the server about a task that is not this caller's? A server that tells everybody must not tell one caller of another's work. */
export function isForeign(message: JsonObject, call: Journaled, tasks: Tasks): boolean {
  const { method, params } = message;
  if (typeof method === 'string' && method.startsWith('notifications/tasks') && !tasks.isOwn(call, isObject(params) ? params['taskId'] : undefined)) return true;
  const related = relatedTask(params);
  return related !== undefined && !tasks.isOwn(call, related);
}

/** Does a server say that it has tasks, of either kind? */
export function saysTasks(capabilities: JsonObject | undefined): boolean {
  const extensions = capabilities?.['extensions'];
  return capabilities?.['tasks'] !== undefined || (isObject(extensions) && extensions['io.modelcontextprotocol/tasks'] !== undefined);
}
