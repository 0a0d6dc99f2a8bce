import { createServer as createHttp, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { STATUS_CODES } from 'node:http';
import type { AdminConfig } from './config.ts';
import { type Answer, rowOf } from './faults.ts';
import { MAX_HEADERS } from './heads.ts';
import { pageHeaders } from './page.ts';

/** Bytes a body may have. */
export const MAX_BODY = 65_536;

/** Strict parser, bounded heads, bounded time and few connections (CWE-400, CWE-444): people decide here, not programs in a loop. */
export async function createServer(config: AdminConfig, secret: (ref: string) => Promise<string>): Promise<Server> {
  const options: ServerOptions = {
    maxHeaderSize: 8_192, insecureHTTPParser: false, joinDuplicateHeaders: false, requireHostHeader: true,
    headersTimeout: 5_000, requestTimeout: 10_000, connectionsCheckingInterval: 1_000, keepAliveTimeout: 5_000, noDelay: true,
  };
  const server = config.tls === null ? createHttp(options)
    : createHttps({ ...options, cert: await secret(config.tls.cert), key: await secret(config.tls.key), ALPNProtocols: ['http/1.1'], minVersion: 'TLSv1.2' });
  server.maxHeadersCount = MAX_HEADERS + 1; // one more than we take, so that too many show
  server.maxConnections = 256;
  server.on('connect', (_req, socket) => socket.destroy());
  server.on('clientError', (_error, socket) => void (socket.writable ? socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n') : socket.destroy()));
  return server;
}

/** The whole body; null: larger than allowed. Rejects when the client went away. */
export function readBody(req: IncomingMessage): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_BODY) return void chunks.push(chunk);
      req.removeAllListeners('data').pause();
      resolve(null);
    });
    req.once('end', () => resolve(Buffer.concat(chunks)));
    req.once('error', reject);
    req.once('close', () => reject(new Error('the client went away')));
  });
}

/** Headers of every answer: never cached, never framed, never taken for another type, no CORS. */
const COMMON = ['cache-control', 'no-store', 'x-content-type-options', 'nosniff', 'x-frame-options', 'DENY'];

/** `unread`: a body is still on its way, which must not be taken for the next request (CWE-444). */
export function respond(res: ServerResponse, answer: Answer, unread: boolean, allow: string | null = null): void {
  if (res.headersSent || res.destroyed) return;
  const headers = [...COMMON];
  let status: number;
  let text: string;
  if ('html' in answer) {
    status = answer.status;
    text = answer.html;
    headers.push(...pageHeaders);
  } else if ('body' in answer) {
    status = answer.status;
    text = `${JSON.stringify(answer.body)}\n`;
    headers.push('content-type', 'application/json; charset=utf-8');
  } else {
    const row = rowOf(answer.refused);
    status = row.status;
    text = `${JSON.stringify({ code: answer.refused, message: answer.says ?? row.says })}\n`;
    headers.push('content-type', 'application/json; charset=utf-8');
    if (status === 401) headers.push('www-authenticate', 'Bearer realm="sallyport-admin"');
    if (status === 429) headers.push('retry-after', '60');
    if (allow !== null) headers.push('allow', allow);
  }
  if (unread) headers.push('connection', 'close');
  const bytes = Buffer.from(text);
  res.writeHead(status, STATUS_CODES[status] ?? '', [...headers, 'content-length', String(bytes.length)]);
  res.end(bytes);
}
