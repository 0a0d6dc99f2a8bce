import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startFixture, type RunningFixture } from '../kit/fixture/http.ts';
import { cli, launch, records, type Launched } from '../kit/gateway.ts';
import { hello, openChannel, postTo, type OldClient } from '../kit/old-client.ts';
import { OPEN, until } from '../kit/scene.ts';

let fixture: RunningFixture;
let modern: RunningFixture;
let gateway: Launched;
const open: { close: () => unknown }[] = [];
beforeAll(async () => {
  fixture = await startFixture({ eras: ['legacy'] });
  modern = await startFixture({ eras: ['modern'] });
  gateway = await launch({
    config: {
      ...OPEN,
      resolve: { max_sessions_per_principal: 5 },
      receive: { max_buffered_bytes: 65_536 },
      dispatch: { servers: { fixture: { url: fixture.url, allow_loopback: true }, modern: { url: modern.url, allow_loopback: true } } },
    },
    keys: { alice: [], bob: [], leaving: [] },
  });
  await until('the servers answer', 10_000, async () => (await gateway.tool('alice', 'fixture__echo', {})).status === 200 && (await gateway.tool('alice', 'modern__echo', {})).status === 200);
});
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});
afterAll(async () => {
  await gateway.stop('SIGKILL');
  gateway.clean();
  await fixture.close();
  await modern.close();
});

const as = (key: string): Record<string, string> => ({ 'x-api-key': gateway.keys[key] as string });
async function channel(path: string, key = 'alice'): Promise<OldClient> {
  const client = await openChannel(gateway.url + path, as(key));
  open.push(client);
  return client;
}
const greeted = async (path: string, key = 'alice'): Promise<OldClient> => {
  const client = await channel(path, key);
  await client.ask('hello', 'initialize', hello());
  await client.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
  return client;
};
const call = (id: number | string, name: string, args: object, meta?: object): object => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) } });
const ran = (name: string, at: RunningFixture = fixture): number => at.ran.filter(([tool]) => tool === name).length;

