import { afterEach, describe, expect, test, vi } from 'vitest';
import { startFixture } from '../../../test/kit/fixture/http.ts';
import { event, json, sse, type Seen } from '../../../test/kit/dispatch-rig.ts';
import { asking, oldServer, newServer, result, upstreamTo, type Answerer, type OldServer, type One } from '../../../test/kit/http-rig.ts';
import { Resumption } from './resumption.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});
async function setup(call: Answerer, get: Answerer): Promise<{ server: OldServer; one: One }> {
  const server = await oldServer(call, { tools: {} }, get);
  open.push(server.close);
  const one = upstreamTo(server.url);
  open.push(one.close);
  return { server, one };
}
/** Sends an event with an id and ends the stream. */
const leave = (how: 'end' | 'break' = 'end', id = 'e1'): Answerer => (_seen, res) => {
  sse(res);
  res.write(`id: ${id}\nretry: 100\ndata:\n\n`);
  setTimeout(() => (how === 'end' ? res.end() : res.destroy()), 10);
};
const gets = (server: OldServer): Seen[] => server.seen.filter((seen) => seen.method === 'GET');
const answer = (server: OldServer): string => event(result(server.calls('tools/call')[0] as Seen, { late: true }), 'e9');

describe('a stream that ended before the answer', () => {
  test.each(['end', 'break'] as const)('(%s) is taken up in the same session, as often as it takes; the request is never sent again', async (how) => {
    const { server, one } = await setup(leave(how), (_seen, res) => {
      sse(res);
      if (gets(server).length < 3) return void res.end(`id: e${gets(server).length + 1}\ndata:\n\n`);
      res.end(answer(server));
    });
    expect((await one.upstream.request('tools/call', '{}', asking())).result).toBe('{"late":true}');
    const [called] = server.calls('tools/call');
    expect(server.calls('tools/call')).toHaveLength(1);
    expect(gets(server).map((seen) => seen.headers['last-event-id'])).toEqual(['e1', 'e2', 'e3']);
    expect(gets(server).every((seen) => seen.headers['mcp-session-id'] === called?.headers['mcp-session-id'])).toBe(true);
  });
  test('what is passing is waited for; retry is honoured', async () => {
    const since = performance.now();
    const { server, one } = await setup((_seen, res) => { sse(res); res.end('id: a\nretry: 400\ndata:\n\n'); }, (_seen, res) => {
      if (gets(server).length === 1) return void res.writeHead(503).end();
      sse(res);
      res.end(answer(server));
    });
    expect((await one.upstream.request('tools/call', '{}', asking())).result).toBe('{"late":true}');
    expect(performance.now() - since).toBeGreaterThan(750);
  });
  test.each([404, 405, 401])('%i ends it, with an unknown effect', async (status) => {
    const { one } = await setup(leave(), (_seen, res) => void res.writeHead(status).end());
    await expect(one.upstream.request('tools/call', '{}', asking())).rejects.toMatchObject({ refusal: { code: 'dispatch.upstream', effect: 'unknown' } });
  });
  test('the time-out holds, and the server is told', async () => {
    const { server, one } = await setup(leave(), leave());
    await expect(one.upstream.request('tools/call', '{}', asking({ timeoutMs: 500 }))).rejects.toMatchObject({ refusal: { code: 'dispatch.timeout', effect: 'unknown' } });
    const { length } = gets(server);
    expect(length).toBeGreaterThan(1);
    expect(length).toBeLessThan(6); // never faster than every 100 ms
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(gets(server)).toHaveLength(length);
    expect(server.calls('notifications/cancelled')).toHaveLength(1);
  });
  test('a server cannot have us sleep for long', async () => {
    const one = upstreamTo('http://127.0.0.1:1/mcp');
    open.push(one.close);
    let attempts = 0;
    const link = { ...one.link, credential: () => { attempts++; return []; } };
    vi.useFakeTimers();
    try {
      const resumption = new Resumption(link, [], 1_000, { event: () => undefined, fail: () => undefined });
      resumption.heard({ raw: Buffer.alloc(0), data: null, id: 'a', event: null, retry: 999_999_999 });
      expect(resumption.begin()).toBe(true);
      await vi.advanceTimersByTimeAsync(31_000);
      expect(attempts).toBe(1);
      resumption.stop();
    } finally {
      vi.useRealTimers();
    }
  });
  test('an answer with a foreign id on the resumed stream is not ours', async () => {
    const { one } = await setup(leave(), (_seen, res) => {
      sse(res);
      res.write(event({ jsonrpc: '2.0', id: 424242, result: { content: ['someone else’s'] } }));
    });
    await expect(one.upstream.request('tools/call', '{}', asking({ timeoutMs: 400 }))).rejects.toMatchObject({ refusal: { code: 'dispatch.timeout' } });
  });
  test('without an event id, or with one that no header can carry, there is nothing to take up', async () => {
    for (const call of [((_seen, res) => { sse(res); res.end(':\n\n'); }), leave('end', 'é')] satisfies Answerer[]) {
      const { server, one } = await setup(call, (_seen, res) => void res.writeHead(500).end());
      await expect(one.upstream.request('tools/call', '{}', asking())).rejects.toMatchObject({ refusal: { code: 'dispatch.bad_answer', effect: 'unknown' } });
      expect(gets(server)).toHaveLength(0);
    }
  });
  test('a modern server’s stream is not resumable', async () => {
    const server = await newServer((_seen, res) => { sse(res); res.end('id: a\ndata:\n\n'); });
    open.push(server.close);
    const one = upstreamTo(server.url);
    open.push(one.close);
    await expect(one.upstream.request('tools/call', '{}', asking())).rejects.toMatchObject({ refusal: { code: 'dispatch.bad_answer' } });
    expect(server.seen.filter((seen) => seen.method === 'GET')).toHaveLength(0);
  });
  test('a question on the resumed stream reaches whoever asked', async () => {
    const { server, one } = await setup(leave(), (_seen, res) => {
      sse(res);
      res.write(event({ jsonrpc: '2.0', id: 'q', method: 'elicitation/create', params: {} }, 'e2'));
      const look = setInterval(() => {
        if (!server.seen.some((seen) => seen.json['id'] === 'q')) return;
        clearInterval(look);
        res.end(answer(server));
      }, 5);
    });
    const answered = await one.upstream.request('tools/call', '{}', asking({ capabilities: '{"elicitation":{}}', onQuestion: async () => ({ result: '{"action":"cancel"}' }) }));
    expect(answered.result).toBe('{"late":true}');
    expect(server.seen.find((seen) => seen.json['id'] === 'q')?.json).toMatchObject({ result: { action: 'cancel' } });
  });
  test('a real server that closes the stream of a call', async () => {
    const fixture = await startFixture({ eras: ['legacy'] });
    open.push(fixture.close);
    const one = upstreamTo(fixture.url);
    open.push(one.close);
    const answered = await one.upstream.request('tools/call', '{"name":"test_reconnection","arguments":{}}', asking({ timeoutMs: 15_000 }));
    expect(answered.result).toContain('after the stream was closed');
  }, 20_000);
  test('a plain answer needs no GET', async () => {
    const { server, one } = await setup((seen, res) => json(res, result(seen)), (_seen, res) => void res.writeHead(405).end());
    await one.upstream.request('tools/call', '{}', asking());
    expect(gets(server)).toHaveLength(0);
  });
});
