import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Refusal } from '../../call/refusal.ts';
import { answerOf, createStage, event, json, made, refusalOf, session, sse, toolCall, until, type CallOptions, type MadeCall, type Rig } from '../../../test/kit/dispatch-rig.ts';
import type { Done } from '../room.ts';

/** One test for each guard of a mirrored stream that the other files leave unproved: take it out, and one of these fails. */
const stage = createStage();
const { setup } = stage;
afterEach(async () => {
  vi.useRealTimers();
  await stage.close();
});
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const LISTEN = '{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{}}}';
const listen = (): MadeCall => made(LISTEN, { era: 'modern', timeoutMs: null });
const get = (options: CallOptions = {}): MadeCall => made('', { kind: 'stream', session: session('up-1'), timeoutMs: null, ...options });
const start = async (r: Rig, m: MadeCall): Promise<Done> => r.dispatch.stage.run(m.call);
const note = (method: string, params: object = {}): object => ({ jsonrpc: '2.0', method, params });
const LAST = { jsonrpc: '2.0', id: 1, result: { resultType: 'complete' } };

describe('places for streams', () => {
  test('are bounded, and given back', async () => {
    const { r } = await setup((_seen, res) => sse(res), { config: { max_streams: 1 } });
    for (let i = 0; i < 3; i++) {
      const first = get();
      const opened = start(r, first);
      await until(() => first.events.length === 1);
      expect(refusalOf(await start(r, get()))).toMatchObject({ code: 'dispatch.unavailable', effect: 'none' });
      first.abort();
      answerOf(await opened);
    }
  });
  test('a client that has gone already takes none and is not asked for', async () => {
    const { up, r } = await setup((_seen, res) => sse(res), { config: { max_streams: 1 } });
    const gone = get();
    gone.abort();
    answerOf(await start(r, gone));
    await pause(30);
    expect(up.seen).toHaveLength(0);
    const next = get();
    const opened = start(r, next);
    await until(() => next.events.length === 1);
    next.abort();
    answerOf(await opened);
  });
  test('a server that does not open one loses it after half a minute', async () => {
    const { up, r } = await setup(() => undefined);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const waiting = start(r, get());
    while (up.seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await vi.advanceTimersByTimeAsync(30_000);
    expect(refusalOf(await waiting)).toEqual({ code: 'dispatch.timeout', note: 'opening a stream', effect: 'none' });
  });
});

describe('what a server says in the place of a stream', () => {
  const ours = (res: ServerResponse, status: number): void => json(res, LAST, status);
  const cases: [string, (res: ServerResponse) => void, Partial<Refusal>][] = [
    ['401', (res) => ours(res, 401), { code: 'dispatch.upstream_auth' }],
    ['403', (res) => ours(res, 403), { code: 'dispatch.upstream_auth' }],
    ['a redirect', (res) => ours(res, 302), { code: 'dispatch.upstream' }],
    ['a page', (res) => res.writeHead(500, { 'content-type': 'text/html' }).end('no'), { code: 'dispatch.upstream' }],
    ['somebody else’s answer', (res) => json(res, { ...LAST, id: 2 }), { code: 'dispatch.bad_answer' }],
    ['a request', (res) => json(res, { jsonrpc: '2.0', id: 1, method: 'ping' }), { code: 'dispatch.bad_answer' }],
    ['nothing', (res) => res.destroy(), { effect: 'none' }],
  ];
  test.each(cases)('%s', async (_name, say, refusal) => {
    const { r } = await setup((_seen, res) => say(res));
    expect(refusalOf(await start(r, listen()))).toMatchObject(refusal);
  });
  test('a page in the place of a GET stream', async () => {
    const { r } = await setup((_seen, res) => res.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
    expect(refusalOf(await start(r, get()))).toMatchObject({ code: 'dispatch.bad_answer', effect: 'none' });
  });
  test('its own answer in JSON is one', async () => {
    const { r } = await setup((_seen, res) => json(res, { jsonrpc: '2.0', id: 1, error: { code: -32601, message: 'no' } }, 404));
    expect(answerOf(await start(r, listen()))).toMatchObject({ status: 404, effect: 'none' });
  });
  test('404 without a session of the server’s own ends nothing', async () => {
    const { r } = await setup((_seen, res) => res.writeHead(404).end());
    expect(refusalOf(await start(r, get({ session: session(null) })))).toMatchObject({ code: 'dispatch.upstream', effect: 'none' });
    expect(r.ended).toEqual([]);
  });
});

describe('what passes', () => {
  test('no junk, no question that policy does not allow, nothing that is withheld, no foreign answer', async () => {
    let res1: ServerResponse | null = null;
    const { up, r } = await setup((seen, res) => {
      if (seen.method === 'POST') return void res.writeHead(202).end();
      sse(res);
      res1 = res;
    }, { deps: { screen: (block) => (block.includes('evil') ? null : block) } });
    const m = get();
    const opened = start(r, m);
    await until(() => m.events.length === 1);
    res1!.write(`data: {"a":1}\n\n${event({ jsonrpc: '2.0', id: 5, method: 'sampling/createMessage', params: {} })}${event(note('x', { evil: 1 }))}${event({ ...LAST, id: 99 })}${event(note('y'))}`);
    await until(() => m.events.length === 2);
    expect(m.events[1]).toBe(event(note('y')));
    await until(() => up.seen.length === 2);
    expect(up.seen[1]?.json).toMatchObject({ id: 5, error: { code: -32601 } });
    m.abort();
    answerOf(await opened);
  });
  test('on a listening stream only its own answer ends it, and nothing comes after', async () => {
    const { r } = await setup((_seen, res) => {
      sse(res);
      res.end(event({ ...LAST, id: 2 }) + event(note('a')) + event(LAST) + event(note('b')) + event(LAST));
    });
    const m = listen();
    expect(answerOf(await start(r, m)).message).toEqual(LAST);
    await pause(30);
    expect(m.events).toEqual([event(note('a'))]);
  });
  test('a server that floods does not fill the log', async () => {
    const { r } = await setup((_seen, res) => {
      sse(res);
      for (let i = 0; i < 50; i++) res.write(event({ ...LAST, id: 100 + i }));
      res.end(event(LAST));
    });
    answerOf(await start(r, listen()));
    expect(r.logs).toHaveLength(5);
  });
  test('news of changed tools reaches the catalog; the gateway’s own news only whoever asked for it', async () => {
    let res1: ServerResponse | null = null;
    const { r } = await setup((_seen, res) => {
      sse(res);
      res1 = res;
    });
    const changed: string[] = [];
    r.dispatch.source.onChanged((server) => changed.push(server));
    const m = listen();
    const opened = start(r, m);
    await until(() => res1 !== null);
    res1!.write(event(note('notifications/subscriptions/acknowledged', { notifications: { promptsListChanged: true } })) + event(note('notifications/tools/list_changed')));
    await until(() => changed.length === 1);
    const before = m.events.length;
    r.dispatch.toolsChanged('s');
    expect([changed, m.events.length]).toEqual([['s'], before]);
    m.abort();
    answerOf(await opened);
  });
});

describe('the end', () => {
  test('a stream that is over is no longer told anything, and its connection is closed', async () => {
    let closed = false;
    const { r } = await setup((_seen, res) => {
      sse(res);
      res.on('close', () => (closed = true));
    });
    const m = get();
    const opened = start(r, m);
    await until(() => m.events.length === 1);
    m.abort();
    answerOf(await opened);
    await until(() => closed);
    r.dispatch.toolsChanged('s');
    expect(m.events).toHaveLength(1);
  });
  test('a connection that breaks has the server looked at again', async () => {
    const discovered = { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: {}, ttlMs: 0, cacheScope: 'private' };
    const { up, r } = await setup((seen, res) => {
      const { method, id, params } = seen.json as { method: string; id: number; params: { notifications?: object } };
      if (method === 'server/discover') json(res, { jsonrpc: '2.0', id, result: discovered });
      else if (JSON.stringify(params.notifications) === '{}') res.destroy();
      else res.writeHead(404).end();
    }, { server: { era: 'modern' } });
    r.dispatch.start();
    await until(() => r.dispatch.health()['s']?.ok === true);
    await pause(50);
    const asked = (): number => up.seen.filter((seen) => seen.json['method'] === 'server/discover').length;
    const before = asked();
    refusalOf(await start(r, listen()));
    await until(() => asked() > before);
  });
  test('an answer that a stream brings to a polled call stays with that call’s session', async () => {
    let stream: ServerResponse | null = null;
    const { r } = await setup((seen, res) => {
      sse(res);
      if (seen.method === 'GET') stream = res;
      else res.end('id: e1\ndata: \n\n');
    });
    const [a, b] = [session('up-a'), session('up-b')];
    const call = made(toolCall(3), { session: a, timeoutMs: 400 });
    const running = start(r, call);
    await until(() => call.state.detached);
    const m = get({ session: b });
    const opened = start(r, m);
    await until(() => stream !== null && m.events.length === 1);
    stream!.write(event({ ...LAST, id: 3 }));
    expect(refusalOf(await running).code).toBe('dispatch.timeout');
    expect([m.events.length, a.resumable.size]).toEqual([1, 0]);
    m.abort();
    answerOf(await opened);
  });
});
