import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { answerTo, know, LEGACY, modernHeaders, modernMeta, post, principal, raw, result, type RoomUnderTest, send, session, startRoom, until } from '../../test/kit/receive-room.ts';
import { systemClock } from '../lib/clock.ts';
import { createReceive, receiveConfig } from './index.ts';
import { tell } from './respond.ts';

/** One test for each guard that the other files leave unproved: take it out, and one of these fails. */
const rooms: RoomUnderTest[] = [];
afterEach(async () => {
  for (const room of rooms.splice(0)) await room.receive.drain(0);
});
async function room(...how: Parameters<typeof startRoom>): Promise<RoomUnderTest> {
  const started = await startRoom(...how);
  rooms.push(started);
  return started;
}
const call = (id: unknown = 1): object => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'read', arguments: {} } });
const codes = (r: RoomUnderTest): string[] => r.refusals.map((one) => one.refusal.code);
const GET = { authorization: 'Bearer t', accept: 'text/event-stream', 'mcp-session-id': 's' };
const CHUNKED = 'POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nTransfer-Encoding: chunked\r\n';
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

describe('places', () => {
  it('are counted for requests without a body too', async () => {
    let end: () => void = () => undefined;
    const r = await room((one) => new Promise((done) => (end = () => done(answerTo(one)))), { max_in_flight: 1 });
    const first = post(r.port, call());
    await until(() => r.calls.length === 1);
    expect((await send(r.port, 'GET', '/mcp', GET)).status).toBe(503);
    end();
    expect((await first).status).toBe(200);
    expect(codes(r)).toEqual(['receive.overloaded']);
  });
  it('of bodies are given back, also by those that were too large', async () => {
    const r = await room(undefined, { max_bytes: 1024, max_body_total_bytes: 4096 });
    const pad = ' '.repeat(800);
    for (let i = 0; i < 12; i++) {
      const body = JSON.stringify(call(i)).slice(0, -1) + pad;
      expect((await raw(r.port, `${CHUNKED}\r\n${chunk(body)}${chunk('}')}0\r\n\r\n`)).text).toMatch(/^HTTP\/1\.1 200 /);
      expect((await raw(r.port, `${CHUNKED}\r\n${chunk(pad)}${chunk(pad)}${chunk(pad)}0\r\n\r\n`)).text).toMatch(/^HTTP\/1\.1 413 /);
    }
  });
});

describe('bodies', () => {
  const head = (length: number): string => `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: ${length}\r\n\r\n`;
  it('of clients that went away in the middle take no place', async () => {
    const r = await room(undefined, { max_bytes: 1024, max_body_total_bytes: 4096 });
    for (let i = 0; i < 6; i++) {
      const socket = connect(r.port, '127.0.0.1');
      socket.write(head(1000) + ' '.repeat(900));
      await new Promise((done) => setTimeout(done, 30));
      socket.destroy();
    }
    await new Promise((done) => setTimeout(done, 30));
    const body = JSON.stringify(call()) + ' '.repeat(700);
    expect((await raw(r.port, `${CHUNKED}\r\n${chunk(body.slice(0, 500))}${chunk(body.slice(500))}0\r\n\r\n`)).text).toMatch(/^HTTP\/1\.1 200 /);
  });
  it('that came in while the last place was taken are refused', async () => {
    let end: () => void = () => undefined;
    const r = await room((one) => new Promise((done) => (end = () => done(answerTo(one)))), { max_in_flight: 1 });
    const body = JSON.stringify(call());
    const slow = connect(r.port, '127.0.0.1');
    let said = '';
    slow.on('data', (bytes: Buffer) => (said += bytes.toString('latin1')));
    slow.write(head(body.length) + body.slice(0, 10));
    await new Promise((done) => setTimeout(done, 50));
    const first = post(r.port, call());
    await until(() => r.calls.length === 1);
    slow.write(body.slice(10));
    await until(() => said.startsWith('HTTP/1.1 503 '));
    end();
    await first;
    expect(r.calls).toHaveLength(1);
    slow.destroy();
  });
  it('that are refused are not read for long', async () => {
    const r = await room(undefined, { max_bytes: 1024 });
    const socket = connect(r.port, '127.0.0.1');
    const start = performance.now();
    const closed = new Promise<void>((done) => socket.on('close', () => done()));
    socket.on('error', () => undefined);
    socket.write(head(100_000_000));
    const more = setInterval(() => socket.write(Buffer.alloc(4096)), 10);
    await closed;
    clearInterval(more);
    expect(performance.now() - start).toBeLessThan(800);
  });
  it('that nobody read end the connection, so that none is taken for the next request', async () => {
    const r = await room();
    for (const more of ['Expect: 100-continue\r\nContent-Length: 9\r\n', 'Transfer-Encoding: chunked\r\n', 'Content-Length: 100000\r\n']) {
      const said = await raw(r.port, `POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${more}\r\n`);
      expect(said.text).toMatch(/^HTTP\/1\.1 401 [^]*connection: close/i);
    }
  });
});

