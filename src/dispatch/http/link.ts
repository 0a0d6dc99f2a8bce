import type { Dispatcher } from 'undici';
import type { Session } from '../../call/session.ts';
import type { Received } from '../../call/call.ts';
import type { DispatchConfig, LiteralOrSecret, ServerConfig } from '../config.ts';
import { UpstreamFault } from '../upstream.ts';

/** The room's view of egress/: the one door out. */
export interface Egress {
  /** A dispatcher that connects only where the server's config allows. `kind` separates calls from long streams, so that open streams cannot use up the connections that calls need. */
  readonly dispatcher: (server: EgressOptions) => Dispatcher;
}
export interface EgressOptions {
  readonly name: string;
  readonly url: string;
  readonly allow_private: boolean;
  readonly allow_loopback: boolean;
  /** null: as many as are asked for. */
  readonly connections: number | null;
}
/** One line of the gateway's log. */
export type Log = (message: string, fields?: object) => void;

/** An HTTP server and the way to it. */
export interface Link {
  readonly name: string;
  readonly config: ServerConfig;
  readonly origin: string;
  readonly path: string;
  readonly calls: Dispatcher;
  readonly streams: Dispatcher;
  readonly maxBytes: number;
  /** The gateway's own headers for this server as name, value, name, value. Rejects with an UpstreamFault. */
  readonly credential: () => readonly string[] | Promise<readonly string[]>;
  /** How many streams of clients are open. */
  streaming: number;
  readonly maxStreams: number;
  /** How many requests wait for what their server asked, each with its connection. */
  asking: number;
  readonly maxAsking: number;
  /** After how long the server is asked again which era it speaks, ms. */
  readonly eraRefreshMs: number;
}

export function createLink(name: string, config: ServerConfig & { readonly url: string }, room: DispatchConfig, deps: { readonly egress: Egress; readonly secret: (ref: string) => Promise<string>; readonly monotonic: () => number }): Link {
  const url = new URL(config.url);
  const base = { name, url: config.url, allow_private: config.allow_private, allow_loopback: config.allow_loopback };
  return {
    name, config, origin: url.origin, path: url.pathname + url.search,
    calls: deps.egress.dispatcher({ ...base, connections: room.connections }),
    streams: deps.egress.dispatcher({ ...base, connections: null }),
    maxBytes: room.max_answer_bytes,
    credential: createCredential(config.headers, deps.secret, deps.monotonic),
    streaming: 0,
    maxStreams: room.max_streams,
    asking: 0,
    maxAsking: Math.ceil(room.connections / 2),
    eraRefreshMs: room.era_refresh_ms,
  };
}

/** A secret's value may change at any time; one that was read longer ago is read again. */
const KEEP_MS = 1_000;

function createCredential(headers: Readonly<Record<string, LiteralOrSecret>>, secret: (ref: string) => Promise<string>, monotonic: () => number): Link['credential'] {
  const entries = Object.entries(headers);
  let kept: readonly string[] = [];
  let until = entries.length === 0 ? Infinity : -1;
  const read = async (): Promise<readonly string[]> => {
    const flat: string[] = [];
    for (const [name, value] of entries) {
      const text = typeof value === 'string' ? value : value.prefix + await valueOf(value.secret, secret);
      // CWE-93: a secret with a line break would write headers of its own.
      if (!/^[\t\x20-\x7e]*$/.test(text)) throw new UpstreamFault({ code: 'dispatch.credential', note: `the value for ${name} is not printable ASCII`, effect: 'none' });
      flat.push(name.toLowerCase(), text);
    }
    kept = flat;
    until = monotonic() + KEEP_MS;
    return flat;
  };
  return () => (monotonic() < until ? kept : read());
}

async function valueOf(ref: string, secret: (ref: string) => Promise<string>): Promise<string> {
  try {
    return await secret(ref);
  } catch (thrown) {
    throw new UpstreamFault({ code: 'dispatch.credential', note: thrown instanceof Error ? thrown.message : 'unreadable', effect: 'none' });
  }
}

const POST_HEADERS = ['content-type', 'application/json', 'accept', 'application/json, text/event-stream'] as const;

/**
 * The headers of a mirrored request, from nothing: of the client's own only what the protocol mirrors. Never its Authorization, Cookie or
 * anything else: the inbound token stops here (MCP security best practices, token passthrough; CWE-441).
 */
export function mirrorHeaders(call: Received, session: Session | null, credential: readonly string[], http: 'POST' | 'GET' | 'DELETE'): string[] {
  const headers: string[] = http === 'POST' ? [...POST_HEADERS] : http === 'GET' ? ['accept', 'text/event-stream'] : [];
  const { kind, method } = call.message;
  if (call.era === 'modern' || method !== 'initialize') headers.push('mcp-protocol-version', session?.upstreamVersion ?? call.version);
  if (call.era === 'modern') {
    if (kind === 'request' || kind === 'notification') headers.push('mcp-method', method);
    for (const [name, value] of call.mirrored) if (name === 'mcp-name' || name.startsWith('mcp-param-')) headers.push(name, value);
  } else if (session !== null && session.upstreamId !== null) headers.push('mcp-session-id', session.upstreamId);
  if (http === 'GET' && call.lastEventId !== null) headers.push('last-event-id', call.lastEventId);
  for (const part of credential) headers.push(part);
  return headers;
}
