import { afterEach, describe, expect, test } from 'vitest';
import type { Refusal } from '../../call/refusal.ts';
import { answerOf, canned, createStage, event, json, made, refusalOf, rig, session, sse, tool, toolCall, until, type Seen } from '../../../test/kit/dispatch-rig.ts';
import type { ServerResponse } from 'node:http';

const stage = createStage();
afterEach(stage.close);
const setup = (answer: Parameters<typeof stage.setup>[0], server: object = {}, config: object = {}): ReturnType<typeof stage.setup> => stage.setup(answer, { server, config });
const ok = (id: unknown, text = 'hi'): object => ({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text }] } });

describe('what the server gets', () => {
  test('the very bytes, the gateway’s credential, and nothing of the client’s own headers', async () => {
    const { up, r } = await setup((seen, res) => json(res, ok(seen.json['id'])), { headers: { Authorization: { secret: 'env:TOKEN', prefix: 'Bearer ' } } });
    const text = ' {"jsonrpc" : "2.0","id":7, "method":"tools/call","params":{"name":"echo","arguments":{"n":12345678901234567890,"é":"\\u00e9"}}} ';
    const m = made(text, { era: 'modern', mirrored: [['mcp-name', 'echo'], ['mcp-param-n', '1'], ['x-evil', 'CANARY'], ['authorization', 'CANARY']] });
    const answer = answerOf(await r.dispatch.stage.run(m.call));
    const [seen] = up.seen;
    expect(seen?.body.equals(Buffer.from(text))).toBe(true);
    expect(JSON.stringify(seen?.rawHeaders)).not.toContain('CANARY');
    const { host: _host, connection: _connection, 'content-length': _length, ...rest } = seen?.headers ?? {};
    expect(rest).toEqual({
      'content-type': 'application/json', accept: 'application/json, text/event-stream', authorization: 'Bearer value-of-TOKEN',
      'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'echo', 'mcp-param-n': '1',
    });
    expect(answer).toMatchObject({ status: 200, effect: 'done', event: null, message: ok(7) });
  });
  test('in a session, the server’s session id and not the client’s', async () => {
    const { up, r } = await setup((seen, res) => json(res, ok(seen.json['id'])));
    const s = session('up-1');
    answerOf(await r.dispatch.stage.run(made(toolCall(), { session: s }).call));
    expect(up.seen[0]?.headers['mcp-session-id']).toBe('up-1');
    expect(JSON.stringify(up.seen[0]?.rawHeaders)).not.toContain(s.id);
  });
  test('no call without the credential, and the refusal does not tell its value', async () => {
    const { up, r } = await setup((seen, res) => json(res, ok(seen.json['id'])), { headers: { Authorization: { secret: 'env:MISSING' } } });
    expect(refusalOf(await r.dispatch.stage.run(made(toolCall()).call))).toEqual({ code: 'dispatch.credential', note: 'the environment variable MISSING is not set', effect: 'none' });
    expect(up.seen).toHaveLength(0);
  });
  test('arguments that are not the judged ones never leave', async () => {
    const { up, r } = await setup((seen, res) => json(res, ok(seen.json['id'])));
    const m = made(toolCall(1, '{"path":"/etc/passwd"}'), { judged: '{"path":"/tmp/x"}', tool: tool('s', 'echo') });
    expect(() => r.dispatch.stage.run(m.call)).toThrow('the judged arguments');
    expect(up.seen).toHaveLength(0);
  });
  test('capabilities that the server is not to know of are taken out, in both eras; the rest keeps its bytes', async () => {
    const { up, r } = await setup((seen, res) => json(res, ok(seen.json['id'])));
    const caps = '{"sampling":{}, "elicitation" : {"form":{}},"roots":{"listChanged":true},"x":1e400}';
    const modern = toolCall(1, '{"big":98765432109876543210}', `{"io.modelcontextprotocol/clientCapabilities":${caps},"k":1}`);
    answerOf(await r.dispatch.stage.run(made(modern, { era: 'modern' }).call));
    expect(up.seen[0]?.body.toString()).toBe(modern.replace(caps, '{"elicitation" : {"form":{}},"x":1e400}'));
    const legacy = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"sampling":{}},"clientInfo":{"name":"c","version":"1"}}}`;
    answerOf(await r.dispatch.stage.run(made(legacy).call));
    expect(up.seen[1]?.body.toString()).toBe(legacy.replace('{"sampling":{}}', '{}'));
  });
});

describe('what the client gets', () => {
  test('events before the answer, raw, then the event of the answer', async () => {
    const progress = { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } };
    const { r } = await setup((seen, res) => {
      sse(res);
      res.write(`: hello\n\nid: 1\nretry: 500\ndata: \n\n${event(progress, '2')}`);
      res.end(event(ok(seen.json['id']), '3'));
    });
    const m = made(toolCall());
    const answer = answerOf(await r.dispatch.stage.run(m.call));
    expect(m.events).toEqual(['id: 1\nretry: 500\ndata: \n\n', event(progress, '2')].map((e, i) => (i === 0 ? `: hello\n\n${e}` : e)).flatMap((e) => e.split(/(?<=\n\n)/)));
    expect(answer.event?.toString()).toBe(event(ok(1), '3'));
    expect(answer.bytes.toString()).toBe(JSON.stringify(ok(1)));
  });
  test('withheld events stay withheld', async () => {
    const up = await canned((seen, res) => {
      sse(res);
      res.end(event({ jsonrpc: '2.0', method: 'notifications/message', params: { data: 'evil' } }) + event(ok(seen.json['id'])));
    });
    const r = rig({ s: { url: up.url } }, { deps: { screen: (block) => (block.includes('evil') ? null : block) } });
    stage.opened(up.close); stage.opened(r.close);
    const m = made(toolCall());
    answerOf(await r.dispatch.stage.run(m.call));
    expect(m.events).toEqual([]);
  });
  test('answers with foreign ids, second answers and requests on modern streams are dropped', async () => {
    const { r } = await setup((seen, res) => {
      sse(res);
      res.write(event(ok('1', 'string id')) + event(ok(2, 'other')) + event({ jsonrpc: '2.0', id: 9, method: 'sampling/createMessage', params: {} }));
      res.end(event(ok(seen.json['id'], 'mine')) + event(ok(seen.json['id'], 'again')));
    });
    const m = made(toolCall(), { era: 'modern' });
    expect(answerOf(await r.dispatch.stage.run(m.call)).bytes.toString()).toContain('mine');
    expect(m.events).toEqual([]);
    await until(() => r.logs.some((l) => JSON.stringify(l.fields).includes('a second answer')));
    expect(r.logs.filter((l) => JSON.stringify(l.fields).includes('foreign'))).toHaveLength(2);
  });
  test('statuses and errors of the server survive', async () => {
    const error = (id: unknown, code: number): object => ({ jsonrpc: '2.0', id, error: { code, message: 'no' } });
    for (const [status, body, effect] of [[404, error(1, -32601), 'none'], [400, error(1, -32020), 'none'], [400, error(null, -32600), 'none'], [500, error(1, -32603), 'unknown'], [200, error(1, -32602), 'none']] as const) {
      const { r } = await setup((_seen, res) => json(res, body, status));
      expect(answerOf(await r.dispatch.stage.run(made(toolCall(), { era: 'modern' }).call))).toMatchObject({ status, message: body, effect });
    }
  });
  test('the effect follows the answer', async () => {
    for (const [result, effect] of [[{ content: [] }, 'done'], [{ content: [], isError: true }, 'unknown'], [{ resultType: 'input_required' }, 'unknown'], [{ resultType: 'complete' }, 'done']] as const) {
      const { r } = await setup((seen, res) => json(res, { jsonrpc: '2.0', id: seen.json['id'], result }));
      expect(answerOf(await r.dispatch.stage.run(made(toolCall()).call)).effect).toBe(effect);
    }
  });
});

describe('servers that misbehave', () => {
  const cases: [string, (seen: Seen, res: ServerResponse) => void, Partial<Refusal>][] = [
    ['401 with a challenge', (_s, res) => json(res, {}, 401, { 'www-authenticate': 'Bearer resource_metadata="http://169.254.169.254/"' }), { code: 'dispatch.upstream_auth', effect: 'none' }],
    ['403 with a JSON-RPC answer', (s, res) => json(res, ok(s.json['id']), 403), { code: 'dispatch.upstream_auth', effect: 'none' }],
    ['500 page', (_s, res) => res.writeHead(500, { 'content-type': 'text/html' }).end('<h1>no</h1>'), { code: 'dispatch.upstream', effect: 'unknown' }],
    ['redirect with an answer', (s, res) => json(res, ok(s.json['id']), 307, { location: 'http://127.0.0.1:1/' }), { code: 'dispatch.upstream', effect: 'unknown' }],
    ['foreign id', (_s, res) => json(res, ok(99)), { code: 'dispatch.bad_answer', effect: 'unknown' }],
    ['batch', (s, res) => json(res, [ok(s.json['id'])]), { code: 'dispatch.bad_answer', effect: 'unknown' }],
    ['duplicate keys', (_s, res) => json(res, '{"jsonrpc":"2.0","id":1,"result":{"content":[]},"result":{"content":[1]}}'), { code: 'dispatch.bad_answer', effect: 'unknown' }],
    ['keys alike but for case', (_s, res) => json(res, '{"jsonrpc":"2.0","id":1,"result":{"content":[]},"Result":{"content":[1]}}'), { code: 'dispatch.bad_answer', effect: 'unknown' }],
    ['not UTF-8', (_s, res) => res.writeHead(200, { 'content-type': 'application/json' }).end(Buffer.from([...Buffer.from('{"jsonrpc":"2.0","id":1,"result":{"a":"'), 0xff, ...Buffer.from('"}}')])), { code: 'dispatch.bad_answer', effect: 'unknown' }],
    ['both result and error', (_s, res) => json(res, { jsonrpc: '2.0', id: 1, result: {}, error: { code: 1, message: '' } }), { code: 'dispatch.bad_answer', effect: 'unknown' }],
    ['oversize', (_s, res) => json(res, { jsonrpc: '2.0', id: 1, result: { x: 'y'.repeat(5000) } }), { code: 'dispatch.bad_answer', effect: 'unknown', tell: 'The answer is larger than allowed; ask for less.' }],
    ['oversize event', (_s, res) => { sse(res); res.write(`data: ${'y'.repeat(5000)}`); }, { code: 'dispatch.bad_answer', effect: 'unknown', tell: 'The answer is larger than allowed; ask for less.' }],
    ['encoded body', (_s, res) => json(res, 'x', 200, { 'content-encoding': 'gzip' }), { code: 'dispatch.bad_answer', effect: 'unknown' }],
    ['stream without an answer', (_s, res) => { sse(res); res.end(': bye\n\n'); }, { code: 'dispatch.bad_answer', effect: 'unknown' }],
    ['socket cut', (_s, res) => res.destroy(), { code: 'dispatch.crashed', effect: 'unknown' }],
    ['socket cut in the answer', (_s, res) => { res.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' }); res.write('{"json'); setTimeout(() => res.destroy(), 20); }, { code: 'dispatch.crashed', effect: 'unknown' }],
    ['silence', () => undefined, { code: 'dispatch.timeout', effect: 'unknown' }],
    ['drip', (_s, res) => { sse(res); const t = setInterval(() => res.write(': x\n\n'), 20); res.on('close', () => clearInterval(t)); }, { code: 'dispatch.timeout', effect: 'unknown' }],
  ];
  test.each(cases)('%s', async (_name, answer, refusal) => {
    const { up, r } = await setup(answer, {}, { max_answer_bytes: 4096 });
    expect(refusalOf(await r.dispatch.stage.run(made(toolCall(), { timeoutMs: 300 }).call))).toMatchObject(refusal);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(up.seen.filter((s) => s.json['method'] === 'tools/call')).toHaveLength(1); // never retried
  });
  test('data that looks odd but is legitimate passes unchanged', async () => {
    const body = '{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"PATH":"a","Path":"b","__proto__":1,"half":"\\ud83d"},"content":[]}}';
    const { r } = await setup((_s, res) => json(res, body));
    expect(answerOf(await r.dispatch.stage.run(made(toolCall()).call)).bytes.toString()).toBe(body);
  });
  test('refused connections had no effect', async () => {
    const r = rig({ s: { url: 'http://127.0.0.1:1/mcp' } });
    stage.opened(r.close);
    expect(refusalOf(await r.dispatch.stage.run(made(toolCall()).call))).toMatchObject({ code: 'dispatch.unavailable', effect: 'none' });
  });
  test('progress starts the time-out again', async () => {
    const { r } = await setup((seen, res) => {
      sse(res);
      let n = 0;
      const timer = setInterval(() => {
        if (++n === 6) res.end(event(ok(seen.json['id'])));
        else res.write(event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: n } }));
      }, 100);
      res.on('close', () => clearInterval(timer));
    });
    expect(answerOf(await r.dispatch.stage.run(made(toolCall(), { timeoutMs: 250 }).call)).effect).toBe('done');
  });
  test('progress without end ends at ten times the time-out', async () => {
    const { r } = await setup((_seen, res) => {
      sse(res);
      const timer = setInterval(() => res.write(event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } })), 10);
      res.on('close', () => clearInterval(timer));
    });
    const start = performance.now();
    expect(refusalOf(await r.dispatch.stage.run(made(toolCall(), { timeoutMs: 50 }).call)).code).toBe('dispatch.timeout');
    expect(performance.now() - start).toBeLessThan(1000);
  });
});

describe('giving up', () => {
  test('modern: the connection is closed', async () => {
    let closed = false;
    const { up, r } = await setup((_seen, res) => void res.on('close', () => (closed = true)));
    const m = made(toolCall(), { era: 'modern' });
    const done = r.dispatch.stage.run(m.call);
    await until(() => up.seen.length === 1);
    m.abort();
    expect(refusalOf(await done)).toMatchObject({ code: 'dispatch.cancelled', effect: 'unknown' });
    await until(() => closed);
  });
  test('legacy: the server is told, and may still answer', async () => {
    let res1: ServerResponse | null = null;
    const { up, r } = await setup((seen, res) => {
      if (seen.json['method'] === 'tools/call') res1 = res;
      else {
        res.writeHead(202).end();
        setTimeout(() => res1 && json(res1, ok(1)), 20);
      }
    });
    const m = made(toolCall(), { session: session('up-1') });
    const done = r.dispatch.stage.run(m.call);
    await until(() => up.seen.length === 1);
    m.abort();
    expect(answerOf(await done).effect).toBe('done');
    expect(up.seen[1]?.json).toEqual({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } });
    expect(up.seen[1]?.headers['mcp-session-id']).toBe('up-1');
  });
  test('the client’s own cancellation is passed on as it is, and reaches only its own session’s call', async () => {
    const { up, r } = await setup((seen, res) => void (seen.json['method'] === 'tools/call' || res.writeHead(202).end()));
    const [a, b] = [session('a'), session('b')];
    const first = r.dispatch.stage.run(made(toolCall(5), { session: a, timeoutMs: 8_000 }).call);
    const second = r.dispatch.stage.run(made(toolCall(5), { session: b, timeoutMs: 8_000 }).call);
    await until(() => up.seen.length === 2);
    const text = '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}';
    expect(answerOf(await r.dispatch.stage.run(made(text, { session: a }).call)).status).toBe(202);
    expect(up.seen.filter((s) => s.json['method'] === 'notifications/cancelled').map((s) => s.headers['mcp-session-id'])).toEqual(['a']);
    const winner = await Promise.race([Promise.resolve(first).then((d) => ['first', d] as const), Promise.resolve(second).then((d) => ['second', d] as const)]);
    expect(winner[0]).toBe('first');
    expect(refusalOf(winner[1])).toMatchObject({ code: 'dispatch.cancelled', effect: 'unknown' });
  }, 12_000);
  test('a call that is given up while it waits for a connection is never sent', async () => {
    const { up, r } = await setup(() => undefined, {}, { connections: 1 });
    const first = made(toolCall(1), { era: 'modern' });
    const waiting = made(toolCall(2), { era: 'modern' });
    const one = r.dispatch.stage.run(first.call);
    await until(() => up.seen.length === 1);
    const two = r.dispatch.stage.run(waiting.call);
    waiting.abort();
    expect(refusalOf(await two)).toMatchObject({ code: 'dispatch.cancelled', effect: 'none' });
    first.abort();
    await one;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(up.seen).toHaveLength(1);
  });
});
