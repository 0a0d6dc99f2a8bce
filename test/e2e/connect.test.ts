import { Client as ModernClient } from '@modelcontextprotocol/client';
import { StdioClientTransport as ModernTransport } from '@modelcontextprotocol/client/stdio';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { front, MAIN } from '../kit/connect.ts';
import { startFixture, type RunningFixture } from '../kit/fixture/http.ts';
import { cli, launch, META, type Launched, type LaunchOptions } from '../kit/gateway.ts';

/** `sallyport connect` between official clients on stdio and the real gateway in front of a real server. */
const PORT = 24_000 + (process.pid % 6_000);
let fixture: RunningFixture;
let gateway: Launched;
let keyFile: string;
const options = (): LaunchOptions => ({
  config: {
    dispatch: { servers: { fixture: { url: fixture.url, allow_loopback: true, client_capabilities: ['elicitation', 'sampling', 'roots'] } } },
    authorize: { rules: [{ id: 'test', why: 'the test may do everything on the fixture', effect: 'allow', callers: ['desktop'], servers: ['fixture'], classes: ['discovery', 'read', 'write', 'external', 'destructive', 'admin'], require_confirmation: false }] },
    limit: { rates: { tools: { '*': '100000/minute' }, callers: { '*': '100000/minute' } } },
  },
  args: ['--port', String(PORT)],
});
const url = (): string => `${gateway.url}/s/fixture/mcp`;
const key = (): string => gateway.keys['desktop'] as string;

beforeAll(async () => {
  fixture = await startFixture();
  gateway = await launch({ ...options(), keys: { desktop: [] } });
  keyFile = join(gateway.dir, 'desktop.key');
  writeFileSync(keyFile, `${key()}\n`, { mode: 0o600 });
}, 60_000);
afterAll(async () => {
  await gateway.stop();
  gateway.clean();
  await fixture.close();
});

const started = (): { command: string; args: string[]; stderr: 'pipe' } => ({ command: process.execPath, args: [MAIN, 'connect', '--url', url(), '--key-file', keyFile], stderr: 'pipe' });
const textOf = (result: unknown): string => (result as { content: { text: string }[] }).content.map((c) => c.text).join('');
const call = (id: string | number, name: string, args: object, more: object = {}): { id: string | number; method: string; params: object } => ({ id, method: 'tools/call', params: { name, arguments: args, ...more } });
const hello = { id: 'hello', method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'by hand', version: '1' } } };

async function legacy(): Promise<Client> {
  const client = new Client({ name: 'desktop', version: '1' }, { capabilities: { elicitation: {} } });
  await client.connect(new StdioClientTransport(started()));
  return client;
}
async function modern(): Promise<ModernClient> {
  const client = new ModernClient({ name: 'desktop', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(new ModernTransport(started()));
  return client;
}

for (const [era, connect] of [['2025-11-25, SDK 1', legacy], ['2026-07-28, SDK 2', modern]] as const) {
  describe(`an official client of ${era} over stdio`, () => {
    it('lists, calls, hears progress, reads', async () => {
      const client = await connect();
      expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(expect.arrayContaining(['echo', 'test_elicitation']));
      expect(textOf(await client.callTool({ name: 'echo', arguments: { text: 'ahoy ✓\u2028', number: 7 } }))).toBe('{"text":"ahoy ✓\u2028","number":7}');
      const seen: number[] = [];
      await client.callTool({ name: 'test_tool_with_progress', arguments: {} }, ...(era.includes('SDK 1') ? [undefined, { onprogress: (p: { progress: number }) => seen.push(p.progress) }] : [{ onprogress: (p: { progress: number }) => seen.push(p.progress) }]) as never[]);
      expect(seen).toEqual([0, 50, 100]);
      expect(JSON.stringify(await client.readResource({ uri: 'test://static-text' }))).toContain('Text of a static resource.');
      await client.close();
    });
    it('runs calls side by side', async () => {
      const client = await connect();
      const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => client.callTool({ name: 'echo', arguments: { number: i } })));
      expect(answers.map(textOf)).toEqual(Array.from({ length: 40 }, (_, i) => `{"number":${i}}`));
      await client.close();
    });
    it('cancels', async () => {
      const client = await connect();
      const giveUp = new AbortController();
      const before = fixture.ran.length;
      const running = client.callTool({ name: 'slow', arguments: { ms: 20_000 } }, ...(era.includes('SDK 1') ? [undefined, { signal: giveUp.signal }] : [{ signal: giveUp.signal }]) as never[]);
      await expect.poll(() => fixture.ran.slice(before).map(([tool]) => tool), { timeout: 10_000 }).toContain('slow');
      giveUp.abort();
      await expect(running).rejects.toThrow();
      await expect.poll(() => fixture.ran.slice(before).map(([tool]) => tool), { timeout: 10_000 }).toContain('slow cancelled');
      expect(textOf(await client.callTool({ name: 'echo', arguments: { text: 'still here' } }))).toContain('still here');
      await client.close();
    });
    it('goes on after the gateway was restarted', async () => {
      const client = await connect();
      expect(textOf(await client.callTool({ name: 'echo', arguments: { text: 'before' } }))).toContain('before');
      await gateway.stop('SIGKILL');
      await expect(client.callTool({ name: 'echo', arguments: {} })).rejects.toThrow(/Nothing was executed\. Is the gateway running|not known whether/);
      gateway = { ...(await launch({ ...options(), dir: gateway.dir })), keys: gateway.keys };
      expect(textOf(await client.callTool({ name: 'echo', arguments: { text: 'after' } }))).toContain('after');
      expect(textOf(await client.callTool({ name: 'echo', arguments: { text: 'again' } }))).toContain('again');
      await client.close();
    });
  });
}