describe('a client of 2024-11-05', () => {
  it.each([['/mcp', 'fixture__echo'], ['/s/fixture/mcp', 'echo'], ['/s/modern/mcp', 'echo']])('at %s: handshake, ping, list, call', async (path, tool) => {
    const client = await channel(path);
    expect(client.endpoint).toMatch(/^(\/s\/(?:fixture|modern))?\/sse\/[A-Za-z0-9_-]{43}$/);
    expect(client.endpoint.startsWith(path.replace('/mcp', '/sse/'))).toBe(true);
    expect(client.res.headers).toMatchObject({ 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    expect(client.res.headers['mcp-session-id']).toBeUndefined();
    const welcome = await client.ask(0, 'initialize', hello());
    expect(welcome['result']).toMatchObject({ protocolVersion: '2024-11-05' });
    const initialized = await client.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
    expect(initialized).toMatchObject({ status: 202, text: '' });
    expect(initialized.headers['mcp-session-id']).toBeUndefined();
    expect((await client.ask('p', 'ping'))['result']).toEqual({});
    expect((await client.ask(1, 'tools/list'))['result'].tools.map((one: { name: string }) => one.name)).toContain(tool);
    const answer = await client.ask(2, 'tools/call', { name: tool, arguments: { text: 'old', number: 7 } });
    expect(JSON.parse(answer['result'].content[0].text)).toEqual({ text: 'old', number: 7 });
    expect(client.messages()).toHaveLength(4);
  });
  it('leaves the same records as any other', async () => {
    const client = await greeted('/s/fixture/mcp');
    const sent = await client.send(call(9, 'echo', { text: 'recorded' }));
    await until('the answer', 5_000, () => client.messages().some(({ id }) => id === 9));
    const kept = await records(gateway.data, '--id', String(sent.headers['x-correlation-id']));
    expect(kept.map((one) => one['event'])).toEqual(['call.intended', 'call.finished']);
    expect(kept[1]).toMatchObject({ tool: 'echo', caller_id: 'key:alice' });
  });
  it.each([['2025-03-26', '2025-03-26'], ['2025-11-25', '2025-11-25'], ['1999-01-01', '2024-11-05']])('asks for %s and gets %s', async (asked, got) => {
    const client = await channel('/mcp');
    expect((await client.ask(0, 'initialize', hello(asked)))['result'].protocolVersion).toBe(got);
    expect((await client.send({ jsonrpc: '2.0', id: 1, method: 'ping' }, { headers: { 'mcp-protocol-version': got } })).status).toBe(202);
  });
  it('hears progress on the channel, before the answer', async () => {
    for (const path of ['/s/fixture/mcp', '/s/modern/mcp']) {
      const client = await greeted(path);
      await client.send(call(3, 'test_tool_with_progress', {}, { progressToken: 'mine' }));
      await until('the answer', 5_000, () => client.messages().some(({ id }) => id === 3));
      const [, ...rest] = client.messages();
      expect(rest.map((message) => message['params']?.progressToken ?? message['id'])).toEqual(['mine', 'mine', 'mine', 3]);
      client.close();
    }
  });
  it('is told on the channel what is refused, so that its POSTs go on', async () => {
    const client = await greeted('/s/fixture/mcp');
    expect((await client.ask(4, 'tools/call', { name: 'nothing', arguments: {} }))['error'].code).toBe(-32602);
    expect((await client.ask(5, 'no/such'))['error'].code).toBe(-32601);
  });
  it('gets its 202 long before a slow answer', async () => {
    const client = await greeted('/s/fixture/mcp');
    const start = performance.now();
    expect((await client.send(call(6, 'slow', { ms: 1500 }))).status).toBe(202);
    expect(performance.now() - start).toBeLessThan(450);
    await until('the answer', 5_000, () => client.messages().some(({ id }) => id === 6));
  });
  it.each([['/s/fixture/mcp', 'test_elicitation'], ['/s/modern/mcp', 'test_input_required_result_elicitation']])('at %s is asked on the channel, and answers by POST', async (path, tool) => {
    const client = await channel(path);
    await client.ask(0, 'initialize', hello('2025-06-18', { elicitation: {} }));
    await client.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
    await client.send(call(8, tool, tool === 'test_elicitation' ? { message: 'Who?' } : {}));
    const asked = (): Record<string, any> | undefined => client.messages().find((message) => message['method'] === 'elicitation/create');
    await until('the question', 5_000, () => asked() !== undefined);
    expect((await client.send({ jsonrpc: '2.0', id: asked()?.['id'], result: { action: 'accept', content: { name: 'Ada', response: 'Ada' } } })).status).toBe(202);
    await until('the answer', 5_000, () => client.messages().some(({ id, result }) => id === 8 && result !== undefined));
    expect(client.text()).toContain('Ada');
  });
  it('cancels by notification', async () => {
    const before = ran('slow cancelled');
    const client = await greeted('/s/fixture/mcp');
    await client.send(call(7, 'slow', { ms: 30_000 }));
    await client.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } });
    await until('the server hears of it', 5_000, () => ran('slow cancelled') > before);
  });
});

describe('the official SSE client', () => {
  it.each(['/mcp', '/s/fixture/mcp', '/s/modern/mcp'])('works at %s', async (path) => {
    const client = new Client({ name: 'v1', version: '1' }, { capabilities: {} });
    open.push(client);
    await client.connect(new SSEClientTransport(new URL(gateway.url + path), { requestInit: { headers: as('alice') } }));
    const prefix = path === '/mcp' ? 'fixture__' : '';
    expect((await client.listTools()).tools.length).toBeGreaterThan(5);
    const heard: number[] = [];
    await client.callTool({ name: `${prefix}test_tool_with_progress`, arguments: {} }, undefined, { onprogress: ({ progress }) => void heard.push(progress) });
    expect(heard).toEqual([0, 50, 100]);
    const many = await Promise.all(Array.from({ length: 20 }, (_, number) => client.callTool({ name: `${prefix}echo`, arguments: { number } })));
    expect(many.map((one) => JSON.parse((one.content as { text: string }[])[0]!.text).number)).toEqual(Array.from({ length: 20 }, (_, number) => number));
    await expect(client.callTool({ name: 'nothing', arguments: {} })).rejects.toThrow(/-32602/);
    expect(await client.ping()).toEqual({});
  });
});

