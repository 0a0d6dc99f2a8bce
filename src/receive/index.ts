import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CallId, Message } from '../call/call.ts';
import { newId } from '../lib/ids.ts';
import { listenFault } from '../lib/loopback.ts';
import { createOriginGuard } from '../lib/origin.ts';
import { allowOf, judgeArrival, judgeLoad } from './arrive.ts';
import type { ReceiveConfig } from './config.ts';
import { corsHeaders, isPreflight, preflight } from './cors.ts';
import { Exchange } from './exchange.ts';
import { type Heads, readHeaders } from './headers.ts';
import { probe } from './health.ts';
import { CHANNEL_VERSION, LEGACY_VERSIONS, UNSAID_VERSION } from './ladder.ts';
import { channelMessage, mcpMessage } from './messages.ts';
import { type Arrival, received } from './received.ts';
import { approvalPoll, readToolCall, REST_VERSION } from './rest.ts';
import type { ReceiveDeps, Room } from './room.ts';
import { routeOf } from './route.ts';
import { createServer } from './server.ts';
import { StreamRegistry } from './streams.ts';

export { type ReceiveConfig, receiveConfig } from './config.ts';
export { refusalTable } from './refusal-table.ts';
export type { EarlyRefusal, ReceiveDeps } from './room.ts';

/** The door. Bytes on a socket become one parsed call; what the corridor says becomes the answer. */
export interface Receive {
  /** Starts to accept. Rejects when the address is taken, or when it would carry credentials in the clear. */
  readonly listen: () => Promise<{ readonly host: string; readonly port: number; readonly url: string }>;
  /** Takes nothing new (503), lets what runs end for `graceMs`, then closes every connection. */
  readonly drain: (graceMs: number) => Promise<void>;
  /** Revocation: closes the open streams of this principal at once. */
  readonly closeStreams: (principalId: string) => void;
}

export function createReceive(config: ReceiveConfig, deps: ReceiveDeps): Receive {
  let idle: (() => void) | null = null;
  const room: Room = {
    config, deps,
    guard: createOriginGuard(config),
    load: { isDraining: false, inFlight: 0, bodyBytes: 0 },
    streams: new StreamRegistry(deps.clock, deps.stillValid, config.keepalive_ms),
    ended: () => idle?.(),
  };
  let server: Server | null = null;
  return {
    listen: async () => {
      const wrong = listenFault(config);
      if (wrong !== null) throw new Error(`receive.host: ${wrong}`);
      server = await createServer(room, (req, res, expects) => arrive(room, req, res, expects));
      return await listening(server, config);
    },
    drain: async (graceMs) => {
      room.load.isDraining = true;
      server?.close();
      server?.closeIdleConnections();
      room.streams.closeOpenEnded();
      if (room.load.inFlight > 0) {
        await new Promise<void>((done) => {
          const timer = setTimeout(done, graceMs);
          idle = () => {
            if (room.load.inFlight > 0) return;
            clearTimeout(timer);
            setImmediate(done); // the last answer is still on its way to the socket
          };
        });
      }
      room.streams.closeChannels();
      server?.closeAllConnections();
    },
    closeStreams: (principalId) => room.streams.closeOf(principalId),
  };
}

function listening(server: Server, config: ReceiveConfig): Promise<{ host: string; port: number; url: string }> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.port, config.host.replace(/^\[(.*)\]$/, '$1'), () => {
      server.off('error', reject);
      const { address, port, family } = server.address() as AddressInfo; // a TCP listener has one
      const shown = family === 'IPv6' ? `[${address}]` : address;
      resolve({ host: address, port, url: config.public_url ?? `${config.tls === null ? 'http' : 'https'}://${shown}:${port}` });
    });
  });
}

