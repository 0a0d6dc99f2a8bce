import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';
import { afterEach, expect, test } from 'vitest';
import type { Refusal } from '../../call/refusal.ts';
import { systemClock } from '../../lib/clock.ts';
import { startSseFixture } from '../../../test/kit/fixture/sse.ts';
import { dispatchConfig } from '../config.ts';
import { createLink } from '../http/link.ts';
import type { Kind } from '../pipe/conversation.ts';
import { createPipeUpstream, type PipeUpstream } from '../pipe/upstream.ts';
import { type Question, type RequestOptions, UpstreamFault } from '../upstream.ts';
import { endpointPath } from './endpoint.ts';
import { sseKind } from './upstream.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Rig { upstream: PipeUpstream; logged: string[]; up: () => Promise<void>; ask: (method: string, params?: object, more?: Partial<RequestOptions>) => Promise<{ result: string | null; error: string | null }> }
function rig(url: string, more: object = {}, kind: Partial<Kind> = {}): Rig {
  const config = dispatchConfig.parse({ ...more, servers: { s: { url, allow_loopback: true, headers: { authorization: { secret: 'env:TOKEN', prefix: 'Bearer ' } } } } });
  const agents: Agent[] = [];
  const logged: string[] = [];
  const dispatcher = ({ connections }: { connections: number | null }): Agent => {
    const agent = new Agent({ connections, pipelining: 1 });
    agents.push(agent);
    return agent;
  };
  const link = createLink('s', { ...config.servers['s']!, url }, config, { egress: { dispatcher }, secret: async () => 'canary-token', monotonic: systemClock.monotonic });
  const upstream = createPipeUpstream('s', { ...sseKind(link), ...kind }, { clock: systemClock, log: (text, facts) => void logged.push(`${text} ${JSON.stringify(facts)}`) });
  closing.push(async () => {
    await upstream.close();
    await Promise.all(agents.map((agent) => agent.destroy()));
  });
  upstream.start();
  const up = async (): Promise<void> => {
    for (let i = 0; i < 1_000 && !upstream.state().ok; i++) await sleep(10);
    expect(upstream.state(), logged.slice(-5).join('\n')).toEqual({ ok: true });
  };
  const ask: Rig['ask'] = (method, params = {}, options = {}) => upstream.request(method, JSON.stringify(params), {
    principalId: 'p', capabilities: '{}', logLevel: null, onQuestion: null, signal: new AbortController().signal, timeoutMs: 5_000, maxBytes: 16_777_216, onNotification: () => undefined, progressToken: false, ...options,
  });
  return { upstream, logged, up, ask };
}
async function refusalOf(work: Promise<unknown>): Promise<Refusal> {
  const thrown = await work.then(() => null, (e: unknown) => e);
  expect(thrown).toBeInstanceOf(UpstreamFault);
  return (thrown as UpstreamFault).refusal;
}
const call = (name: string, args: object = {}): object => ({ name, arguments: args });

