import type { Refusal } from '../call/refusal.ts';
import type { ReceiveConfig } from './config.ts';
import { accepts, type Heads, isJson, USUAL_ACCEPT } from './headers.ts';
import type { OriginGuard } from '../lib/origin.ts';
import type { Route } from './route.ts';

/** What the listener has on its hands. */
export interface Load {
  isDraining: boolean;
  /** Requests being worked on; open streams are not among them. */
  inFlight: number;
  /** Bytes of bodies that are being received. */
  bodyBytes: number;
}

/**
 * Judges everything that can be judged before the body is read, cheapest and most telling first. A request without any credential
 * gets no further than the path: no parser, no method, no server name is shown to a stranger.
 */
export function judgeArrival(method: string, route: Route, heads: Heads, guard: OriginGuard, load: Load, config: ReceiveConfig): Refusal | null {
  if (heads.fault !== null) return { code: 'receive.headers', note: heads.fault };
  if (!guard.hostAllowed(heads.host)) return { code: 'receive.host' };
  if (!guard.originAllowed(heads.origin, heads.host)) return { code: 'receive.origin' };
  if (route.to === 'nowhere' && route.why === 'path') return { code: 'receive.path' };
  if (heads.authorization === null && heads.apiKey === null) return { code: 'authenticate.missing' };
  if (route.to === 'nowhere') return { code: 'receive.message', tell: 'This endpoint takes no query; credentials go into headers.', note: 'a query string' };
  const full = judgeLoad(load, config);
  if (full !== null) return full;
  if (route.to === 'approval') return method === 'GET' ? bodyFault(method, heads) : { code: 'receive.method' };
  if (method === 'POST') return judgePost(route, heads, config);
  if (route.to !== 'mcp' || (method !== 'GET' && method !== 'DELETE')) return { code: 'receive.method' };
  return judgeBodyless(method, heads);
}

/** Asked at the head and again when the body is in: only then does a request take a place, or slow senders would hold them all (CWE-400). */
export function judgeLoad(load: Load, config: ReceiveConfig): Refusal | null {
  if (load.isDraining) return { code: 'receive.draining', retryAfterMs: 1000 };
  return load.inFlight >= config.max_in_flight ? { code: 'receive.overloaded', retryAfterMs: 1000 } : null;
}

function judgePost(route: Route, heads: Heads, config: ReceiveConfig): Refusal | null {
  if (!isJson(heads.contentType)) return { code: 'receive.content_type' };
  // An encoded body is a bomb to unpack, and other bytes to the next program than to us (CWE-409).
  if (heads.contentEncoding !== null && heads.contentEncoding.toLowerCase() !== 'identity') return { code: 'receive.content_type', note: 'an encoded body' };
  // A 2024-11-05 client gets its answer elsewhere and says nothing about what it accepts here.
  if (route.to === 'mcp' && heads.accept !== USUAL_ACCEPT && !(accepts(heads.accept, 'application/json') && accepts(heads.accept, 'text/event-stream'))) return { code: 'receive.accept' };
  if (heads.contentLength !== null && Number(heads.contentLength) > config.max_bytes) return { code: 'receive.too_large' };
  return null;
}

function judgeBodyless(method: string, heads: Heads): Refusal | null {
  const fault = bodyFault(method, heads);
  if (fault !== null) return fault;
  if (method === 'GET' && !accepts(heads.accept, 'text/event-stream')) return { code: 'receive.accept' };
  return null;
}
/** Some programs read a body behind a GET, others take it for the next request (CWE-444). */
const bodyFault = (method: string, heads: Heads): Refusal | null =>
  heads.transferEncoding !== null || (heads.contentLength !== null && heads.contentLength !== '0') ? { code: 'receive.headers', note: `a ${method} with a body` } : null;

/** What the Allow header of a 405 says (RFC 9110 section 15.5.6). */
export const allowOf = (route: Route): string => (route.to === 'mcp' ? 'POST, GET, DELETE' : route.to === 'rest' || route.to === 'channel' ? 'POST' : 'GET');
