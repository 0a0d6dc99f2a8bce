import { afterEach, describe, expect, test } from 'vitest';
import { canned, json, sse, until, type Seen } from '../../../test/kit/dispatch-rig.ts';
import { asking, failure, newServer, oldServer, result, upstreamTo, type Answerer, type One } from '../../../test/kit/http-rig.ts';
import type { Change } from '../upstream.ts';
import { NoStreamableHttp } from './probe.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
function to(server: { readonly url: string; readonly close: () => Promise<void> }, section: object = {}, room: object = {}): One {
  open.push(server.close);
  const one = upstreamTo(server.url, section, room);
  open.push(one.close);
  return one;
}
/** Speaks the era it is told to. */
function turncoat(era: { now: 'legacy' | 'modern' | number; name: string }): Answerer {
  let count = 0;
  return (seen, res) => {
    if (typeof era.now === 'number') return void res.writeHead(era.now).end();
    const { method } = seen.json;
    if (method === 'server/discover' && era.now === 'modern') return json(res, result(seen, { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, serverInfo: { name: era.name } }));
    if (era.now === 'modern') return method === 'initialize' ? json(res, failure(seen, -32022), 400) : json(res, result(seen, { resultType: 'complete' }));
    if (method === 'initialize') return json(res, result(seen, { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: era.name } }), 200, { 'mcp-session-id': `s${++count}` });
    if (seen.headers['mcp-session-id'] === undefined) return json(res, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'no' } }, 400);
    if (seen.method === 'GET') return void res.writeHead(405).end();
    if (seen.json['id'] === undefined) return void res.writeHead(202).end();
    if (method === 'tools/call') {
      sse(res);
      return void setTimeout(() => res.end(`data: ${JSON.stringify(result(seen))}\n\n`), 300);
    }
    json(res, result(seen, {}));
  };
}

describe('the era of a server', () => {
  test.each([401, 403, 408, 429, 500, 503])('%i to server/discover says nothing about it: initialize is not tried', async (status) => {
    const server = await canned((_seen, res) => void res.writeHead(status).end());
    const one = to(server);
    await expect(one.upstream.request('tools/list', '{}', asking())).rejects.toMatchObject({ name: 'UpstreamFault', refusal: { effect: 'none' } });
    expect(one.upstream.era()).toBeNull();
    expect(server.seen.filter((seen) => seen.json['method'] === 'initialize')).toHaveLength(0);
  });
  test('nor does a 500 that speaks JSON-RPC', async () => {
    const server = await canned((seen, res) => json(res, failure(seen, -32601), 500));
    const one = to(server);
    await expect(one.upstream.request('tools/list', '{}', asking())).rejects.toMatchObject({ refusal: { effect: 'none' } });
    expect(one.upstream.era()).toBeNull();
    expect(server.seen.filter((seen) => seen.json['method'] === 'initialize')).toHaveLength(0);
  });
  test('nor does a broken or a refused connection', async () => {
    const server = await canned((_seen, res) => void res.destroy());
    const one = to(server);
    await expect(one.upstream.request('tools/list', '{}', asking())).rejects.toMatchObject({ refusal: { effect: 'none' } });
    expect(one.upstream.era()).toBeNull();
    expect(server.seen.filter((seen) => seen.json['method'] === 'initialize')).toHaveLength(0);
    const away = upstreamTo('http://127.0.0.1:1/mcp');
    open.push(away.close);
    await expect(away.upstream.request('tools/list', '{}', asking())).rejects.toMatchObject({ refusal: { code: 'dispatch.unavailable', effect: 'none' } });
    expect(away.upstream.era()).toBeNull();
  });
  test('initialize answered 400, 404 or 405 and not in JSON-RPC is told apart: it may be HTTP+SSE', async () => {
    for (const status of [400, 404, 405]) {
      const one = to(await canned((_seen, res) => void res.writeHead(status, { 'content-type': 'text/plain' }).end('no')));
      await expect(one.upstream.request('tools/list', '{}', asking())).rejects.toBeInstanceOf(NoStreamableHttp);
    }
    const speaking = to(await canned((seen, res) => json(res, { jsonrpc: '2.0', id: seen.json['id'], error: { code: -32600, message: 'no' } }, 400)));
    await expect(speaking.upstream.request('tools/list', '{}', asking())).rejects.not.toBeInstanceOf(NoStreamableHttp);
    const guarded = to(await canned((_seen, res) => void res.writeHead(401).end()));
    await expect(guarded.upstream.request('tools/list', '{}', asking())).rejects.not.toBeInstanceOf(NoStreamableHttp);
  });
});

