import { afterEach, describe, expect, test } from 'vitest';
import type { Answer, Journaled } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import type { Tool } from '../../call/target.ts';
import { answerOf, made, principal, rig, session, tool, until, type CallOptions, type Rig } from '../../../test/kit/dispatch-rig.ts';
import { CAPABILITIES, INSTRUCTIONS } from '../aggregate/offer.ts';
import type { Upstream } from '../upstream.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});
const resultOf = (answer: Answer): JsonObject => {
  expect(JSON.parse(answer.bytes.toString())).toEqual(answer.message);
  return answer.message?.['result'] as JsonObject;
};

const fake: Upstream = {
  name: 'files', transport: 'stdio', era: () => 'legacy', start: () => undefined, onChanged: () => undefined, state: () => ({ ok: true }), watch: async () => () => undefined, close: async () => undefined,
  request: async () => { throw new Error('nobody asks'); },
  info: () => ({ capabilities: { tools: {}, prompts: { listChanged: true }, resources: { subscribe: true }, logging: {}, tasks: {} }, serverInfo: { name: 'files', version: '9' }, instructions: 'Read me.', version: '2025-11-25', askedAt: 0 }),
};
const tools: Tool[] = [
  tool('files', 'read', { description: 'x', big: 1, _meta: { ui: { resourceUri: 'ui://x' }, keep: 1 } }),
  { ...tool('git', 'log'), definition: '{ "title":"Log", "name" : "log", "inputSchema":{"maximum":12345678901234567890} }' },
];
function room(): { r: Rig; asked: Journaled[]; version: { now: number } } {
  const asked: Journaled[] = [];
  const version = { now: 1 };
  const r = rig({ files: { command: ['x'], allow_loopback: undefined } }, {
    deps: {
      stdio: () => fake,
      visibleTools: (call) => {
        asked.push(call);
        return tools.filter((t) => call.server === null || t.server === call.server).filter((t) => call.principal.scopes.includes(t.server));
      },
      catalogVersion: () => version.now,
    },
  });
  open.push(r.close);
  return { r, asked, version };
}
const run = async (r: Rig, text: string, more: CallOptions = {}): Promise<Answer> => answerOf(await r.dispatch.stage.run(made(text, { lane: 'local', server: null, ...more }).call));
const request = (method: string, params: object = {}, id: string | number = 1): string => JSON.stringify({ jsonrpc: '2.0', id, method, params });
const all = principal('key:all', { scopes: ['files', 'git'] });

describe('tools/list', () => {
  test('at the aggregate: namespaced, otherwise byte for byte, without what binds a tool to a page of its server', async () => {
    const { r } = room();
    const answer = await run(r, request('tools/list', {}, 'l'), { principal: all });
    expect(answer.bytes.toString()).toBe('{"jsonrpc":"2.0","id":"l","result":{"tools":[{"name":"files__read","inputSchema":{"type":"object"},"description":"x","big":1,"_meta":{"keep":1}},{ "title":"Log", "name" : "git__log", "inputSchema":{"maximum":12345678901234567890} }]}}');
  });
  test('at one server: the definitions as they are; modern lists are private', async () => {
    const { r } = room();
    const answer = await run(r, request('tools/list'), { principal: all, server: 'git', era: 'modern' });
    expect(answer.bytes.toString()).toBe(`{"jsonrpc":"2.0","id":1,"result":{"tools":[${tools[1]?.definition}],"resultType":"complete","ttlMs":0,"cacheScope":"private"}}`);
  });
  test('a list that is kept is never another’s: other rights, other rules, other catalog', async () => {
    const { r, asked, version } = room();
    const some = principal('key:all', { scopes: ['files'] }); // the same id with fewer rights
    expect((resultOf(await run(r, request('tools/list'), { principal: all }))['tools'] as []).length).toBe(2);
    expect((resultOf(await run(r, request('tools/list'), { principal: { ...all } }))['tools'] as []).length).toBe(2);
    expect(asked).toHaveLength(1);
    expect((resultOf(await run(r, request('tools/list'), { principal: some }))['tools'] as []).length).toBe(1);
    version.now = 2;
    await run(r, request('tools/list'), { principal: all });
    expect(asked).toHaveLength(3);
    const stricter = made(request('tools/list'), { lane: 'local', server: null, principal: all });
    await r.dispatch.stage.run({ ...stricter.call, decision: { ...stricter.call.decision, policyVersion: '2' } });
    expect(asked).toHaveLength(4);
  });
  test('a list that is kept for one endpoint or era is never given at another', async () => {
    const { r } = room();
    const listed = async (server: string | null, era: 'modern' | 'legacy'): Promise<string> => (await run(r, request('tools/list'), { principal: all, server, era })).bytes.toString();
    const all4 = [await listed(null, 'modern'), await listed('git', 'modern'), await listed(null, 'legacy'), await listed('git', 'legacy')];
    expect(new Set(all4).size).toBe(4);
    expect(await listed('git', 'modern')).toBe(all4[1]);
  });
  test('a cursor that was never given out is refused', async () => {
    const { r } = room();
    expect((await run(r, request('tools/list', { cursor: 'x' }), { principal: all })).message).toMatchObject({ error: { code: -32602 } });
  });
});

/** What that server has, tasks never. */
const ALL = { tools: { listChanged: true }, prompts: { listChanged: true }, resources: { subscribe: true }, logging: {} };

