import type { Answer, Era, Journaled, Limited } from '../call/call.ts';
import type { Stage } from '../call/stage.ts';
import type { Risk } from '../call/target.ts';
import type { DispatchConfig, ServerConfig } from './config.ts';
import type { HttpUpstream } from './http/upstream.ts';
import { createMemberLists } from './aggregate/lists.ts';
import { fromAggregate } from './aggregate/result.ts';
import { capabilitiesFor } from './capabilities.ts';
import { createInFlight } from './in-flight.ts';
import { createLink, type Link } from './http/link.ts';
import { createLocal } from './local/lane.ts';
import { lists, tells } from './local/offer.ts';
import { createMirror, forgetUpstream } from './mirror/lane.ts';
import { createOwn } from './own/lane.ts';
import { createPlaces } from './places.ts';
import { createQuestions } from './questions.ts';
import { createRemoteUpstream } from './remote.ts';
import type { DispatchDeps, Room } from './room.ts';
import { createSource, type CatalogSource } from './source.ts';
import { createSeal } from '../lib/seal.ts';
import { createSealed } from './sealed.ts';
import { AGGREGATE, createStreams, LIST_KINDS } from './streams.ts';
import { createTimeouts } from './timeouts.ts';
import type { Upstream } from './upstream.ts';
import { askUser, type HeardUser } from './ask-user.ts';
import { withoutOurs } from './without-ours.ts';

export type { DispatchDeps } from './room.ts';
export type { CatalogSource } from './source.ts';
export type { HeardUser } from './ask-user.ts';
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
  /** Asks the legacy client behind a call, on the call's own stream, in the gateway's own words. Never rejects. */
  readonly askUser: (call: Limited, method: string, paramsText: string) => Promise<HeardUser>;
  /** The principal's credential is worth nothing any more: cancels its calls that wait for an answer of its user, ends its sessions. */
  readonly dropOf: (principalId: string) => void;
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
    const upstream = createRemoteUpstream(link, deps);
    links.set(name, link);
    http.set(name, upstream);
    upstreams.set(name, upstream);
  }
  const source = createSource(upstreams, { timeoutMs: config.timeouts.read_ms, maxBytes: config.max_answer_bytes, log: deps.log, erasOf: (server) => http.get(server)?.eras() ?? [] });
  const room: Room = {
    deps, inFlight: createInFlight(), streams: createStreams(deps.clock.now), sealed: createSealed(createSeal(deps.sealKey), deps.clock.now, config.state_ttl_ms),
    questions: createQuestions(deps), places: createPlaces(config.questions), questionMs: config.questions.ttl_ms,
    nudge: source.nudge, suspect: (server) => http.get(server)?.suspect(),
  };
  for (const upstream of upstreams.values()) {
    upstream.onChanged((change) => {
      // A new connection may have new lists. Of its tools the catalog knows better then; but what the server says of them is passed on
      // at once, too: the catalog tells again if they differ.
      for (const kind of LIST_KINDS) {
        if (change !== kind && (change !== 'connected' || kind === 'tools')) continue;
        if (tells(upstream, kind)) room.streams.changed(kind, upstream.name, true);
        else if (lists(upstream, kind)) room.streams.changed(kind, AGGREGATE); // whose lists grow by what is connected
      }
    });
  }
  const memberLists = createMemberLists(upstreams, room, {
    waitMs: config.list_wait_ms, maxBytes: config.max_answer_bytes,
    capabilitiesOf: (call, upstream) => {
      const era = upstream.era();
      return era === null ? '{}' : capabilitiesFor(call, era, config.servers[upstream.name]?.client_capabilities ?? []);
    },
  });
  const own = createOwn(upstreams, room, config);
  const lanes = { mirror: createMirror(links, upstreams, room), own: fromAggregate(own.run), local: createLocal(upstreams, room, memberLists) };
  deps.sessions.onEnd((session) => {
    room.streams.closeOf(session);
    room.questions.ended(session);
    const link = links.get(session.server ?? '');
    const cancelled = room.inFlight.cancelAll(session);
    cancelled.then(() => (link === undefined ? undefined : forgetUpstream(link, session))).catch(() => undefined); // the server forgets it by itself
  });

  return {
    stage: { name: 'dispatch', run: (call) => lanes[call.target.lane](withoutOurs(call)) },
    source,
    timeoutMs: createTimeouts(config.timeouts),
    toolsChanged: (server) => room.streams.changed('tools', server),
    askUser: (call, method, paramsText) => askUser(call, method, paramsText, room),
    dropOf: (principalId) => {
      own.drop(principalId);
      // What its sessions hold at servers would otherwise be held until they are idle for long (CWE-613).
      for (const session of deps.sessions.all()) if (session.principalId === principalId) deps.sessions.end(session.id);
    },
    health: () => Object.fromEntries([...upstreams].map(([name, upstream]) => [name, { ...upstream.state(), era: upstream.era() }])),
    start: () => upstreams.forEach((upstream) => upstream.start()),
    close: async () => {
      room.streams.closeAll();
      own.drop(null);
      await Promise.allSettled([...upstreams.values()].map((upstream) => upstream.close()));
    },
  };
}

const isHttp = (server: ServerConfig): server is ServerConfig & { readonly url: string } => server.url !== undefined;
