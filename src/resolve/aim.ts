import type { Authenticated } from '../call/call.ts';
import type { Verdict } from '../call/stage.ts';
import type { Risk, Target, Tool } from '../call/target.ts';
import type { LiveCatalog, ServerFacts } from './catalog.ts';
import type { ResolveConfig } from './config.ts';
import { HEARD, METHODS, type MethodRoute } from './methods.ts';

/** Chooses the one target of a call. */
export type Aim = (call: Authenticated, facts: ServerFacts | null) => Verdict<{ readonly target: Target }> | Promise<Verdict<{ readonly target: Target }>>;

export interface AimDeps {
  readonly catalog: LiveCatalog;
  readonly methods: ResolveConfig['methods'];
  /** ms a call may take; `toolId` is the target's id. */
  readonly timeoutMs: (toolId: string, risk: Risk) => number;
}

type Aimed = ReturnType<Aim>;
const stop = (code: 'resolve.unknown_tool' | 'resolve.unknown_method' | 'resolve.unavailable', note: string): Verdict<{ target: Target }> => ({ stop: { code, note } });

/** `facts` are those of the endpoint's server; null at the aggregate endpoint and at `POST /tool`. */
export function createAim(deps: AimDeps): Aim {
  const forTool = createToolTargets(deps.timeoutMs);
  const forMethod = createMethodTargets(deps.timeoutMs);

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

  return (call, facts) => {
    const { kind, method } = call.message;
    if (kind === 'request' && method === 'tools/call') return aimAtTool(call, facts);
    const isMirrored = isMirror(call, facts);
    const route = routeOf(kind, method);
    if (route === undefined) {
      if (!isMirrored || facts === null || kind !== 'request') return stop('resolve.unknown_method', 'not routed here');
      const risk = Object.hasOwn(deps.methods, method) ? deps.methods[method]?.class : undefined;
      return { go: { target: forMethod(call, facts, unknownRoute(risk ?? 'write'), 'mirror') } };
    }
    const lane = isMirrored && !route.alwaysLocal ? 'mirror' : facts === null ? route.aggregate : route.single;
    if (lane === null) return stop('resolve.unknown_method', 'not served here');
    const override = Object.hasOwn(deps.methods, method) ? deps.methods[method]?.class : undefined;
    const aimed = { go: { target: forMethod(call, facts, override === undefined ? route : { ...route, risk: override }, lane) } };
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

/** docs/architecture.md, "Lanes": same era over HTTP at the server's own endpoint. */
const isMirror = (call: Authenticated, facts: ServerFacts | null): boolean =>
  call.door === 'mcp' && facts !== null && facts.transport === 'http' && facts.eras.includes(call.era);

const unknownRoute = (risk: Risk): MethodRoute => ({ risk, single: null, aggregate: null, alwaysLocal: false, endless: false });

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

function createMethodTargets(timeoutMs: AimDeps['timeoutMs']): (call: Authenticated, facts: ServerFacts | null, route: MethodRoute, lane: Target['lane']) => Target {
  return (call, facts, route, lane) => {
    const method = call.message.kind === 'response' ? 'response' : call.message.method;
    const id = `${facts?.name ?? 'gateway'}:${method}`;
    return {
      id, server: facts?.name ?? null, method, name: call.name, risk: route.risk, tool: null, lane,
      timeoutMs: route.endless ? null : timeoutMs(id, route.risk),
    };
  };
}
