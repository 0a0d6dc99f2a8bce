import { Client, StreamableHTTPClientTransport, UriTemplate } from '@modelcontextprotocol/client';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crafted, type Crafted } from '../kit/crafted.ts';
import type { Canned } from '../kit/dispatch-rig.ts';
import { startFixture, type RunningFixture } from '../kit/fixture/http.ts';
import { launch, META, records, type Launched } from '../kit/gateway.ts';
import { OPEN, openTalk, stdioFixture, until } from '../kit/scene.ts';

/** MISSION X3: many servers behind one door. Four of them, of every transport and era, one of which only one caller may use. */
const CRAFTED: Crafted = {
  'tools/list': JSON.stringify({ resultType: 'complete', ttlMs: 0, cacheScope: 'private', tools: [{ name: 'link', inputSchema: { type: 'object' }, _meta: { ui: { resourceUri: 'ui://page' } } }, { name: 'ask', inputSchema: { type: 'object' } }] }),
  'tools/call': '{"resultType":"complete", "content":[{"type":"text","text":"see file:///a"},{"uri" : "doc:\\/\\/a","name":"a","type":"resource_link","big":12345678901234567890},{"type":"resource","resource":{"uri":"ui://page","text":"<html>"},"_meta":{"ui":{},"keep":1}}],"structuredContent":{"uri":"doc://a","n":9007199254740993},"_meta":{"ui/resourceUri":"ui://page"}}',
  'prompts/list': '{"resultType":"complete","ttlMs":60000,"cacheScope":"public","prompts":[{"name":"plan","title":"Pläne","x":12345678901234567890},{"name":"not fit"}]}',
  'prompts/get': (params) => JSON.stringify({ resultType: 'complete', messages: [{ role: 'user', content: { type: 'resource', resource: { uri: 'doc://a', text: `asked as ${String(params['name'])}` } } }, { role: 'user', content: { type: 'resource_link', uri: 'doc://a', name: 'a' } }] }),
  'resources/list': '{"resultType":"complete","ttlMs":5000,"cacheScope":"private","resources":[{"uri":"doc://a","name":"a","_meta":{"ui":{"csp":{}},"keep":1}},{"uri":"ui://page","name":"page"}]}',
  'resources/templates/list': '{"resultType":"complete","ttlMs":0,"cacheScope":"private","resourceTemplates":[{"uriTemplate":"doc://{x}","name":"any"},{"uriTemplate":"ui://{x}","name":"page"}]}',
  'resources/read': (params) => (params['uri'] === 'doc://a' ? '{"resultType":"complete","ttlMs":0,"cacheScope":"private","contents":[{"uri":"doc://a","text":"the letter a","_meta":{"ui":{"csp":{}}}}]}' : `error:${JSON.stringify({ code: -32602, message: 'no such resource', data: { uri: params['uri'] } })}`),
  'completion/complete': (params) => JSON.stringify({ resultType: 'complete', completion: { values: [JSON.stringify(params['ref'])] } }),
};

const dir = mkdtempSync(join(tmpdir(), 'sallyport-aggregate-'));
const fixtures: RunningFixture[] = [];
let odd: Canned;
let gateway: Launched;
beforeAll(async () => {
  const alpha = await startFixture();
  const hidden = await startFixture();
  const old = await startFixture({ eras: ['legacy'] });
  fixtures.push(alpha, hidden, old);
  odd = await crafted(CRAFTED);
  gateway = await launch({
    config: {
      limit: OPEN.limit,
      dispatch: { list_wait_ms: 2_000, servers: {
        pipe: stdioFixture(join(dir, 'log')), alpha: { url: alpha.url, allow_loopback: true }, odd: { url: odd.url, allow_loopback: true },
        'old-1': { url: old.url, allow_loopback: true }, hidden: { url: hidden.url, allow_loopback: true },
      } },
      authorize: { rules: [
        { id: 'all', effect: 'allow', callers: ['all'], servers: ['*'], classes: ['read', 'write', 'external', 'destructive', 'admin'], require_confirmation: false },
        { id: 'some', effect: 'allow', callers: ['some'], servers: ['pipe', 'alpha', 'odd', 'old-1'], classes: ['read', 'write', 'external', 'destructive', 'admin'], require_confirmation: false },
        { id: 'no-prompts', effect: 'deny', callers: ['some'], servers: ['pipe'], methods: ['prompts/get'] },
      ] },
    },
    keys: { all: [], some: [], nobody: [] },
  });
  await until('all servers answer', 20_000, async () => {
    const { body } = await gateway.modern('all', '/mcp', 'tools/list', {});
    return ['pipe', 'alpha', 'odd', 'old-1', 'hidden'].every((server) => (body.result.tools as { name: string }[]).some(({ name }) => name.startsWith(`${server}__`)));
  });
});
afterAll(async () => {
  await gateway.stop();
  gateway.clean();
  await Promise.all([...fixtures.map((one) => one.close()), odd.close()]);
  rmSync(dir, { recursive: true, force: true });
});