describe('asked again', () => {
  const FAST = { era_refresh_ms: 100 };
  test('it is dated anew, its sessions and streams stay, and nobody hears of it', async () => {
    const server = await oldServer((seen, res) => json(res, result(seen)));
    const one = to(server, {}, FAST);
    const heard: Change[] = [];
    one.upstream.onChanged((change) => heard.push(change));
    one.upstream.start();
    await until(() => server.streams.size === 1);
    const [stream] = server.streams.keys();
    const first = one.upstream.info()?.askedAt ?? 0;
    await until(() => server.calls('server/discover').length >= 6);
    await until(() => (one.upstream.info()?.askedAt ?? 0) > first);
    await until(() => server.sessions.size <= 2); // those of the probes are ended
    expect(server.sessions.has(String(stream))).toBe(true);
    expect(server.streams.size).toBe(1);
    expect(heard).toEqual(['connected']);
  });
  test('another era is taken up, logged and announced; calls that run come to their end', async () => {
    const era = { now: 'legacy' as 'legacy' | 'modern', name: 'x' };
    const server = await canned(turncoat(era));
    const one = to(server, {}, FAST);
    const heard: Change[] = [];
    one.upstream.onChanged((change) => heard.push(change));
    one.upstream.start();
    await until(() => one.upstream.state().ok);
    const running = one.upstream.request('tools/call', '{"name":"x"}', asking());
    await until(() => server.seen.some((seen) => seen.json['method'] === 'tools/call'));
    era.now = 'modern';
    await until(() => one.upstream.era() === 'modern');
    await expect(running).resolves.toMatchObject({ error: null });
    expect(one.logs.some((line) => line.startsWith('server changed its era') && line.includes('"from":"legacy","to":"modern"'))).toBe(true);
    expect(heard).toEqual(['connected', 'connected']);
    // Its session is ended, but not before the call that ran in it.
    const called = server.seen.find((seen) => seen.json['method'] === 'tools/call') as Seen;
    await until(() => server.seen.some((seen) => seen.method === 'DELETE' && seen.headers['mcp-session-id'] === called.headers['mcp-session-id']));
    era.now = 'legacy';
    await until(() => one.upstream.era() === 'legacy');
  });
  test('what it says about itself has changed: announced', async () => {
    const era = { now: 'modern' as const, name: 'one' };
    const one = to(await canned(turncoat(era)), {}, FAST);
    const heard: Change[] = [];
    one.upstream.onChanged((change) => heard.push(change));
    one.upstream.start();
    await until(() => one.upstream.info()?.serverInfo['name'] === 'one');
    era.name = 'two';
    await until(() => one.upstream.info()?.serverInfo['name'] === 'two');
    expect(heard).toEqual(['connected', 'connected']);
  });
  test('silence and faults change nothing', async () => {
    const era: { now: 'legacy' | 'modern' | number; name: string } = { now: 'modern', name: 'x' };
    const server = await canned(turncoat(era));
    const one = to(server, {}, FAST);
    one.upstream.start();
    await until(() => one.upstream.state().ok);
    for (const status of [503, 401, 429]) {
      era.now = status;
      const { length } = server.seen;
      await until(() => server.seen.length > length + 1);
      expect(one.upstream.era()).toBe('modern');
      expect(one.upstream.state().ok).toBe(true);
    }
    await one.upstream.close();
    await pause(20);
    const { length } = server.seen;
    await pause(250);
    expect(server.seen).toHaveLength(length); // nothing goes on after the end
  });
});

describe('headers that repeat the body', () => {
  const tool = (header: string): object => ({ name: 'x', inputSchema: { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': header } } } });
  test('-32020: the tools are read again, and the call is made once more with what they want now', async () => {
    let wants = 'region';
    const server = await newServer((seen, res) => {
      const { method, params } = seen.json;
      if (method === 'tools/list') {
        const isFirst = (params as { cursor?: string }).cursor === undefined;
        return json(res, result(seen, { resultType: 'complete', tools: isFirst ? [{ name: 'other', inputSchema: {} }] : [tool(wants)], ...(isFirst ? { nextCursor: 'p2' } : {}) }));
      }
      if (seen.headers[`mcp-param-${wants}`] !== 'eu') return json(res, failure(seen, -32020), 400);
      json(res, result(seen, { resultType: 'complete', content: [] }));
    });
    const one = to(server);
    const call = (): Promise<unknown> => one.upstream.request('tools/call', '{"name":"x","arguments":{"region":"eu"}}', asking());
    await expect(call()).resolves.toMatchObject({ error: null }); // the list was never read before
    expect(server.calls('tools/call')).toHaveLength(2);
    wants = 'zone';
    await expect(call()).resolves.toMatchObject({ error: null });
    expect(server.calls('tools/call')).toHaveLength(4);
    await call();
    expect(server.calls('tools/call')).toHaveLength(5);
    expect(server.calls('tools/list')).toHaveLength(4);
  });
  test.each<[string, Answerer]>([
    ['the list wants nothing else', (seen, res) => json(res, result(seen, { resultType: 'complete', tools: [{ name: 'x', inputSchema: {} }] }))],
    ['there is no list', (seen, res) => json(res, failure(seen, -32603), 500)],
    ['the tool is gone', (seen, res) => json(res, result(seen, { resultType: 'complete', tools: [] }))],
  ])('%s: the error goes through, and it is not sent again', async (_name, list) => {
    const server = await newServer((seen, res) => (seen.json['method'] === 'tools/list' ? list(seen, res) : json(res, failure(seen, -32020), 400)));
    const answer = await to(server).upstream.request('tools/call', '{"name":"x","arguments":{}}', asking());
    expect(answer.parsed).toMatchObject({ code: -32020 });
    expect(server.calls('tools/call')).toHaveLength(1);
  });
  test('a second refusal is the last word', async () => {
    let n = 0;
    const server = await newServer((seen, res) => (seen.json['method'] === 'tools/list' ? json(res, result(seen, { resultType: 'complete', tools: [tool(`h${++n}`)] })) : json(res, failure(seen, -32020), 400)));
    const answer = await to(server).upstream.request('tools/call', '{"name":"x","arguments":{"region":"eu"}}', asking());
    expect(answer.parsed).toMatchObject({ code: -32020 });
    expect(server.calls('tools/call')).toHaveLength(2);
  });
  test('the name of a task is repeated too', async () => {
    const server = await newServer((seen, res) => json(res, result(seen, { resultType: 'complete' })));
    await to(server).upstream.request('tasks/get', '{"taskId":"t 1"}', asking());
    expect(server.calls('tasks/get')[0]?.headers['mcp-name']).toBe('t 1');
  });
});
