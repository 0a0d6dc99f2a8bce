import type { Principal } from '../call/principal.ts';
import type { Session } from '../call/session.ts';
import type { Clock } from '../lib/clock.ts';
import { randomToken } from '../lib/ids.ts';

/** The conversations of the legacy eras. In memory: a restart ends them all and clients send `initialize` again. */
export interface Sessions {
  /** Makes a session nobody can find yet. A refused or failed `initialize` just drops it, and nothing is left behind. */
  readonly open: (principal: Principal, server: string | null, version: string, kind?: Session['kind']) => Session;
  /** Makes it findable, for dispatch/ to call once `initialize` has succeeded. May end the idlest session of a full house. */
  readonly keep: (session: Session) => void;
  /** The session, if it is kept and not idle for too long; says nothing about whose it is. */
  readonly find: (id: string) => Session | undefined;
  /** Like `find`, but only for its owner on its endpoint, and of that kind; and notes that it is in use. */
  readonly claim: (id: string, principalId: string, server: string | null, kind?: Session['kind']) => Session | undefined;
  /** Ends it; `onEnd` listeners hear of it. Unknown ids are no fault. */
  readonly end: (id: string) => void;
  readonly all: () => Iterable<Session>;
  /** Called once for each session that ends, for whatever reason: close its streams, end the server's own session. */
  readonly onEnd: (listener: (session: Session) => void) => void;
  /** Ends what is idle. Called from time to time by the room itself. */
  readonly sweep: () => void;
}

export interface SessionLimits {
  readonly session_idle_ms: number;
  readonly max_sessions: number;
  readonly max_sessions_per_principal: number;
}

/** The table of sessions. Caps make it a bounded thing: one caller cannot fill the memory of all (CWE-770). */
export function createSessions(limits: SessionLimits, clock: Clock): Sessions {
  const byId = new Map<string, Session>();
  const byPrincipal = new Map<string, Set<Session>>();
  const listeners: ((session: Session) => void)[] = [];
  const isIdle = (s: Session): boolean => s.streams.size === 0 && clock.now() - s.lastSeenAt > limits.session_idle_ms;

  const end = (id: string): void => {
    const session = byId.get(id);
    if (session === undefined) return;
    byId.delete(id);
    const own = byPrincipal.get(session.principalId);
    own?.delete(session);
    if (own?.size === 0) byPrincipal.delete(session.principalId);
    for (const listener of listeners) listener(session);
  };
  const find = (id: string): Session | undefined => {
    const session = byId.get(id);
    if (session === undefined || !isIdle(session)) return session;
    end(id);
    return undefined;
  };
  const makeRoom = (principalId: string): void => {
    const own = byPrincipal.get(principalId);
    if (own !== undefined && own.size >= limits.max_sessions_per_principal) end(idlest(own).id);
    if (byId.size < limits.max_sessions) return;
    // Whoever holds most gives way, so that a caller with many sessions cannot push out a caller with one.
    const largest = [...byPrincipal.values()].reduce((a, b) => (b.size > a.size ? b : a));
    end(idlest(largest).id);
  };

  return {
    open: (principal, server, version, kind = 'session') => ({
      id: randomToken(32), kind, principalId: principal.id, server, version, declared: {}, logLevel: null, upstreamId: null, upstreamVersion: null, streamed: false,
      asked: new Set(), resumable: new Map(), streams: new Set(), lastSeenAt: clock.now(),
    }),
    keep: (session) => {
      if (byId.has(session.id)) return;
      makeRoom(session.principalId);
      byId.set(session.id, session);
      const own = byPrincipal.get(session.principalId);
      if (own === undefined) byPrincipal.set(session.principalId, new Set([session]));
      else own.add(session);
    },
    find,
    claim: (id, principalId, server, kind = 'session') => {
      const session = find(id);
      // Session hijack: an id that leaked is worth nothing to another caller or on another endpoint (MCP security best
      // practices "Session Hijacking", Microsoft mcp-gateway #88, agentgateway #2397). A channel's id stands in URLs, where logs
      // catch it: it opens nothing but its channel. All four answers are the same.
      if (session === undefined || session.principalId !== principalId || session.server !== server || session.kind !== kind) return undefined;
      session.lastSeenAt = clock.now();
      return session;
    },
    end,
    all: () => byId.values(),
    onEnd: (listener) => void listeners.push(listener),
    sweep: () => {
      for (const session of byId.values()) if (isIdle(session)) end(session.id);
    },
  };
}

const idlest = (sessions: Iterable<Session>): Session => [...sessions].reduce((a, b) => (b.lastSeenAt < a.lastSeenAt ? b : a));
