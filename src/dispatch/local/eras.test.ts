import { afterEach, describe, expect, test } from 'vitest';
import type { Session } from '../../call/session.ts';
import { answerOf, made, principal, rig, session, until, type MadeCall, type Rig } from '../../../test/kit/dispatch-rig.ts';
import { startFixture, type RunningFixture } from '../../../test/kit/fixture/http.ts';
import type { Done } from '../room.ts';

/** The local lane before real servers of the other era: what they tell must reach the client as its own era says. */
const WATCHED = 'test://watched-resource';
const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});
async function room(era: 'legacy' | 'modern'): Promise<{ r: Rig; fixture: RunningFixture }> {
  const fixture = await startFixture({ eras: [era] });
  open.push(fixture.close);
  const r = rig({ s: { url: fixture.url } });
  open.push(r.close);
  r.dispatch.start();
  await until(() => r.dispatch.health()['s']?.ok === true);
  return { r, fixture };
}
const request = (method: string, params: object = {}, id: string | number = 1): string => JSON.stringify({ jsonrpc: '2.0', id, method, params });
/** Lets the server run one of its tools, in its own lane. */
async function trigger(r: Rig, name: string, args = '{}'): Promise<void> {
  const call = made(request('tools/call', { name, arguments: {} }), { lane: 'own', judged: args, principal: principal('key:other') }).call;
  const done = answerOf(await r.dispatch.stage.run({ ...call, target: { ...call.target, method: 'tools/call', tool: { server: 's', name, id: `s__${name}`, risk: 'write', digest: '', definition: '{}', inputSchema: {} } } }));
  expect(JSON.stringify(done.message)).toContain('told');
}
const told = (m: MadeCall): string[] => m.events.map((block) => block.replace(/^event: message\ndata: |\n\n$/g, ''));

describe('a modern client, a server of 2025-11-25 only', () => {
  test('server/discover says what the server has, in the words of its era', async () => {
    const { r } = await room('legacy');
    const { message } = answerOf(await r.dispatch.stage.run(made(request('server/discover'), { lane: 'local', era: 'modern' }).call));
    expect(message).toMatchObject({ result: {
      resultType: 'complete', supportedVersions: ['2026-07-28'], cacheScope: 'private', ttlMs: 0,
      capabilities: { tools: { listChanged: true }, prompts: { listChanged: true }, resources: { subscribe: true, listChanged: true }, completions: {}, logging: {} },
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'sallyport-fixture' } },
    } });
  });
  test('subscriptions/listen: acknowledged first, then each change once, under the id of the request', async () => {
    const { r, fixture } = await room('legacy');
    const notifications = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true, resourceSubscriptions: [WATCHED, 'nope://x', 7, WATCHED], taskIds: ['t'] };
    const m = made(request('subscriptions/listen', { notifications }, 'sub'), { lane: 'local', era: 'modern', timeoutMs: null });
    const done = r.dispatch.stage.run(m.call);
    await until(() => m.events.length > 0);
    expect(told(m)[0]).toBe(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":["${WATCHED}"]},"_meta":{"io.modelcontextprotocol/subscriptionId":"sub"}}}`);
    await trigger(r, 'test_trigger_tool_change');
    await trigger(r, 'test_trigger_prompt_change');
    await trigger(r, 'test_update_resource');
    const meta = '"_meta":{"io.modelcontextprotocol/subscriptionId":"sub"}';
    const all = [
      `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{${meta}}}`,
      `{"jsonrpc":"2.0","method":"notifications/prompts/list_changed","params":{${meta}}}`,
      `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{${meta},"uri":"${WATCHED}"}}`,
    ];
    await until(() => all.every((one) => told(m).includes(one)));
    expect(told(m).slice(1).filter((one) => !all.includes(one))).toEqual([]);
    m.abort();
    expect(answerOf(await done).message).toMatchObject({ id: 'sub', result: { resultType: 'complete' } });
    await until(() => fixture.ran.some(([name, uri]) => name === 'resources/unsubscribe' && uri === WATCHED));
  });
});

describe('a legacy session, a server of 2026-07-28 only', () => {
  const listening = async (r: Rig, s: Session): Promise<MadeCall> => {
    const m = made('', { kind: 'stream', lane: 'local', session: s, timeoutMs: null });
    void r.dispatch.stage.run(m.call);
    await until(() => m.events.length === 1);
    return m;
  };
  const subscribe = async (r: Rig, s: Session, uri: string, method = 'resources/subscribe'): Promise<Done> => {
    const { call } = made(request(method, { uri }), { lane: 'local', session: s });
    return r.dispatch.stage.run({ ...call, name: uri, target: { ...call.target, name: uri } });
  };

  test('resources/subscribe: told on the GET stream, in legacy words; no longer after unsubscribe', async () => {
    const { r } = await room('modern');
    const s = session(null);
    r.sessions.set(s.id, s);
    expect(answerOf(await subscribe(r, s, WATCHED)).message).toEqual({ jsonrpc: '2.0', id: 1, result: {} });
    const m = await listening(r, s);
    await trigger(r, 'test_update_resource');
    await until(() => m.events.length === 2);
    expect(told(m)[1]).toBe(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"${WATCHED}"}}`);
    expect(answerOf(await subscribe(r, s, WATCHED, 'resources/unsubscribe')).message).toEqual({ jsonrpc: '2.0', id: 1, result: {} });
    await trigger(r, 'test_update_resource');
    await trigger(r, 'test_trigger_prompt_change');
    await until(() => m.events.length === 3);
    expect(told(m)[2]).toBe('{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}');
  });
  test('what came while no stream was open is told on the next, the latest of each resource', async () => {
    const { r } = await room('modern');
    const s = session(null);
    r.sessions.set(s.id, s);
    answerOf(await subscribe(r, s, WATCHED));
    await trigger(r, 'test_update_resource', '{"times":3}');
    await new Promise((resolve) => setTimeout(resolve, 200));
    const m = await listening(r, s);
    await until(() => m.events.length === 2);
    expect(told(m)[1]).toContain('resources/updated');
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(m.events).toHaveLength(2);
  });
});
