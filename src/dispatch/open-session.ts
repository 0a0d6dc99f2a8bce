import type { Received } from '../call/call.ts';
import { isObject } from '../call/json.ts';
import type { Principal } from '../call/principal.ts';
import type { Session } from '../call/session.ts';
import { randomToken } from '../lib/ids.ts';

/** MCP 2025-11-25 transports: visible ASCII only. */
const SESSION_ID = /^[\x21-\x7e]{1,1024}$/;

/**
 * The session that a successful `initialize` opens: the one that resolve/ prepared, with the version that was agreed on, or a new one.
 * The client never learns the server's own id, so it cannot be used past the gateway (CWE-384).
 */
export function openSession(call: Received & { readonly principal: Principal; readonly session: Session | null }, version: string, upstreamId: string | null, now: number): Session {
  const prepared = call.session ?? {
    id: randomToken(), kind: 'session' as const, principalId: call.principal.id, server: call.server, version,
    declared: {}, logLevel: null, upstreamId: null, upstreamVersion: null, streamed: false, asked: new Set<string | number>(), resumable: new Map(), streams: new Set<(event: Buffer) => void>(), lastSeenAt: now,
  };
  const session: Session = prepared;
  session.version = version;
  const declared = call.message.params['capabilities'];
  session.declared = isObject(declared) ? declared : {};
  session.upstreamId = upstreamId !== null && SESSION_ID.test(upstreamId) ? upstreamId : null;
  return session;
}
