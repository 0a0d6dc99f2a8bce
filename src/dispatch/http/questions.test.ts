import { afterEach, describe, expect, test } from 'vitest';
import { startFixture } from '../../../test/kit/fixture/http.ts';
import { event, json, sse, until } from '../../../test/kit/dispatch-rig.ts';
import { asking, oldServer, result, upstreamTo, type OldServer, type One } from '../../../test/kit/http-rig.ts';
import type { Question, Reply } from '../upstream.ts';
import { UpstreamFault } from '../upstream.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const ELICIT = '{"elicitation":{}}';
const question = (id: string | number, method = 'elicitation/create', params: object = { message: 'who?' }): string => event({ jsonrpc: '2.0', id, method, params });

/** A server that asks before it answers with what it was told. */
async function asker(questions: readonly string[], room: object = {}): Promise<{ server: OldServer; one: One }> {
  const server = await oldServer((seen, res) => {
    sse(res);
    const before = server.seen.length;
    questions.forEach((text) => res.write(text));
    const replies = (): readonly object[] => server.seen.slice(before).filter((s) => s.json['method'] === undefined && s.method === 'POST').map((s) => s.json);
    const look = setInterval(() => {
      if (res.destroyed) return clearInterval(look);
      if (replies().length < questions.length) return;
      clearInterval(look);
      res.end(event(result(seen, { replies: replies() })));
    }, 5);
  });
  open.push(server.close);
  const one = upstreamTo(server.url, {}, room);
  open.push(one.close);
  return { server, one };
}
const repliesOf = (text: string | null): readonly unknown[] => (JSON.parse(text ?? '{}') as { replies: readonly unknown[] }).replies;

