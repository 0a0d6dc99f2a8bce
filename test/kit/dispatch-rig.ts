import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent } from 'undici';
import type { Answer, CallId, Era, Journaled, Message, Permit, ValidInput } from '../../src/call/call.ts';
import type { JsonObject } from '../../src/call/json.ts';
import type { Principal } from '../../src/call/principal.ts';
import type { Refusal } from '../../src/call/refusal.ts';
import type { Session } from '../../src/call/session.ts';
import type { Target, Tool } from '../../src/call/target.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { newId, randomToken } from '../../src/lib/ids.ts';
import { textAt } from '../../src/lib/json-spans.ts';
import { dispatchConfig, type DispatchConfig } from '../../src/dispatch/config.ts';
import { createDispatch, type Dispatch, type DispatchDeps } from '../../src/dispatch/index.ts';
import type { Done } from '../../src/dispatch/room.ts';

/** For this room's tests and measurements only: real servers on loopback, and calls as the corridor hands them over. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly rawHeaders: string[];
  readonly body: Buffer;
  readonly json: JsonObject;
}
export interface Canned {
  readonly url: string;
  readonly seen: Seen[];
  readonly server: Server;
  readonly close: () => Promise<void>;
}

/** A server that answers as the test says. */
export async function canned(answer: (seen: Seen, res: ServerResponse, req: IncomingMessage) => void): Promise<Canned> {
  const seen: Seen[] = [];
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const body = Buffer.concat(chunks);
      const one: Seen = { method: req.method ?? '', url: req.url ?? '', headers: req.headers, rawHeaders: req.rawHeaders, body, json: body.length === 0 ? {} : (JSON.parse(body.toString()) as JsonObject) };
      seen.push(one);
      answer(one, res, req);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { url: `http://127.0.0.1:${port}/mcp`, seen, server, close };
}

export const json = (res: ServerResponse, body: unknown, status = 200, headers: Record<string, string> = {}): void => {
  res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(typeof body === 'string' ? body : JSON.stringify(body));
};
export const sse = (res: ServerResponse, status = 200): void => {
  res.writeHead(status, { 'content-type': 'text/event-stream' });
  res.flushHeaders();
};
export const event = (message: unknown, id?: string): string => `${id === undefined ? '' : `id: ${id}\n`}event: message\ndata: ${JSON.stringify(message)}\n\n`;

export interface Rig {
  readonly dispatch: Dispatch;
  readonly sessions: Map<string, Session>;
  readonly ended: string[];
  readonly logs: { readonly message: string; readonly fields: object | undefined }[];
  readonly close: () => Promise<void>;
}

/** The room with an undici agent as its way out. */
export function rig(servers: Record<string, object>, more: { readonly config?: object; readonly deps?: Partial<DispatchDeps> } = {}): Rig {
  const loopback = Object.fromEntries(Object.entries(servers).map(([name, server]) => [name, { allow_loopback: true, ...server }]));
  const config: DispatchConfig = dispatchConfig.parse({ ...more.config, servers: loopback });
  const sessions = new Map<string, Session>();
  const ended: string[] = [];
  const logs: { message: string; fields: object | undefined }[] = [];
  const onEnd: ((session: Session) => void)[] = [];
  const agents: Agent[] = [];
  const dispatch = createDispatch(config, {
    egress: {
      dispatcher: (server) => {
        const agent = new Agent({ connections: server.connections, pipelining: 1, allowH2: false });
        agents.push(agent);
        return agent;
      },
    },
    stdio: () => { throw new Error('no stdio server here'); },
    sealKey: Buffer.alloc(32, 7),
    secret: async (ref) => { if (ref === 'env:MISSING') throw new Error('the environment variable MISSING is not set'); return `value-of-${ref.slice(4)}`; },
    screen: (block) => block,
    visibleTools: () => [],
    mayUse: () => true,
    catalogVersion: () => 1,
    toolsKnown: () => true,
    sessions: {
      admit: (session) => void sessions.set(session.id, session),
      end: (id) => {
        const session = sessions.get(id);
        ended.push(id);
        sessions.delete(id);
        if (session !== undefined) onEnd.forEach((listener) => listener(session));
      },
      all: () => sessions.values(),
      onEnd: (listener) => void onEnd.push(listener),
    },
    clock: systemClock,
    log: (message, fields) => void logs.push({ message, fields }),
    ...more.deps,
  });
  return {
    dispatch, sessions, ended, logs,
    close: async () => {
      await dispatch.close();
      await Promise.all(agents.map((agent) => agent.destroy()));
    },
  };
}

/** Rigs before servers of which each test has one of its own, `s`; `close` ends all that the test has opened. */
export interface Stage {
  readonly setup: (answer: (seen: Seen, res: ServerResponse) => void, more?: { readonly server?: object; readonly config?: object; readonly deps?: Partial<DispatchDeps> }) => Promise<{
    readonly up: Canned;
    readonly r: Rig;
    readonly run: (text: string, options?: CallOptions) => Promise<Done>;
  }>;
  /** One more thing to end. */
  readonly opened: (close: () => Promise<void>) => void;
  readonly close: () => Promise<void>;
}
export function createStage(): Stage {
  const open: (() => Promise<void>)[] = [];
  return {
    setup: async (answer, more = {}) => {
      const up = await canned(answer);
      open.push(up.close);
      const r = rig({ s: { url: up.url, ...more.server } }, more);
      open.push(r.close);
      return { up, r, run: async (text, options) => r.dispatch.stage.run(made(text, options).call) };
    },
    opened: (close) => void open.push(close),
    close: async () => {
      for (const close of open.splice(0).reverse()) await close();
    },
  };
}
export const answerOf = (done: Done): Answer => {
  if ('stop' in done) throw new Error(`refused: ${JSON.stringify(done.stop)}`);
  return done.go.answer;
};
export const refusalOf = (done: Done): Refusal => {
  if ('go' in done) throw new Error(`answered: ${done.go.answer.bytes.toString()}`);
  return done.stop;
};

