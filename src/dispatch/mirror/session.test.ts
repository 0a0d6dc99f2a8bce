import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { answerOf, createStage, event, json, made, principal, refusalOf, session, sse, toolCall, until, type Seen } from '../../../test/kit/dispatch-rig.ts';

const stage = createStage();
afterEach(stage.close);
const setup = (answer: Parameters<typeof stage.setup>[0], server: object = {}, config: object = {}): ReturnType<typeof stage.setup> => stage.setup(answer, { server, config });
const ok = (id: unknown): object => ({ jsonrpc: '2.0', id, result: { content: [] } });
const initialize = '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}';

describe('sessions', () => {
  test('one of the client’s stands for one of the server’s, whose id the client never sees', async () => {
    const { r } = await setup((seen, res) => json(res, { jsonrpc: '2.0', id: seen.json['id'], result: { protocolVersion: '2025-06-18', capabilities: {}, serverInfo: {} } }, 200, { 'mcp-session-id': 'UP-SECRET' }));
    const answer = answerOf(await r.dispatch.stage.run(made(initialize).call));
    expect(answer.session).toMatchObject({ upstreamId: 'UP-SECRET', version: '2025-06-18', principalId: 'key:alice', server: 's' });
    expect(answer.session?.id).not.toContain('UP-SECRET');
    expect(r.sessions.get(answer.session?.id ?? '')).toBe(answer.session);
  });
  test('a client that cannot know the server’s later revision hears its own, and the server goes on hearing its', async () => {
    const said = '{ "protocolVersion" : "2025-06-18", "capabilities":{"x":12345678901234567890}, "serverInfo":{} }';
    const { up, r } = await setup((seen, res) => json(res, seen.json['method'] === 'initialize' ? `{"jsonrpc":"2.0","id":0,"result":${said}}` : ok(1), 200, { 'mcp-session-id': 'up' }));
    const answer = answerOf(await r.dispatch.stage.run(made(initialize.replace('2025-11-25', '2025-03-26'), { version: '2025-03-26' }).call));
    expect(answer.bytes.toString()).toBe(`{"jsonrpc":"2.0","id":0,"result":${said.replace('2025-06-18', '2025-03-26')}}`);
    expect(answer.session).toMatchObject({ version: '2025-03-26', upstreamVersion: '2025-06-18' });
    await r.dispatch.stage.run(made(toolCall(), { session: answer.session, version: '2025-03-26' }).call);
    expect(up.seen.at(-1)?.headers['mcp-protocol-version']).toBe('2025-06-18');
  });
  test('a refused initialize opens none; an id with odd characters is not kept', async () => {
    const { r } = await setup((_seen, res) => json(res, { jsonrpc: '2.0', id: 0, error: { code: -32602, message: 'no' } }, 200, { 'mcp-session-id': 'x' }));
    expect(answerOf(await r.dispatch.stage.run(made(initialize).call)).session).toBeNull();
    expect(r.sessions.size).toBe(0);
    const odd = await setup((_seen, res) => json(res, { jsonrpc: '2.0', id: 0, result: { protocolVersion: '2025-11-25' } }, 200, { 'mcp-session-id': 'a b' }));
    expect(answerOf(await odd.r.dispatch.stage.run(made(initialize).call)).session?.upstreamId).toBeNull();
  });
  test('404 means that the server forgot it: the client’s session ends, nothing was executed', async () => {
    const { r } = await setup((_seen, res) => json(res, { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } }, 404));
    const s = session('gone');
    expect(refusalOf(await r.dispatch.stage.run(made(toolCall(), { session: s }).call))).toEqual({ code: 'dispatch.session', effect: 'none' });
    expect(r.ended).toEqual([s.id]);
  });
  test('DELETE reaches the server; its status comes back; the session ends in any case', async () => {
    for (const status of [200, 204, 405]) {
      const { up, r } = await setup((_seen, res) => res.writeHead(status).end());
      const s = session('up-1');
      r.sessions.set(s.id, s);
      expect(answerOf(await r.dispatch.stage.run(made('', { kind: 'end', session: s }).call)).status).toBe(status);
      expect(up.seen.map((x) => [x.method, x.headers['mcp-session-id']])).toEqual([['DELETE', 'up-1']]);
      expect(r.sessions.size).toBe(0);
    }
  });
  test('a session that ends for another reason ends on the server too', async () => {
    const { up, r } = await setup((_seen, res) => res.writeHead(200).end());
    const s = session('up-1');
    r.sessions.set(s.id, s);
    const end = made('', { kind: 'end', session: s, lane: 'local' });
    answerOf(await r.dispatch.stage.run(end.call));
    await until(() => up.seen.length === 1);
    expect(up.seen[0]).toMatchObject({ method: 'DELETE', headers: { 'mcp-session-id': 'up-1' } });
  });
  test('notifications are passed on: 202', async () => {
    const { up, r } = await setup((_seen, res) => res.writeHead(202).end());
    const text = '{"jsonrpc":"2.0","method":"notifications/initialized"}';
    expect(answerOf(await r.dispatch.stage.run(made(text, { session: session('up-1') }).call)).status).toBe(202);
    expect(up.seen[0]?.body.toString()).toBe(text);
  });
});