describe('questions of the server', () => {
  it('reach a legacy client in mid-call, and its answer goes back', async () => {
    const client = await legacy();
    client.setRequestHandler(ElicitRequestSchema, async (request) => ({ action: 'accept', content: { response: `you asked: ${request.params.message}` } }));
    expect(textOf(await client.callTool({ name: 'test_elicitation', arguments: { message: 'how many crates?' } }))).toContain('you asked: how many crates?');
    await client.close();
  });
  it('reach a modern client as input_required', async () => {
    const client = new ModernClient({ name: 'desktop', version: '1' }, { versionNegotiation: { mode: 'auto' }, capabilities: { elicitation: { form: {} } } });
    client.setRequestHandler('elicitation/create', async () => ({ action: 'accept', content: { name: 'Ada' } }));
    await client.connect(new ModernTransport(started()));
    expect(textOf(await client.callTool({ name: 'test_input_required_result_elicitation', arguments: {} }))).toBe('Hello, Ada!');
    await client.close();
  });
  it('news come without being asked for, in both eras', async () => {
    const heard: string[] = [];
    const one = await legacy();
    one.fallbackNotificationHandler = async ({ method }) => void heard.push(method);
    await new Promise((done) => setTimeout(done, 500)); // the stream opens beside the calls
    const two = front(url(), key());
    two.say({ jsonrpc: '2.0', id: 'l', method: 'subscriptions/listen', params: { _meta: META, notifications: { toolsListChanged: true } } });
    await two.heard((line) => line.includes('acknowledged'));
    await one.callTool({ name: 'test_trigger_tool_change', arguments: {} });
    await two.heard((line) => line.includes('list_changed'));
    two.child.stdin?.end();
    expect(await two.exit).toBe(0);
    await one.close();
  });
});

describe('bytes', () => {
  const odd = '"arguments":{"text":"\\u0061\\/ \\ud83d\\ude00","number":123456789012345678901234567890 },  "x-unknown":[1e2,1.0,{"z":1,"a":2}]';
  it('a line arrives at the server as it was written, large integers and unknown fields included', async () => {
    const f = front(url(), key());
    await f.ask(hello);
    f.say({ jsonrpc: '2.0', method: 'notifications/initialized' });
    const line = `{ "id" : "big", "jsonrpc":"2.0","method":"tools/call","params":{"name":"echo",${odd}},"later":true}`;
    f.say(line);
    await f.heard((heard) => heard.includes('"id":"big"'));
    expect(fixture.seenBodies).toContain(line);
    const modernLine = `{"jsonrpc":"2.0","id":77,"method":"tools/call","params":{"name":"echo",${odd},"_meta":${JSON.stringify(META)}}}`;
    f.say(modernLine);
    await f.heard((heard) => heard.includes('"id":77'));
    expect(fixture.seenBodies).toContain(modernLine);
    // The gateway takes no id beyond 2^53 and says so without one: the error is made here, for the id as it was spelled.
    f.say(`{"jsonrpc":"2.0","id":12345678901234567890,"method":"ping"}`);
    expect(await f.heard((heard) => heard.includes('"id":12345678901234567890,'))).toContain('"code":-31100');
    f.child.stdin?.end();
    expect(await f.exit).toBe(0);
  });
  it('headers repeat what the body says: names that need encoding, arguments a tool wants in headers', async () => {
    const f = front(url(), key());
    await f.ask({ id: 1, method: 'tools/list', params: { _meta: META } });
    expect(await f.ask(call(2, 'test_x_mcp_header', { region: 'süd' }, { _meta: META }))).toContain('region=süd');
    const at = fixture.seenHeaders.findIndex((name) => name.toLowerCase() === 'mcp-param-region');
    expect(fixture.seenHeaders[at + 1]).toBe(`=?base64?${Buffer.from('süd').toString('base64')}?=`);
    expect(await f.ask(call(3, 'no such ✓ tool', {}, { _meta: META }))).toContain('Unknown tool');
    f.child.stdin?.end();
    await f.exit;
  });
});

