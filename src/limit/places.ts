import type { Permit } from '../call/call.ts';
import type { LimitConfig } from './config.ts';

/** How many calls and streams run now. */
export interface Places {
  /** A place among the calls of a server, or null when all are taken. `server` null: the gateway itself, without a cap. */
  readonly call: (server: string | null) => Permit | null;
  /** A place among the streams of a caller and of all callers, or null. */
  readonly stream: (caller: string) => Permit | null;
}
interface Count {
  running: number;
}

/** What the gateway answers itself takes no place: releasing it does nothing. */
const FREE: Permit = { release: () => undefined };

/**
 * Bulkheads (CWE-400, MISSION L5): a server that hangs fills its own places and nobody else's; a client that opens streams without
 * end fills its own share. Counts of callers are dropped at zero, so memory is bounded by what is open.
 */
export function createPlaces(config: LimitConfig['concurrency']): Places {
  const servers = new Map<string, Count>();
  const callers = new Map<string, Count>();
  const all: Count = { running: 0 };
  const call = (server: string | null): Permit | null => {
    if (server === null) return FREE;
    let count = servers.get(server);
    if (count === undefined) servers.set(server, (count = { running: 0 })); // as many as the configuration has servers
    const most = Object.hasOwn(config.servers, server) ? config.servers[server] : undefined;
    return count.running >= (most ?? config.default) ? null : occupy(count, NOTHING);
  };
  const stream = (caller: string): Permit | null => {
    const count = callers.get(caller) ?? { running: 0 };
    if (all.running >= config.streams || count.running >= config.streams_per_caller) return null;
    callers.set(caller, count);
    all.running++;
    return occupy(count, () => {
      all.running--;
      if (count.running === 0) callers.delete(caller);
    });
  };
  return { call, stream };
}

const NOTHING = (): void => undefined;

function occupy(count: Count, after: () => void): Permit {
  count.running++;
  let held = true;
  // Idempotent: pipeline and late verdicts may both release, and a place given back twice would let one call too many in.
  const release = (): void => {
    if (!held) return;
    held = false;
    count.running--;
    after();
  };
  return { release };
}
