import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { canned, json, sse, type Canned, type Seen } from '../kit/dispatch-rig.ts';
import { front, type Front } from '../kit/connect.ts';
import { META } from '../kit/gateway.ts';

/** `sallyport connect` in front of a server that does on the wire exactly what the test says: what real ones do rarely. */
const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});
type Answer = (seen: Seen, res: ServerResponse) => void;
async function scene(answer: Answer): Promise<{ f: Front; up: Canned }> {
  const up = await canned((seen, res) => {
    const id = seen.json['id'];
    if (seen.json['method'] === 'initialize') return json(res, { jsonrpc: '2.0', id, result: { protocolVersion: '2025-06-18', capabilities: {}, serverInfo: {} } }, 200, { 'mcp-session-id': `s${++sessions}` });
    if (seen.method === 'DELETE') return void res.writeHead(200).end();
    if (String(seen.json['method']).startsWith('notifications/')) return void res.writeHead(202).end();
    answer(seen, res);
  });
  let sessions = 0;
  const f = front(up.url, 'sp_test-key');
  open.push(up.close, async () => {
    f.child.stdin?.end();
    expect(await f.exit).toBe(0);
  });
  return { f, up };
}
const absent: Answer = (_seen, res) => void res.writeHead(405).end();
const hello = { jsonrpc: '2.0', id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'by hand', version: '1' } }, 'x-more': true };
async function begin(f: Front): Promise<void> {
  await f.ask(hello);
  f.say({ jsonrpc: '2.0', method: 'notifications/initialized' });
}
const until = async (holds: () => boolean): Promise<void> => expect.poll(holds, { timeout: 10_000, interval: 10 }).toBe(true);

describe('what is passed on', () => {
  it('keeps an answer letter for letter; only line breaks between tokens become spaces', async () => {
    const { f } = await scene((seen, res) => {
      if (seen.method === 'GET') return absent(seen, res);
      const id = seen.json['id'];
      if (id === 1) return json(res, '{"id" :1,\r\n "jsonrpc":"2.0",\n"result":{"n":123456789012345678901234567890,"f":1.0,"t":"a\\nb \\u0041\\/","dup":{"b":1,"a":2}}}');
      sse(res);
      res.end(': hi\nevent: message\ndata: {"jsonrpc":"2.0","method":"notifications/message",\ndata: "params":{"n":1e400}}\n\nevent: other\ndata: {"jsonrpc":"2.0","method":"no"}\n\ndata: {"jsonrpc":"2.0","id":2,"result":{"t":"\u2028{}"}}\n\n');
    });
    await begin(f);
    expect(await f.ask({ id: 1, method: 'tools/list' })).toBe('{"id" :1,   "jsonrpc":"2.0", "result":{"n":123456789012345678901234567890,"f":1.0,"t":"a\\nb \\u0041\\/","dup":{"b":1,"a":2}}}');
    expect(await f.ask({ id: 2, method: 'tools/list' })).toBe('{"jsonrpc":"2.0","id":2,"result":{"t":"\\u2028{}"}}');
    expect(f.lines).toContain('{"jsonrpc":"2.0","method":"notifications/message", "params":{"n":1e400}}');
    expect(f.lines.join()).not.toContain('"no"');
  });
  it('session, version and key go with each request; the session is ended at the end', async () => {
    const { f, up } = await scene((seen, res) => (seen.method === 'GET' ? absent(seen, res) : json(res, { jsonrpc: '2.0', id: seen.json['id'], result: {} })));
    f.say(hello);
    f.say({ jsonrpc: '2.0', method: 'notifications/initialized' }); // no waiting: the order is kept all the same
    await f.ask({ id: 1, method: 'ping' });
    f.child.stdin?.end();
    expect(await f.exit).toBe(0);
    const posts = up.seen.filter((seen) => seen.method !== 'GET');
    expect(posts.map((seen) => seen.json['method'] ?? seen.method)).toEqual(['initialize', 'notifications/initialized', 'ping', 'DELETE']);
    expect(posts.map((seen) => seen.headers['mcp-session-id'])).toEqual([undefined, 's1', 's1', 's1']);
    expect(posts.map((seen) => seen.headers['mcp-protocol-version'])).toEqual([undefined, '2025-06-18', '2025-06-18', '2025-06-18']);
    expect(new Set(up.seen.map((seen) => seen.headers['x-api-key']))).toEqual(new Set(['sp_test-key']));
  });
  it('an answer to nobody, or to somebody else, is dropped (CVE-2026-25536)', async () => {
    const { f } = await scene((seen, res) => {
      if (seen.method === 'GET') return absent(seen, res);
      sse(res);
      res.end('data: {"jsonrpc":"2.0","id":99,"result":{}}\n\ndata: {"jsonrpc":"2.0","id":"1","result":{}}\n\ndata: {"jsonrpc":"2.0","id":1,"result":{"mine":true}}\n\ndata: {"jsonrpc":"2.0","id":1,"result":{"twice":true}}\n\n');
    });
    await begin(f);
    expect(await f.ask({ id: 1, method: 'ping' })).toContain('mine');
    await f.ask({ id: 1, method: 'ping' });
    expect(f.lines.join()).not.toMatch(/99|"1"|twice/);
  });
});