describe('when something is wrong', () => {
  it('a wrong key is told as an error to the id, with what to do', async () => {
    const f = front(url(), `${key().slice(0, -2)}zz`);
    for (const message of [hello, { id: 9, method: 'tools/list', params: { _meta: META } }]) {
      const { error } = JSON.parse(await f.ask(message)) as { error: { code: number; message: string; data: object } };
      expect(error).toMatchObject({ code: -31_001, message: expect.stringMatching(/Authentication failed/) });
    }
    expect(f.err()).toMatch(/does not accept the key \(401\).*--key-file/);
    f.child.stdin?.end();
    expect(await f.exit).toBe(0);
    expect(f.err() + f.lines.join()).not.toContain(key().slice(3, 20));
  });
  it('no gateway, no such endpoint', async () => {
    const none = front('http://127.0.0.1:9/mcp', key());
    expect(await none.ask(hello)).toMatch(/Nothing was executed\. Is the gateway running/);
    none.child.stdin?.end();
    expect(await none.exit).toBe(0);
    const nowhere = front(`${gateway.url}/s/nobody/mcp`, key());
    expect(await nowhere.ask(hello)).toMatch(/No such endpoint/);
    nowhere.child.stdin?.end();
    await nowhere.exit;
  });
  it('what is no message gets an error without an id, and the next line works', async () => {
    const f = front(url(), key());
    f.say('hello?');
    f.say('[{"jsonrpc":"2.0","id":1,"method":"ping"}]');
    f.say('');
    expect(JSON.parse(await f.ask(hello))).toMatchObject({ result: { protocolVersion: '2025-11-25' } });
    expect(f.lines.filter((line) => /no JSON-RPC message/.test(line))).toHaveLength(2);
    f.child.stdin?.end();
    expect(await f.exit).toBe(0);
    for (const line of f.lines) expect(JSON.parse(line)).toHaveProperty('jsonrpc', '2.0');
  });
  it('a URL that is none, a key file others can read, no key: exit code 2, nothing on stdout', async () => {
    const open = join(gateway.dir, 'open.key');
    writeFileSync(open, key());
    chmodSync(open, 0o644);
    for (const args of [['--url', 'ftp://x/mcp'], ['--url', 'nonsense'], ['--url', 'http://203.0.113.7/mcp'], ['--key-file', open], ['--key-file', join(gateway.dir, 'none.key')], []]) {
      const { code, out, err } = await cli(['connect', ...args], { SALLYPORT_KEY: args[0] === '--url' ? key() : '' });
      expect([code, out], err).toEqual([2, '']);
    }
    expect((await cli(['connect', '--key-file', open])).err).toMatch(/chmod 600/);
  });
});

describe('the end', () => {
  it('what runs may end within 2 s after stdin closed; what takes longer is given up', async () => {
    const f = front(url(), key());
    await f.ask(hello);
    f.say({ jsonrpc: '2.0', ...call('short', 'slow', { ms: 500 }) });
    f.say({ jsonrpc: '2.0', ...call('long', 'slow', { ms: 30_000 }) });
    f.child.stdin?.end();
    const start = Date.now();
    expect(await f.exit).toBe(0);
    expect(Date.now() - start).toBeGreaterThan(1_500);
    expect(Date.now() - start).toBeLessThan(4_500);
    expect(f.lines.some((line) => line.includes('"short"'))).toBe(true);
    expect(f.lines.some((line) => line.includes('"long"'))).toBe(false);
  });
  it('SIGTERM ends at once, with exit code 0', async () => {
    const f = front(url(), key());
    await f.ask(hello);
    f.child.kill('SIGTERM');
    expect(await f.exit).toBe(0);
  });
});
