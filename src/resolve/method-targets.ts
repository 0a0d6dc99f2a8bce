import type { Risk, Target } from '../call/target.ts';
import type { ResolveConfig } from './config.ts';
import type { MethodRoute } from './methods.ts';

/**
 * Makes the target of what is not a tool: the same whichever door the call came through, so that it is judged, limited and recorded alike.
 * `server` null: the gateway itself. `name`: the prompt's name or the resource's URI as that server knows it.
 */
export type MethodTargets = (server: string | null, method: string, name: string | null, route: MethodRoute, lane: Target['lane']) => Target;

/** The class is what the operator says, else what the route says. */
export function createMethodTargets(methods: ResolveConfig['methods'], timeoutMs: (targetId: string, risk: Risk) => number): MethodTargets {
  return (server, method, name, route, lane) => {
    const id = `${server ?? 'gateway'}:${method}`;
    const risk = (Object.hasOwn(methods, method) ? methods[method]?.class : undefined) ?? route.risk;
    return { id, server, method, name, risk, tool: null, lane, timeoutMs: route.endless ? null : timeoutMs(id, risk) };
  };
}