describe('a server that asks in the middle of a call', () => {
  test('is answered in the same session, letter for letter both ways', async () => {
    const { server, one } = await asker([`id: 1\ndata: {"jsonrpc":"2.0","id":12345678901234567890,"method":"elicitation/create","params":{"message":"who?", "n":98765432109876543210}}\n\n`]);
    const heard: Question[] = [];
    const answer = await one.upstream.request('tools/call', '{"name":"x"}', asking({
      capabilities: ELICIT,
      onQuestion: async (q) => {
        heard.push(q);
        return { result: '{"action":"accept","content":{"big":11111111111111111111}}' };
      },
    }));
    expect(answer.error).toBeNull();
    expect(heard).toMatchObject([{ method: 'elicitation/create', paramsText: '{"message":"who?", "n":98765432109876543210}' }]);
    const reply = server.seen.find((s) => s.body.includes('"big"'));
    expect(reply?.body.toString()).toBe('{"jsonrpc":"2.0","id":12345678901234567890,"result":{"action":"accept","content":{"big":11111111111111111111}}}');
    const called = server.calls('tools/call')[0];
    expect(reply?.headers['mcp-session-id']).toBe(called?.headers['mcp-session-id']);
    expect(server.sessions.get(String(called?.headers['mcp-session-id']))).toEqual({ elicitation: {} });
  });
  test('the time-out stands still meanwhile, and runs again afterwards', async () => {
    const { one } = await asker([question(1)]);
    const slow = async (): Promise<Reply> => {
      await pause(700);
      return { result: '{"action":"decline"}' };
    };
    const answer = await one.upstream.request('tools/call', '{}', asking({ capabilities: ELICIT, onQuestion: slow, timeoutMs: 400 }));
    expect(repliesOf(answer.result)).toEqual([{ jsonrpc: '2.0', id: 1, result: { action: 'decline' } }]);
    const silent = await oldServer((_seen, res) => {
      sse(res);
      res.write(question(1));
    });
    open.push(silent.close);
    const two = upstreamTo(silent.url);
    open.push(two.close);
    const since = performance.now();
    await expect(two.upstream.request('tools/call', '{}', asking({ capabilities: ELICIT, onQuestion: slow, timeoutMs: 300 }))).rejects.toMatchObject({ refusal: { code: 'dispatch.timeout', effect: 'unknown' } });
    expect(performance.now() - since).toBeGreaterThan(900);
    expect(two.link.asking).toBe(0);
  });
  test('the absolute maximum is moved along by the time that stood still', async () => {
    const server = await oldServer((seen, res) => {
      sse(res);
      res.write(question(1));
      const token = (seen.json['params'] as { _meta: { progressToken: number } })._meta.progressToken;
      let left = 8;
      const look = setInterval(() => {
        if (!server.seen.some((s) => s.json['id'] === 1 && s.json['method'] === undefined)) return;
        res.write(event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: token, progress: 9 - left } }));
        if (--left > 0) return;
        clearInterval(look);
        res.end(event(result(seen)));
      }, 50);
    });
    open.push(server.close);
    const one = upstreamTo(server.url);
    open.push(one.close);
    const onQuestion = async (): Promise<Reply> => {
      await pause(1_600);
      return { result: '{}' };
    };
    await expect(one.upstream.request('tools/call', '{}', asking({ capabilities: ELICIT, onQuestion, timeoutMs: 150, progressToken: true }))).resolves.toMatchObject({ error: null });
  });
  test('an error is passed back as one', async () => {
    const { one } = await asker([question('q')]);
    const answer = await one.upstream.request('tools/call', '{}', asking({ capabilities: ELICIT, onQuestion: async () => ({ error: '{"code":-1,"message":"User rejected"}' }) }));
    expect(repliesOf(answer.result)).toEqual([{ jsonrpc: '2.0', id: 'q', error: { code: -1, message: 'User rejected' } }]);
  });
  test.each<[string, string, string, object]>([
    ['sampling', 'sampling/createMessage', ELICIT, {}],
    ['roots', 'roots/list', ELICIT, {}],
    ['elicitation', 'elicitation/create', '{"sampling":{},"roots":{}}', {}],
    ['a URL', 'elicitation/create', ELICIT, { mode: 'url', url: 'https://x.example' }],
    ['something unknown', 'tasks/list', '{"elicitation":{},"sampling":{},"roots":{},"tasks":{}}', {}],
  ])('%s that was not declared is declined without anybody hearing of it', async (_name, method, capabilities, params) => {
    const { one } = await asker([question(1, method, params)]);
    let heard = 0;
    const answer = await one.upstream.request('tools/call', '{}', asking({ capabilities, onQuestion: async () => { heard++; return { result: '{}' }; } }));
    expect(repliesOf(answer.result)).toMatchObject([{ id: 1, error: { code: -32601 } }]);
    expect(heard).toBe(0);
  });
  test('with nobody to ask it is declined, a ping is answered; its own error goes through as it is', async () => {
    const { one } = await asker([question(1), event({ jsonrpc: '2.0', id: 2, method: 'ping' })]);
    expect(repliesOf((await one.upstream.request('tools/call', '{}', asking({ capabilities: ELICIT }))).result)).toEqual(expect.arrayContaining([
      { jsonrpc: '2.0', id: 1, error: { code: -32601, message: 'Method not found' } }, { jsonrpc: '2.0', id: 2, result: {} },
    ]));
    const failing = await oldServer((seen, res) => {
      sse(res);
      res.write(question(1));
      res.end(event({ jsonrpc: '2.0', id: seen.json['id'], error: { code: -32000, message: 'I need the user' } }));
    });
    open.push(failing.close);
    const two = upstreamTo(failing.url);
    open.push(two.close);
    expect((await two.upstream.request('tools/call', '{}', asking())).error).toBe('{"code":-32000,"message":"I need the user"}');
  });
  test('sixteen questions at once and no more', async () => {
    const { one } = await asker(Array.from({ length: 18 }, (_, i) => question(i)));
    let heard = 0;
    const answer = await one.upstream.request('tools/call', '{}', asking({ capabilities: ELICIT, onQuestion: async () => { heard++; await pause(50); return { result: '{}' }; } }));
    expect(heard).toBe(16);
    expect(repliesOf(answer.result).filter((reply) => (reply as { error?: object }).error !== undefined)).toHaveLength(2);
  });
  test('no more than half of the connections wait for people', async () => {
    const { one } = await asker([question(1)], { connections: 3 });
    let heard = 0;
    const onQuestion = async (): Promise<Reply> => { heard++; await pause(200); return { result: '{}' }; };
    await Promise.all([1, 2, 3].map(() => one.upstream.request('tools/call', '{}', asking({ capabilities: ELICIT, onQuestion }))));
    expect(heard).toBe(2);
    expect(one.link.asking).toBe(0);
  });
  test('a reply that comes after the end is dropped; the server hears of the cancellation', async () => {
    const { server, one } = await asker([question(7)]);
    const controller = new AbortController();
    let reply: (said: Reply) => void = () => undefined;
    const asked = new Promise<Reply>((resolve) => (reply = resolve));
    const done = one.upstream.request('tools/call', '{}', asking({ capabilities: ELICIT, signal: controller.signal, onQuestion: () => { setTimeout(() => controller.abort(), 20); return asked; } }));
    await expect(done).rejects.toMatchObject({ refusal: { code: 'dispatch.cancelled' } });
    reply({ result: '{}' });
    await until(() => server.calls('notifications/cancelled').length === 1);
    await pause(50);
    expect(server.seen.filter((s) => s.json['id'] === 7)).toHaveLength(0);
    expect(one.link.asking).toBe(0);
  });
  test('on a stream that belongs to no call it is declined', async () => {
    const server = await oldServer((seen, res) => json(res, result(seen)));
    open.push(server.close);
    const one = upstreamTo(server.url);
    open.push(one.close);
    one.upstream.start();
    await until(() => server.streams.size === 1);
    const [stream] = server.streams.values();
    stream?.write(question(5));
    stream?.write(event({ jsonrpc: '2.0', id: 6, method: 'ping' }));
    await until(() => server.seen.some((s) => s.json['id'] === 5) && server.seen.some((s) => s.json['id'] === 6));
    expect(server.seen.find((s) => s.json['id'] === 5)?.json).toMatchObject({ error: { code: -32601 } });
    expect(server.seen.find((s) => s.json['id'] === 6)?.json).toEqual({ jsonrpc: '2.0', id: 6, result: {} });
  });
});

