import type { JsonObject } from './json.ts';

/** Ordered from chatty to grave (MCP logging, RFC 5424 section 6.2.1). */
export const LOG_LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * A conversation of the legacy eras (2025-11-25 and older). Never an identity: every request is authenticated by itself and
 * the session must belong to the same principal and endpoint, or it is answered as unknown (session hijack, MCP security
 * best practices "Session Hijacking"). The one mutable noun of the vocabulary: it is connection state, not knowledge of a call.
 */
export interface Session {
  /** 256 random bits, base64url: what the client holds. */
  readonly id: string;
  readonly principalId: string;
  /** channel: a 2024-11-05 HTTP+SSE connection, on whose one stream everything is answered. It lives as long as that stream. */
  readonly kind: 'session' | 'channel';
  /** The endpoint it was opened on; null: the aggregate. */
  readonly server: string | null;
  version: string;
  /** What the client declared at `initialize`: it is asked for nothing else. */
  declared: JsonObject;
  /** The least grave log message the client wants (`logging/setLevel`); null: it has not said. */
  logLevel: LogLevel | null;
  /** The server's own session id, never shown to the client. Set by the mirror lane after `initialize`. */
  upstreamId: string | null;
  /** The revision the server speaks in this session, where it is mirrored; null: the client's. */
  upstreamVersion: string | null;
  /** The server answers with event streams; what the gateway answers in its place does too, so that a client sees one manner. */
  streamed: boolean;
  /** Ids of server-to-client requests that wait for the client's response; any other response is dropped. */
  readonly asked: Set<string | number>;
  /** Calls whose server closed the stream early and will answer on a resumed one (2025-11-25 polling): JSON-RPC id to waiter. */
  readonly resumable: Map<string | number, (event: Buffer, message: Buffer) => void>;
  /** Open GET streams of this session, for notifications the gateway itself sends. */
  readonly streams: Set<(event: Buffer) => void>;
  lastSeenAt: number;
}
