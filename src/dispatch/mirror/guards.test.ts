import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import type { JsonObject } from '../../call/json.ts';
import type { Refusal } from '../../call/refusal.ts';
import { answerOf, createStage, event, json, made, refusalOf, session, sse, toolCall, until, type Canned, type Seen } from '../../../test/kit/dispatch-rig.ts';

/** One test for each guard of a mirrored call that the other files leave unproved: take it out, and one of these fails. */
const stage = createStage();
afterEach(stage.close);
const setup = (answer: Parameters<typeof stage.setup>[0], server: object = {}, config: object = {}): ReturnType<typeof stage.setup> => stage.setup(answer, { server, config });
const ok = (id: unknown): JsonObject => ({ jsonrpc: '2.0', id: id as number, result: { content: [] } });
const note = (method: string, params: object = {}): object => ({ jsonrpc: '2.0', method, params });
const NOTE = '{"jsonrpc":"2.0","method":"notifications/initialized"}';
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const methodsOf = (up: Canned): unknown[] => up.seen.map((seen) => (seen.method === 'POST' ? seen.json['method'] : seen.method));
const MODERN = { era: 'modern' } as const;

describe('messages without an answer', () => {
  test('404 in a session: the server forgot it, and is not told to forget it again', async () => {
    const { up, r, run } = await setup((_seen, res) => res.writeHead(404).end());
    const s = session('up-1');
    r.sessions.set(s.id, s);
    expect(refusalOf(await run(NOTE, { session: s }))).toEqual({ code: 'dispatch.session', effect: 'none' });
    expect([r.ended, s.upstreamId]).toEqual([[s.id], null]);
    await pause(50);
    expect(up.seen).toHaveLength(1);
  });
  test('what the server refuses is not called taken', async () => {
    const { run } = await setup((_seen, res) => res.writeHead(500).end());
    expect(refusalOf(await run(NOTE, { session: session('up-1') }))).toMatchObject({ code: 'dispatch.upstream' });
    const away = await setup((_seen, res) => res.destroy());
    expect(refusalOf(await away.run(NOTE, { session: session('up-1') }))).toMatchObject({ code: 'dispatch.crashed', effect: 'unknown' });
  });
  test('a stream in their place is closed', async () => {
    let closed = false;
    const { run } = await setup((_seen, res) => {
      sse(res);
      res.on('close', () => (closed = true));
    });
    expect(answerOf(await run(NOTE, { session: session('up-1') })).status).toBe(202);
    await until(() => closed);
  });
});

describe('the end of a session', () => {
  test('is asked for once, and never without a session', async () => {
    const { up, r, run } = await setup((_seen, res) => res.writeHead(200).end());
    expect(refusalOf(await run('', { kind: 'end', session: null }))).toEqual({ code: 'dispatch.session', effect: 'none' });
    const s = session('up-1');
    r.sessions.set(s.id, s);
    expect(answerOf(await run('', { kind: 'end', session: s })).status).toBe(200);
    const other = session('up-2');
    for (let i = 0; i < 2; i++) {
      r.sessions.set(other.id, other);
      answerOf(await run('', { kind: 'end', session: other, lane: 'local' }));
    }
    await until(() => up.seen.length >= 2);
    await pause(50);
    expect(up.seen.map((seen) => seen.headers['mcp-session-id'])).toEqual(['up-1', 'up-2']);
  });
  test('the gateway’s own credential was refused: that is no end', async () => {
    for (const status of [401, 403]) {
      const { run } = await setup((_seen, res) => res.writeHead(status).end());
      expect(refusalOf(await run('', { kind: 'end', session: session('up-1') }))).toMatchObject({ code: 'dispatch.upstream_auth' });
    }
  });
  test('first cancels what runs in it, each call once', async () => {
    const { up, r, run } = await setup((seen, res) => void (seen.json['method'] === 'tools/call' || res.writeHead(202).end()));
    const s = session('up-1');
    r.sessions.set(s.id, s);
    const m = made(toolCall(1), { session: s });
    const running = r.dispatch.stage.run(m.call);
    const other = run(toolCall(2), { session: s });
    await until(() => up.seen.length === 2);
    m.abort();
    await until(() => up.seen.length === 3);
    answerOf(await run('', { kind: 'end', session: s }));
    expect(methodsOf(up)).toEqual(['tools/call', 'tools/call', 'notifications/cancelled', 'notifications/cancelled', 'DELETE']);
    expect([refusalOf(await running).code, refusalOf(await other).code]).toEqual(['dispatch.cancelled', 'dispatch.cancelled']);
  });
  test('404 for a call: the session is gone on both sides, and no DELETE follows', async () => {
    const { up, r, run } = await setup((_seen, res) => json(res, { jsonrpc: '2.0', id: 1, error: { code: -32001, message: 'no' } }, 404));
    const s = session('up-1');
    r.sessions.set(s.id, s);
    expect(refusalOf(await run(toolCall(), { session: s }))).toEqual({ code: 'dispatch.session', effect: 'none' });
    await pause(50);
    expect([methodsOf(up), s.upstreamId]).toEqual([['tools/call'], null]);
  });
});