describe('a real server that asks', () => {
  test('elicitation and sampling; what was not declared it does not ask', async () => {
    const fixture = await startFixture({ eras: ['legacy'] });
    open.push(fixture.close);
    const one = upstreamTo(fixture.url);
    open.push(one.close);
    const heard: string[] = [];
    const onQuestion = async (q: Question): Promise<Reply> => {
      heard.push(q.method);
      return { result: q.method === 'elicitation/create' ? '{"action":"accept","content":{"response":"blue"}}' : '{"model":"m","role":"assistant","content":{"type":"text","text":"pong"}}' };
    };
    const capabilities = '{"elicitation":{},"sampling":{}}';
    const elicited = await one.upstream.request('tools/call', '{"name":"test_elicitation","arguments":{"message":"colour?"}}', asking({ capabilities, onQuestion }));
    const sampled = await one.upstream.request('tools/call', '{"name":"test_sampling","arguments":{"prompt":"ping"}}', asking({ capabilities, onQuestion }));
    expect(elicited.result).toContain('blue');
    expect(sampled.result).toContain('pong');
    expect(heard).toEqual(['elicitation/create', 'sampling/createMessage']);
    const without = await one.upstream.request('tools/call', '{"name":"test_sampling","arguments":{"prompt":"ping"}}', asking({ capabilities: ELICIT, onQuestion }));
    expect(without.parsed?.['isError']).toBe(true);
    expect(heard).toHaveLength(2);
  });
  test('faults are UpstreamFaults', async () => {
    const one = upstreamTo('http://127.0.0.1:1/mcp');
    open.push(one.close);
    await expect(one.upstream.request('tools/call', '{}', asking())).rejects.toBeInstanceOf(UpstreamFault);
  });
});
