import type { Authenticated, Resolved } from '../call/call.ts';
import type { Session } from '../call/session.ts';
import type { Stage, Verdict } from '../call/stage.ts';
import type { Risk, Target } from '../call/target.ts';
import type { Clock } from '../lib/clock.ts';
import { createAim } from './aim.ts';
import { type Catalog, type CatalogSource, createCatalog, type ServerFacts } from './catalog.ts';
import type { ResolveConfig } from './config.ts';
import { createMethodTargets } from './method-targets.ts';
import { METHODS, UNKNOWN } from './methods.ts';
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

type NoSession = { readonly stop: { readonly code: 'receive.session_required' | 'resolve.unknown_session' | 'receive.message'; readonly note?: string } };
const UNKNOWN: NoSession = { stop: { code: 'resolve.unknown_session' } };
/** The revisions whose sessions may send batches: 2025-06-18 took them out of the standard. */
const BATCHING: ReadonlySet<string> = new Set(['2024-11-05', '2025-03-26']);

/** The session of a call: null where the era or the door has none, a fresh one for `initialize` or a new channel, else the one it names. */
function sessionFor(call: Authenticated, sessions: Sessions): Session | null | NoSession {
  if (call.era === 'modern' || call.door === 'rest') return null;
  if (call.channel === true) return channelFor(call, sessions);
  // A request only: a notification of that name would otherwise slip past the check below.
  if (call.message.kind === 'request' && call.message.method === 'initialize') return sessions.open(call.principal, call.server, call.version);
  if (call.sessionId === null) return { stop: { code: 'receive.session_required' } };
  return judgeBatch(call, sessions.claim(call.sessionId, call.principal.id, call.server));
}

/** A GET opens the channel; everything else, `initialize` too, belongs to one that is open. */
function channelFor(call: Authenticated, sessions: Sessions): Session | NoSession {
  if (call.message.kind === 'stream') return sessions.open(call.principal, call.server, call.version, 'channel');
  return judgeBatch(call, call.sessionId === null ? undefined : sessions.claim(call.sessionId, call.principal.id, call.server, 'channel'));
}

/** What may come in a batch hangs on the session, not on what a header says: whoever reads single messages only must not be passed by. */
function judgeBatch(call: Authenticated, session: Session | undefined): Session | NoSession {
  if (session === undefined) return UNKNOWN;
  return call.batched === true && !BATCHING.has(session.version) ? { stop: { code: 'receive.message', note: `a batch in a session of ${session.version}` } } : session;
}
