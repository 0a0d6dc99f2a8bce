import { createServer as createHttp, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { Duplex } from 'node:stream';
import type { CallId } from '../call/call.ts';
import { newId } from '../lib/ids.ts';
import { MAX_HEADERS } from './headers.ts';
import type { Room } from './room.ts';

type OnRequest = (req: IncomingMessage, res: ServerResponse, expects: 'continue' | 'other' | null) => void;

/** A listener that believes nothing twice: strict parser, bounded heads, bounded time (slowloris, CWE-400; smuggling, CWE-444). */
export async function createServer(room: Room, onRequest: OnRequest): Promise<Server> {
  const { config } = room;
  const options: ServerOptions = {
    maxHeaderSize: 16_384,
    insecureHTTPParser: false,
    joinDuplicateHeaders: false,
    requireHostHeader: true,
    headersTimeout: Math.min(10_000, config.request_timeout_ms),
    requestTimeout: config.request_timeout_ms,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: 65_000,
    noDelay: true,
  };
  const server = config.tls === null ? createHttp(options) : createHttps({ ...options, ...(await keys(room)), ALPNProtocols: ['http/1.1'], minVersion: 'TLSv1.2' });
  server.maxHeadersCount = MAX_HEADERS + 1; // one more than we take, so that too many show
  server.maxConnections = config.max_connections;
  /** The newest answer of each connection: answers go out in order, so when it is out, all are. */
  const newest = new WeakMap<object, ServerResponse>();
  const request = (expects: 'continue' | 'other' | null) => (req: IncomingMessage, res: ServerResponse) => {
    newest.set(req.socket, res);
    onRequest(req, res, expects);
  };
  server.on('request', request(null));
  server.on('checkContinue', request('continue'));
  server.on('checkExpectation', request('other'));
  server.on('connect', (_req, socket) => socket.destroy());
  server.on('clientError', (error, socket) => void unreadable(room, error, socket, newest.get(socket)?.writableFinished === false));
  return server;
}

async function keys(room: Room): Promise<{ cert: string; key: string }> {
  const { tls } = room.config;
  const { secret } = room.deps;
  if (tls === null || secret === undefined) throw new Error('receive.tls: the references cannot be read');
  return { cert: await secret(tls.cert), key: await secret(tls.key) };
}

/**
 * What the parser could not read as HTTP. Recorded, answered with a bare status, closed: whatever follows on this connection may be
 * a second request hidden in the first. While another answer is outstanding nothing is said at all, or it would be taken for it.
 */
async function unreadable(room: Room, error: Error & { readonly code?: string }, socket: Duplex, isBusy: boolean): Promise<void> {
  const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  if (isBusy || error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  socket.on('error', () => socket.destroy());
  let status = late ? '408 Request Timeout' : error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request';
  if (!late) {
    try {
      const address: unknown = 'remoteAddress' in socket ? socket.remoteAddress : '';
      const early = { id: newId() as CallId, receivedAt: room.deps.clock.now(), door: 'mcp', server: null, remoteAddress: typeof address === 'string' ? address : '' } as const;
      await room.deps.refuse({ ...early, refusal: { code: 'receive.headers', note: `not HTTP: ${error.code ?? 'unknown'}` } });
    } catch {
      status = '503 Service Unavailable';
    }
  }
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