describe('whose channel it is', () => {
  it('a wrong key is answered 401, whether there is such a channel or not', async () => {
    const client = await greeted('/s/fixture/mcp');
    for (const path of [client.endpoint, `/s/fixture/sse/${'A'.repeat(43)}`]) {
      const { status, headers } = await client.send({ jsonrpc: '2.0', id: 1, method: 'ping' }, { path, headers: { 'x-api-key': 'sp_wrong' } });
      expect([status, headers['www-authenticate']]).toEqual([401, expect.stringContaining('Bearer')]);
    }
    expect((await postTo(gateway.url + client.endpoint, { jsonrpc: '2.0', id: 1, method: 'ping' }, {})).status).toBe(401);
    expect(client.messages()).toHaveLength(1);
  });
  it('another caller’s, another endpoint’s and a made-up one are the same unknown session', async () => {
    const client = await greeted('/s/fixture/mcp');
    const before = ran('echo');
    const message = call(1, 'echo', {});
    const id = client.endpoint.slice(-43);
    const answers = await Promise.all([
      client.send(message, { headers: as('bob') }),
      client.send(message, { path: `/sse/${id}` }),
      client.send(message, { path: `/s/modern/sse/${id}` }),
      client.send(message, { path: `/s/fixture/sse/${'A'.repeat(43)}`, headers: as('bob') }),
      client.send([message], { headers: as('bob') }),
      client.send({ jsonrpc: '2.0', id: 1, method: 'initialize', params: hello() }, { headers: as('bob') }),
    ]);
    expect(answers.map(({ status, text }) => [status, JSON.parse(text).error.data.code])).toEqual(answers.map(() => [404, 'resolve.unknown_session']));
    expect((await client.send({ jsonrpc: '2.0', method: 'notifications/initialized' }, { headers: as('bob') })).status).toBe(404);
    expect(client.messages()).toHaveLength(1);
    expect(ran('echo')).toBe(before);
  });
  it('its id opens nothing else, and a session’s id is no channel', async () => {
    const client = await greeted('/s/fixture/mcp');
    const id = client.endpoint.slice(-43);
    const headers = { ...as('alice'), 'mcp-session-id': id, accept: 'application/json, text/event-stream' };
    expect((await postTo(`${gateway.url}/s/fixture/mcp`, { jsonrpc: '2.0', id: 1, method: 'ping' }, headers)).status).toBe(404);
    expect((await fetch(`${gateway.url}/s/fixture/mcp`, { method: 'DELETE', headers })).status).toBe(404);
    const session = await gateway.post('/s/fixture/mcp', { jsonrpc: '2.0', id: 1, method: 'initialize', params: hello('2025-11-25') }, as('alice'));
    expect((await postTo(`${gateway.url}/s/fixture/sse/${session.headers.get('mcp-session-id')}`, { jsonrpc: '2.0', id: 1, method: 'ping' }, as('alice'))).status).toBe(404);
  });
});

