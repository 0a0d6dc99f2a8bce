import type { Era, Journaled } from '../../call/call.ts';
import { isObject, type JsonObject } from '../../call/json.ts';
import { LOG_LEVELS, type LogLevel } from '../../call/session.ts';
import { capabilitiesFor } from '../capabilities.ts';
import type { Capability } from '../config.ts';
import type { Exchange, RequestOptions, Upstream } from '../upstream.ts';

/** A call of the own lane on its way to its server: who asks, who is asked, and what stands between their eras. */
export interface Trip {
  readonly call: Journaled;
  readonly upstream: Upstream;
  /** The server's era; null: not known before it is reached, so nothing that hangs on it is declared or taken back. */
  readonly era: Era | null;
  /** The client capabilities to declare, canonical JSON text, and the same parsed. */
  readonly capabilities: string;
  readonly declared: JsonObject;
  /** ms of the monotonic clock. */
  readonly startedAt: number;
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/** For calls whose target sets no time-out of its own, ms. */
const DEFAULT_MS = 60_000;
/** Behind so many time-outs stands the corridor's own end of the stage; a call ends itself before (pipeline.ts). */
export const STRETCH = 10;
const NOTHING: JsonObject = {};

export function tripOf(call: Journaled, upstream: Upstream, allowed: readonly Capability[], maxBytes: number, startedAt: number): Trip {
  const era = upstream.era();
  const capabilities = era === null ? '{}' : capabilitiesFor(call, era, allowed);
  const declared = capabilities === '{}' ? NOTHING : (JSON.parse(capabilities) as JsonObject); // our own text
  return { call, upstream, era, capabilities, declared, startedAt, timeoutMs: call.target.timeoutMs ?? DEFAULT_MS, maxBytes };
}

/** Methods in whose course a server may say something for the log. */
const LOGGING: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read', 'completion/complete']);

/** The least grave log message this caller wants; a legacy client that never said gets info and above (MCP 2025-11-25 logging leaves it to us). */
export function logLevelOf(call: Journaled): LogLevel | null {
  if (call.door === 'rest' || !LOGGING.has(call.message.method)) return null;
  if (call.era === 'legacy') return call.session === null ? null : (call.session.logLevel ?? 'info');
  const meta = call.message.params['_meta'];
  const wanted = isObject(meta) ? meta['io.modelcontextprotocol/logLevel'] : undefined;
  return LOG_LEVELS.find((level) => level === wanted) ?? null;
}

export type Sending = Pick<RequestOptions, 'signal' | 'onNotification' | 'progressToken' | 'onQuestion'> & { readonly timeoutMs?: number };

/** Puts the request to the server. Rejects as `Upstream.request` does. */
export function send(trip: Trip, paramsText: string, how: Sending): Promise<Exchange> {
  const { call, upstream, capabilities, maxBytes, timeoutMs } = trip;
  return upstream.request(call.target.method, paramsText, { principalId: call.principal.id, capabilities, logLevel: logLevelOf(call), maxBytes, timeoutMs, ...how });
}
