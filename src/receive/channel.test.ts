import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { openChannel, type OldClient } from '../../test/kit/old-client.ts';
import { answerTo, know, post, principal, raw, result, type RoomUnderTest, send, session, startRoom, until } from '../../test/kit/receive-room.ts';
import type { Known, Outcome, Received } from '../call/call.ts';
import type { ReceiveDeps } from './room.ts';

let room: RoomUnderTest;
const clients: OldClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await room.receive.drain(0);
});

const ID = 'c'.repeat(43);
const never = new Promise<Outcome>(() => undefined);
const CREDENTIAL = { authorization: 'Bearer t' };
const ping = (id: number | string): object => ({ jsonrpc: '2.0', id, method: 'ping' });
const refused = (code: string): Outcome => ({ effect: 'none', refusal: { code: code as 'limit.rate' } });
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
/** What the corridor knows of a call that got as far as its server. */
const arrived = (received: Received, more: Partial<Known> = {}): void => know(received, { principal, session: { ...session(ID), kind: 'channel' }, journalSeq: 1, ...more });

/** A room whose corridor opens channels, and answers their messages as the test says. */
async function withChannel(answer: (received: Received) => Promise<Outcome>, config: object = {}, deps: Partial<ReceiveDeps> = {}): Promise<OldClient> {
  room = await startRoom((received) => {
    if (received.message.kind !== 'stream') return answer(received);
    arrived(received);
    received.side.event(Buffer.from(`event: endpoint\ndata: /sse/${ID}\n\n`));
    return new Promise((done) => received.signal.addEventListener('abort', () => done(result(''))));
  }, config, deps);
  const client = await openChannel(`http://127.0.0.1:${room.port}/mcp`, CREDENTIAL);
  clients.push(client);
  return client;
}
const answered = (received: Received): Promise<Outcome> => {
  arrived(received);
  return Promise.resolve(answerTo(received));
};