describe('the end of a channel', () => {
  it('cancels what runs in it, and then it is unknown', async () => {
    const before = [ran('slow', fixture), ran('slow cancelled', fixture), ran('slow', modern), ran('slow cancelled', modern)] as const;
    const clients = await Promise.all([greeted('/s/fixture/mcp'), greeted('/s/modern/mcp')]);
    for (const client of clients) await client.send(call(1, 'slow', { ms: 30_000 }));
    await until('they run', 5_000, () => ran('slow', fixture) > before[0] && ran('slow', modern) > before[2]);
    for (const client of clients) client.close();
    await until('the servers hear of it', 5_000, () => ran('slow cancelled', fixture) > before[1] && ran('slow cancelled', modern) > before[3]);
    for (const client of clients) expect((await client.send({ jsonrpc: '2.0', id: 2, method: 'ping' })).status).toBe(404);
  });
  it('comes with the revocation of its key', async () => {
    const client = await greeted('/s/fixture/mcp', 'leaving');
    const before = ran('slow cancelled');
    const started = ran('slow');
    await client.send(call(1, 'slow', { ms: 30_000 }));
    await until('it runs', 5_000, () => ran('slow') > started);
    expect((await cli(['key', 'revoke', 'leaving', '--data', gateway.data])).code).toBe(0);
    await until('the stream ends', 3_000, () => client.ended());
    await until('the server hears of it', 5_000, () => ran('slow cancelled') > before);
    expect((await client.send({ jsonrpc: '2.0', id: 2, method: 'ping' })).status).toBe(401);
  });
  it('comes to the idlest when a caller opens too many', async () => {
    const clients: OldClient[] = [];
    for (let i = 0; i < 6; i++) clients.push(await channel('/mcp', 'bob'));
    await until('one has ended', 3_000, () => clients.some((client) => client.ended()));
    expect(clients.filter((client) => client.ended())).toHaveLength(1);
  });
  it('comes to a reader that does not read', async () => {
    const client = await greeted('/s/fixture/mcp');
    client.pause();
    for (let id = 1; id <= 40; id++) {
      const { status } = await client.send(call(id, 'large', { bytes: 500_000 }));
      if (status === 404) break;
    }
    await until('it is unknown', 10_000, async () => (await client.send({ jsonrpc: '2.0', id: 99, method: 'ping' })).status === 404);
  });
});

describe('GET', () => {
  const get = (headers: Record<string, string>): Promise<Response> => fetch(`${gateway.url}/mcp`, { headers: { ...as('alice'), accept: 'text/event-stream', ...headers } });
  it.each([['2025-11-25', 400, 'receive.session_required'], ['2025-03-26', 400, 'receive.session_required'], ['2026-07-28', 405, 'receive.method']])('of %s without a session is answered as ever', async (version, status, code) => {
    const answer = await get({ 'mcp-protocol-version': version });
    expect([answer.status, ((await answer.json()) as any).error.data.code]).toEqual([status, code]);
  });
  it('that would resume something is no new channel', async () => {
    expect((await get({ 'last-event-id': 'x' })).status).toBe(400);
    expect((await get({ 'mcp-session-id': 'x' })).status).toBe(404);
  });
  it('needs a key and a server that is there', async () => {
    await expect(openChannel(`${gateway.url}/mcp`, { 'x-api-key': 'sp_wrong' })).rejects.toThrow('401');
    await expect(openChannel(`${gateway.url}/s/nowhere/mcp`, as('alice'))).rejects.toThrow('404');
  });
});