describe('answers that are none', () => {
  const cases: [string, (seen: Seen, res: ServerResponse) => void, Partial<Refusal>][] = [
    ['an answer with 401', (s, res) => json(res, ok(s.json['id']), 401), { code: 'dispatch.upstream_auth', effect: 'none' }],
    ['an answer of another media type', (s, res) => res.writeHead(200, { 'content-type': 'text/plain' }).end(JSON.stringify(ok(s.json['id']))), { code: 'dispatch.bad_answer' }],
    ['a stream with an error status', (s, res) => { sse(res, 500); res.end(event(ok(s.json['id']))); }, { code: 'dispatch.upstream' }],
    ['a request in the place of the answer', (s, res) => json(res, { jsonrpc: '2.0', id: s.json['id'], method: 'ping' }), { code: 'dispatch.bad_answer' }],
    ['an error without an id where all is well', (_s, res) => json(res, { jsonrpc: '2.0', id: null, error: { code: -32600, message: 'no' } }), { code: 'dispatch.bad_answer' }],
    ['somebody else’s error', (_s, res) => json(res, { jsonrpc: '2.0', id: 99, error: { code: -32600, message: 'no' } }, 400), { code: 'dispatch.bad_answer' }],
  ];
  test.each(cases)('%s', async (_name, answer, refusal) => {
    const { run } = await setup(answer);
    expect(refusalOf(await run(toolCall()))).toMatchObject(refusal);
  });
  test('in a session too a stream that ends without ids and without an answer is no polling', async () => {
    const { run } = await setup((_seen, res) => {
      sse(res);
      res.end(event(note('notifications/message')));
    });
    expect(refusalOf(await run(toolCall(), { session: session('up-1') }))).toMatchObject({ code: 'dispatch.bad_answer', effect: 'unknown' });
  });
  test('initialize of a modern client opens no session', async () => {
    const { r, run } = await setup((seen, res) => json(res, ok(seen.json['id']), 200, { 'mcp-session-id': 'up-1' }));
    const hello = '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}';
    expect(answerOf(await run(hello, MODERN)).session).toBeNull();
    expect(r.sessions.size).toBe(0);
  });
});

describe('around the answer', () => {
  test('what is no message, and what comes after the answer, is dropped', async () => {
    const { r } = await setup((seen, res) => {
      sse(res);
      res.end(`data: {"a":1}\n\ndata: [1]\n\n${event(ok(seen.json['id']))}id: 9\n\n${event(note('notifications/message'))}`);
    });
    const m = made(toolCall(), MODERN);
    expect(answerOf(await r.dispatch.stage.run(m.call)).effect).toBe('done');
    await until(() => r.logs.length === 3);
    expect(m.events).toEqual([]);
  });
  test('a stream that ends after its answer is not waited for again', async () => {
    const { r } = await setup((seen, res) => {
      sse(res);
      res.end(event(ok(seen.json['id']), 'e1'));
    });
    const s = session('up-1');
    const m = made(toolCall(), { session: s });
    answerOf(await r.dispatch.stage.run(m.call));
    await pause(50);
    expect([m.state.detached, s.resumable.size]).toEqual([false, 0]);
  });
  test('a server that holds its stream open after the answer is left after a second', async () => {
    let closed = false;
    const { run } = await setup((seen, res) => {
      sse(res);
      res.on('close', () => (closed = true));
      res.write(event(ok(seen.json['id'])));
    });
    answerOf(await run(toolCall(), MODERN));
    await until(() => closed, 3_000);
  });
  test('a server that floods does not fill the log', async () => {
    const { r } = await setup((seen, res) => {
      sse(res);
      for (let i = 0; i < 50; i++) res.write(event(ok(1000 + i)));
      res.end(event(ok(seen.json['id'])));
    });
    answerOf(await r.dispatch.stage.run(made(toolCall(), MODERN).call));
    expect(r.logs).toHaveLength(5);
  });
  test('news of changed tools reaches the catalog', async () => {
    const { r, run } = await setup((seen, res) => {
      sse(res);
      res.end(event(note('notifications/tools/list_changed')) + event(ok(seen.json['id'])));
    });
    const changed: string[] = [];
    r.dispatch.source.onChanged((server) => changed.push(server));
    answerOf(await run(toolCall(), MODERN));
    expect(changed).toEqual(['s']);
  });
  test('a connection that breaks has the server looked at again', async () => {
    const discovered = { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: {}, ttlMs: 0, cacheScope: 'private' };
    const { up, r, run } = await setup((seen, res) => {
      if (seen.json['method'] === 'server/discover') json(res, { jsonrpc: '2.0', id: seen.json['id'], result: discovered });
      else if (seen.json['method'] === 'tools/call') res.destroy();
      else res.writeHead(404).end();
    }, { era: 'modern' });
    r.dispatch.start();
    await until(() => r.dispatch.health()['s']?.ok === true);
    await pause(50);
    const asked = (): number => methodsOf(up).filter((method) => method === 'server/discover').length;
    const before = asked();
    expect(refusalOf(await run(toolCall(), MODERN)).code).toBe('dispatch.crashed');
    await until(() => asked() > before);
  });
});

