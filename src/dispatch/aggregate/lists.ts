import type { Journaled } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import { worded } from '../answer.ts';
import { error } from '../local/say.ts';
import { go, type Done, type Room } from '../room.ts';
import type { Upstream } from '../upstream.ts';
import { kindOf, type MemberKind } from './members.ts';
import { createListShelf, type Part } from './shelf.ts';
import { unavailableText, type Unavailable } from './unavailable.ts';

/** No list grows beyond this, characters: servers that no longer fit are left out and named, so that the rest still is an answer inspect/ lets through. */
const MAX_CHARS = 8 * 1024 * 1024;

export interface ListOptions {
  /** How long each server may take, ms. */
  readonly waitMs: number;
  /** The most that is read of one of its pages. */
  readonly maxBytes: number;
  /** The client capabilities to declare, as its calls declare them: legacy servers have one session, or process, for each set. */
  readonly capabilitiesOf: (call: Journaled, upstream: Upstream) => string;
}

/**
 * `prompts/list`, `resources/list` and `resources/templates/list` of all servers as one list: of those servers whose things this caller
 * may list and use, in the order of their names, each in its own order. A server that is away never hides the rest.
 */
export function createMemberLists(upstreams: ReadonlyMap<string, Upstream>, room: Room, options: ListOptions): (call: Journaled) => Promise<Done> {
  const servers = [...upstreams.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const shelf = createListShelf(servers, room.deps, options);
  return async (call) => {
    const kind = kindOf(call.message.method);
    if (kind === undefined) throw new Error(`not a list: ${call.message.method}`);
    // The list is one page, so no cursor was ever given out (MCP pagination: unknown cursors are invalid params).
    if (call.message.params['cursor'] !== undefined && call.message.params['cursor'] !== null) return error(call, 200, -32602, 'Unknown cursor.');
    const { mayUse } = room.deps;
    const asked = servers.filter((one) => mayUse(call.principal, one.name, kind.method, null) && mayUse(call.principal, one.name, kind.use, null) && mayHave(one, kind));
    const parts = await Promise.all(asked.map(async (one) => shelf.part(one, kind, { principalId: call.principal.id, capabilities: options.capabilitiesOf(call, one) })));
    return go(joined(call, kind, asked.map((one, i) => [one.name, parts[i] ?? { cause: 'bad answer' }])));
  };
}

/** Unless the server has said that it has none. */
const mayHave = (upstream: Upstream, kind: MemberKind): boolean => {
  const info = upstream.info();
  return info === null || info.capabilities[kind.capability] !== undefined;
};

function joined(call: Journaled, kind: MemberKind, parts: readonly (readonly [server: string, part: Part])[]): ReturnType<typeof worded> {
  const lines: string[] = [];
  const missing: Unavailable[] = [];
  let [chars, ttlMs] = [0, Infinity];
  for (const [server, part] of parts) {
    if ('cause' in part) missing.push({ server, cause: part.cause });
    else if (chars + part.text.length > MAX_CHARS) missing.push({ server, cause: 'bad answer' });
    else {
      chars += part.text.length;
      ttlMs = Math.min(ttlMs, part.ttlMs);
      if (part.text !== '') lines.push(part.text);
    }
  }
  // A list filtered for one caller is nobody else's, whatever the servers said (MCP 2026-07-28 caching).
  const hints = call.era === 'modern' ? `,"resultType":"complete","ttlMs":${missing.length > 0 || ttlMs === Infinity ? 0 : Math.floor(ttlMs)},"cacheScope":"private"` : '';
  const text = `{"${kind.member}":[${lines.join(',')}]${hints}${unavailableText(missing)}}`;
  return worded(call.message.rpcId, 200, 'result', text, JSON.parse(text) as JsonObject, call.session, 'done'); // parse edge: lines that were parsed before
}
