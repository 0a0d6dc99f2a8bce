import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server that says exactly the bytes it was told to say, and keeps exactly the bytes it got. */
export interface RawServer {
  readonly url: string;
  /** What to do with the request that carries `nonce`. */
  readonly plan: (nonce: string, plan: Plan) => void;
  /** The body that carried the nonce, as it came. */
  readonly got: (nonce: string) => Buffer | undefined;
  readonly close: () => Promise<void>;
}
export interface Plan {
  readonly contentType: 'application/json' | 'text/event-stream';
  /** The whole body, given the text of the request's id and of its progress token. */
  readonly body: (idText: string, token: string) => string;
  /** Where it is cut into writes, as fractions of its length; a few are enough to cut within letters and line ends. */
  readonly cuts: readonly number[];
}
export const NONCE = /nonce-[0-9]+-/;
const TOOLS = [{ name: 'any', description: 'Takes anything', inputSchema: { type: 'object', additionalProperties: true } }];
const OFFERS = { tools: {}, resources: {}, prompts: {}, completions: {} };

export async function startRaw(): Promise<RawServer> {
  const plans = new Map<string, Plan>();
  const bodies = new Map<string, Buffer>();
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
      const body = Buffer.concat(chunks);
      const text = body.toString();
      const nonce = NONCE.exec(text)?.[0];
      const plan = nonce === undefined ? undefined : plans.get(nonce);
      if (nonce === undefined || plan === undefined) return usual(req.method ?? '', text, res);
      bodies.set(nonce, body);
      const { id, params } = JSON.parse(text) as { id?: unknown; params?: { _meta?: { progressToken?: unknown } } };
      res.writeHead(200, { 'content-type': plan.contentType });
      const answer = Buffer.from(plan.body(JSON.stringify(id), JSON.stringify(params?._meta?.progressToken)));
      const cuts = [...new Set(plan.cuts.map((part) => Math.floor(part * answer.length)))].toSorted((a, b) => a - b);
      trickle(res, [0, ...cuts].map((from, n) => answer.subarray(from, cuts[n] ?? answer.length)));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    plan: (nonce, plan) => {
      plans.clear();
      bodies.clear();
      plans.set(nonce, plan);
    },
    got: (nonce) => bodies.get(nonce),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** One piece for each turn of the loop, so that they arrive as pieces. */
function trickle(res: ServerResponse, [piece, ...rest]: readonly Buffer[]): void {
  if (piece === undefined) return void res.end();
  if (piece.length > 0) res.write(piece);
  setImmediate(() => trickle(res, rest));
}

/** What a server of both eras says to everything that is not planned. */
function usual(verb: string, text: string, res: ServerResponse): void {
  if (verb !== 'POST') return void res.writeHead(verb === 'DELETE' ? 200 : 405, { allow: 'POST' }).end();
  const { id, method, params } = JSON.parse(text) as { id?: unknown; method?: string; params?: { protocolVersion?: string; _meta?: object } };
  if (id === undefined || method === undefined) return void res.writeHead(202).end();
  const modern = params?._meta !== undefined && 'io.modelcontextprotocol/protocolVersion' in params._meta ? { resultType: 'complete', ttlMs: 0, cacheScope: 'private' } : {};
  const say = (result: object, headers: Record<string, string> = {}): void => void res.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify({ jsonrpc: '2.0', id, result: { ...modern, ...result } }));
  if (method === 'server/discover') return say({ supportedVersions: ['2026-07-28'], capabilities: OFFERS });
  if (method === 'initialize') return say({ protocolVersion: params?.protocolVersion, capabilities: OFFERS, serverInfo: { name: 'raw', version: '1' } }, { 'mcp-session-id': `s${Math.random()}` });
  if (method === 'tools/list') return say({ tools: TOOLS });
  say({ resources: [], resourceTemplates: [], prompts: [] });
}