describe('the handshake', () => {
  test.each([['2025-11-25', '2025-11-25'], ['2025-06-18', '2025-06-18'], ['2025-03-26', '2025-03-26'], ['2024-11-05', '2024-11-05'], ['1999-01-01', '2025-11-25']])('asked for %s agrees on %s', async (asked, agreed) => {
    const { r } = room();
    const answer = await run(r, request('initialize', { protocolVersion: asked, capabilities: {} }));
    expect(resultOf(answer)).toEqual({ protocolVersion: agreed, capabilities: CAPABILITIES, instructions: INSTRUCTIONS, serverInfo: { name: 'sallyport', title: 'Sallyport', version: '0.1.0' } });
    expect(answer.session).toMatchObject({ version: agreed, upstreamId: null });
    expect(r.sessions.has(answer.session?.id ?? '')).toBe(true);
  });
  test('of one server: its name, and of its capabilities what is carried', async () => {
    const { r } = room();
    const answer = await run(r, request('initialize', { protocolVersion: '2025-11-25' }), { server: 'files' });
    expect(resultOf(answer)).toMatchObject({ capabilities: ALL, serverInfo: { name: 'files' }, instructions: 'Read me.' });
    expect(Object.keys(resultOf(answer)['capabilities'] as object)).toEqual(['tools', 'prompts', 'resources', 'logging']);
  });
  test('the session that resolve prepared is the one that is kept', async () => {
    const { r } = room();
    const prepared = session(null, { version: '2025-11-25' });
    expect((await run(r, request('initialize', { protocolVersion: '2025-06-18' }), { session: prepared })).session).toMatchObject({ id: prepared.id, version: '2025-06-18' });
  });
  test('server/discover', async () => {
    const { r } = room();
    expect(resultOf(await run(r, request('server/discover'), { era: 'modern' }))).toEqual({
      resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: CAPABILITIES, instructions: INSTRUCTIONS, ttlMs: 0, cacheScope: 'private',
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'sallyport', title: 'Sallyport', version: '0.1.0' } },
    });
  });
});

test('small things', async () => {
  const { r } = room();
  expect(resultOf(await run(r, request('ping')))).toEqual({});
  expect(resultOf(await run(r, request('logging/setLevel', { level: 'info' })))).toEqual({});
  expect(await run(r, '{"jsonrpc":"2.0","method":"notifications/initialized"}')).toMatchObject({ status: 202, message: null });
  expect(await run(r, '{"jsonrpc":"2.0","id":1,"result":{}}')).toMatchObject({ status: 202 });
  expect(await run(r, request('what/ever'), { era: 'modern' })).toMatchObject({ status: 404, message: { error: { code: -32601 } } });
  const s = session(null);
  r.sessions.set(s.id, s);
  expect((await run(r, '', { kind: 'end', session: s })).status).toBe(200);
  expect(r.ended).toEqual([s.id]);
});

describe('streams', () => {
  test('a legacy GET hears that tools changed, and ends with its session', async () => {
    const { r } = room();
    const s = session(null);
    r.sessions.set(s.id, s);
    const m = made('', { kind: 'stream', lane: 'local', server: null, session: s, timeoutMs: null });
    const done = r.dispatch.stage.run(m.call);
    r.dispatch.toolsChanged('git');
    expect(m.events).toEqual([':\n\n', 'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n']);
    for (const send of s.streams) send(Buffer.from('x'));
    expect(m.events).toHaveLength(3);
    await run(r, '', { kind: 'end', session: s });
    expect(answerOf(await done)).toMatchObject({ status: 200, message: null });
    expect(s.streams.size).toBe(0);
  });
  test('subscriptions/listen acknowledges what it can tell', async () => {
    const { r } = room();
    const m = made(request('subscriptions/listen', { notifications: { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true, taskIds: ['t'] } }, 'sub'), { lane: 'local', server: null, era: 'modern', timeoutMs: null });
    const done = r.dispatch.stage.run(m.call);
    expect(m.events[0]).toContain('{"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true},"_meta":{"io.modelcontextprotocol/subscriptionId":"sub"}}');
    r.dispatch.toolsChanged(null);
    expect(m.events[1]).toContain('notifications/tools/list_changed');
    await r.dispatch.close();
    expect(answerOf(await done).message).toMatchObject({ id: 'sub', result: { resultType: 'complete', _meta: { 'io.modelcontextprotocol/subscriptionId': 'sub' } } });
  });
  test('subscriptions/listen for nothing ends at once; without a filter it is refused', async () => {
    const { r } = room();
    const none = made(request('subscriptions/listen', { notifications: {} }), { lane: 'local', server: null, era: 'modern', timeoutMs: null });
    expect(answerOf(await r.dispatch.stage.run(none.call)).event?.toString()).toContain('"resultType":"complete"');
    expect(none.events[0]).toContain('"notifications":{}');
    expect(await run(r, request('subscriptions/listen', {}), { era: 'modern' })).toMatchObject({ status: 400, message: { error: { code: -32602 } } });
  });
  test('a client that leaves frees the stream', async () => {
    const { r } = room();
    const m = made('', { kind: 'stream', lane: 'local', server: null, session: session(null), timeoutMs: null });
    const done = r.dispatch.stage.run(m.call);
    m.abort();
    answerOf(await done);
    r.dispatch.toolsChanged(null);
    await until(() => true);
    expect(m.events).toEqual([':\n\n']);
  });
});

test('time-outs: by class, by glob, the first that matches', async () => {
  const r = rig({}, { config: { timeouts: { read_ms: 1, write_ms: 2, tools: { 'git__l*': { timeout_ms: 3 }, 'git__*': { timeout_ms: 4 } } } } });
  open.push(r.close);
  expect([r.dispatch.timeoutMs('x__y', 'read'), r.dispatch.timeoutMs('x__y', 'discovery'), r.dispatch.timeoutMs('x__y', 'admin'), r.dispatch.timeoutMs('git__log', 'read'), r.dispatch.timeoutMs('git__x', 'read')]).toEqual([1, 1, 2, 3, 4]);
});
