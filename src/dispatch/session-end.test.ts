import { afterEach, describe, expect, test } from 'vitest';
import { canned, event, json, made, rig, session, sse, toolCall, until, type Canned, type Rig } from '../../test/kit/dispatch-rig.ts';

const open: { close: () => Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});
/** A server whose tools never answer. */
async function setup(): Promise<{ up: Canned; r: Rig }> {
  const up = await canned(({ json: sent }, res) => {
    if (sent['method'] !== 'tools/call') return void res.writeHead(202).end();
    sse(res);
    res.write(event({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'begun' } }));
  });
  const r = rig({ s: { url: up.url, era: 'legacy' } });
  open.push(r, up);
  return { up, r };
}
const methodsOf = (up: Canned): unknown[] => up.seen.map((seen) => [seen.method, seen.json['method'] ?? null, (seen.json['params'] as { requestId?: unknown } | undefined)?.requestId ?? null]);
const CALL = ['POST', 'tools/call', null];
const DELETE = ['DELETE', null, null];
const cancelled = (id: unknown): unknown[] => ['POST', 'notifications/cancelled', id];

describe('the end of a session', () => {
  test('by DELETE: the server is told of each call while it still knows the session', async () => {
    const { up, r } = await setup();
    const s = session('up-1');
    r.sessions.set(s.id, s);
    const running = [made(toolCall(1), { session: s }), made(toolCall('two'), { session: s })];
    const ends = running.map(({ call }) => r.dispatch.stage.run(call));
    await until(() => running.every(({ events }) => events.length === 1));
    await r.dispatch.stage.run(made('', { kind: 'end', session: s }).call);
    expect(methodsOf(up).slice(0, 2)).toEqual([CALL, CALL]);
    expect(new Set(methodsOf(up).slice(2, 4).map(String))).toEqual(new Set([cancelled(1), cancelled('two')].map(String)));
    expect(methodsOf(up).slice(4)).toEqual([DELETE]);
    expect(up.seen.slice(2).map(({ headers }) => headers['mcp-session-id'])).toEqual(['up-1', 'up-1', 'up-1']);
    for (const end of await Promise.all(ends)) expect(end).toMatchObject({ stop: { code: 'dispatch.cancelled', effect: 'unknown' } });
  });
  test('for any other reason: likewise, and nobody else’s calls are touched', async () => {
    const { up, r } = await setup();
    const [s, other] = [session('up-1'), session('up-2')];
    r.sessions.set(s.id, s).set(other.id, other);
    const [mine, theirs] = [made(toolCall(1), { session: s }), made(toolCall(1), { session: other })];
    const end = r.dispatch.stage.run(mine.call);
    void r.dispatch.stage.run(theirs.call);
    await until(() => mine.events.length === 1 && theirs.events.length === 1);
    await r.dispatch.stage.run(made('', { kind: 'end', session: s, lane: 'local' }).call);
    await until(() => up.seen.length === 4);
    expect(methodsOf(up).slice(2)).toEqual([cancelled(1), DELETE]);
    expect(await end).toMatchObject({ stop: { code: 'dispatch.cancelled' } });
    expect(up.seen.slice(2).every(({ headers }) => headers['mcp-session-id'] === 'up-1')).toBe(true);
    theirs.abort();
  });
  test('a call that was on its way meanwhile does not go on', async () => {
    const { r } = await setup();
    const s = session('up-1');
    r.sessions.set(s.id, s);
    await r.dispatch.stage.run(made('', { kind: 'end', session: s, lane: 'local' }).call);
    expect(await r.dispatch.stage.run(made(toolCall(1), { session: s }).call)).toMatchObject({ stop: { code: 'dispatch.cancelled' } });
  });
  test('that the server forgot: its one call says so, and is not told to it as cancelled', async () => {
    const up = await canned((_seen, res) => json(res, { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } }, 404));
    const r = rig({ s: { url: up.url, era: 'legacy' } });
    open.push(r, up);
    const s = session('gone');
    r.sessions.set(s.id, s);
    expect(await r.dispatch.stage.run(made(toolCall(1), { session: s }).call)).toMatchObject({ stop: { code: 'dispatch.session' } });
    await new Promise((done) => setTimeout(done, 50));
    expect(methodsOf(up)).toEqual([CALL]);
  });
});

describe('a channel', () => {
  const opened = async (server: string | null): Promise<{ r: Rig; s: ReturnType<typeof session>; get: ReturnType<typeof made> }> => {
    const { r } = await setup();
    const s = session(null, { kind: 'channel', server, version: '2024-11-05' });
    const get = made('', { kind: 'stream', session: s, server, lane: 'local', timeoutMs: null, version: '2024-11-05' });
    return { r, s, get };
  };
  test.each([['s', '/s/s/sse/'], [null, '/sse/']])('at %s says where to send to, and is known by then', async (server, path) => {
    const { r, s, get } = await opened(server);
    void r.dispatch.stage.run(get.call);
    expect(get.events).toEqual([`event: endpoint\ndata: ${path}${s.id}\n\n`]);
    expect(r.sessions.get(s.id)).toBe(s);
    get.abort();
  });
  test('ends with its stream, and does not come back with a late initialize', async () => {
    const { r, s, get } = await opened('s');
    const stream = r.dispatch.stage.run(get.call);
    get.abort();
    await stream;
    expect([r.sessions.size, r.ended]).toEqual([0, [s.id]]);
    await r.dispatch.stage.run(made('{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{"roots":{}}}}', { session: s, lane: 'local' }).call);
    expect(r.sessions.size).toBe(0);
    expect([s.version, s.declared]).toEqual(['2024-11-05', { roots: {} }]);
  });
  test('of a client that is gone already leaves nothing', async () => {
    const { r, get } = await opened('s');
    get.state.accepting = false;
    await r.dispatch.stage.run(get.call);
    expect(r.sessions.size).toBe(0);
  });
  test.each([['1999-01-01', '2024-11-05'], ['2025-03-26', '2025-03-26'], ['2024-11-05', '2024-11-05']])('is greeted with %s and answers %s', async (asked, got) => {
    const { r, s, get } = await opened('s');
    void r.dispatch.stage.run(get.call);
    await r.dispatch.stage.run(made(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"${asked}","capabilities":{}}}`, { session: s, lane: 'local' }).call);
    expect(s.version).toBe(got);
    expect(r.sessions.size).toBe(1);
    get.abort();
  });
});