describe('streams', () => {
  it('an answer that was cut off is fetched where it stopped, after the time the server asked for', async () => {
    const gets: Seen[] = [];
    let cutAt = 0;
    const { f } = await scene((seen, res) => {
      sse(res);
      if (seen.method === 'POST') {
        cutAt = performance.now();
        return void res.end('id: e1\nretry: 300\ndata: \n\n');
      }
      if (seen.headers['last-event-id'] === undefined) return; // the standing stream
      gets.push(seen);
      if (gets.length === 1) res.end('id: e2\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}\n\n');
      else res.end('data: {"jsonrpc":"2.0","id":5,"result":{"late":true}}\n\n');
    });
    await begin(f);
    expect(await f.ask({ id: 5, method: 'tools/call', params: { name: 'x' } })).toContain('"late":true');
    expect(performance.now() - cutAt).toBeGreaterThan(550);
    expect(gets.map((seen) => [seen.headers['last-event-id'], seen.headers['mcp-session-id']])).toEqual([['e1', 's1'], ['e2', 's1']]);
    expect(f.lines.filter((line) => line.includes('progress'))).toHaveLength(1);
  });
  it('a cut stream that cannot be resumed is an error: nobody knows what happened', async () => {
    const { f } = await scene((seen, res) => {
      if (seen.method === 'GET') return absent(seen, res);
      sse(res);
      res.end(': nothing\n\n');
    });
    await begin(f);
    for (const params of [{}, { _meta: META }]) expect(await f.ask({ id: 1, method: 'ping', params })).toMatch(/-31100.*not known whether/);
  });
  it('the server’s own stream is opened once the client is ready, and again when it ends', async () => {
    const gets: Seen[] = [];
    const { f } = await scene((seen, res) => {
      if (seen.method !== 'GET') return json(res, { jsonrpc: '2.0', id: seen.json['id'], result: {} });
      gets.push(seen);
      sse(res);
      if (gets.length === 1) res.end('id: a\nretry: 20\ndata: {"jsonrpc":"2.0","method":"notifications/one"}\n\n');
      else res.write('data: {"jsonrpc":"2.0","id":"q","method":"roots/list"}\n\n');
    });
    await f.ask(hello);
    await new Promise((done) => setTimeout(done, 100));
    expect(gets).toEqual([]);
    f.say({ jsonrpc: '2.0', method: 'notifications/initialized' });
    await f.heard((line) => line.includes('notifications/one'));
    await f.heard((line) => line.includes('roots/list'));
    expect(gets.map((seen) => seen.headers['last-event-id'])).toEqual([undefined, 'a']);
  });
});

describe('refusals', () => {
  it('an unknown session: the client’s own words open another, the request goes once more, nothing else is seen', async () => {
    const gone = new Set(['s1']);
    const { f, up } = await scene((seen, res) => {
      const session = String(seen.headers['mcp-session-id']);
      if (seen.method === 'GET') return absent(seen, res);
      if (gone.has(session)) return json(res, { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } }, 404);
      json(res, { jsonrpc: '2.0', id: seen.json['id'], result: { session } });
    });
    await begin(f);
    const [one, two] = await Promise.all([f.ask({ id: 1, method: 'a' }), f.ask({ id: 2, method: 'b' })]);
    expect(one + two).toMatch(/"s2".*"s2"/);
    const said = up.seen.filter((seen) => seen.json['method'] === 'initialize').map((seen) => seen.body.toString());
    expect(said).toEqual([JSON.stringify(hello), JSON.stringify(hello)]);
    expect(up.seen.filter((seen) => seen.json['method'] === 'notifications/initialized').map((seen) => seen.headers['mcp-session-id'])).toEqual(['s1', 's2']);
    expect(f.lines).toHaveLength(3);
    for (const id of ['s2', 's3', 's4', 's5']) gone.add(id);
    const before = up.seen.length;
    expect(await f.ask({ id: 3, method: 'c' })).toMatch(/"id":3,"error":\{"code":-31100/);
    expect(up.seen.slice(before).filter((seen) => seen.json['method'] === 'c')).toHaveLength(2); // once more, not for ever
  });
  it('404 for an unknown method is its answer, not the end of the session', async () => {
    const { f, up } = await scene((seen, res) => (seen.method === 'GET' ? absent(seen, res) : json(res, { jsonrpc: '2.0', id: seen.json['id'], error: { code: -32601, message: 'Method not found' } }, 404)));
    await begin(f);
    expect(await f.ask({ id: 1, method: 'nope' })).toContain('-32601');
    expect(up.seen.filter((seen) => seen.json['method'] === 'initialize')).toHaveLength(1);
  });
  it.each([
    [401, /does not accept the key.*--key-file/, 'connect.key'], [403, /refuses/, 'connect.forbidden'], [404, /Look at --url/, 'connect.endpoint'], [429, /Too many/, 'connect.busy'],
    [503, /cannot work at present.*It says: out of disk/, 'connect.unavailable'], [307, /redirects are not followed/, 'connect.endpoint'], [200, /no answer to this request.*not known/, 'connect.bad_answer'],
  ])('HTTP %i without an answer to the id becomes one', async (status, words, code) => {
    const { f, up } = await scene((_seen, res) => json(res, status === 503 ? { jsonrpc: '2.0', id: null, error: { code: 1, message: 'out of disk' } } : '<html>', status, { location: 'http://127.0.0.1:1/' }));
    const { error } = JSON.parse(await f.ask({ id: 'é"', method: 'tools/call', params: { name: 'x', _meta: META } })) as { error: { code: number; message: string; data: object } };
    expect(error).toMatchObject({ code: -31_100, data: { code, status } });
    expect(error.message).toMatch(words);
    expect(up.seen).toHaveLength(1);
  });
  it('a header cannot be broken out of (CWE-113)', async () => {
    const { f, up } = await scene((seen, res) => json(res, { jsonrpc: '2.0', id: seen.json['id'], result: {} }));
    await f.ask({ id: 1, method: 'tools/call', params: { name: 'a\r\nx-evil: 1', _meta: META } });
    expect(up.seen[0]?.headers).toMatchObject({ 'mcp-name': `=?base64?${Buffer.from('a\r\nx-evil: 1').toString('base64')}?=`, 'mcp-method': 'tools/call', 'mcp-protocol-version': '2026-07-28' });
    expect(up.seen[0]?.headers).not.toHaveProperty('x-evil');
  });
});