/** One request: judged by its head, then by its body, then handed to the corridor. `expects`: it waits for `100 Continue`. */
function arrive(room: Room, req: IncomingMessage, res: ServerResponse, expects: 'continue' | 'other' | null): void {
  const { guard, load, config } = room;
  const route = routeOf(req.url ?? '');
  const heads = readHeaders(req.rawHeaders);
  const method = req.method ?? '';
  if (route.to === 'health' || route.to === 'ready') return probe(room, route.to, method, heads, res);
  const exchange = new Exchange(room, res, newId() as CallId, route.to === 'rest' || route.to === 'approval' ? 'rest' : 'mcp', route.to === 'mcp' || route.to === 'channel' ? route.server : null); // the mint of call ids
  res.on('close', exchange.gone);
  if (guard.isListed(heads.origin)) {
    if (guard.hostAllowed(heads.host) && isPreflight(method, heads)) return preflight(res, heads);
    exchange.extra = corsHeaders(heads);
  }
  const refusal = expects === 'other' ? ({ code: 'receive.headers', note: 'an Expect we do not know' } as const) : judgeArrival(method, route, heads, guard, load, config);
  if (refusal !== null) {
    // Not reading a body that was announced, or waiting for one that may not come, would take it for the next request (CWE-444).
    if (expects !== null || hasUnreadBody(heads)) res.shouldKeepAlive = false;
    return void exchange.refuse(refusal, undefined, undefined, refusal.code === 'receive.method' ? ['allow', allowOf(route)] : []);
  }
  const arrival: Arrival = { exchange, heads, req };
  if (route.to === 'approval') return exchange.run(received(arrival, approvalPoll(route.id, exchange.id), 'modern', REST_VERSION));
  if (method !== 'POST') return openOrEnd(arrival, method);
  if (expects === 'continue') res.writeContinue();
  exchange.read(req, heads.contentLength === null ? (heads.transferEncoding === null ? 0 : -1) : Number(heads.contentLength), (end) => {
    if (typeof end === 'string') {
      res.shouldKeepAlive = false;
      return void exchange.refuse(end === 'too_large' ? { code: 'receive.too_large' } : { code: 'receive.overloaded', retryAfterMs: 1000 });
    }
    const full = judgeLoad(load, config);
    if (full !== null) return void exchange.refuse(full);
    if (route.to === 'rest') toolCall(room, arrival, end);
    else if (route.to === 'channel') channelMessage(room, arrival, end, route.id, route.server);
    else mcpMessage(room, arrival, end);
  });
}

/** More than fits into the socket's own buffers: reading it to the end only to drop it would be work for a stranger. */
const hasUnreadBody = (heads: Heads): boolean => heads.transferEncoding !== null || Number(heads.contentLength ?? 0) > 65_536;

function toolCall(room: Room, arrival: Arrival, bytes: Buffer): void {
  const { exchange } = arrival;
  const read = readToolCall(bytes, { maxDepth: room.config.max_depth, maxKeys: room.config.max_keys }, exchange.id);
  if ('refusal' in read) return void exchange.refuse(read.refusal);
  exchange.run(received(arrival, read.message, 'modern', REST_VERSION));
}

const NOTHING = Buffer.alloc(0);
/**
 * GET opens a stream, DELETE ends a session: acts of the legacy eras only (MCP 2026-07-28: POST is the one method). A GET that names
 * neither a session nor a later revision is how a 2024-11-05 client begins; a later client that lacks its session id is told so.
 */
function openOrEnd(arrival: Arrival, method: string): void {
  const { exchange, heads } = arrival;
  const isChannel = method === 'GET' && heads.sessionId === null && heads.lastEventId === null && (heads.version ?? CHANNEL_VERSION) === CHANNEL_VERSION;
  const version = heads.version ?? (isChannel ? CHANNEL_VERSION : UNSAID_VERSION);
  if (!LEGACY_VERSIONS.includes(version as never)) {
    return void exchange.refuse({ code: 'receive.method', note: `${method} with another version header` }, undefined, undefined, ['allow', 'POST']);
  }
  const message: Message = {
    kind: method === 'GET' ? 'stream' : 'end', method: method === 'GET' ? '$stream' : '$end',
    rpcId: null, params: {}, bytes: NOTHING, text: '', argumentsText: '{}', inexact: [],
  };
  const call = received(arrival, message, 'legacy', version);
  exchange.run(isChannel ? { ...call, channel: true } : call);
}
