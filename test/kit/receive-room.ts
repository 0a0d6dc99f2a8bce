import { connect } from 'node:net';
import { request, type IncomingHttpHeaders } from 'node:http';
import type { Known, Outcome, Received, SafeResult } from '../../src/call/call.ts';
import type { Principal } from '../../src/call/principal.ts';
import type { Session } from '../../src/call/session.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createReceive, type EarlyRefusal, type Receive, type ReceiveDeps, receiveConfig } from '../../src/receive/index.ts';

/** The receive room on a real socket, with the rest of the corridor in the test's hands. */
export interface RoomUnderTest {
  readonly receive: Receive;
  readonly port: number;
  readonly calls: Received[];
  readonly refusals: EarlyRefusal[];
  readonly logs: string[];
}

export const principal: Principal = {
  id: 'key:k1', kind: 'api_key', caller: 'alice', team: null, user: null, workspace: null, environment: null, agent: null, client: null,
  scopes: [], tenant: null, groups: [], roles: [], allowedTools: null, deniedTools: [], confirmTools: [], tokenAudience: null, expiresAt: null,
};
export const session = (id = 'session-1'): Session => ({
  id, principalId: principal.id, server: null, version: '2025-11-25', kind: 'session', declared: {}, logLevel: null, upstreamId: null, upstreamVersion: null, streamed: false, asked: new Set(), resumable: new Map(), streams: new Set(), lastSeenAt: 0,
});
/** What the stages would have added to the record of the call. */
export const know = (call: Received, facts: Partial<Known>): void => void Object.assign(call, facts);

export function result(bytes: string, more: Partial<SafeResult> = {}): Outcome {
  const safe = { status: bytes === '' ? 202 : 200, bytes: Buffer.from(bytes), event: null, session: null, success: true, summary: '', classification: 'internal', findings: [], effect: 'done', warnings: [], ...more };
  return { effect: 'done', result: safe as SafeResult };
}
export const answerTo = (call: Received, text = 'done'): Outcome =>
  call.message.kind === 'request' ? result(`{"jsonrpc":"2.0","id":${JSON.stringify(call.message.rpcId)},"result":{"content":[{"type":"text","text":${JSON.stringify(text)}}]}}`) : result('');

export async function startRoom(handle: (call: Received) => Promise<Outcome> = (call) => Promise.resolve(answerTo(call)), config: object = {}, deps: Partial<ReceiveDeps> = {}): Promise<RoomUnderTest> {
  const calls: Received[] = [];
  const refusals: EarlyRefusal[] = [];
  const logs: string[] = [];
  const receive = createReceive(receiveConfig.parse({ port: 0, hosts: ['gw'], ...config }), {
    handle: (call) => {
      calls.push(call);
      return handle(call);
    },
    refuse: (early) => {
      refusals.push(early);
      return Promise.resolve();
    },
    serverExists: (name) => name === 'files',
    health: () => ({ ready: true, causes: [], servers: {} }),
    stillValid: () => true,
    clock: systemClock,
    log: (message) => void logs.push(message),
    ...deps,
  });
  const { port } = await receive.listen();
  return { receive, port, calls, refusals, logs };
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: any;
}
export const LEGACY = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', authorization: 'Bearer t' };
export const modernHeaders = (method: string, name?: string): Record<string, string> => ({ ...LEGACY, 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, ...(name === undefined ? {} : { 'mcp-name': name }) });
export const modernMeta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };

export function send(port: number, method: string, path: string, headers: Record<string, string | string[]> = LEGACY, body?: string | Buffer): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, method, path, headers: { ...headers, ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }) }, agent: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: res.statusCode ?? 0, headers: res.headers, text, json: text.startsWith('{') ? JSON.parse(text) : null });
      });
    });
    req.on('error', reject);
    req.end(body);
  });
}
export const post = (port: number, body: unknown, headers: Record<string, string | string[]> = LEGACY, path = '/mcp'): Promise<HttpAnswer> =>
  send(port, 'POST', path, headers, typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));

/** Writes bytes to a socket; what came back until the other side closed it, or `ms` passed. */
export function raw(port: number, bytes: string | Buffer | readonly (string | Buffer)[], ms = 400): Promise<{ readonly text: string; readonly closed: boolean }> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => {
      for (const part of Array.isArray(bytes) ? bytes : [bytes]) socket.write(part as string, 'latin1');
    });
    const done = (closed: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text: Buffer.concat(chunks).toString('latin1'), closed });
    };
    let timer = setTimeout(() => done(false), ms);
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      clearTimeout(timer);
      timer = setTimeout(() => done(false), Math.min(ms, 60)); // a second answer would come now
    });
    socket.on('close', () => done(true));
    socket.on('error', () => done(true));
  });
}
export const until = async (holds: () => boolean, ms = 3000): Promise<void> => {
  for (const end = Date.now() + ms; !holds(); ) {
    if (Date.now() > end) throw new Error('it never came true');
    await new Promise((done) => setTimeout(done, 5));
  }
};
