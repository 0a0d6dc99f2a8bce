import { fitsAggregate, isPage, type Owned, ownerOfName, ownerOfUri } from '../call/aggregate-names.ts';
import type { Authenticated } from '../call/call.ts';
import { isObject } from '../call/json.ts';
import type { Verdict } from '../call/stage.ts';
import type { Risk, Target, Tool } from '../call/target.ts';
import type { LiveCatalog, ServerFacts } from './catalog.ts';
import type { MethodTargets } from './method-targets.ts';
import { HEARD, METHODS, type MethodRoute, UNKNOWN } from './methods.ts';

/** Chooses the one target of a call. */
export type Aim = (call: Authenticated, facts: ServerFacts | null) => Verdict<{ readonly target: Target }> | Promise<Verdict<{ readonly target: Target }>>;

export interface AimDeps {
  readonly catalog: LiveCatalog;
  readonly forMethod: MethodTargets;
  readonly factsOf: (server: string) => ServerFacts | undefined;
  /** ms a call may take; `toolId` is the target's id. */
  readonly timeoutMs: (toolId: string, risk: Risk) => number;
}

type Aimed = ReturnType<Aim>;
const stop = (code: 'resolve.unknown_tool' | 'resolve.unknown_method' | 'resolve.unavailable', note: string): Verdict<{ target: Target }> => ({ stop: { code, note } });

/** `facts` are those of the endpoint's server; null at the aggregate endpoint and at `POST /tool`. */
export function createAim(deps: AimDeps): Aim {
  const forTool = createToolTargets(deps.timeoutMs);
  const { forMethod } = deps;

  const aimAtTool = (call: Authenticated, facts: ServerFacts | null): Aimed => {
    const server = facts?.name ?? null;
    const name = call.name ?? '';
    const lane = isMirror(call, facts) ? 'mirror' : 'own';
    const tool = deps.catalog.find(server, name);
    if (tool !== undefined) return { go: { target: forTool(tool, lane) } };
    const owner = server ?? deps.catalog.ownerOf(name);
    if (owner === undefined) return stop('resolve.unknown_tool', 'no server by that prefix');
    const settle = (isReady: boolean): Verdict<{ target: Target }> => {
      if (!isReady) return stop('resolve.unavailable', `the tools of ${owner} are not known`);
      const late = deps.catalog.find(server, name);
      return late === undefined ? stop('resolve.unknown_tool', `${owner} has no such tool`) : { go: { target: forTool(late, lane) } };
    };
    const ready = deps.catalog.ready(owner);
    if (ready === true) deps.catalog.missed(owner); // perhaps it is new; the next call will find it, this one is not held up
    return typeof ready === 'boolean' ? settle(ready) : ready.then(settle);
  };

  /**
   * What the aggregate calls `server__prompt` or `sp.server+uri` is that server's, under its own name. No such server, no name of that
   * form, a page: answered as what policy hides is, so that guessing tells nothing.
   */
  const aimAtMember = (call: Authenticated, route: MethodRoute, lane: Target['lane']): Aimed => {
    const owned = memberOf(call);
    if (owned === null) return stop('resolve.unknown_tool', 'no server in front of the name');
    if (deps.factsOf(owned.server) === undefined) return stop('resolve.unknown_tool', 'no server by that prefix');
    return { go: { target: forMethod(owned.server, call.message.method, owned.name, route, lane) } };
  };

  return (call, facts) => {
    const { kind, method } = call.message;
    if (kind === 'request' && method === 'tools/call') return aimAtTool(call, facts);
    const isMirrored = isMirror(call, facts);
    const route = routeOf(kind, method);
    if (route === undefined) {
      if (!isMirrored || facts === null || kind !== 'request') return stop('resolve.unknown_method', 'not routed here');
      return { go: { target: forMethod(facts.name, method, call.name, UNKNOWN, 'mirror') } };
    }
    const lane = isMirrored && !route.alwaysLocal ? 'mirror' : facts === null ? route.aggregate : route.single;
    if (lane === null) return stop('resolve.unknown_method', 'not served here');
    if (facts === null && route.isMember) return aimAtMember(call, route, lane);
    const aimed = { go: { target: forMethod(facts?.name ?? null, kind === 'response' ? 'response' : method, call.name, route, lane) } };
    // A list that is empty because the server was never asked would look like a server without tools.
    if (method !== 'tools/list' || facts === null) return aimed;
    const settle = (isReady: boolean): Verdict<{ target: Target }> => (isReady ? aimed : stop('resolve.unavailable', `the tools of ${facts.name} are not known`));
    const ready = deps.catalog.ready(facts.name);
    return typeof ready === 'boolean' ? settle(ready) : ready.then(settle);
  };
}

/**
 * What is heard must be what its kind says: a `tools/call` sent without an id would otherwise reach a mirrored server as a harmless
 * notification, and some servers run it (JSON-RPC 2.0 section 4.1); a request called `$stream` would pass for a GET.
 */
function routeOf(kind: Authenticated['message']['kind'], method: string): MethodRoute | undefined {
  if (kind === 'response') return HEARD;
  if (kind === 'notification') return method.startsWith('notifications/') ? HEARD : undefined;
  return (kind === 'request') === method.startsWith('$') ? undefined : METHODS.get(method);
}

/** docs/architecture.md, "Lanes": same era over HTTP at the server's own endpoint. The bytes of a 2024-11-05 channel cannot be mirrored over another transport. */
const isMirror = (call: Authenticated, facts: ServerFacts | null): boolean =>
  call.door === 'mcp' && call.channel !== true && facts !== null && facts.transport === 'http' && facts.eras.includes(call.era);

/** The prompt or resource that a call at the aggregate names, taken apart; null: it names none that is served there. */
function memberOf(call: Authenticated): Owned | null {
  if (call.name === null) return null;
  const { method, params } = call.message;
  const ref = params['ref'];
  const isPrompt = method === 'prompts/get' || (method === 'completion/complete' && isObject(ref) && ref['type'] === 'ref/prompt');
  if (isPrompt) return fitsAggregate(call.name) ? ownerOfName(call.name) : null;
  const owned = ownerOfUri(call.name);
  return owned === null || isPage(owned.name) ? null : owned;
}

/** One target object per tool and lane: later stages hang their caches on it. */
function createToolTargets(timeoutMs: AimDeps['timeoutMs']): (tool: Tool, lane: 'mirror' | 'own') => Target {
  const made = { mirror: new WeakMap<Tool, Target>(), own: new WeakMap<Tool, Target>() };
  return (tool, lane) => {
    const known = made[lane].get(tool);
    if (known !== undefined) return known;
    const target: Target = Object.freeze({
      id: tool.id, server: tool.server, method: 'tools/call', name: tool.name, risk: tool.risk, tool, lane, timeoutMs: timeoutMs(tool.id, tool.risk),
    });
    made[lane].set(tool, target);
    return target;
  };
}
