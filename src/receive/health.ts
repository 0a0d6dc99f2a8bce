import type { ServerResponse } from 'node:http';
import type { Heads } from './headers.ts';
import type { Room } from './room.ts';

/** The form of a cause a stranger may read: a room's name and what is wrong, in a few plain words. Anything else becomes its first word. */
const PLAIN = /^[a-z]+: [a-z ]{1,40}$/;

/**
 * `GET /health`: the process lives. `GET /ready`: 200 when it can serve, with notes where something else should be known; 503 with the names of what is missing. Both are public and
 * say nothing about servers, versions, paths or callers (CWE-200); probes are not recorded.
 */
export function probe(room: Room, which: 'health' | 'ready', method: string, heads: Heads, res: ServerResponse): void {
  if (heads.fault !== null || heads.origin !== null) return answer(res, 403, { status: 'refused' });
  if (method !== 'GET') return answer(res, 405, { status: 'refused' }, ['allow', 'GET']);
  if (which === 'health') return answer(res, 200, { status: 'ok' });
  const { ready, causes, notes } = stateOf(room);
  answer(res, ready ? 200 : 503, { ready, causes, ...(notes.length > 0 && { notes }) });
}

function stateOf(room: Room): { readonly ready: boolean; readonly causes: readonly string[]; readonly notes: readonly string[] } {
  if (room.load.isDraining) return { ready: false, causes: ['receive: draining'], notes: [] };
  try {
    const { ready, causes, notes = [] } = room.deps.health();
    return { ready, causes: ready ? [] : causes.map(plain), notes: notes.map(plain) };
  } catch (thrown) {
    room.deps.log('the state could not be told', { fault: String(thrown) });
    return { ready: false, causes: ['unknown'], notes: [] };
  }
}
const plain = (cause: string): string => (PLAIN.test(cause) ? cause : (/^[a-z]+/.exec(cause)?.[0] ?? 'unknown'));

function answer(res: ServerResponse, status: number, body: object, more: readonly string[] = []): void {
  const bytes = Buffer.from(JSON.stringify(body));
  res.writeHead(status, ['content-type', 'application/json', 'cache-control', 'no-store', 'x-content-type-options', 'nosniff', 'content-length', String(bytes.length), ...more]);
  res.end(bytes);
}
