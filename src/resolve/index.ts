import type { Authenticated, Resolved } from '../call/call.ts';
import type { Stage, Verdict } from '../call/stage.ts';
import type { Risk, Target } from '../call/target.ts';
import type { Clock } from '../lib/clock.ts';
import { createAim } from './aim.ts';
import { type Catalog, type CatalogSource, createCatalog, type ServerFacts } from './catalog.ts';
import type { ResolveConfig } from './config.ts';
import { createMethodTargets } from './method-targets.ts';
import { METHODS, UNKNOWN } from './methods.ts';
import { sessionFor } from './session-for.ts';
import { createSessions, type Sessions } from './sessions.ts';

export type { Catalog, CatalogSource, ServerFacts } from './catalog.ts';
export type { Sessions } from './sessions.ts';

export interface ResolveDeps {
  readonly source: CatalogSource;
  readonly clock: Clock;
  /** ms a call to this target may take. */
  readonly timeoutMs: (toolId: string, risk: Risk) => number;
  readonly log: (message: string, fields?: object) => void;
}

export interface Resolve {
  /** Adds what the call is aimed at, and the conversation it belongs to. Refuses with `resolve.*` and `receive.session_required`. */
  readonly stage: Stage<Authenticated, Pick<Resolved, 'target' | 'session'>>;
  readonly catalog: Catalog;
  readonly sessions: Sessions;
  /** What a call of this method (not `tools/call`) would be aimed at: for judging what lists show and streams tell. */
  readonly targetOf: (server: string, method: string, name: string | null) => Target;
  /** Reads the tools of all servers side by side; resolves when each has answered, failed or taken `first_load_ms`. */
  readonly start: () => Promise<void>;
  /** Stops the timers. */
  readonly close: () => void;
}

type Facts = Pick<Resolved, 'target' | 'session'>;
const SWEEP_EVERY_MS = 30_000;

/** The room that knows which server and tool a call means. */
export function createResolve(config: ResolveConfig, deps: ResolveDeps): Resolve {
  const catalog = createCatalog(config, deps);
  const sessions = createSessions(config, deps.clock);
  const factsOf = (server: string): ServerFacts | undefined => deps.source.servers().find((s) => s.name === server);
  const forMethod = createMethodTargets(config.methods, deps.timeoutMs);
  const aim = createAim({ catalog, forMethod, factsOf, timeoutMs: deps.timeoutMs });
  let sweeper: NodeJS.Timeout | undefined;

  const aimWith = (call: Authenticated, facts: ServerFacts | null): Verdict<Facts> | Promise<Verdict<Facts>> => {
    const session = sessionFor(call, sessions);
    if (session !== null && 'stop' in session) return session;
    const aimed = aim(call, facts);
    const finish = (verdict: Verdict<{ target: Target }>): Verdict<Facts> => ('stop' in verdict ? verdict : { go: { target: verdict.go.target, session } });
    return aimed instanceof Promise ? aimed.then(finish) : finish(aimed);
  };

  const run = (call: Authenticated): Verdict<Facts> | Promise<Verdict<Facts>> => {
    if (call.server === null) return aimWith(call, null);
    const name = call.server;
    const facts = factsOf(name);
    if (facts === undefined) return { stop: { code: 'resolve.unknown_server' } };
    if (facts.transport !== 'http' || facts.era !== null) return aimWith(call, facts);
    // Not probed yet: the lane is not known, and a session opened in one lane cannot go on in another. Reading the tools probes.
    return Promise.resolve(catalog.ready(name)).then(() => {
      const probed = factsOf(name);
      if (probed === undefined || probed.era === null) return { stop: { code: 'resolve.unavailable', note: `the era of ${name} is not known` } } as const;
      return aimWith(call, probed);
    });
  };

  return {
    stage: { name: 'resolve', run },
    catalog,
    sessions,
    targetOf: (server, method, name) => forMethod(server, method, name, METHODS.get(method) ?? UNKNOWN, 'own'),
    start: async () => {
      sweeper = setInterval(sessions.sweep, SWEEP_EVERY_MS).unref();
      await catalog.start();
    },
    close: () => {
      clearInterval(sweeper);
      catalog.close();
    },
  };
}
