import type { ServerResponse } from 'node:http';
import { Agent } from 'undici';
import { dispatchConfig } from '../../src/dispatch/config.ts';
import { createLink, type Link } from '../../src/dispatch/http/link.ts';
import { createHttpUpstream, type HttpUpstream } from '../../src/dispatch/http/upstream.ts';
import type { RequestOptions } from '../../src/dispatch/upstream.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { canned, json, sse, type Canned, type Seen } from './dispatch-rig.ts';

/** For tests of HTTP upstreams: one of them, alone, and servers that answer as the test says. */
export interface One {
  readonly upstream: HttpUpstream;
  readonly link: Link;
  readonly logs: string[];
  readonly close: () => Promise<void>;
}

/** The upstream for a server at this URL; not started. */
export function upstreamTo(url: string, server: object = {}, room: object = {}): One {
  const config = dispatchConfig.parse({ ...room, servers: { s: { url, allow_loopback: true, ...server } } });
  const section = config.servers['s'];
  if (section === undefined) throw new Error('no section');
  const agents: Agent[] = [];
  const dispatcher = ({ connections }: { readonly connections: number | null }): Agent => {
    const agent = new Agent({ connections, pipelining: 1, allowH2: false });
    agents.push(agent);
    return agent;
  };
  const logs: string[] = [];
  const link = createLink('s', { ...section, url }, config, { egress: { dispatcher }, secret: async () => 'x', monotonic: systemClock.monotonic });
  const upstream = createHttpUpstream(link, { clock: systemClock, log: (message, fields) => void logs.push(`${message} ${JSON.stringify(fields)}`) });
  const close = async (): Promise<void> => {
    await upstream.close();
    await Promise.all(agents.map((agent) => agent.destroy()));
  };
  return { upstream, link, logs, close };
}

export const asking = (more: Partial<RequestOptions> = {}): RequestOptions => ({
  principalId: 'key:a', capabilities: '{}', logLevel: null, onQuestion: null, signal: new AbortController().signal, timeoutMs: 5_000, maxBytes: 1_048_576,
  onNotification: () => undefined, progressToken: false, ...more,
});

export type Answerer = (seen: Seen, res: ServerResponse) => void;
export const result = (seen: Seen, value: object = { content: [] }): object => ({ jsonrpc: '2.0', id: seen.json['id'], result: value });
export const failure = (seen: Seen, code: number): object => ({ jsonrpc: '2.0', id: seen.json['id'], error: { code, message: 'no' } });

export interface OldServer extends Canned {
  /** The sessions it knows, and what each declared. */
  readonly sessions: Map<string, unknown>;
  /** GET streams that are open, by session. */
  readonly streams: Map<string, ServerResponse>;
  /** Not null: it answers everything so. */
  readonly state: { status: number | null };
  readonly calls: (method: string) => Seen[];
}
/** A 2025-11-25 server with sessions. `stream` false: it has no GET stream. */
export async function oldServer(call: Answerer, capabilities: object = { tools: {} }, stream: boolean | Answerer = true): Promise<OldServer> {
  const sessions = new Map<string, unknown>();
  const streams = new Map<string, ServerResponse>();
  const state: OldServer['state'] = { status: null };
  let count = 0;
  const server = await canned((seen, res) => {
    const { method, params } = seen.json;
    if (state.status !== null) return void res.writeHead(state.status).end();
    const id = String(seen.headers['mcp-session-id']);
    if (method === 'initialize') {
      const fresh = `up-${++count}`;
      sessions.set(fresh, (params as { capabilities: unknown }).capabilities);
      return json(res, result(seen, { protocolVersion: '2025-11-25', capabilities, serverInfo: { name: 'old', version: '1' } }), 200, { 'mcp-session-id': fresh });
    }
    if (seen.headers['mcp-session-id'] === undefined) return json(res, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'not initialized' } }, 400);
    if (!sessions.has(id)) return json(res, { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'no session' } }, 404);
    if (seen.method === 'GET' && typeof stream === 'function') return stream(seen, res);
    if (seen.method === 'GET') {
      if (stream === false) return void res.writeHead(405).end();
      sse(res);
      streams.set(id, res);
      return;
    }
    if (seen.method === 'DELETE') {
      sessions.delete(id);
      return void res.writeHead(200).end();
    }
    if (method === 'logging/setLevel' || method === 'resources/subscribe' || method === 'resources/unsubscribe') return json(res, result(seen, {}));
    if (seen.json['id'] === undefined || method === undefined) return void res.writeHead(202).end();
    call(seen, res);
  });
  return { ...server, sessions, streams, state, calls: (method) => server.seen.filter((seen) => seen.json['method'] === method) };
}

export interface NewServer extends Canned {
  readonly calls: (method: string) => Seen[];
}
/** A server of 2026-07-28 only. */
export async function newServer(call: Answerer, capabilities: object = { tools: {} }): Promise<NewServer> {
  const server = await canned((seen, res) => {
    const { method } = seen.json;
    if (method === 'server/discover') return json(res, result(seen, { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities, ttlMs: 0, cacheScope: 'private' }));
    if (method === 'initialize') return json(res, failure(seen, -32022), 400);
    call(seen, res);
  });
  return { ...server, calls: (method) => server.seen.filter((seen) => seen.json['method'] === method) };
}
