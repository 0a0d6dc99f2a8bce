import { afterEach, describe, expect, test } from 'vitest';
import { startFixture } from '../../../test/kit/fixture/http.ts';
import { event, json, sse, until } from '../../../test/kit/dispatch-rig.ts';
import { asking, oldServer, newServer, result, upstreamTo, type Answerer, type OldServer, type One } from '../../../test/kit/http-rig.ts';
import type { RequestOptions } from '../upstream.ts';
import { createUpSessions, SessionsFull, type Held } from './up-sessions.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});
async function old(call: Answerer, capabilities?: object): Promise<{ server: OldServer; one: One }> {
  const server = await oldServer(call, capabilities);
  open.push(server.close);
  const one = upstreamTo(server.url);
  open.push(one.close);
  return { server, one };
}
const call = (one: One, more: Partial<RequestOptions> = {}): Promise<unknown> => one.upstream.request('tools/call', '{"name":"x"}', asking(more));

describe('sessions at a legacy server', () => {
  test('neither two principals nor two sets of capabilities share one; initialize declares exactly them', async () => {
    const { server, one } = await old((seen, res) => json(res, result(seen)));
    const callers = [['key:a', '{}'], ['key:b', '{}'], ['key:a', '{"elicitation":{}}'], ['key:a', '{}'], ['key:b', '{}'], ['key:a', '{"elicitation":{}}']] as const;
    for (const [principalId, capabilities] of callers) await call(one, { principalId, capabilities });
    const used = server.calls('tools/call').map((seen) => String(seen.headers['mcp-session-id']));
    expect(used.slice(0, 3)).toEqual(used.slice(3));
    expect(new Set(used).size).toBe(3);
    expect(used.map((id) => server.sessions.get(id))).toEqual([{}, {}, { elicitation: {} }, {}, {}, { elicitation: {} }]);
    const control = server.calls('notifications/initialized')[0]?.headers['mcp-session-id'];
    expect(used).not.toContain(control);
  });
  test('callers that come at once wait for the same session', async () => {
    const { server, one } = await old((seen, res) => json(res, result(seen)));
    await Promise.all(Array.from({ length: 20 }, () => call(one)));
    expect(server.calls('initialize')).toHaveLength(2); // the gateway's own, and theirs
  });
  test('one that cannot be opened has no effect, and the next caller tries again', async () => {
    const { server, one } = await old((seen, res) => json(res, result(seen)));
    await call(one);
    server.state.status = 503;
    await expect(call(one, { principalId: 'key:c' })).rejects.toMatchObject({ refusal: { effect: 'none' } });
    server.state.status = null;
    await call(one, { principalId: 'key:c' });
    expect(server.sessions.size).toBe(3);
  });
  test('a forgotten one is opened again, once; the call runs once', async () => {
    const { server, one } = await old((seen, res) => json(res, result(seen)));
    await call(one);
    server.sessions.clear();
    await call(one);
    expect(server.calls('tools/call')).toHaveLength(3);
    expect(server.sessions.size).toBe(1);
  });
  test('a caller without room for one more session hears it, and it is no reason to suspect the server', async () => {
    const { server, one } = await old(() => undefined);
    one.upstream.start();
    await until(() => server.streams.size === 1);
    const controller = new AbortController();
    const running = Array.from({ length: 16 }, (_, i) => call(one, { capabilities: `{"x${i}":{}}`, signal: controller.signal }).catch(() => undefined));
    await until(() => server.calls('tools/call').length === 16);
    await expect(call(one, { capabilities: '{"more":{}}' })).rejects.toMatchObject({ refusal: { code: 'dispatch.unavailable', effect: 'none' } });
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(server.calls('server/discover')).toHaveLength(1);
    controller.abort();
    await Promise.all(running);
  });
  test('two unknown sessions in a row are the end of it', async () => {
    const { server, one } = await old((_seen, res) => json(res, { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'no session' } }, 404));
    await expect(call(one)).rejects.toMatchObject({ name: 'UpstreamFault', refusal: { code: 'dispatch.upstream', effect: 'none' } });
    expect(server.calls('tools/call')).toHaveLength(2);
  });
  test('a _meta of the server’s own is kept; what only the gateway may say is its own', async () => {
    const { server, one } = await old((seen, res) => json(res, result(seen)));
    const params = '{"name":"x","_meta":{"n":12345678901234567890,"progressToken":"theirs","io.modelcontextprotocol/logLevel":"debug"}}';
    await one.upstream.request('tools/call', params, asking({ progressToken: true }));
    await one.upstream.request('tools/call', params, asking());
    const bodies = server.calls('tools/call').map((seen) => seen.body.toString());
    expect(bodies[0]).toMatch(/"params":\{"_meta":\{"progressToken":(\d+),"n":12345678901234567890\},"name":"x"\}\}$/);
    expect(bodies[1]).toMatch(/"params":\{"_meta":\{"n":12345678901234567890\},"name":"x"\}\}$/);
    const modern = await newServer((seen, res) => json(res, result(seen, { resultType: 'complete' })));
    open.push(modern.close);
    const two = upstreamTo(modern.url);
    open.push(two.close);
    await two.upstream.request('tools/call', params, asking({ capabilities: '{"sampling":{}}', logLevel: 'warning' }));
    expect(modern.calls('tools/call')[0]?.json['params']).toMatchObject({ _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': { sampling: {} }, 'io.modelcontextprotocol/logLevel': 'warning',
    } });
    expect(modern.calls('tools/call')[0]?.body.toString()).toContain('"n":12345678901234567890');
    expect(modern.calls('tools/call')[0]?.body.toString()).not.toContain('theirs');
  });
});

