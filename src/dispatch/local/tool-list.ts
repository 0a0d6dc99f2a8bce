import { LRUCache } from 'lru-cache';
import type { Era, Journaled } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import type { Principal } from '../../call/principal.ts';
import type { Tool } from '../../call/target.ts';
import { cutAt, membersOf, splice, without } from '../../lib/json-spans.ts';
import { createAway, tellable, type Unavailable, unavailableText } from '../aggregate/unavailable.ts';
import { dressTool } from '../own/dress-tool.ts';
import type { DispatchDeps } from '../room.ts';
import type { Upstream } from '../upstream.ts';

/** A list as ready text, with its value for the stages that look at values. */
export interface ReadyList {
  readonly text: string;
  readonly value: JsonObject;
}

const MAX_BYTES = 64 * 1024 * 1024;
const MAX_LISTS = 2_000;
/** A list may be kept so long, ms: a change of the rules that changes neither their version nor the caller's rights cannot live longer. */
const KEEP_MS = 60_000;

/**
 * `tools/list` from the catalog, filtered by the decision that guards the call. Ready lists are kept per rights of the caller: every
 * fact of the principal that policy can see, not the id alone, because one id may come with different scopes (cache poisoning between
 * rights, PROTOCOL 5.16).
 */
export function createToolList(deps: Pick<DispatchDeps, 'visibleTools' | 'catalogVersion' | 'mayUse' | 'toolsKnown' | 'clock'>, upstreams: ReadonlyMap<string, Upstream>): (call: Journaled) => ReadyList {
  const awayNow = createAway(upstreams, deps);
  const eraOf = (server: string): Era | null => upstreams.get(server)?.era() ?? null;
  const erasOf = (server: string | null): string => (server === null ? [...upstreams.keys()].map(eraOf).join() : String(eraOf(server)));
  const ready = new LRUCache<string, ReadyList>({ max: MAX_LISTS, maxSize: MAX_BYTES, sizeCalculation: (list) => 3 * list.text.length + 1, ttl: KEEP_MS, perf: { now: deps.clock.monotonic } });
  const rights = new WeakMap<Principal, string>();
  const definitionOf = createDefinitions(eraOf);
  return (call) => {
    let right = rights.get(call.principal);
    if (right === undefined) rights.set(call.principal, (right = JSON.stringify({ ...call.principal, expiresAt: 0 })));
    // At the aggregate a server that is away is told of; at its own endpoint the call has been refused before.
    const away = call.server === null ? awayNow() : [];
    const key = `${deps.catalogVersion()}\n${call.decision.policyVersion}\n${call.server ?? ''}\n${away.join()}\n${erasOf(call.server)}\n${call.era}\n${right}`;
    const hit = ready.get(key);
    if (hit !== undefined) return hit;
    const tools = deps.visibleTools(call);
    const list = join(tools, away.length === 0 ? [] : tellable(away, tools, call, deps), call, definitionOf);
    ready.set(key, list);
    return list;
  };
}

function join(tools: readonly Tool[], missing: readonly Unavailable[], call: Journaled, definitionOf: Definitions): ReadyList {
  const definitions = tools.map((tool) => definitionOf(tool, call));
  const tail = call.era === 'modern' ? ',"resultType":"complete","ttlMs":0,"cacheScope":"private"' : '';
  const text = `{"tools":[${definitions.join(',')}]${tail}${unavailableText(missing)}}`;
  return { text, value: JSON.parse(text) as JsonObject }; // parse edge: definitions the catalog has parsed before
}

/** A tool's definition for the client's era and endpoint; made once for each. */
type Definitions = (tool: Tool, call: Journaled) => string;
function createDefinitions(eraOf: (server: string) => Era | null): Definitions {
  const made = new Map<string, WeakMap<Tool, string>>(); // one for each pair of eras and kind of endpoint
  return (tool, call) => {
    const from = eraOf(tool.server) ?? call.era;
    if (call.server !== null && from === call.era) return tool.definition;
    const kind = `${from} ${call.era} ${call.server === null}`;
    let known = made.get(kind);
    if (known === undefined) made.set(kind, (known = new WeakMap()));
    let text = known.get(tool);
    if (text === undefined) known.set(tool, (text = dressTool(call.server === null ? namespaced(tool) : tool.definition, from, call.era)));
    return text;
  };
}

/**
 * The definition under the name `server__tool`. What binds a tool to a user interface of its server is left out: behind the aggregate
 * all servers look like one, so one server's page could call another's tools (MCP Apps, PROTOCOL 1.7).
 */
function namespaced(tool: Tool): string {
  const name = cutAt(tool.definition, ['name']);
  if (name === null) throw new Error(`a definition without a name: ${tool.id}`);
  let text = splice(tool.definition, name, JSON.stringify(tool.id));
  const meta = membersOf(text).find((member) => member.name === '_meta');
  if (meta !== undefined) text = splice(text, meta, without(text.slice(meta.start, meta.end), ['ui', 'ui/resourceUri']));
  return text;
}
