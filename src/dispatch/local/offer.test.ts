import { afterEach, describe, expect, test } from 'vitest';
import type { Answer, Era } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import type { Tool } from '../../call/target.ts';
import { made, rig, session, tool, type CallOptions, type Rig } from '../../../test/kit/dispatch-rig.ts';
import type { DispatchDeps } from '../room.ts';
import type { Upstream } from '../upstream.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

const CAPABILITIES = {
  tools: { listChanged: false, own: 1 }, prompts: { own: 1 }, resources: { subscribe: true, listChanged: 'yes' }, completions: {}, logging: {}, tasks: { list: {} }, invented: {},
  experimental: { x: {} }, extensions: { 'io.modelcontextprotocol/tasks': {}, 'io.modelcontextprotocol/ui': { mimeTypes: ['text/html;profile=mcp-app'] } },
};
function room(era: Era, deps: Partial<DispatchDeps> = {}, said: { instructions?: string | null; serverInfo?: JsonObject; capabilities?: object | null } = {}): Rig {
  const info = said.capabilities === null ? null : { capabilities: (said.capabilities ?? CAPABILITIES) as JsonObject, serverInfo: said.serverInfo ?? { name: 'files', version: '9', own: 1 }, instructions: said.instructions ?? null, version: '', askedAt: 0 };
  const upstream: Upstream = {
    name: 's', transport: 'stdio', era: () => era, start: () => undefined, onChanged: () => undefined, state: () => ({ ok: true }), close: async () => undefined,
    request: async () => { throw new Error('nobody asks'); }, info: () => info, watch: async () => () => undefined,
  };
  const r = rig({ s: { command: ['x'], allow_loopback: undefined } }, { deps: { stdio: () => upstream, ...deps } });
  open.push(r.close);
  return r;
}
const ask = async (r: Rig, method: string, params: object = {}, more: CallOptions = {}): Promise<Answer> => {
  const done = await r.dispatch.stage.run(made(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }), { lane: 'local', ...more }).call);
  if ('stop' in done) throw new Error(JSON.stringify(done.stop));
  return done.go.answer;
};
const resultOf = (answer: Answer): JsonObject => answer.message?.['result'] as JsonObject;
const initialize = async (r: Rig): Promise<JsonObject> => resultOf(await ask(r, 'initialize', { protocolVersion: '2025-11-25' }));

describe('what an endpoint offers', () => {
  test('in the server’s own era: what it has and is carried, with members the gateway does not know; tasks never', async () => {
    expect((await initialize(room('legacy')))['capabilities']).toEqual({
      tools: { listChanged: true, own: 1 }, prompts: { own: 1 }, resources: { subscribe: true, listChanged: 'yes' }, completions: {}, logging: {},
      experimental: { x: {} }, extensions: { 'io.modelcontextprotocol/ui': { mimeTypes: ['text/html;profile=mcp-app'] } },
    });
  });
  test('across eras: only what the gateway itself translates', async () => {
    const offered = { tools: { listChanged: true }, prompts: {}, resources: { subscribe: true }, completions: {}, logging: {} };
    expect((await initialize(room('modern')))['capabilities']).toEqual(offered);
    expect(resultOf(await ask(room('legacy'), 'server/discover', {}, { era: 'modern' }))['capabilities']).toEqual(offered);
  });
  test('nothing is offered that the server lacks, and before it is known the list of tools alone', async () => {
    expect((await initialize(room('legacy', {}, { capabilities: { tools: {} } })))['capabilities']).toEqual({ tools: { listChanged: true } });
    expect(await initialize(room('legacy', {}, { capabilities: null }))).toMatchObject({ capabilities: { tools: { listChanged: true } }, serverInfo: { name: 'sallyport' } });
  });
  test('what the server says of itself goes through the screen', async () => {
    const said = { instructions: 'Read me\nfirst.' };
    expect(await initialize(room('legacy', {}, said))).toMatchObject({ instructions: said.instructions, serverInfo: { name: 'files', own: 1 } });
    const changed = await initialize(room('legacy', { screen: (block) => Buffer.from(block.toString().replace('Read', 'R3ad')) }, said));
    expect(changed).toMatchObject({ instructions: 'R3ad me\nfirst.', serverInfo: { name: 'files', own: 1 } });
    const withheld = await initialize(room('legacy', { screen: () => null }, said));
    expect(withheld).toMatchObject({ serverInfo: { name: 'sallyport' } });
    expect(withheld).not.toHaveProperty('instructions');
  });
});