describe('the table of sessions', () => {
  const table = (): { readonly sessions: ReturnType<typeof createUpSessions>; readonly ended: string[]; pass: (ms: number) => void } => {
    let now = 0;
    let count = 0;
    const ended: string[] = [];
    const sessions = createUpSessions({ open: async () => ({ id: `s${++count}`, version: '2025-11-25' }), end: (session) => void ended.push(String(session.id)), monotonic: () => now });
    return { sessions, ended, pass: (ms) => void (now += ms) };
  };
  const held = async (from: Held | Promise<Held>): Promise<Held> => from;

  test('idle ones go; one in use never does', async () => {
    const { sessions, ended, pass } = table();
    const a = await held(sessions.hold('a', '{}'));
    (await held(sessions.hold('b', '{}'))).release();
    pass(11 * 60_000);
    sessions.sweep();
    expect(ended).toEqual(['s2']);
    const same = await held(sessions.hold('a', '{}'));
    expect(same.session.id).toBe('s1');
    same.release();
    a.release();
    pass(11 * 60_000);
    sessions.sweep();
    expect(ended).toEqual(['s2', 's1']);
  });
  test('a caller pushes out his own idlest, never another’s; with all in use there is no room', async () => {
    const { sessions, ended, pass } = table();
    (await held(sessions.hold('b', '{}'))).release();
    const mine: Held[] = [];
    for (let i = 0; i < 16; i++) mine.push(await held(sessions.hold('a', `{"x":${i}}`)));
    expect(() => sessions.hold('a', '{"x":16}')).toThrow(SessionsFull);
    mine[3]?.release();
    pass(1);
    mine[2]?.release();
    await held(sessions.hold('a', '{"x":16}'));
    expect(ended).toEqual(['s5']);
  });
  test('a thousand in all', async () => {
    const { sessions, ended } = table();
    const all: Held[] = [];
    for (let i = 0; i < 1_000; i++) all.push(await held(sessions.hold(`p${i}`, '{}')));
    expect(() => sessions.hold('more', '{}')).toThrow(SessionsFull);
    all[500]?.release();
    await held(sessions.hold('more', '{}'));
    expect(ended).toEqual(['s501']);
  });
  test('what is cleared while in use ends with the last user', async () => {
    const { sessions, ended } = table();
    const [one, two] = await Promise.all([held(sessions.hold('a', '{}')), held(sessions.hold('a', '{}'))]);
    sessions.clear();
    one?.release();
    expect(ended).toEqual([]);
    two?.release();
    expect(ended).toEqual(['s1']);
  });
});

describe('log messages', () => {
  const chatter: Answerer = (seen, res) => {
    sse(res);
    for (const level of ['debug', 'info', 'error', 'odd']) res.write(event({ jsonrpc: '2.0', method: 'notifications/message', params: { level, data: level } }));
    res.end(event(result(seen)));
  };
  const heardAt = async (one: One, logLevel: RequestOptions['logLevel']): Promise<string[]> => {
    const heard: string[] = [];
    await call(one, { logLevel, onNotification: (_method, params) => void heard.push((JSON.parse(params) as { data: string }).data) });
    return heard;
  };
  test('of at least the level that is wanted; the server hears the lowest of a session, once', async () => {
    const { server, one } = await old(chatter, { tools: {}, logging: {} });
    expect(await heardAt(one, null)).toEqual([]);
    expect(await heardAt(one, 'info')).toEqual(['info', 'error']);
    expect(await heardAt(one, 'error')).toEqual(['error']);
    expect(await heardAt(one, 'debug')).toEqual(['debug', 'info', 'error']);
    expect(await heardAt(one, 'info')).toEqual(['info', 'error']);
    expect(server.calls('logging/setLevel').map((seen) => seen.json['params'])).toEqual([{ level: 'info' }, { level: 'debug' }]);
    const [first] = server.calls('tools/call');
    expect(server.calls('logging/setLevel').every((seen) => seen.headers['mcp-session-id'] === first?.headers['mcp-session-id'])).toBe(true);
  });
  test('a server without logging is not told a level', async () => {
    const { server, one } = await old(chatter);
    expect(await heardAt(one, 'info')).toEqual(['info', 'error']);
    expect(server.calls('logging/setLevel')).toEqual([]);
  });
  test('a reader that fails does not lose the answer', async () => {
    const { one } = await old(chatter);
    await expect(call(one, { logLevel: 'debug', onNotification: () => { throw new Error('gone'); } })).resolves.toMatchObject({ error: null });
  });
  test('progress of another request is not passed on', async () => {
    const { one } = await old((seen, res) => {
      const own = (seen.json['params'] as { _meta: { progressToken: number } })._meta.progressToken;
      sse(res);
      for (const progressToken of [own, own + 1, String(own)]) res.write(event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken, progress: 1 } }));
      res.end(event(result(seen)));
    });
    let heard = 0;
    await call(one, { progressToken: true, onNotification: () => void heard++ });
    expect(heard).toBe(1);
  });
  test.each(['legacy', 'modern'] as const)('of a real server, %s', async (era) => {
    const fixture = await startFixture({ eras: [era] });
    open.push(fixture.close);
    const one = upstreamTo(fixture.url);
    open.push(one.close);
    const heard: string[] = [];
    const onNotification = (method: string, params: string): void => void heard.push(`${method} ${params}`);
    const run = (logLevel: RequestOptions['logLevel']): Promise<unknown> => one.upstream.request('tools/call', '{"name":"test_tool_with_logging","arguments":{}}', asking({ logLevel, onNotification }));
    await run('info');
    expect(heard).toHaveLength(3);
    await run('error');
    await run(null);
    expect(heard).toHaveLength(3);
    await until(() => one.upstream.state().ok);
  });
});