describe('a batch', () => {
  const session = async (version: string, path = '/s/fixture/mcp'): Promise<Record<string, string>> => {
    const welcome = await gateway.post(path, { jsonrpc: '2.0', id: 0, method: 'initialize', params: hello(version) }, as('alice'));
    expect(welcome.body.result.protocolVersion).toBe(version);
    return { ...as('alice'), 'mcp-session-id': String(welcome.headers.get('mcp-session-id')) };
  };
  const events = (text: string): Record<string, any>[] => [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data ?? 'null') as Record<string, any>);
  const mix = (tool: string): object[] => [
    { jsonrpc: '2.0', method: 'notifications/initialized' },
    call('a', tool, { text: 'first' }),
    { jsonrpc: '2.0', id: 7, method: 'ping' },
    call(7.0 + 1, 'nothing', {}),
    { jsonrpc: '2.0', id: '7', method: 'tools/list' },
  ];
  it.each([['/s/fixture/mcp', 'echo'], ['/mcp', 'fixture__echo']])('of 2025-03-26 at %s is answered message by message', async (path, tool) => {
    const headers = await session('2025-03-26', path);
    const answer = await gateway.post(path, mix(tool), headers);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    const byId = new Map(events(answer.text).map((message) => [message['id'], message]));
    expect(new Set(byId.keys())).toEqual(new Set([7, 8, '7', 'a']));
    expect(JSON.parse(byId.get('a')?.['result'].content[0].text)).toEqual({ text: 'first' });
    expect(byId.get(7)?.['result']).toEqual({});
    expect(byId.get(8)?.['error'].code).toBe(-32602);
    expect(byId.get('7')?.['result'].tools.length).toBeGreaterThan(5);
    const kept = await records(gateway.data, '--id', String(answer.headers.get('x-correlation-id')));
    expect(kept.length).toBeGreaterThan(0);
  });
  it('keeps digits and runs each call once, with its progress', async () => {
    const headers = await session('2025-03-26');
    const before = ran('echo');
    const body = `[ ${JSON.stringify(call(1, 'test_tool_with_progress', {}, { progressToken: 't' }))} ,\n {"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"text":"],[\\"{"}}}]`;
    const answer = await gateway.post('/s/fixture/mcp', body, headers);
    expect(events(answer.text).filter((message) => message['method'] === 'notifications/progress')).toHaveLength(3);
    expect(new Set(events(answer.text).map((message) => message['id']).filter(Boolean))).toEqual(new Set([1, 2]));
    expect(answer.text).not.toMatch(/^(id|retry):/m);
    expect(ran('echo')).toBe(before + 1);
  });
  it('of notifications only is accepted', async () => {
    const headers = await session('2025-03-26');
    expect(await gateway.post('/s/fixture/mcp', [{ jsonrpc: '2.0', method: 'notifications/initialized' }, { jsonrpc: '2.0', method: 'notifications/roots/list_changed' }], headers)).toMatchObject({ status: 202, text: '' });
  });
  it('is refused whole where nobody, or no session, stands behind it', async () => {
    const headers = await session('2025-03-26');
    const two = [call(1, 'echo', {}), call(2, 'echo', {})];
    const before = ran('echo');
    expect((await gateway.post('/s/fixture/mcp', two, { ...headers, 'x-api-key': 'sp_wrong' })).status).toBe(401);
    expect((await gateway.post('/s/fixture/mcp', two, { ...headers, ...as('bob') })).status).toBe(404);
    expect((await gateway.post('/s/fixture/mcp', two, as('alice'))).status).toBe(400);
    expect(ran('echo')).toBe(before);
  });
  it.each(['2025-06-18', '2025-11-25'])('is refused in a session of %s, with and without its header', async (version) => {
    const headers = await session(version);
    const before = ran('echo');
    for (const more of [{}, { 'mcp-protocol-version': version }, { 'mcp-protocol-version': '2025-03-26' }]) {
      const answer = await gateway.post('/s/fixture/mcp', [call(1, 'echo', {})], { ...headers, ...more });
      expect([answer.status, answer.body.error.data.code]).toEqual([400, 'receive.message']);
    }
    expect(ran('echo')).toBe(before);
  });
  it('on a channel is answered there', async () => {
    const client = await greeted('/s/fixture/mcp');
    expect((await client.send(mix('echo'))).status).toBe(202);
    await until('all answers', 5_000, () => client.messages().length === 5);
    expect(new Set(client.messages().map(({ id }) => id))).toEqual(new Set([7, 8, '7', 'a', 'hello']));
    const later = await channel('/s/fixture/mcp');
    await later.ask(0, 'initialize', hello('2025-06-18'));
    await later.send([{ jsonrpc: '2.0', id: 1, method: 'ping' }]);
    await until('its refusal', 5_000, () => later.messages().some((message) => message['id'] === 1 && message['error'] !== undefined));
  });
});

describe('DELETE', () => {
  it.each([['/s/fixture/mcp', 'slow', () => fixture], ['/s/modern/mcp', 'slow', () => modern], ['/mcp', 'fixture__slow', () => fixture]] as const)('at %s cancels what runs in the session', async (path, tool, at) => {
    const welcome = await gateway.post(path, { jsonrpc: '2.0', id: 0, method: 'initialize', params: hello('2025-11-25') }, as('alice'));
    const headers = { ...as('alice'), 'mcp-session-id': String(welcome.headers.get('mcp-session-id')), 'mcp-protocol-version': '2025-11-25' };
    const before = [ran('slow', at()), ran('slow cancelled', at())] as const;
    const running = gateway.post(path, call(1, tool, { ms: 30_000 }), headers);
    await until('it runs', 5_000, () => ran('slow', at()) > before[0]);
    expect((await fetch(gateway.url + path, { method: 'DELETE', headers })).status).toBe(200);
    await until('the server hears of it', 5_000, () => ran('slow cancelled', at()) > before[1]);
    expect((await running).status).toBe(200);
  });
});