describe('methods of one era only', () => {
  test.each(['initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe'])('%s is unknown since 2026-07-28', async (method) => {
    const r = room('legacy');
    expect(await ask(r, method, { protocolVersion: '2025-11-25', level: 'info', uri: 'a' }, { era: 'modern' })).toMatchObject({ status: 404, message: { error: { code: -32601 } } });
    expect(r.sessions.size).toBe(0);
  });
  test.each(['server/discover', 'subscriptions/listen'])('%s is unknown before', async (method) => {
    expect(await ask(room('legacy'), method, { notifications: { toolsListChanged: true } }, { session: session(null) })).toMatchObject({ status: 200, message: { error: { code: -32601 } } });
  });
});

test('logging/setLevel: the level is the session’s; what is no level changes nothing', async () => {
  const r = room('legacy');
  const s = session(null);
  expect(resultOf(await ask(r, 'logging/setLevel', { level: 'warning' }, { session: s }))).toEqual({});
  expect(s.logLevel).toBe('warning');
  for (const level of ['loud', 3, undefined, 'Error']) expect((await ask(r, 'logging/setLevel', { level }, { session: s })).message).toMatchObject({ error: { code: -32602 } });
  expect(s.logLevel).toBe('warning');
});

test('initialize on a 2024-11-05 channel answers on that session and admits none', async () => {
  const r = room('legacy');
  const channel = session(null, { kind: 'channel' });
  const answer = await ask(r, 'initialize', { protocolVersion: '2024-11-05', capabilities: { roots: {} } }, { session: channel });
  expect(resultOf(answer)['protocolVersion']).toBe('2024-11-05');
  expect(answer.session).toBe(channel);
  expect(channel).toMatchObject({ version: '2024-11-05', declared: { roots: {} }, kind: 'channel' });
  expect(r.sessions.size).toBe(0);
});

describe('tools/list for the other era', () => {
  const rich: Tool = tool('s', 'rich', { execution: { taskSupport: 'optional' }, outputSchema: { type: 'array' }, keep: 1 });
  const listed = async (from: Era, to: Era, server: string | null): Promise<JsonObject> => {
    const r = room(from, { visibleTools: () => [rich] });
    return ((resultOf(await ask(r, 'tools/list', {}, { era: to, server }))['tools'] as JsonObject[])[0]) as JsonObject;
  };
  test('a modern client is not told how tools run as tasks of 2025-11-25', async () => {
    for (const server of ['s', null]) {
      expect(await listed('legacy', 'modern', server)).toEqual({ name: server === null ? 's__rich' : 'rich', inputSchema: { type: 'object' }, outputSchema: { type: 'array' }, keep: 1 });
      expect(await listed('legacy', 'legacy', server)).toHaveProperty('execution');
    }
  });
  test('a legacy client reads output schemas that are objects', async () => {
    for (const server of ['s', null]) expect(await listed('modern', 'legacy', server)).toMatchObject({ outputSchema: { type: 'object', properties: { result: { type: 'array' } } }, keep: 1 });
  });
  test('a server that changes its era is listed anew', async () => {
    let era: Era = 'modern';
    const upstream = (name: string): Upstream => ({
      name, transport: 'stdio', era: () => era, start: () => undefined, onChanged: () => undefined, state: () => ({ ok: true }), close: async () => undefined,
      request: async () => { throw new Error('nobody asks'); }, info: () => null, watch: async () => () => undefined,
    });
    const r = room('modern', { stdio: upstream, visibleTools: () => [rich] });
    for (const server of ['s', null]) {
      era = 'modern';
      expect((await ask(r, 'tools/list', {}, { server })).bytes.toString()).toContain('properties');
      era = 'legacy';
      expect((await ask(r, 'tools/list', {}, { server })).bytes.toString()).not.toContain('properties');
    }
  });
});