const connect = async (mode: 'modern' | 'legacy', key: string): Promise<Client> => {
  const client = new Client({ name: 'test', version: '1' }, mode === 'modern' ? { versionNegotiation: { mode: { pin: '2026-07-28' } } } : {});
  await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`), { requestInit: { headers: { 'x-api-key': gateway.keys[key] as string } } }));
  return client;
};
const STATIC = ['test://static-text', 'test://static-binary', 'test://watched-resource'];

describe.each(['modern', 'legacy'] as const)('an official client, %s', (mode) => {
  it('is offered what the gateway carries, in the gateway’s own words', async () => {
    const client = await connect(mode, 'some');
    expect(client.getServerCapabilities()).toEqual({ tools: { listChanged: true }, prompts: { listChanged: true }, resources: { subscribe: true, listChanged: true }, completions: {}, logging: {} });
    expect(client.getInstructions()).toContain('`server__name`');
    expect(client.getInstructions()).not.toContain('Always call me first');
    expect(client.getServerVersion()?.name).toBe('sallyport');
    await client.close();
  });
  it('sees the lists of all its servers as one, in order', async () => {
    const client = await connect(mode, 'some');
    const { resources } = await client.listResources();
    expect(resources.map(({ uri }) => uri)).toEqual([...STATIC.map((uri) => `sp.alpha+${uri}`), 'sp.odd+doc://a', ...STATIC.map((uri) => `sp.old-1+${uri}`), ...STATIC.map((uri) => `sp.pipe+${uri}`)]);
    expect((await client.listResourceTemplates()).resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual(['sp.alpha+test://template/{id}/data', 'sp.odd+doc://{x}', 'sp.old-1+test://template/{id}/data', 'sp.pipe+test://template/{id}/data']);
    const prompts = (await client.listPrompts()).prompts.map(({ name }) => name);
    expect(prompts.filter((name) => name.endsWith('simple_prompt') || name.startsWith('odd'))).toEqual(['alpha__test_simple_prompt', 'odd__plan', 'old-1__test_simple_prompt']); // pipe: it may not get them
    await client.close();
  });
  it('reads what is listed, and what a template expands to', async () => {
    const client = await connect(mode, 'some');
    for (const server of ['alpha', 'old-1', 'pipe']) {
      expect((await client.readResource({ uri: `sp.${server}+test://static-text` })).contents).toEqual([{ uri: `sp.${server}+test://static-text`, mimeType: 'text/plain', text: 'Text of a static resource.' }]);
      const uri = new UriTemplate(`sp.${server}+test://template/{id}/data`).expand({ id: 'a b' });
      expect(uri).toBe(`sp.${server}+test://template/a%20b/data`);
      expect((await client.readResource({ uri })).contents).toMatchObject([{ uri }]);
    }
    await client.close();
  });
  it('gets prompts and completions under the servers’ own names', async () => {
    const client = await connect(mode, 'some');
    const { messages } = await client.getPrompt({ name: 'odd__plan' });
    expect(messages).toMatchObject([{ content: { resource: { uri: 'sp.odd+doc://a', text: 'asked as plan' } } }, { content: { type: 'resource_link', uri: 'sp.odd+doc://a' } }]);
    expect((await client.getPrompt({ name: 'old-1__test_prompt_with_arguments', arguments: { arg1: '1', arg2: '2' } })).messages).toMatchObject([{ content: { text: "arg1='1', arg2='2'" } }]);
    const complete = async (ref: { type: 'ref/prompt'; name: string } | { type: 'ref/resource'; uri: string }): Promise<unknown> => JSON.parse((await client.complete({ ref, argument: { name: 'x', value: 'y' } })).completion.values[0] ?? '');
    expect(await complete({ type: 'ref/prompt', name: 'odd__plan' })).toEqual({ type: 'ref/prompt', name: 'plan' });
    expect(await complete({ type: 'ref/resource', uri: 'sp.odd+doc://{x}' })).toEqual({ type: 'ref/resource', uri: 'doc://{x}' });
    await client.close();
  });
  it('can follow the links in results', async () => {
    const client = await connect(mode, 'some');
    const { content } = await client.callTool({ name: 'odd__link', arguments: {} });
    const link = (content as { type: string; uri: string }[]).find(({ type }) => type === 'resource_link');
    expect(link?.uri).toBe('sp.odd+doc://a');
    expect((await client.readResource({ uri: link?.uri ?? '' })).contents).toEqual([{ uri: 'sp.odd+doc://a', text: 'the letter a', _meta: {} }]);
    await client.close();
  });
  it('learns of no server it may not use, and cannot tell it from none', async () => {
    const client = await connect(mode, 'some');
    const lists = await Promise.all([client.listTools(), client.listPrompts(), client.listResources(), client.listResourceTemplates()]);
    expect(JSON.stringify(lists)).not.toContain('hidden');
    const said = (act: Promise<unknown>): Promise<string> => act.then(() => 'answered', (error: Error) => error.message);
    expect(await said(client.readResource({ uri: 'sp.hidden+test://static-text' }))).toBe(await said(client.readResource({ uri: 'sp.nowhere+test://static-text' })));
    expect(await said(client.readResource({ uri: 'test://static-text' }))).toBe(await said(client.readResource({ uri: 'sp.nowhere+test://static-text' })));
    expect(await said(client.getPrompt({ name: 'hidden__test_simple_prompt' }))).toBe(await said(client.getPrompt({ name: 'nowhere__test_simple_prompt' })));
    const all = await connect(mode, 'all');
    expect(JSON.stringify(await all.listResources())).toContain('sp.hidden+');
    const nobody = await connect(mode, 'nobody');
    expect([(await nobody.listResources()).resources, (await nobody.listPrompts()).prompts, (await nobody.listTools()).tools]).toEqual([[], [], []]);
    await Promise.all([client.close(), all.close(), nobody.close()]);
  });
});

