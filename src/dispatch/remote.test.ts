import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';
import { afterEach, expect, test } from 'vitest';
import { startSseFixture } from '../../test/kit/fixture/sse.ts';
import { made, rig as room, tool } from '../../test/kit/dispatch-rig.ts';
import { systemClock } from '../lib/clock.ts';
import { dispatchConfig } from './config.ts';
import { createLink } from './http/link.ts';
import type { HttpUpstream } from './http/upstream.ts';
import { createRemoteUpstream } from './remote.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function remote(url: string, more: object = {}): HttpUpstream {
  const config = dispatchConfig.parse({ servers: { s: { url, allow_loopback: true, ...more } } });
  const agents: Agent[] = [];
  const dispatcher = ({ connections }: { connections: number | null }): Agent => {
    const agent = new Agent({ connections, pipelining: 1 });
    agents.push(agent);
    return agent;
  };
  const link = createLink('s', { ...config.servers['s']!, url }, config, { egress: { dispatcher }, secret: async () => '', monotonic: systemClock.monotonic });
  const upstream = createRemoteUpstream(link, { clock: systemClock, log: () => undefined });
  closing.push(async () => {
    await upstream.close();
    await Promise.all(agents.map((agent) => agent.destroy()));
  });
  upstream.start();
  return upstream;
}
const ask = async (upstream: HttpUpstream, method: string, principalId = ''): Promise<unknown> => {
  const { result } = await upstream.request(method, '{}', {
    principalId, capabilities: '{}', logLevel: null, onQuestion: null, signal: new AbortController().signal, timeoutMs: 5_000, maxBytes: 1_000_000, onNotification: () => undefined, progressToken: false,
  });
  return JSON.parse(result ?? 'null');
};
const until = async (is: () => boolean): Promise<void> => {
  for (let i = 0; i < 500 && !is(); i++) await sleep(10);
  expect(is()).toBe(true);
};