describe('a channel', () => {
  it('is opened by a GET that names no session and no later revision', async () => {
    await withChannel(answered);
    expect(room.calls[0]).toMatchObject({ channel: true, era: 'legacy', version: '2024-11-05', sessionId: null });
    for (const headers of [{ 'mcp-protocol-version': '2025-06-18' }, { 'mcp-session-id': 's' }, { 'last-event-id': '1' }]) void send(room.port, 'GET', '/mcp', { ...CREDENTIAL, accept: 'text/event-stream', ...headers }).catch(() => undefined);
    await until(() => room.calls.length === 4);
    expect(room.calls.slice(1).map((received) => received.channel)).toEqual([undefined, undefined, undefined]);
  });
  it('has an address of one form, for POST only', async () => {
    const client = await withChannel(answered);
    expect((await client.send(ping(1))).status).toBe(202);
    expect(room.calls[1]).toMatchObject({ channel: true, sessionId: ID, server: null, version: '2025-11-25' });
    for (const path of [`/sse/${ID}/`, `/sse/${ID}x`, `/sse/${ID.slice(1)}`, `/s//sse/${ID}`, `/s/files/../sse/${ID}`, `/SSE/${ID}`, '/sse/', `/sse/${ID.slice(1)}%63`]) expect((await client.send(ping(1), { path })).status).toBe(404);
    expect((await client.send(ping(1), { path: `/sse/${ID}?x=1` })).status).toBe(400);
    for (const method of ['GET', 'DELETE', 'PUT']) expect(await send(room.port, method, `/sse/${ID}`, { ...CREDENTIAL, accept: 'text/event-stream' })).toMatchObject({ status: 405, headers: { allow: 'POST' } });
    expect(room.calls).toHaveLength(2);
  });
  it('takes messages under the same rules as the other doors', async () => {
    const client = await withChannel(answered, { max_bytes: 2048 });
    const bodies: [unknown, number][] = [['{', 400], ['{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', 400], [{ ...ping(1), params: { x: 'x'.repeat(3000) } }, 413], ['7', 400]];
    for (const [body, status] of bodies) expect((await client.send(body)).status).toBe(status);
    expect((await client.send(ping(1), { headers: { 'content-type': 'text/plain' } })).status).toBe(415);
    expect((await client.send(ping(1), { headers: { origin: 'https://evil.test' } })).status).toBe(403);
    expect((await client.send(ping(1), { headers: { 'mcp-protocol-version': '2026-07-28' } })).status).toBe(400);
    const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };
    expect(JSON.parse((await client.send({ ...ping(1), params: { _meta: meta } }, { headers: { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'ping' } })).text).error.data.code).toBe('receive.version');
    expect(room.calls).toHaveLength(1);
  });
  it('says the version that its client asks for, or has agreed on', async () => {
    const client = await withChannel(answered);
    await client.send({ jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-03-26' } });
    await client.send({ jsonrpc: '2.0', id: 2, method: 'initialize', params: { protocolVersion: '1.0' } });
    await client.send(ping(3), { headers: { 'mcp-protocol-version': '2025-06-18' } });
    expect(room.calls.slice(1).map(({ version }) => version)).toEqual(['2025-03-26', '2025-11-25', '2025-06-18']);
  });
});

describe('a POST to a channel', () => {
  it('gets the refusal itself where the caller turns out not to own it', async () => {
    const client = await withChannel(async (received) => {
      await pause(60);
      if (received.presented.authorization === 'Bearer bob') know(received, { principal: { ...principal, id: 'key:bob' } });
      return refused(received.presented.authorization === 'Bearer bob' ? 'resolve.unknown_session' : 'authenticate.unknown');
    });
    expect((await client.send(ping(1), { headers: { authorization: 'Bearer x' } })).status).toBe(401);
    expect((await client.send(ping(1), { headers: { authorization: 'Bearer bob' } })).status).toBe(404);
    expect((await client.send([ping(1), ping(2)], { headers: { authorization: 'Bearer x' } })).status).toBe(401);
    expect((await client.send({ jsonrpc: '2.0', method: 'notifications/x' }, { headers: { authorization: 'Bearer x' } })).status).toBe(401);
    expect(client.messages()).toEqual([]);
  });
  it('never reaches the stream of another, even if the corridor let it pass', async () => {
    const client = await withChannel((received) => {
      know(received, { principal: { ...principal, id: 'key:bob' }, session: { ...session(ID), kind: 'channel' }, journalSeq: 1 });
      expect(received.side.event(Buffer.from('data: {"x":1}\n\n'))).toBe(false);
      return Promise.resolve(answerTo(received));
    });
    await client.send(ping(1), { headers: { authorization: 'Bearer bob' } });
    await pause(50);
    expect(client.messages()).toEqual([]);
  });
  it('is accepted after half a second, whatever the corridor does', async () => {
    const finishers: ((outcome: Outcome) => void)[] = [];
    const client = await withChannel(() => new Promise((done) => finishers.push(done)));
    const start = performance.now();
    expect((await client.send(ping(1))).status).toBe(202);
    expect(performance.now() - start).toBeGreaterThan(400);
    expect(performance.now() - start).toBeLessThan(1500);
    finishers[0]?.(refused('authenticate.unknown'));
    await pause(50);
    expect(client.messages()).toEqual([]);
  });
  it('is accepted at once when its call is on record and under way', async () => {
    const client = await withChannel(async (received) => {
      await pause(30);
      arrived(received);
      return await never;
    });
    const start = performance.now();
    expect((await client.send(ping(1))).status).toBe(202);
    expect(performance.now() - start).toBeLessThan(400);
  });
  it('has its events and its answer, refusals too, on the stream', async () => {
    const client = await withChannel((received) => {
      arrived(received);
      received.side.event(Buffer.from('id: 4\nretry: 9\nevent: message\ndata: {"method":"x"}\n\n'));
      received.side.event(Buffer.from('id: 5\ndata:\n\n'));
      received.side.event(Buffer.alloc(0));
      received.side.detached();
      return Promise.resolve(received.message.rpcId === 1 ? answerTo(received) : refused('limit.rate'));
    });
    expect(await client.send(ping(1))).toMatchObject({ status: 202, text: '' });
    expect((await client.send(ping('two'))).status).toBe(202);
    await until(() => client.messages().length === 4);
    expect(client.messages().map((message) => message['id'] ?? message['method'])).toEqual(['x', 1, 'x', 'two']);
    expect(client.messages()[3]).toMatchObject({ error: { data: { code: 'limit.rate' } } });
    expect(client.text()).not.toMatch(/^(?:id|retry)/m);
    expect(room.calls[1]?.side.event(Buffer.from('data: late\n\n'))).toBe(false);
  });
  it('is not the call: a client that drops it still gets the answer', async () => {
    let finish: () => void = () => undefined;
    const client = await withChannel((received) => new Promise((done) => {
      finish = () => {
        arrived(received);
        done(answerTo(received));
      };
    }));
    const body = JSON.stringify(ping(1));
    const socket = connect(room.port, '127.0.0.1', () => socket.write(`POST /sse/${ID} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
    await until(() => room.calls.length === 2);
    socket.destroy();
    await pause(50);
    expect(room.calls[1]?.signal.aborted).toBe(false);
    finish();
    await until(() => client.messages().length === 1);
  });
});

describe('the end of a channel', () => {
  it.each(['the client leaves', 'its key is revoked', 'its session ends'])('gives up what runs in it: %s', async (why) => {
    let finish: (outcome: Outcome) => void = () => undefined;
    room = await startRoom((received) => {
      arrived(received);
      if (received.message.kind !== 'stream') return never;
      received.side.event(Buffer.from(`event: endpoint\ndata: /sse/${ID}\n\n`));
      return new Promise((done) => (finish = done));
    });
    const client = await openChannel(`http://127.0.0.1:${room.port}/mcp`, CREDENTIAL);
    await client.send(ping(1));
    if (why === 'the client leaves') client.close();
    else if (why === 'its key is revoked') room.receive.closeStreams(principal.id);
    else {
      finish(result(''));
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
      expect(room.calls[1]?.side.event(Buffer.from('data: late\n\n'))).toBe(false); // a write after the end would be a fault of the process
    }
    await until(() => room.calls[1]?.signal.aborted === true && client.ended());
    // Its id is then none at all: the corridor is asked about a session that nobody can have.
    void client.send(ping(2)).catch(() => undefined);
    await until(() => room.calls.length === 3);
    expect(room.calls[2]).toMatchObject({ sessionId: '', channel: true });
  });
  it('waits for the answers under way when the gateway stops', async () => {
    const client = await withChannel(async (received) => {
      arrived(received);
      await pause(150);
      return answerTo(received);
    });
    await client.send(ping(1));
    await room.receive.drain(5000);
    await until(() => client.ended());
    expect(client.messages().map(({ id }) => id)).toEqual([1]);
    expect(client.res.complete).toBe(true); // ended, not broken off
  });
  it('takes a dead credential within a second', async () => {
    let valid = true;
    const client = await withChannel(answered, {}, { stillValid: () => valid });
    valid = false;
    await until(() => client.ended(), 2500);
  });
  it('is kept off by comments', async () => {
    const client = await withChannel(answered, { keepalive_ms: 1000 });
    await until(() => client.text().endsWith('\n\n:\n\n'), 4000);
  });
});

describe('a batch', () => {
  const H = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...CREDENTIAL, 'mcp-session-id': 's' };
  const ids = (text: string): unknown[] => [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => (JSON.parse(data ?? '') as { id?: unknown }).id);
  it('is refused before anything runs when it is not wholly in order', async () => {
    room = await startRoom();
    const notes = [
      [], Array.from({ length: 51 }, (_, id) => ping(id)), [ping(1), ping(1)], [ping(1), { jsonrpc: '2.0', id: 2, method: 'initialize', params: {} }], [ping(1), 7], [ping(1), [ping(2)]],
      [ping(1), { jsonrpc: '2.0', id: null, method: 'ping' }], [ping(1), { jsonrpc: '2.0', id: 2, method: 'tools/call', params: {} }],
      [ping(1), { ...ping(2), params: { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} } } }],
    ];
    for (const body of notes) expect((await post(room.port, body, H)).status).toBe(400);
    expect((await post(room.port, '[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping","Method":"x"}]', H)).json.error.data.code).toBe('receive.duplicate_key');
    expect(room.refusals.map(({ refusal }) => refusal.note?.replace(/^in a batch: .*/, 'in a batch'))).toEqual([
      'an empty batch', 'a batch of more than 50', 'an id twice in a batch', 'initialize in a batch', 'in a batch', 'in a batch', 'in a batch', 'in a batch', 'a modern message in a batch', expect.stringMatching(/^at byte/),
    ]);
    expect(room.calls).toEqual([]);
  });
  it('is of 2025-03-26 or older, or refused', async () => {
    room = await startRoom();
    for (const version of ['2025-06-18', '2025-11-25', '2026-07-28', '2024-01-01']) expect((await post(room.port, [ping(1)], { ...H, 'mcp-protocol-version': version })).status).toBe(400);
    expect(room.calls).toEqual([]);
    for (const version of ['2025-03-26', '2024-11-05']) expect((await post(room.port, [ping(1)], { ...H, 'mcp-protocol-version': version })).status).toBe(200);
    expect((await post(room.port, [ping(1)], H)).status).toBe(200);
    expect(room.calls.map(({ batched, version, sessionId }) => [batched, version, sessionId])).toEqual([[true, '2025-03-26', 's'], [true, '2024-11-05', 's'], [true, '2025-03-26', 's']]);
  });
  it('is so many calls, each with its own id and exact text', async () => {
    room = await startRoom();
    const answer = await post(room.port, '[ {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"n","arguments":{"a": 9007199254740993}}} ,{"jsonrpc":"2.0","method":"notifications/x"},{"jsonrpc":"2.0","id":"1","method":"ping"}]', H);
    expect(ids(answer.text)).toEqual([1, '1']);
    expect(room.calls.map(({ message }) => message.text)).toEqual(['{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"n","arguments":{"a": 9007199254740993}}}', '{"jsonrpc":"2.0","method":"notifications/x"}', '{"jsonrpc":"2.0","id":"1","method":"ping"}']);
    expect(room.calls[0]?.message).toMatchObject({ argumentsText: '{"a": 9007199254740993}', inexact: [{ pointer: '/arguments/a', literal: '9007199254740993' }] });
    expect(room.calls[0]?.message.bytes.toString()).toBe(room.calls[0]?.message.text);
    expect(new Set(room.calls.map(({ id }) => id)).size).toBe(3);
    expect(answer.headers['x-correlation-id']).toBe(room.calls[0]?.id);
  });
  it('counts as so many requests', async () => {
    room = await startRoom(undefined, { max_in_flight: 2 });
    expect((await post(room.port, [ping(1), ping(2), ping(3)], H)).status).toBe(503);
    expect((await post(room.port, [ping(1), ping(2)], H)).status).toBe(200);
    expect(room.calls).toHaveLength(2);
  });
  it('answers early refusals with the rest, and the whole with a status when all were refused alike', async () => {
    let codes: (string | null)[] = [];
    room = await startRoom(async (received) => {
      const code = codes[Number(received.message.rpcId)];
      if (code !== null && code !== undefined) return refused(code);
      await pause(30);
      return answerTo(received);
    });
    const of = async (...wanted: (string | null)[]): Promise<[number, unknown[]]> => {
      codes = wanted;
      const { status, text } = await post(room.port, wanted.map((_, id) => ping(id)), H);
      return [status, status === 200 ? ids(text) : []];
    };
    expect(await of('limit.rate', null)).toEqual([200, [0, 1]]);
    expect(await of('authenticate.unknown', 'authenticate.unknown')).toEqual([401, []]);
    expect(await of('receive.message', 'receive.message')).toEqual([400, []]);
    expect(await of('resolve.unknown_session', 'resolve.unknown_session')).toEqual([404, []]);
    // What is hidden and what is unknown look the same here too.
    expect(await of('authorize.rule', 'authorize.rule')).toEqual(await of('resolve.unknown_method', 'resolve.unknown_method'));
    expect(await of('limit.rate', 'dispatch.timeout')).toEqual([200, [0, 1]]);
    expect(await of('dispatch.timeout', 'dispatch.timeout')).toEqual([200, [0, 1]]);
  });
  it('keeps an answer for a client that lost the stream', async () => {
    let finish: () => void = () => undefined;
    room = await startRoom((received) => {
      know(received, { principal, session: session('s') });
      if (received.message.kind === 'stream') {
        received.side.event(Buffer.from(':\n\n'));
        return never;
      }
      if (received.message.rpcId === 1) return Promise.resolve(answerTo(received));
      return new Promise((done) => {
        finish = () => done(answerTo(received));
      });
    });
    const body = JSON.stringify([ping(1), ping(2)]);
    const got = await raw(room.port, `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nMcp-Session-Id: s\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: ${body.length}\r\n\r\n${body}`, 200);
    expect(got.text).toContain('"id":1');
    await pause(30);
    expect(room.calls[1]?.signal.aborted).toBe(false);
    finish();
    const { text } = await raw(room.port, 'GET /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nMcp-Session-Id: s\r\nLast-Event-ID: x\r\nAccept: text/event-stream\r\n\r\n', 200);
    expect(text).toContain('"id":2');
  });
  it('ends with its credential', async () => {
    room = await startRoom((received) => {
      know(received, { principal, session: session('s') });
      if (received.message.rpcId === 1) received.side.event(Buffer.from('data: {"x":1}\n\n'));
      return never;
    });
    const answer = post(room.port, [ping(1), ping(2)], H);
    await until(() => room.calls.length === 2);
    room.receive.closeStreams(principal.id);
    expect((await answer).text).toBe('data: {"x":1}\n\n');
    expect(room.calls.map(({ signal }) => signal.aborted)).toEqual([true, true]);
  });
});

describe('an answer that nobody reads', () => {
  it('is given up after a while', async () => {
    const big = `{"jsonrpc":"2.0","id":1,"result":{"x":"${'x'.repeat(30e6)}"}}`;
    room = await startRoom(() => Promise.resolve(result(big)), { request_timeout_ms: 1000 });
    const body = JSON.stringify(ping(1));
    const socket = connect(room.port, '127.0.0.1', () => socket.write(`POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
    socket.on('error', () => undefined).pause();
    await until(() => room.calls.length === 1);
    await pause(3500);
    let bytes = 0;
    const over = new Promise((done) => socket.on('close', done).on('data', (chunk: Buffer) => (bytes += chunk.length)).resume());
    await over;
    expect(bytes).toBeLessThan(29e6);
  });
});