describe('questions of the server to the client', () => {
  const ask = (id: string | number, method: string): object => ({ jsonrpc: '2.0', id, method, params: {} });
  function asking(questions: object[]): (seen: Seen, res: ServerResponse) => void {
    let stream: ServerResponse | null = null;
    return (seen, res) => {
      if (seen.json['method'] === 'tools/call') {
        stream = res;
        sse(res);
        return void res.write(questions.map((q) => event(q)).join(''));
      }
      res.writeHead(202).end();
      stream?.end(event(ok(1)));
    };
  }
  test('pass when the capability is allowed; only the asked session can answer, once', async () => {
    const { up, r } = await setup(asking([ask('q1', 'elicitation/create')]));
    const s = session('up-1');
    const m = made(toolCall(), { session: s });
    const done = r.dispatch.stage.run(m.call);
    await until(() => m.events.length === 1);
    const reply = '{"jsonrpc":"2.0","id":"q1","result":{"action":"accept"}}';
    // Mallory answers what alice was asked: accepted in form, dropped in fact.
    const mallory = made(reply, { session: session('up-2', { principalId: 'key:mallory' }), principal: principal('key:mallory') });
    expect(answerOf(await r.dispatch.stage.run(mallory.call)).status).toBe(202);
    expect(up.seen).toHaveLength(1);
    expect(answerOf(await r.dispatch.stage.run(made(reply, { session: s }).call)).status).toBe(202);
    expect(up.seen[1]?.body.toString()).toBe(reply);
    expect(answerOf(await done).effect).toBe('done');
    expect(answerOf(await r.dispatch.stage.run(made(reply, { session: s }).call)).status).toBe(202);
    expect(up.seen).toHaveLength(2);
  });
  test('are declined when policy does not allow them, so that the server does not wait', async () => {
    const { up, r } = await setup(asking([ask(7, 'sampling/createMessage')]));
    const s = session('up-1');
    const m = made(toolCall(), { session: s });
    expect(answerOf(await r.dispatch.stage.run(m.call)).effect).toBe('done');
    expect(m.events).toEqual([]);
    expect(s.asked.size).toBe(0);
    expect(up.seen[1]?.json).toMatchObject({ id: 7, error: { code: -32601 } });
    expect(up.seen[1]?.headers['mcp-session-id']).toBe('up-1');
  });
  test('a string id is not a number id', async () => {
    const { up, r } = await setup(asking([]));
    const s = session('up-1');
    s.asked.add(1);
    answerOf(await r.dispatch.stage.run(made('{"jsonrpc":"2.0","id":"1","result":{}}', { session: s }).call));
    expect(up.seen).toHaveLength(0);
  });
});

