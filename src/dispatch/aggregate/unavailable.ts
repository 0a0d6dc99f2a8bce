import type { Journaled } from '../../call/call.ts';
import type { Tool } from '../../call/target.ts';
import type { DispatchDeps } from '../room.ts';
import type { Upstream } from '../upstream.ts';

/** Why a server's part of a list is missing. Fixed words: a server's own would be read by models. */
export type Cause = 'not reachable' | 'timed out' | 'bad answer';
/** A server whose part of a list is missing, or for tools perhaps no longer true; said only to callers who may use it. */
export interface Unavailable {
  readonly server: string;
  readonly cause: Cause;
}

/** The `_meta` member of a list, with a comma before it; nothing when all servers answered. Holds only our own words and server names. */
export const unavailableText = (missing: readonly Unavailable[]): string => (missing.length === 0 ? '' : `,"_meta":{"sallyport/unavailable":${JSON.stringify(missing)}}`);

/** The servers whose tools cannot be read at present, in the order of their names. Asked on every `tools/list` of the aggregate: none costs next to nothing. */
export function createAway(upstreams: ReadonlyMap<string, Upstream>, deps: Pick<DispatchDeps, 'toolsKnown'>): () => readonly string[] {
  const servers = [...upstreams.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return () => {
    let away: string[] | null = null;
    for (const one of servers) if (!one.state().ok || !deps.toolsKnown(one.name)) (away ??= []).push(one.name);
    return away ?? NONE;
  };
}
const NONE: readonly string[] = [];

/** Of those the ones this caller may be told of: whose tools it sees, or that its scopes open. A hidden server is never named (MISSION P5). */
export function tellable(away: readonly string[], tools: readonly Tool[], call: Journaled, deps: Pick<DispatchDeps, 'mayUse'>): readonly Unavailable[] {
  const opens = (server: string, method: string): boolean => deps.mayUse(call.principal, server, method, null);
  return away.filter((server) => tools.some((tool) => tool.server === server) || opens(server, 'resources/read') || opens(server, 'tools/call')).map((server) => ({ server, cause: 'not reachable' }));
}