describe('bounds', () => {
  it('a line over 16 MiB is refused and not kept; one just below passes', async () => {
    const { f, up } = await scene((seen, res) => json(res, { jsonrpc: '2.0', id: seen.json['id'], result: {} }));
    const message = (size: number, id: number): string => `{"jsonrpc":"2.0","id":${id},"method":"x","params":{"_meta":${JSON.stringify(META)},"pad":"${'x'.repeat(size)}"}}`;
    f.say(message(17 * 1_048_576, 1));
    expect(await f.heard((line) => line.includes('longer than 16 MiB'))).not.toContain('"id"');
    f.say(message(16_700_000, 2));
    await f.heard((line) => line.includes('"id":2'));
    expect(up.seen).toHaveLength(1);
  });
  it('an answer over 16 MiB is an error to its id, as a body and as an event', async () => {
    const { f } = await scene((seen, res) => {
      const text = `{"jsonrpc":"2.0","id":${String(seen.json['id'])},"result":"${'x'.repeat(17 * 1_048_576)}"}`;
      if (seen.json['id'] === 1) return json(res, text);
      sse(res);
      res.end(`data: ${text}\n\n`);
    });
    for (const id of [1, 2]) expect(await f.ask({ id, method: 'x', params: { _meta: META } })).toMatch(/longer than 16 MiB/);
  });
  it('more than 256 requests at once are told so; the others are not harmed', async () => {
    const waiting: (() => void)[] = [];
    const { f } = await scene((seen, res) => void waiting.push(() => json(res, { jsonrpc: '2.0', id: seen.json['id'], result: {} })));
    for (let id = 0; id < 257; id++) f.say({ jsonrpc: '2.0', id, method: 'x', params: { _meta: META } });
    expect(await f.heard((line) => line.includes('"id":256'))).toMatch(/Too many requests.*Nothing was executed/);
    await until(() => waiting.length === 256);
    for (const answer of waiting) answer();
    await until(() => f.lines.length === 257);
    expect(f.lines.filter((line) => line.includes('"result"'))).toHaveLength(256);
  });
  it('a client that does not read slows the server down instead of filling the memory', async () => {
    const event = `data: {"jsonrpc":"2.0","method":"notifications/message","params":"${'x'.repeat(100_000)}"}\n\n`;
    let written = 0;
    let stalled = false;
    const { f } = await scene((seen, res) => {
      sse(res);
      const more = (): void => {
        while (written < 1_000) {
          written++;
          if (!res.write(event)) return void res.once('drain', more);
        }
        res.end(`data: {"jsonrpc":"2.0","id":${String(seen.json['id'])},"result":{}}\n\n`);
      };
      more();
    });
    f.child.stdout?.pause();
    f.say({ jsonrpc: '2.0', id: 1, method: 'x', params: { _meta: META } });
    await until(() => written > 0);
    await new Promise((done) => setTimeout(done, 700));
    const before = written;
    await new Promise((done) => setTimeout(done, 300));
    stalled = written === before && written < 300;
    f.child.stdout?.resume();
    await f.heard((line) => line.includes('"id":1'));
    expect(stalled).toBe(true);
    expect(f.lines).toHaveLength(1_001);
  });
});