describe('streams', () => {
  const note = { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x' } };
  test('a GET is opened with the server and carries its events until the client leaves', async () => {
    let res1: ServerResponse | null = null;
    const { up, r } = await setup((_seen, res) => {
      sse(res);
      res1 = res;
    });
    const s = session('up-1');
    const m = made('', { kind: 'stream', session: s, timeoutMs: null, lastEventId: 'e-9' });
    const done = r.dispatch.stage.run(m.call);
    await until(() => m.events.length === 1);
    expect(m.events).toEqual([':\n\n']);
    expect(up.seen[0]).toMatchObject({ method: 'GET', headers: { accept: 'text/event-stream', 'mcp-session-id': 'up-1', 'last-event-id': 'e-9' } });
    res1!.write(event(note, '5'));
    await until(() => m.events.length === 2);
    expect(m.events[1]).toBe(event(note, '5'));
    expect(s.streams.size).toBe(1);
    r.dispatch.toolsChanged('s');
    expect(m.events[2]).toContain('notifications/tools/list_changed');
    r.dispatch.toolsChanged('other');
    expect(m.events).toHaveLength(3);
    m.abort();
    expect(answerOf(await done)).toMatchObject({ status: 200, message: null });
    expect(s.streams.size).toBe(0);
    await until(() => res1!.closed);
  });
  test('405 comes back as 405, 404 ends the session', async () => {
    const { r } = await setup((_seen, res) => res.writeHead(405).end());
    expect(answerOf(await r.dispatch.stage.run(made('', { kind: 'stream', session: session('u'), timeoutMs: null }).call)).status).toBe(405);
    const gone = await setup((_seen, res) => res.writeHead(404).end());
    const s = session('u');
    expect(refusalOf(await gone.r.dispatch.stage.run(made('', { kind: 'stream', session: s, timeoutMs: null }).call)).code).toBe('dispatch.session');
    expect(gone.r.ended).toEqual([s.id]);
  });
  test('a reader that is too slow loses its stream', async () => {
    let closed = false;
    const { r } = await setup((_seen, res) => {
      sse(res);
      res.on('close', () => (closed = true));
      setTimeout(() => res.write(event(note)), 30);
    });
    const m = made('', { kind: 'stream', session: session('u'), timeoutMs: null });
    const done = r.dispatch.stage.run(m.call);
    await until(() => m.events.length === 1);
    m.state.accepting = false;
    answerOf(await done);
    await until(() => closed);
  });
  test('a stream ends with the credential that opened it', async () => {
    const { r } = await setup((_seen, res) => sse(res));
    const m = made('', { kind: 'stream', session: session('u'), timeoutMs: null, principal: principal('key:alice', { expiresAt: Date.now() + 80 }) });
    const start = performance.now();
    answerOf(await r.dispatch.stage.run(m.call));
    expect(performance.now() - start).toBeLessThan(2_000);
  });
  test('polling: the server closes the stream of the call and answers on the resumed one (MCP 2025-11-25)', async () => {
    let get: ServerResponse | null = null;
    const { r } = await setup((seen, res) => {
      sse(res);
      if (seen.method === 'GET') get = res;
      else res.end('id: e1\nretry: 10\ndata: \n\n');
    });
    const s = session('up-1');
    const call = made(toolCall(3), { session: s });
    const done = r.dispatch.stage.run(call.call);
    await until(() => call.state.detached);
    const resumed = made('', { kind: 'stream', session: s, timeoutMs: null, lastEventId: 'e1' });
    const streaming = r.dispatch.stage.run(resumed.call);
    await until(() => get !== null);
    // A foreign id on the stream wakes nobody and reaches nobody.
    get!.write(event(ok(99), 'e2'));
    get!.end(event(ok(3), 'e3'));
    expect(answerOf(await done)).toMatchObject({ effect: 'done', message: ok(3) });
    expect(answerOf(await done).event?.toString()).toBe(event(ok(3), 'e3'));
    expect(resumed.events).toEqual([':\n\n']);
    expect(s.resumable.size).toBe(0);
    // The stream waits a little, so that the corridor can write the answer on it.
    expect(await Promise.race([streaming, new Promise((resolve) => setTimeout(resolve, 100, 'open'))])).toBe('open');
    resumed.abort();
    answerOf(await streaming);
  });
  test('modern subscriptions/listen: mirrored, with the gateway’s own news after the acknowledgement', async () => {
    let res1: ServerResponse | null = null;
    const { up, r } = await setup((_seen, res) => {
      sse(res);
      res1 = res;
    });
    const text = '{"jsonrpc":"2.0","id":"sub","method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},"_meta":{}}}';
    const m = made(text, { era: 'modern', timeoutMs: null });
    const done = r.dispatch.stage.run(m.call);
    await until(() => res1 !== null);
    expect(up.seen[0]?.body.toString()).toBe(text);
    r.dispatch.toolsChanged('s'); // before the acknowledgement: not a word
    res1!.write(event({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { notifications: { toolsListChanged: true }, _meta: {} } }));
    await until(() => m.events.length === 1);
    r.dispatch.toolsChanged('s');
    expect(m.events[1]).toContain('"io.modelcontextprotocol/subscriptionId":"sub"');
    const last = { jsonrpc: '2.0', id: 'sub', result: { resultType: 'complete' } };
    res1!.end(event(last));
    expect(answerOf(await done)).toMatchObject({ message: last });
  });
  test('open streams do not use up the connections of calls', async () => {
    const { r } = await setup((seen, res) => (seen.method === 'GET' ? sse(res) : json(res, ok(seen.json['id']))));
    const streams = Array.from({ length: 150 }, () => made('', { kind: 'stream', session: session('u'), timeoutMs: null }));
    const done = streams.map((m) => r.dispatch.stage.run(m.call));
    await until(() => streams.every((m) => m.events.length === 1));
    expect(answerOf(await r.dispatch.stage.run(made(toolCall()).call)).effect).toBe('done');
    streams.forEach((m) => m.abort());
    await Promise.all(done);
  });
});
