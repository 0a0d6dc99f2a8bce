import type { Answer, Era, Journaled } from '../call/call.ts';
import type { Stage } from '../call/stage.ts';
import type { Risk } from '../call/target.ts';
import type { DispatchConfig, ServerConfig } from './config.ts';
import { createHttpUpstream, type HttpUpstream } from './http/upstream.ts';
import { createInFlight } from './in-flight.ts';
import { createLink, type Link } from './http/link.ts';
import { createLocal } from './local/lane.ts';
import { tells } from './local/offer.ts';
import { createMirror, forgetUpstream } from './mirror/lane.ts';
import { createOwn } from './own/lane.ts';
import type { DispatchDeps, Room } from './room.ts';
import { createSource, type CatalogSource } from './source.ts';
import { createSeal } from '../lib/seal.ts';
import { createSealed } from './sealed.ts';
import { createStreams } from './streams.ts';
import { createTimeouts } from './timeouts.ts';
import type { Upstream } from './upstream.ts';

export type { DispatchDeps } from './room.ts';
export type { CatalogSource } from './source.ts';
export { createStdioUpstream } from './stdio/upstream.ts';

/** The room that asks the servers. */
export interface Dispatch {
  readonly stage: Stage<Journaled, { answer: Answer }>;
  /** Where the catalog reads tools from. */
  readonly source: CatalogSource;
  /** How long a call of this tool may take, ms. */
  readonly timeoutMs: (toolId: string, risk: Risk) => number;
  /** Tells the streams that clients hold open that their tools changed; null: at every endpoint (new rules). To be called when the catalog has changed. */
  readonly toolsChanged: (server: string | null) => void;
  readonly health: () => Record<string, { readonly ok: boolean; readonly cause?: string; readonly era: Era | null }>;
  /** Connects to every server in the background. */
  readonly start: () => void;
  /** Closes streams, sessions and servers. */
  readonly close: () => Promise<void>;
}

export function createDispatch(config: DispatchConfig, deps: DispatchDeps): Dispatch {
  const links = new Map<string, Link>();
  const http = new Map<string, HttpUpstream>();
  const upstreams = new Map<string, Upstream>();
  for (const [name, server] of Object.entries(config.servers)) {
    if (!isHttp(server)) {
      upstreams.set(name, deps.stdio(name, server));
      continue;
    }
    const link = createLink(name, server, config, { egress: deps.egress, secret: deps.secret, monotonic: deps.clock.monotonic });
    const upstream = createHttpUpstream(link, deps);
    links.set(name, link);
    http.set(name, upstream);
    upstreams.set(name, upstream);
  }
  const source = createSource(upstreams, { timeoutMs: config.timeouts.read_ms, maxBytes: config.max_answer_bytes, log: deps.log, erasOf: (server) => http.get(server)?.eras() ?? [] });
  const room: Room = {
    deps, inFlight: createInFlight(), streams: createStreams(deps.clock.now), sealed: createSealed(createSeal(deps.sealKey), deps.clock.now, config.state_ttl_ms),
    nudge: source.nudge, suspect: (server) => http.get(server)?.suspect(),
  };
  for (const upstream of upstreams.values()) {
    upstream.onChanged((change) => {
      // Its tools are told of when the catalog has read them again; a new connection may have new lists.
      for (const kind of ['prompts', 'resources'] as const) if ((change === kind || change === 'connected') && tells(upstream, kind)) room.streams.changed(kind, upstream.name);
    });
  }
  const lanes = { mirror: createMirror(links, room), own: createOwn(upstreams, room, config.max_answer_bytes), local: createLocal(upstreams, room) };
  deps.sessions.onEnd((session) => {
    room.streams.closeOf(session);
    const link = links.get(session.server ?? '');
    const cancelled = room.inFlight.cancelAll(session);
    cancelled.then(() => (link === undefined ? undefined : forgetUpstream(link, session))).catch(() => undefined); // the server forgets it by itself
  });

  return {
    stage: { name: 'dispatch', run: (call) => lanes[call.target.lane](call) },
    source,
    timeoutMs: createTimeouts(config.timeouts),
    toolsChanged: (server) => room.streams.changed('tools', server),
    health: () => Object.fromEntries([...upstreams].map(([name, upstream]) => [name, { ...upstream.state(), era: upstream.era() }])),
    start: () => upstreams.forEach((upstream) => upstream.start()),
    close: async () => {
      room.streams.closeAll();
      await Promise.allSettled([...upstreams.values()].map((upstream) => upstream.close()));
    },
  };
}

const isHttp = (server: ServerConfig): server is ServerConfig & { readonly url: string } => server.url !== undefined;