describe('byte for byte', () => {
  const result = (text: string): string => /"result":(\{.*\})\}$/s.exec(text)?.[1] ?? text;
  it('a list changes its names and loses its pages, nothing else', async () => {
    expect(result((await gateway.modern('some', '/mcp', 'prompts/list', {})).text)).toContain('{"name":"odd__plan","title":"Pläne","x":12345678901234567890}');
    expect(result((await gateway.modern('some', '/mcp', 'resources/list', {})).text)).toContain('{"uri":"sp.odd+doc://a","name":"a","_meta":{"keep":1}}');
    for (const method of ['resources/list', 'resources/templates/list', 'tools/list']) expect((await gateway.modern('some', '/mcp', method, {})).text).not.toMatch(/ui:\/\/|"ui"|not fit/);
  });
  it('a result changes the URIs that are URIs, nothing else', async () => {
    const want = '{"resultType":"complete", "content":[{"type":"text","text":"see file:///a"},{"uri" : "sp.odd+doc:\\/\\/a","name":"a","type":"resource_link","big":12345678901234567890},{"type":"resource","resource":{"uri":"sp.odd+ui://page","text":"<html>"},"_meta":{"keep":1}}],"structuredContent":{"uri":"doc://a","n":9007199254740993},"_meta":{}}';
    expect(result((await gateway.modern('some', '/mcp', 'tools/call', { name: 'odd__link', arguments: {} })).text)).toBe(want);
    expect((await gateway.tool('some', 'odd__link', {})).text).toContain(`"result":${want},`);
    expect(result((await gateway.modern('some', '/s/odd/mcp', 'tools/call', { name: 'link', arguments: {} })).text)).toBe(CRAFTED['tools/call']);
  });
  it('what is not there is told under the name it was asked by', async () => {
    expect((await gateway.modern('some', '/mcp', 'resources/read', { uri: 'sp.odd+doc://b' })).body.error).toMatchObject({ message: 'no such resource', data: { uri: 'sp.odd+doc://b' } });
  });
});

describe('what changes at one server', () => {
  const LISTEN = { notifications: { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true } };
  it.each(['modern', 'legacy'] as const)('is heard at the aggregate, %s', async (mode) => {
    const heard: string[] = [];
    const stop = new AbortController();
    const key = gateway.keys['some'] as string;
    const common = { accept: 'application/json, text/event-stream', 'x-api-key': key };
    const stream = mode === 'modern'
      ? await fetch(`${gateway.url}/mcp`, {
        method: 'POST', signal: stop.signal, headers: { ...common, 'content-type': 'application/json', 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'subscriptions/listen' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 'l', method: 'subscriptions/listen', params: { ...LISTEN, _meta: META } }),
      })
      : await fetch(`${gateway.url}/mcp`, { headers: { ...(await openTalk(gateway, 'some', '/mcp')).headers, ...common, accept: 'text/event-stream' }, signal: stop.signal });
    const reading = (async () => {
      for await (const chunk of stream.body as unknown as AsyncIterable<Uint8Array>) heard.push(new TextDecoder().decode(chunk));
    })().catch(() => undefined);
    if (mode === 'modern') {
      await until('it is acknowledged', 5_000, () => heard.join('').includes('acknowledged'));
      expect(heard.join('')).toContain(JSON.stringify(LISTEN.notifications));
    }
    await gateway.modern('some', '/mcp', 'tools/call', { name: 'alpha__test_trigger_prompt_change', arguments: {} });
    await until('prompts have changed', 5_000, () => heard.join('').includes('notifications/prompts/list_changed'));
    stop.abort();
    await reading;
  });
});