export const principal = (id = 'key:alice', more: Partial<Principal> = {}): Principal => ({
  id, kind: 'api_key', caller: id, team: null, user: null, workspace: null, environment: null, agent: null, client: null, scopes: [],
  tenant: null, groups: [], roles: [], allowedTools: null, deniedTools: [], confirmTools: [], tokenAudience: null, expiresAt: null, ...more,
});

export const tool = (server: string, name: string, definition: object = {}): Tool => {
  const full = { name, inputSchema: { type: 'object' }, ...definition };
  return { server, name, id: `${server}__${name}`, risk: 'write', digest: '', definition: JSON.stringify(full), inputSchema: full.inputSchema as JsonObject };
};

export const session = (upstreamId: string | null, more: Partial<Session> = {}): Session => ({
  id: randomToken(), kind: 'session', principalId: 'key:alice', server: 's', version: '2025-11-25', declared: {}, logLevel: null, upstreamId, upstreamVersion: null, streamed: false, asked: new Set(), resumable: new Map(), streams: new Set(), lastSeenAt: 0, ...more,
});

export interface MadeCall {
  readonly call: Journaled;
  readonly events: string[];
  readonly state: { detached: boolean; accepting: boolean };
  readonly abort: () => void;
}
export interface CallOptions {
  readonly era?: Era;
  readonly kind?: Message['kind'];
  readonly lane?: Target['lane'];
  readonly server?: string | null;
  readonly session?: Session | null;
  readonly tool?: Tool | null;
  readonly timeoutMs?: number | null;
  readonly principal?: Principal;
  readonly mirrored?: readonly (readonly [string, string])[];
  readonly lastEventId?: string | null;
  readonly judged?: string;
  readonly version?: string;
}

/** A call as the journal passes it on. `text`: the JSON-RPC message, or nothing for `$stream` and `$end`. */
export function made(text: string, options: CallOptions = {}): MadeCall {
  const value = (text === '' ? {} : JSON.parse(text)) as JsonObject;
  const era = options.era ?? 'legacy';
  const kind = options.kind ?? (value['method'] === undefined ? 'response' : value['id'] === undefined ? 'notification' : 'request');
  const method = kind === 'stream' ? '$stream' : kind === 'end' ? '$end' : String(value['method'] ?? '');
  const params = (value['params'] ?? {}) as JsonObject;
  const argumentsText = textAt(text, ['params', 'arguments']) ?? '{}';
  const controller = new AbortController();
  const events: string[] = [];
  const state = { detached: false, accepting: true };
  const server = options.server === undefined ? 's' : options.server;
  const call: Journaled = {
    id: newId() as CallId, receivedAt: Date.now(), door: 'mcp', server, era, version: options.version ?? (era === 'modern' ? '2026-07-28' : '2025-11-25'),
    message: { kind, method, rpcId: (value['id'] ?? null) as string | number | null, params, bytes: Buffer.from(text), text, argumentsText, inexact: [] },
    name: null, sessionId: options.session?.id ?? null, lastEventId: options.lastEventId ?? null, mirrored: options.mirrored ?? [],
    presented: { authorization: 'Bearer CANARY-inbound-token', apiKey: 'CANARY-api-key', remoteAddress: '127.0.0.1' },
    modelRequestId: 'CANARY-model-request', signal: controller.signal,
    side: {
      event: (block) => {
        if (state.accepting) events.push(block.toString());
        return state.accepting;
      },
      detached: () => void (state.detached = true),
    },
    principal: options.principal ?? principal(),
    target: { id: 't', server: server ?? options.tool?.server ?? null, method, name: options.tool?.name ?? null, risk: 'write', tool: options.tool ?? null, lane: options.lane ?? 'mirror', timeoutMs: options.timeoutMs === undefined ? 5_000 : options.timeoutMs },
    session: options.session ?? null,
    decision: { effect: 'allow', ruleIds: ['r'], policyVersion: '1', obligations: [] },
    input: { value: {}, text: options.judged ?? argumentsText } as ValidInput,
    permit: { release: () => undefined } satisfies Permit,
    approvalId: null,
    journalSeq: 1,
  };
  return { call, events, state, abort: () => controller.abort() };
}

export const toolCall = (id: string | number = 1, args = '{}', meta = ''): string =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":"tools/call","params":{"name":"echo","arguments":${args}${meta === '' ? '' : `,"_meta":${meta}`}}}`;

/** Waits until the claim holds. */
export async function until(claim: () => boolean, ms = 5_000): Promise<void> {
  const end = performance.now() + ms;
  while (!claim()) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${claim}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