type Mode = 'sse' | 'streamable' | 401 | 500 | 404 | 'modern-only';
/** A server that can change its transport. */
async function changing(first: Mode): Promise<{ url: string; gets: number; become: (mode: Mode) => void }> {
  let mode = first;
  const streams = new Set<ServerResponse>();
  const self = { url: '', gets: 0, become: (next: Mode) => {
    mode = next;
    streams.forEach((stream) => stream.destroy());
  } };
  const answer = (message: Record<string, unknown>): object | null => {
    const { id, method } = message;
    if (method === 'initialize') return { jsonrpc: '2.0', id, result: { protocolVersion: '2025-03-26', capabilities: { resources: { subscribe: true } }, serverInfo: { name: mode, version: '1' } } };
    return id === undefined ? null : { jsonrpc: '2.0', id, ...(method === 'server/discover' ? { error: { code: -32601, message: 'no' } } : { result: { mode } }) };
  };
  const server = createServer((req, res) => {
    if (req.method === 'GET') self.gets++;
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const message = chunks.length === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>);
      if (typeof mode === 'number') return res.writeHead(mode).end();
      if (mode === 'modern-only') return res.writeHead(404, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id: message['id'] ?? null, error: { code: -32601, message: 'no' } }));
      const said = answer(message);
      if (req.method === 'GET') {
        res.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
        streams.add(res);
        if (mode === 'sse') res.write('event: endpoint\ndata: /post\n\n');
        return;
      }
      if (mode === 'streamable') return said === null ? res.writeHead(202).end() : res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(said));
      if (req.url !== '/post') return res.writeHead(405).end();
      res.writeHead(202).end();
      if (said !== null) streams.forEach((stream) => stream.write(`data: ${JSON.stringify(said)}\n\n`)); // of several channels each has ids of its own
      if (message['method'] === 'resources/subscribe') streams.forEach((stream) => stream.write('data: {"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a://1","n":1}}\n\n'));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  self.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`;
  closing.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return self;
}

test('auto: the first request finds a server with a separate event stream; nobody is mirrored to it', async () => {
  const fixture = await startSseFixture();
  closing.push(fixture.close);
  const upstream = remote(fixture.url);
  expect(upstream.era()).toBeNull();
  expect(upstream.eras()).toEqual([]);
  expect(await ask(upstream, 'tools/list')).toHaveProperty('tools');
  expect(upstream.state()).toEqual({ ok: true });
  expect([upstream.era(), upstream.eras(), upstream.transport]).toEqual(['legacy', [], 'http']);
  expect(upstream.info()).toMatchObject({ serverInfo: { name: 'sallyport-fixture' } });
  expect(await ask(upstream, 'ping', 'alice')).toEqual({});
});

test('auto without any request: found in the background', async () => {
  const server = await changing('sse');
  const upstream = remote(server.url);
  await until(() => upstream.state().ok);
  expect(upstream.eras()).toEqual([]);
});

test('auto with era legacy is not mirrored either', async () => {
  const server = await changing('sse');
  const upstream = remote(server.url, { era: 'legacy' });
  await until(() => upstream.state().ok);
  expect([upstream.era(), upstream.eras()]).toEqual(['legacy', []]);
});

test('a server that changes its transport is found again, with what is watched', async () => {
  const server = await changing('sse');
  const upstream = remote(server.url);
  const changes: string[] = [];
  upstream.onChanged((change) => void changes.push(change));
  expect(await ask(upstream, 'x')).toEqual({ mode: 'sse' });
  const heard: string[] = [];
  await upstream.watch('a://1', (params) => void heard.push(params));
  await until(() => heard.includes('{"uri":"a://1","n":1}'));
  server.become('streamable');
  await until(() => upstream.eras().includes('legacy'));
  expect(await ask(upstream, 'x')).toEqual({ mode: 'streamable' });
  await until(() => heard.includes('{"uri":"a://1"}'));
  heard.length = 0;
  server.become('sse');
  await until(() => !upstream.state().ok || upstream.eras().length === 0);
  await until(() => upstream.state().ok);
  expect(await ask(upstream, 'x')).toEqual({ mode: 'sse' });
  await until(() => heard.includes('{"uri":"a://1","n":1}'));
  expect(changes.filter((change) => change === 'connected').length).toBe(3);
});

test('401, 5xx and answers in JSON-RPC are no sign of a separate event stream', async () => {
  for (const mode of [401, 500, 'modern-only'] as const) {
    const server = await changing(mode);
    const upstream = remote(server.url);
    await expect(ask(upstream, 'x'), String(mode)).rejects.toThrow();
    await sleep(50);
    expect(server.gets, String(mode)).toBe(0);
    expect(upstream.state().ok).toBe(false);
  }
});

test('streamable never tries the event stream, sse never posts to the URL', async () => {
  const server = await changing('sse');
  const streamable = remote(server.url, { transport: 'streamable' });
  await expect(ask(streamable, 'x')).rejects.toThrow();
  await sleep(50);
  expect(server.gets).toBe(0);
  const sse = remote(server.url, { transport: 'sse' });
  expect(sse.era()).toBe('legacy');
  expect(await ask(sse, 'x')).toEqual({ mode: 'sse' });
  expect(sse.eras()).toEqual([]);
});

test('neither: the cause names both', async () => {
  const server = await changing(404);
  const upstream = remote(server.url, { era: 'legacy' });
  await expect(ask(upstream, 'x')).rejects.toThrow();
  await sleep(50);
  expect(upstream.state()).toMatchObject({ ok: false, cause: expect.stringMatching(/initialize: status 404; over sse: status 404/) });
  expect([upstream.era(), upstream.eras()]).toEqual([null, []]); // not even what the config pins: nobody is mirrored to what may be an event stream
});

test('through the room: a call in the own lane reaches it', async () => {
  const fixture = await startSseFixture();
  closing.push(fixture.close);
  const r = room({ s: { url: fixture.url } });
  closing.push(r.close);
  r.dispatch.start();
  await until(() => r.dispatch.health()['s']?.ok === true);
  expect(r.dispatch.source.servers()[0]).toMatchObject({ transport: 'http', era: 'legacy', eras: [] });
  const { call } = made('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"x"}}}', { lane: 'own', tool: tool('s', 'echo') });
  const done = await r.dispatch.stage.run(call);
  expect(JSON.stringify(done)).toContain('"effect":"done"');
});