it('the same call is judged and recorded alike at either door', async () => {
  const seen = async (key: string, path: string, method: string, params: object): Promise<unknown> => {
    const { status, headers } = await gateway.modern(key, path, method, params);
    const id = headers.get('x-correlation-id');
    const [record] = (await records(gateway.data)).filter((one) => one['correlation_id'] === id && one['decision'] !== null).slice(-1);
    return [status, ...['mcp_server', 'tool', 'tool_risk', 'decision', 'reason_code', 'policy_ids', 'success'].map((field) => record?.[field])];
  };
  for (const [key, server, method, own, shown] of [
    ['some', 'alpha', 'prompts/get', { name: 'test_simple_prompt' }, { name: 'alpha__test_simple_prompt' }],
    ['some', 'pipe', 'prompts/get', { name: 'test_simple_prompt' }, { name: 'pipe__test_simple_prompt' }],
    ['nobody', 'alpha', 'resources/read', { uri: 'test://static-text' }, { uri: 'sp.alpha+test://static-text' }],
    ['some', 'hidden', 'completion/complete', { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'x', value: '' } }, { ref: { type: 'ref/prompt', name: 'hidden__p' }, argument: { name: 'x', value: '' } }],
    ['some', 'odd', 'completion/complete', { ref: { type: 'ref/resource', uri: 'doc://{x}' }, argument: { name: 'x', value: '' } }, { ref: { type: 'ref/resource', uri: 'sp.odd+doc://{x}' }, argument: { name: 'x', value: '' } }],
  ] as const) {
    const [a, b] = [await seen(key, `/s/${server}/mcp`, method, own), await seen(key, '/mcp', method, shown)];
    expect(a).toContain(server);
    expect(b).toEqual(a);
  }
});

describe('withheld', () => {
  it.each([
    ['a page', 'resources/read', { uri: 'sp.odd+ui://page' }, 200, -32602], ['tasks', 'tasks/get', { taskId: 'x' }, 404, -32601], ['what is not known', 'x/new', {}, 404, -32601],
    ['cursors', 'prompts/list', { cursor: '' }, 200, -32602], ['cursors of resources', 'resources/list', { cursor: 'x' }, 200, -32602],
  ])('%s', async (_, method, params, status, code) => {
    const answer = await fetch(`${gateway.url}/mcp`, {
      method: 'POST', headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'x-api-key': gateway.keys['all'] as string, 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, ...('uri' in params ? { 'mcp-name': params.uri } : 'taskId' in params ? { 'mcp-name': params.taskId } : {}) },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} } } }),
    });
    expect([answer.status, ((await answer.json()) as { error: { code: number } }).error.code]).toEqual([status, code]);
  });
});

describe('one server goes away', () => {
  it('the others are listed, and those who may use it are told', async () => {
    const doomed = fixtures[2] as RunningFixture; // old-1
    await doomed.close();
    await until('its absence is noticed', 15_000, async () => (await gateway.modern('some', '/mcp', 'tools/list', {})).text.includes('sallyport/unavailable'));
    const gone = [{ server: 'old-1', cause: 'not reachable' }];
    for (const [method, member] of [['resources/list', 'resources'], ['resources/templates/list', 'resourceTemplates'], ['prompts/list', 'prompts']] as const) {
      const { body } = await gateway.modern('some', '/mcp', method, {});
      expect(body.result).toMatchObject({ _meta: { 'sallyport/unavailable': gone }, ttlMs: 0, cacheScope: 'private' });
      expect(JSON.stringify(body.result[member])).toContain('alpha');
      expect(JSON.stringify(body.result[member])).not.toContain('old-1');
    }
    const legacy = await (await openTalk(gateway, 'some', '/mcp')).send({ id: 1, method: 'resources/list' });
    expect(legacy.body.result['_meta']).toEqual({ 'sallyport/unavailable': gone });
    for (const method of ['tools/list', 'prompts/list', 'resources/list']) expect((await gateway.modern('nobody', '/mcp', method, {})).text).not.toContain('old-1');
    expect((await gateway.modern('some', '/mcp', 'tools/list', {})).body.result._meta).toEqual({ 'sallyport/unavailable': gone });
  });
});