describe('heads', () => {
  it.each(['GET', 'DELETE'])('%s has no body, however it is announced', async (method) => {
    const r = await room();
    const head = `${method} /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nAccept: text/event-stream\r\nMcp-Session-Id: s\r\n`;
    expect((await raw(r.port, `${head}Content-Length: 2\r\n\r\n{}`)).text).toMatch(/^HTTP\/1\.1 400 /);
    expect((await raw(r.port, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk('{}')}0\r\n\r\n`)).text).toMatch(/^HTTP\/1\.1 400 /);
    expect([codes(r), r.calls]).toEqual([['receive.headers', 'receive.headers'], []]);
  });
  it('too many are refused, none is lost unseen', async () => {
    const r = await room();
    const many = Array.from({ length: 122 }, (_, i) => `X-${i}: 1\r\n`).join('');
    expect((await raw(r.port, `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n${many}X-API-Key: other\r\nContent-Length: 2\r\n\r\n{}`)).text).toMatch(/^HTTP\/1\.1 400 /);
    expect(r.refusals.map((one) => one.refusal)).toEqual([{ code: 'receive.headers', note: 'too many headers' }]);
  });
  it('without Accept nothing is accepted', async () => {
    const r = await room();
    expect((await raw(r.port, 'GET /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nMcp-Session-Id: s\r\n\r\n')).text).toMatch(/^HTTP\/1\.1 406 /);
    expect(codes(r)).toEqual(['receive.accept']);
  });
  it('a preflight with a body or a repeated header is none', async () => {
    const r = await room(undefined, { origins: ['https://app.example.org'] });
    const head = 'OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example.org\r\nAccess-Control-Request-Headers: mcp-method\r\n';
    expect((await raw(r.port, `${head}\r\n`)).text).toMatch(/^HTTP\/1\.1 204 /);
    for (const odd of ['Content-Length: 2\r\n\r\n{}', `Transfer-Encoding: chunked\r\n\r\n${chunk('{}')}0\r\n\r\n`, 'Mcp-Name: a\r\nMcp-Name: b\r\n\r\n']) expect((await raw(r.port, head + odd)).text).not.toMatch(/ 204 /);
  });
  it('a preflight for another host is none', async () => {
    const r = await room(undefined, { origins: ['https://app.example.org'] });
    expect((await raw(r.port, 'OPTIONS /mcp HTTP/1.1\r\nHost: evil.example\r\nOrigin: https://app.example.org\r\n\r\n')).text).not.toMatch(/ 204 /);
  });
  it('a model request id is one plain word of bounded length, or none', async () => {
    const r = await room();
    for (const id of ['m-1', 'm 1', 'm'.repeat(257)]) await post(r.port, call(), { ...LEGACY, 'x-model-request-id': id });
    expect(r.calls.map((one) => one.modelRequestId)).toEqual(['m-1', null, null]);
  });
  it('a repeated one is refused at the probes', async () => {
    const r = await room();
    expect((await raw(r.port, 'GET /health HTTP/1.1\r\nHost: localhost\r\nMcp-Name: a\r\nMcp-Name: b\r\n\r\n')).text).toMatch(/^HTTP\/1\.1 403 /);
  });
  it('too large is too large', async () => {
    const r = await room();
    expect((await raw(r.port, `GET /mcp HTTP/1.1\r\nHost: localhost\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`)).text).toMatch(/^HTTP\/1\.1 431 /);
  });
  it('a revision is repeated to its sender only where it cannot carry anything else', async () => {
    const r = await room();
    const asked = async (version: string): Promise<unknown> => (await post(r.port, { jsonrpc: '2.0', id: 1, method: 'ping' }, { ...LEGACY, 'mcp-protocol-version': version })).json.error.data.requested;
    expect([await asked('2019-01-01'), await asked('1<script>'), await asked('1'.repeat(33))]).toEqual(['2019-01-01', 'unknown', 'unknown']);
  });
  it('clientInfo that is none is refused', async () => {
    const r = await room();
    const _meta = { ...modernMeta, 'io.modelcontextprotocol/clientInfo': 'x' };
    expect(await post(r.port, { jsonrpc: '2.0', id: 1, method: 'ping', params: { _meta } }, modernHeaders('ping'))).toMatchObject({ status: 400, json: { error: { code: -32602 } } });
  });
  it('a modern notification of an unknown revision is not served', async () => {
    const r = await room();
    const answer = await post(r.port, { jsonrpc: '2.0', method: 'notifications/cancelled', params: {} }, { ...LEGACY, 'mcp-protocol-version': '2099-01-01' });
    expect(answer).toMatchObject({ status: 400, json: { error: { code: -32022 } } });
    expect(r.calls).toEqual([]);
  });
});

describe('a call’s own stream', () => {
  it('before the answer to initialize only so much is kept', async () => {
    const kept: boolean[] = [];
    const r = await room((one) => {
      kept.push(one.side.event(Buffer.alloc(65_537, 'a')));
      for (let i = 0; i < 70; i++) kept.push(one.side.event(Buffer.from(': x\n\n')));
      return Promise.resolve(answerTo(one));
    });
    await post(r.port, { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {} } });
    expect([kept[0], kept.filter((one) => one).length]).toEqual([false, 64]);
  });
  it('that was cut for its credential leaves no answer behind', async () => {
    let end: () => void = () => undefined;
    const r = await room((one) => {
      know(one, { principal, session: session('s1') });
      if (one.message.kind === 'stream') {
        one.side.event(Buffer.from(':\n\n'));
        return new Promise(() => undefined);
      }
      one.side.event(Buffer.from(': x\n\n'));
      return new Promise((done) => (end = () => done(answerTo(one, 'secret'))));
    });
    const running = post(r.port, call(), { ...LEGACY, 'mcp-session-id': 's1' });
    await until(() => r.calls.length === 1);
    await new Promise((done) => setTimeout(done, 30));
    r.receive.closeStreams(principal.id);
    await running;
    end();
    await new Promise((done) => setTimeout(done, 30));
    expect((await raw(r.port, 'GET /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nAccept: text/event-stream\r\nMcp-Session-Id: s1\r\nLast-Event-ID: e1\r\n\r\n')).text).not.toContain('secret');
  });
});

describe('what policy hides', () => {
  it.each(['tools/call', 'prompts/get', 'resources/read', 'tasks/get', 'x/y'])('%s: looks like what does not exist, and gives no hint when to come back', (method) => {
    const missing = tell({ code: method.includes('/call') || method === 'prompts/get' || method === 'resources/read' ? 'resolve.unknown_tool' : 'resolve.unknown_method' }, 'mcp', method);
    expect(tell({ code: 'authorize.rule', tell: 'there is such a thing', retryAfterMs: 5 }, 'mcp', method)).toEqual(missing);
    expect(missing.rpc).toBe(missing.code === 'resolve.unknown_tool' ? -32602 : -32601);
    expect(missing.code).toBe(['tools/call', 'prompts/get', 'resources/read'].includes(method) ? 'resolve.unknown_tool' : 'resolve.unknown_method');
  });
});

it('credentials in the clear: a listener for the whole network without TLS does not start', async () => {
  expect(receiveConfig.safeParse({ host: '0.0.0.0' }).success).toBe(false);
  const past = createReceive({ ...receiveConfig.parse({ port: 0 }), host: '0.0.0.0' }, { clock: systemClock, stillValid: () => true } as never);
  await expect(past.listen()).rejects.toThrow('receive.host');
});

it('connections beyond the limit are not taken', async () => {
  const r = await room(undefined, { max_connections: 2 });
  const sockets = [connect(r.port, '127.0.0.1'), connect(r.port, '127.0.0.1')];
  await new Promise((done) => setTimeout(done, 50));
  expect((await raw(r.port, 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n')).text).toBe('');
  sockets[0]?.destroy();
  await new Promise((done) => setTimeout(done, 50));
  expect((await raw(r.port, 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n')).text).toMatch(/^HTTP\/1\.1 200 /);
  sockets[1]?.destroy();
});

it('while it drains it says so, on connections that are still open', async () => {
  let end: () => void = () => undefined;
  const r = await startRoom((one) => new Promise((done) => (end = () => done(result(JSON.stringify({ jsonrpc: '2.0', id: one.message.rpcId, result: {} }))))));
  const socket = connect(r.port, '127.0.0.1');
  let said = '';
  socket.on('data', (bytes: Buffer) => (said += bytes.toString('latin1')));
  socket.write('GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await until(() => said.includes('"ready":true'));
  const running = post(r.port, call());
  await until(() => r.calls.length === 1);
  socket.write('GET /read'); // under way, so the connection is not idle
  await new Promise((done) => setTimeout(done, 30));
  const drained = r.receive.drain(2_000);
  socket.write('y HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await until(() => said.includes('receive: draining'));
  end();
  expect((await running).status).toBe(200);
  await drained;
  socket.destroy();
});