interface Old { url: string; posts: { channel: number; method: string | undefined; message: Record<string, unknown>; authorization: string | undefined }[]; streams: ServerResponse[]; say: (channel: number, message: object) => void }
/** A 2024-11-05 server in a few lines; `on` handles what is no handshake, `endpoint` names where to post. */
async function old(on: (message: Record<string, unknown>, channel: number, server: Old, res: ServerResponse) => unknown, endpoint = (channel: number, _origin: string): string => `/post?c=${channel}`): Promise<Old> {
  const self: Old = { url: '', posts: [], streams: [], say: (channel, message) => void self.streams[channel]?.write(`data: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`) };
  const server = createServer((req: IncomingMessage, res: ServerResponse) => {
    if (req.method === 'GET') {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      const channel = self.streams.push(res) - 1;
      return void res.write(`event: endpoint\ndata: ${endpoint(channel, self.url)}\n\n`);
    }
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const message = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
      const channel = Number(new URL(req.url ?? '', self.url).searchParams.get('c'));
      self.posts.push({ channel, method: message['method'] as string | undefined, message, authorization: req.headers.authorization });
      const handled = on(message, channel, self, res);
      if (handled !== undefined) return;
      res.writeHead(202).end();
      if (message['method'] === 'initialize') self.say(channel, { id: message['id'], result: { protocolVersion: '2024-11-05', capabilities: { tools: {}, logging: {}, resources: { subscribe: true } }, serverInfo: { name: 'old', version: '1' } } });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  self.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/sse`;
  closing.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return self;
}

test('our fixture over the SDK: era, list, call, progress, logs, error, and the gateway’s credential on everything', async () => {
  const fixture = await startSseFixture();
  closing.push(fixture.close);
  const r = rig(fixture.url);
  await r.up();
  expect(r.upstream.era()).toBe('legacy');
  expect(r.upstream.transport).toBe('http');
  expect(r.upstream.info()).toMatchObject({ serverInfo: { name: 'sallyport-fixture' }, askedAt: expect.any(Number) });
  expect(JSON.parse((await r.ask('tools/list', {}, { principalId: '' })).result ?? '').tools.length).toBeGreaterThan(10);
  expect((await r.ask('tools/call', call('echo', { text: 'hi' }))).result).toContain('hi');
  expect(JSON.parse((await r.ask('nothing')).error ?? '').code).toBe(-32601);
  const heard: string[] = [];
  const onNotification = (method: string, params: string): void => void heard.push(`${method} ${params}`);
  await r.ask('tools/call', call('test_tool_with_progress'), { progressToken: true, onNotification });
  expect(heard.filter((line) => line.startsWith('notifications/progress')).length).toBe(3);
  heard.length = 0;
  await r.ask('tools/call', call('test_tool_with_logging'), { logLevel: 'info', onNotification });
  expect(heard.length).toBe(3);
  const values = fixture.seenHeaders.filter((value) => value === 'Bearer canary-token').length;
  expect(values).toBe(fixture.seenHeaders.filter((name) => name.toLowerCase() === 'host').length);
  const changes: string[] = [];
  r.upstream.onChanged((change) => void changes.push(change));
  await r.ask('tools/call', call('test_trigger_tool_change'));
  for (let i = 0; i < 100 && changes.length === 0; i++) await sleep(10);
  expect(changes).toEqual(['tools']);
});

test('questions go to the caller of their own channel: two principals at once, equal ids', async () => {
  const fixture = await startSseFixture();
  closing.push(fixture.close);
  const r = rig(fixture.url);
  await r.up();
  const asked: Record<string, Question[]> = { alice: [], bob: [] };
  const answers = await Promise.all(['alice', 'bob'].map((principalId) => r.ask('tools/call', call('test_elicitation', { message: `for ${principalId}` }), {
    principalId, capabilities: '{"elicitation":{}}',
    onQuestion: async (question) => {
      asked[principalId]?.push(question);
      await sleep(50);
      return { result: `{"action":"accept","content":{"response":"of ${principalId}"}}` };
    },
  })));
  expect(answers.map(({ result }) => /of (alice|bob)/.exec(result ?? '')?.[1])).toEqual(['alice', 'bob']);
  expect(asked['alice']?.map((q) => q.params['message'])).toEqual(['for alice']);
  expect(asked['bob']?.map((q) => q.params['message'])).toEqual(['for bob']);
  expect(fixture.open()).toBe(3); // the gateway's own, and one each
});

test('an endpoint of another origin is refused, and nothing is sent there', async () => {
  const foreign = await old(() => undefined);
  const server = await old(() => undefined, () => `${foreign.url.replace('/sse', '')}/post`);
  const r = rig(server.url);
  expect(await refusalOf(r.ask('tools/list', {}, { principalId: '' }))).toMatchObject({ code: 'dispatch.egress', effect: 'none' });
  expect(foreign.posts).toEqual([]);
  expect(foreign.streams).toEqual([]);
  const link = { origin: 'https://a.example', path: '/x/sse' };
  for (const named of ['https://b.example/m', '//b.example/m', 'http://a.example/m', 'https://a.example:444/m', 'https://u:p@a.example/m', 'javascript:1', 'https://', 'x'.repeat(9_000), '\\\\b.example/m']) {
    expect(endpointPath(link, named), named).toBeNull();
  }
  expect(endpointPath(link, 'messages?id=1#f')).toBe('/x/messages?id=1');
  expect(endpointPath(link, '/m')).toBe('/m');
  expect(endpointPath(link, 'https://a.example/m')).toBe('/m');
});

test('a second endpoint event changes nothing', async () => {
  const server = await old((message, channel, self) => {
    if (message['method'] !== 'notifications/initialized') return;
    self.streams[channel]?.write('event: endpoint\ndata: /elsewhere?c=99\n\n');
  });
  const r = rig(server.url);
  await r.up();
  await refusalOf(r.ask('x', {}, { timeoutMs: 200 }));
  expect(server.posts.filter((post) => post.channel === 99)).toEqual([]);
});

test('a stream that drops in mid-call: unknown, connected again, nothing is sent twice; other callers go on', async () => {
  const server = await old((message, channel, self) => {
    if (message['method'] === 'slow') setTimeout(() => self.say(channel, { id: message['id'], result: { slow: 1 } }), 400);
    if (message['method'] === 'x') self.say(channel, { id: message['id'], result: { channel } });
  });
  const r = rig(server.url);
  await r.up();
  expect((await r.ask('x')).result).toBe('{"channel":1}');
  const waits = refusalOf(r.ask('wait'));
  const other = r.ask('slow', {}, { principalId: 'q' });
  await sleep(100);
  server.streams[1]?.destroy();
  expect(await waits).toMatchObject({ code: 'dispatch.crashed', effect: 'unknown' });
  expect((await other).result).toBe('{"slow":1}');
  await sleep(300); // the back-off
  expect((await r.ask('x')).result).toBe('{"channel":3}');
  expect(server.posts.filter((post) => post.method === 'wait').length).toBe(1);
  expect(r.upstream.state()).toEqual({ ok: true });
});

test('watch: one subscription, updates, taken up again when the stream comes back', async () => {
  const server = await old((message, channel, self) => {
    if (message['method'] === 'resources/subscribe' || message['method'] === 'resources/unsubscribe') {
      const { uri } = message['params'] as { uri: string };
      self.say(channel, uri === 'no://' ? { id: message['id'], error: { code: -32602, message: 'no' } } : { id: message['id'], result: {} });
      if (message['method'] === 'resources/subscribe') self.say(channel, { method: 'notifications/resources/updated', params: { uri, big: 1 } });
    }
  });
  const r = rig(server.url);
  await r.up();
  const heard: string[] = [];
  const stop = await r.upstream.watch('a://1', (params) => void heard.push(params));
  expect(await refusalOf(r.upstream.watch('no://', () => undefined))).toMatchObject({ effect: 'none' });
  for (let i = 0; i < 100 && heard.length < 1; i++) await sleep(10);
  expect(heard).toEqual(['{"uri":"a://1","big":1}']);
  server.streams[0]?.destroy();
  for (let i = 0; i < 300 && heard.length < 3; i++) await sleep(10);
  expect(heard.filter((params) => params === '{"uri":"a://1","big":1}').length).toBe(2);
  stop();
  for (let i = 0; i < 100 && !server.posts.some((post) => post.method === 'resources/unsubscribe'); i++) await sleep(10);
  expect(server.posts.filter((post) => post.method === 'resources/unsubscribe').map((post) => post.channel)).toEqual([1]);
});

test('statuses: 401 and 403 are the gateway’s credential, 404 is a channel forgotten, 500 says nothing', async () => {
  const statuses: Record<string, number> = { a: 401, b: 403, c: 500, d: 404 };
  const server = await old((message, channel, self, res) => {
    const status = statuses[String(message['method'])];
    if (status !== undefined) return res.writeHead(status).end();
    if (message['method'] === 'x') self.say(channel, { id: message['id'], result: {} });
    return undefined;
  });
  const r = rig(server.url);
  await r.up();
  expect(await refusalOf(r.ask('a'))).toMatchObject({ code: 'dispatch.upstream_auth', effect: 'none' });
  expect(await refusalOf(r.ask('b'))).toMatchObject({ code: 'dispatch.upstream_auth', effect: 'none' });
  expect(await refusalOf(r.ask('c'))).toMatchObject({ code: 'dispatch.upstream', effect: 'unknown' });
  expect(server.streams.length).toBe(2);
  expect(await refusalOf(r.ask('d'))).toMatchObject({ code: 'dispatch.upstream', effect: 'none' });
  await sleep(300);
  await r.ask('x');
  expect(server.streams.length).toBe(3);
});

test('a redirect is not followed: neither of the stream nor of a message', async () => {
  const elsewhere = await old(() => undefined);
  const server = await old((message, _c, _s, res) => (message['method'] === 'x' ? res.writeHead(307, { location: elsewhere.url }).end() : undefined));
  const r = rig(server.url);
  await r.up();
  expect(await refusalOf(r.ask('x'))).toMatchObject({ code: 'dispatch.upstream' });
  expect(elsewhere.posts).toEqual([]);
});

test('an event over the limit ends the channel, not the gateway', async () => {
  const server = await old((message, channel, self) => {
    if (message['method'] === 'big') self.say(channel, { id: message['id'], result: { text: 'x'.repeat(200_000) } });
  });
  const r = rig(server.url, { max_answer_bytes: 100_000 });
  await r.up();
  expect(await refusalOf(r.ask('big'))).toMatchObject({ code: 'dispatch.crashed', effect: 'unknown' });
  expect(r.upstream.state()).toEqual({ ok: true });
});

test('nothing overtakes notifications/initialized', async () => {
  let ready = false;
  const server = await old((message, channel, self, res) => {
    if (message['method'] === 'notifications/initialized') {
      setTimeout(() => {
        ready = true;
        res.writeHead(202).end();
      }, 200);
      return true;
    }
    if (message['method'] === 'x') self.say(channel, { id: message['id'], result: { ready } });
    return undefined;
  });
  const r = rig(server.url);
  await r.up();
  expect((await r.ask('x', {}, { principalId: '' })).result).toBe('{"ready":true}');
});

test('a server that never takes a message: time-out as unknown, the server is told', async () => {
  const server = await old((message) => (message['method'] === 'held' ? true : undefined));
  const r = rig(server.url);
  await r.up();
  expect(await refusalOf(r.ask('held', {}, { timeoutMs: 200 }))).toMatchObject({ code: 'dispatch.timeout', effect: 'unknown' });
  await sleep(100);
  expect(server.posts.map((post) => post.method)).toContain('notifications/cancelled');
});

test('a request that waits for a connection and is given up is never sent', async () => {
  const held: ServerResponse[] = [];
  const server = await old((message, channel, self, res) => {
    if (message['method'] === 'x') self.say(channel, { id: message['id'], result: {} });
    return message['method'] === 'held' ? held.push(res) : undefined;
  });
  const r = rig(server.url, { connections: 1 });
  await r.up();
  await r.ask('x');
  void r.ask('held').catch(() => undefined);
  while (held.length === 0) await sleep(10);
  expect(await refusalOf(r.ask('never', {}, { timeoutMs: 200 }))).toMatchObject({ code: 'dispatch.timeout', effect: 'none' });
  expect(await refusalOf(r.ask('never', {}, { signal: AbortSignal.timeout(50) }))).toMatchObject({ code: 'dispatch.cancelled', effect: 'none' });
  held[0]?.writeHead(202).end();
  await r.ask('x');
  expect(server.posts.map((post) => post.method)).not.toContain('never');
});

test('a server that takes a message and never ends its answer to the POST holds no connection', async () => {
  const server = await old((message, channel, self, res) => {
    if (message['method'] !== 'x') return undefined;
    res.writeHead(202).write('still');
    self.say(channel, { id: message['id'], result: {} });
    return true;
  });
  const r = rig(server.url, { connections: 1 });
  await r.up();
  await r.ask('x');
  await r.ask('x', {}, { timeoutMs: 3_000 });
});

test('a channel that is dead without a word is given up after a time-out, one whose server is only slow is not', async () => {
  let dead = false;
  let busy = false;
  const server = await old((message, channel, self) => {
    if (dead && channel > 0) return;
    if (busy && message['method'] === 'ping') return self.say(channel, { method: 'notifications/message', params: { level: 'info', data: 'still at it' } });
    if (message['method'] === 'ping' || message['method'] === 'x') self.say(channel, { id: message['id'], result: { channel } });
  });
  const r = rig(server.url, {}, { checkMs: 200 });
  await r.up();
  await refusalOf(r.ask('slow', {}, { timeoutMs: 100 }));
  await sleep(400);
  busy = true;
  await refusalOf(r.ask('slow', {}, { timeoutMs: 100 }));
  await sleep(400);
  busy = false;
  expect((await r.ask('x')).result).toBe('{"channel":1}');
  dead = true;
  const waits = refusalOf(r.ask('y', {}, { timeoutMs: 3_000 }));
  await refusalOf(r.ask('x', {}, { timeoutMs: 100 }));
  expect(await waits).toMatchObject({ code: 'dispatch.crashed', note: 'does not answer' });
  dead = false;
  await sleep(300);
  expect((await r.ask('x')).result).toBe('{"channel":2}');
});

test('server-everything over sse', async () => {
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as AddressInfo;
  free.close();
  await once(free, 'close');
  const child = spawn(process.execPath, [new URL('../../../node_modules/@modelcontextprotocol/server-everything/dist/index.js', import.meta.url).pathname, 'sse'], { env: { ...process.env, PORT: String(port) }, stdio: 'ignore' });
  closing.push(async () => {
    if (child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  const r = rig(`http://127.0.0.1:${port}/sse`);
  await r.up();
  expect((await r.ask('tools/call', call('echo', { message: 'over the old way' }))).result).toContain('over the old way');
}, 20_000);
