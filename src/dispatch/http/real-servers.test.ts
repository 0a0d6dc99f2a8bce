import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Answer, Era } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import type { Session } from '../../call/session.ts';
import { createEgress } from '../../egress/index.ts';
import { egressConfig } from '../../egress/config.ts';
import { startFixture, type RunningFixture } from '../../../test/kit/fixture/http.ts';
import { answerOf, made, principal, rig, tool, until, type CallOptions, type Rig } from '../../../test/kit/dispatch-rig.ts';

const textOf = (answer: Answer): string => {
  const result = answer.message?.['result'] as JsonObject;
  return String((result['content'] as readonly JsonObject[])[0]?.['text']);
};
const call = (id: number, name: string, args: object, meta: object = {}): string => JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args, _meta: meta } });
const ENVELOPE = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };
const HELLO = JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: { elicitation: {}, sampling: {}, roots: {} }, clientInfo: { name: 'c', version: '1' } } });

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('server-everything, legacy', () => {
  let child: ChildProcess;
  let r: Rig;
  beforeAll(async () => {
    const port = await freePort();
    child = spawn(process.execPath, ['node_modules/@modelcontextprotocol/server-everything/dist/index.js', 'streamableHttp'], { env: { PATH: process.env['PATH'], PORT: String(port) }, stdio: ['ignore', 'ignore', 'pipe'] });
    await new Promise<void>((resolve) => child.stderr?.on('data', (chunk: Buffer) => void (chunk.includes('listening') && resolve())));
    r = rig({ s: { url: `http://127.0.0.1:${port}/mcp` } });
    r.dispatch.start();
    await until(() => r.dispatch.health()['s']?.ok === true, 10_000);
  }, 30_000);
  afterAll(async () => {
    await r.close();
    child.kill('SIGKILL');
  });
  const run = async (text: string, more: CallOptions = {}): Promise<Answer> => answerOf(await r.dispatch.stage.run(made(text, more).call));

  test('is known as legacy, and its tools are listed', async () => {
    expect(r.dispatch.source.servers()).toMatchObject([{ name: 's', era: 'legacy', eras: ['legacy'] }]);
    const tools = (await r.dispatch.source.listTools('s')).map((t) => (JSON.parse(t) as { name: string }).name);
    expect(tools).toContain('echo');
  });
  test('mirrored: handshake, call, stream, end', async () => {
    const opened = await run(HELLO);
    const session = opened.session as Session;
    expect(session.upstreamId).not.toBeNull();
    expect((await run('{"jsonrpc":"2.0","method":"notifications/initialized"}', { session })).status).toBe(202);
    const stream = made('', { kind: 'stream', session, timeoutMs: null });
    const streaming = r.dispatch.stage.run(stream.call);
    await until(() => stream.events.length > 0);
    expect(textOf(await run(call(1, 'echo', { message: 'héllo' }), { session }))).toBe('Echo: héllo');
    const slow = made(call(2, 'trigger-long-running-operation', { duration: 0.4, steps: 4 }, { progressToken: 'p' }), { session });
    expect(answerOf(await r.dispatch.stage.run(slow.call)).effect).toBe('done');
    expect(slow.events.filter((e) => e.includes('notifications/progress')).length).toBeGreaterThanOrEqual(3);
    expect((await run('', { kind: 'end', session })).status).toBe(200);
    answerOf(await streaming);
  });
  test('own lane, from both eras', async () => {
    for (const era of ['modern', 'legacy'] as Era[]) {
      const m = made(call(5, 'echo', { message: era }, era === 'modern' ? { ...ENVELOPE, progressToken: 1 } : {}), { lane: 'own', era, tool: tool('s', 'echo') });
      const answer = answerOf(await r.dispatch.stage.run(m.call));
      expect(textOf(answer)).toBe(`Echo: ${era}`);
      expect(answer.bytes.includes('"resultType":"complete"')).toBe(era === 'modern');
    }
    const progress = made(call(6, 'trigger-long-running-operation', { duration: 0.4, steps: 4 }, { progressToken: 'mine' }), { lane: 'own', tool: tool('s', 'trigger-long-running-operation') });
    answerOf(await r.dispatch.stage.run(progress.call));
    expect(progress.events.every((e) => e.includes('"progressToken":"mine"'))).toBe(true);
    expect(progress.events.length).toBeGreaterThanOrEqual(3);
  });
});

describe('a server of the official SDK that speaks both eras', () => {
  let fixture: RunningFixture;
  let r: Rig;
  const egress = createEgress(egressConfig.parse({}));
  beforeAll(async () => {
    fixture = await startFixture();
    r = rig({ s: { url: fixture.url, client_capabilities: ['elicitation', 'sampling', 'roots'] } }, { deps: { egress } });
    r.dispatch.start();
    await until(() => r.dispatch.health()['s']?.ok === true, 10_000);
  }, 30_000);
  afterAll(async () => {
    await r.close();
    await egress.close();
    await fixture.close();
  });
  const run = async (text: string, more: CallOptions = {}): Promise<Answer> => answerOf(await r.dispatch.stage.run(made(text, more).call));

  test('is known to speak both', () => {
    expect(r.dispatch.source.servers()).toMatchObject([{ name: 's', era: 'modern', eras: ['modern', 'legacy'] }]);
  });
  test('mirrored in both eras', async () => {
    const modern = await run(call(1, 'test_simple_text', {}, ENVELOPE), { era: 'modern', mirrored: [['mcp-name', 'test_simple_text']] });
    expect(textOf(modern)).toBe('A plain line of text.');
    const session = (await run(HELLO)).session as Session;
    expect(textOf(await run(call(1, 'test_simple_text', {}), { session }))).toBe('A plain line of text.');
  });
  test('own lane: what it asks for is refused, not lost', async () => {
    const done = await r.dispatch.stage.run(made(call(1, 'test_input_required_result_elicitation', {}), { lane: 'own', tool: tool('s', 'test_input_required_result_elicitation') }).call);
    expect('stop' in done || (done.go.answer.message?.['error'] ?? done.go.answer.message?.['result'])).toBeTruthy();
    expect(JSON.stringify(done)).not.toContain('input_required');
  });
  test('a hundred callers with equal ids get their own answers', async () => {
    const calls = Array.from({ length: 100 }, (_, i) => made(call(1, 'test_simple_text', { i }, ENVELOPE), { era: i % 2 === 0 ? 'modern' : 'legacy', lane: i % 3 === 0 || i % 2 === 1 ? 'own' : 'mirror', tool: tool('s', 'test_simple_text'), principal: principal(`key:${i % 7}`), mirrored: [['mcp-name', 'test_simple_text']] }));
    const answers = await Promise.all(calls.map(async (m) => answerOf(await r.dispatch.stage.run(m.call))));
    for (const answer of answers) expect(answer.message).toMatchObject({ id: 1 });
    expect(fixture.seenHeaders.join()).not.toContain('CANARY');
  });
});

test('an address that egress refuses has no effect, and is said so', async () => {
  const egress = createEgress(egressConfig.parse({}), { resolve: (_name, done) => done(null, [{ address: '169.254.169.254', family: 4 }]) });
  const r = rig({ s: { url: 'https://rebinding.example/mcp', allow_loopback: false } }, { deps: { egress } });
  const done = await r.dispatch.stage.run(made(call(1, 'x', {})).call);
  expect('stop' in done && done.stop).toMatchObject({ code: 'dispatch.egress', effect: 'none' });
  await r.close();
  await egress.close();
});