describe('giving up and running late', () => {
  test('a client that has gone already is not asked for', async () => {
    const { up, r } = await setup((seen, res) => json(res, ok(seen.json['id'])));
    const m = made(toolCall(), MODERN);
    m.abort();
    expect(refusalOf(await r.dispatch.stage.run(m.call))).toMatchObject({ code: 'dispatch.cancelled', effect: 'none' });
    await pause(30);
    expect(up.seen).toHaveLength(0);
  });
  test('legacy: the server hears that nobody waits any more, but never about its handshake', async () => {
    const { up, run } = await setup((seen, res) => void (seen.json['id'] === undefined && res.writeHead(202).end()));
    expect(refusalOf(await run(toolCall(), { session: session('up-1'), timeoutMs: 60 })).code).toBe('dispatch.timeout');
    await until(() => up.seen.length === 2);
    expect(refusalOf(await run('{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}', { timeoutMs: 60 })).code).toBe('dispatch.timeout');
    await pause(50);
    expect(methodsOf(up)).toEqual(['tools/call', 'notifications/cancelled', 'initialize']);
  });
  test('legacy: of a call that never left the server hears nothing', async () => {
    let first: ServerResponse | null = null;
    const { up, r } = await setup((seen, res) => void (seen.json['id'] === undefined ? res.writeHead(202).end() : (first ??= res)), {}, { connections: 1 });
    const s = session('up-1');
    const running = r.dispatch.stage.run(made(toolCall(1), { session: s }).call);
    await until(() => first !== null);
    const waiting = made(toolCall(2), { session: s });
    const gone = r.dispatch.stage.run(waiting.call);
    waiting.abort();
    expect(refusalOf(await gone)).toMatchObject({ code: 'dispatch.cancelled', effect: 'none' });
    json(first!, ok(1));
    answerOf(await running);
    await pause(50);
    expect(methodsOf(up)).toEqual(['tools/call']);
  });
  test('progress does not hold a cancelled call open', async () => {
    const { r, up } = await setup((seen, res) => {
      if (seen.json['id'] === undefined) return void res.writeHead(202).end();
      sse(res);
      const timer = setInterval(() => res.write(event(note('notifications/progress', { progressToken: 1, progress: 1 }))), 100);
      res.on('close', () => clearInterval(timer));
    });
    const m = made(toolCall(), { session: session('up-1'), timeoutMs: 2_000 });
    const running = r.dispatch.stage.run(m.call);
    await until(() => up.seen.length === 1);
    const start = performance.now();
    m.abort();
    expect(refusalOf(await running).code).toBe('dispatch.cancelled');
    expect(performance.now() - start).toBeLessThan(3_500);
  });
});

test('a server that has asked a thousand things is asked to wait for none of them', async () => {
  const { up, r } = await setup((seen, res) => {
    if (seen.json['method'] === undefined) return void res.writeHead(202).end();
    sse(res);
    res.write(event({ jsonrpc: '2.0', id: 7, method: 'elicitation/create', params: {} }));
    setTimeout(() => res.end(event(ok(seen.json['id']))), 50);
  });
  const s = session('up-1');
  for (let i = 0; i < 1_000; i++) s.asked.add(`q${i}`);
  const m = made(toolCall(), { session: s });
  answerOf(await r.dispatch.stage.run(m.call));
  expect(m.events).toEqual([]);
  expect(s.asked.size).toBe(1_000);
  await until(() => up.seen.length === 2);
  expect(up.seen[1]?.json).toMatchObject({ id: 7, error: { code: -32601 } });
});

test('a call that is cancelled while it waits for a connection is never sent', async () => {
  let free: () => void = () => undefined;
  const { up, r } = await setup((seen, res) => {
    free = () => json(res, ok(seen.json['id']));
  }, {}, { connections: 1 });
  const s = session('up');
  const first = r.dispatch.stage.run(made(toolCall(1), { session: s }).call);
  await until(() => up.seen.length === 1);
  const second = made(toolCall(2), { session: s });
  const done = r.dispatch.stage.run(second.call);
  second.abort();
  expect(refusalOf(await done)).toEqual({ code: 'dispatch.cancelled', effect: 'none' });
  free();
  answerOf(await first);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(up.seen.filter((seen) => seen.json['method'] === 'tools/call')).toHaveLength(1);
});
