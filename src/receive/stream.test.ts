import { connect } from 'node:net';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { answerTo, know, LEGACY, modernHeaders, modernMeta, post, principal, raw, result, type RoomUnderTest, send, session, startRoom, until } from '../../test/kit/receive-room.ts';
import type { Outcome, Received } from '../call/call.ts';
import { eventBlock } from '../lib/sse.ts';

let room: RoomUnderTest;
afterEach(() => room.receive.drain(0));

const block = (text: string): Buffer => Buffer.from(`id: ${text}\ndata: ${text}\n\n`);
const never = new Promise<Outcome>(() => undefined);
const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'n' } };
const modern = { ...call, params: { name: 'n', _meta: modernMeta } };

interface Open {
  readonly req: ClientRequest;
  readonly res: Promise<IncomingMessage>;
  readonly text: () => string;
  readonly ended: () => boolean;
}
/** A request whose answer is read as it comes. */
function open(method: string, headers: Record<string, string>, body?: object): Open {
  let text = '';
  let ended = false;
  const req = request({ host: '127.0.0.1', port: room.port, method, path: '/mcp', headers, agent: false });
  const res = new Promise<IncomingMessage>((resolve, reject) => {
    req.on('error', reject);
    req.on('response', (answer) => {
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.on('close', () => (ended = true));
      answer.on('error', () => undefined);
      resolve(answer);
    });
  });
  res.catch(() => undefined);
  req.end(body === undefined ? undefined : JSON.stringify(body));
  return { req, res, text: () => text, ended: () => ended };
}
const GET = { authorization: 'Bearer t', accept: 'text/event-stream', 'mcp-session-id': 'session-1' };

describe('framing', () => {
  it('becomes a stream with the first event, and only then', async () => {
    room = await startRoom(async (received) => {
      expect(received.side.event(block('one'))).toBe(true);
      received.side.event(block('two'));
      await new Promise((done) => setTimeout(done, 20));
      return answerTo(received);
    });
    const answer = await post(room.port, modern, modernHeaders('tools/call', 'n'));
    expect(answer.headers).toMatchObject({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no', 'cache-control': 'no-store' });
    expect(answer.text).toBe(`id: one\ndata: one\n\nid: two\ndata: two\n\n${eventBlock('{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"done"}]}}')}`);
  });
  it('passes the server’s own last event through, alone or after others', async () => {
    room = await startRoom((received) => {
      if (received.message.rpcId === 2) received.side.event(block('first'));
      return Promise.resolve(result('{"x":1}', { event: Buffer.from('id: 9\nretry: 5\ndata: {"x":1}\n\n') }));
    });
    expect((await post(room.port, call)).text).toBe('id: 9\nretry: 5\ndata: {"x":1}\n\n');
    expect((await post(room.port, { ...call, id: 2 })).text).toBe('id: first\ndata: first\n\nid: 9\nretry: 5\ndata: {"x":1}\n\n');
  });
  it('tells a refusal on the stream when that has begun', async () => {
    room = await startRoom((received) => {
      received.side.event(block('x'));
      return Promise.resolve({ effect: 'unknown', refusal: { code: 'inspect.refused' } });
    });
    const answer = await post(room.port, call);
    expect(answer.status).toBe(200);
    expect(answer.text).toContain('"isError":true');
  });
  it('gives the session id with the answer to initialize, events before it or not', async () => {
    room = await startRoom((received) => {
      if (received.message.rpcId === 2) received.side.event(block('primer'));
      return Promise.resolve(result('{"jsonrpc":"2.0","id":1,"result":{}}', { session: session('new-session') }));
    });
    for (const id of [1, 2]) {
      const answer = await post(room.port, { jsonrpc: '2.0', id, method: 'initialize', params: { protocolVersion: '2025-11-25' } });
      expect(answer.headers['mcp-session-id']).toBe('new-session');
      expect(answer.text.startsWith(id === 2 ? 'id: primer' : '{')).toBe(true);
    }
    expect((await post(room.port, modern, modernHeaders('tools/call', 'n'))).headers['mcp-session-id']).toBeUndefined();
  });
  it('drops events at POST /tool, which has one answer', async () => {
    room = await startRoom((received) => {
      expect(received.side.event(block('x'))).toBe(true);
      return Promise.resolve(answerTo(received));
    });
    expect((await post(room.port, { tool: 't' }, { 'content-type': 'application/json', 'x-api-key': 'k' }, '/tool')).json.status).toBe('ok');
  });
});

describe('a client that goes away', () => {
  const leave = async (headers: Record<string, string>, body?: object): Promise<Received> => {
    room = await startRoom(() => never);
    const opened = open(body === undefined ? 'GET' : 'POST', headers, body);
    await until(() => room.calls.length === 1);
    opened.req.destroy();
    await new Promise((done) => setTimeout(done, 80));
    return room.calls[0]!;
  };
  it('cancels in the modern era', async () => expect((await leave(modernHeaders('tools/call', 'n'), modern)).signal.aborted).toBe(true));
  it('does not cancel in the legacy eras', async () => expect((await leave(LEGACY, call)).signal.aborted).toBe(false));
  it('ends its stream', async () => expect((await leave(GET)).signal.aborted).toBe(true));
  it('is told so by side.event', async () => expect((await leave(LEGACY, call)).side.event(block('x'))).toBe(false));
  it('is not a cancellation when the answer is out', async () => {
    room = await startRoom();
    await post(room.port, modern, modernHeaders('tools/call', 'n'));
    await new Promise((done) => setTimeout(done, 30));
    expect(room.calls[0]?.signal.aborted).toBe(false);
  });
});

describe('an answer that outlives its stream', () => {
  const finishers: ((outcome: Outcome) => void)[] = [];
  const start = async (): Promise<void> => {
    finishers.length = 0;
    room = await startRoom((received) => {
      know(received, { principal, session: session(received.sessionId ?? '') });
      if (received.message.kind === 'stream') {
        received.side.event(Buffer.from(':\n\n'));
        return never;
      }
      received.side.event(block('primer'));
      received.side.detached();
      expect(received.side.event(block('late'))).toBe(false);
      return new Promise((done) => finishers.push(done));
    });
  };
  const post1 = { ...LEGACY, 'mcp-session-id': 'session-1' };
  const last = (): Outcome => result('{"id":1}', { event: block('answer') });
  it('goes to the open GET stream of its session', async () => {
    await start();
    const first = open('POST', post1, call);
    await until(() => first.ended());
    expect(first.text()).toBe('id: primer\ndata: primer\n\n');
    const other = open('GET', { ...GET, 'mcp-session-id': 'session-2', 'last-event-id': 'primer' });
    const plain = open('GET', GET);
    const resumed = open('GET', { ...GET, 'last-event-id': 'primer' });
    await Promise.all([other.res, plain.res, resumed.res]);
    finishers[0]?.(last());
    await until(() => resumed.text().includes('answer'));
    expect([plain.text(), other.text()]).toEqual([':\n\n', ':\n\n']); // one stream only, and no foreign one
  });
  it('waits for the client to come back, for the same session only', async () => {
    await start();
    const first = open('POST', post1, call);
    await until(() => first.ended());
    finishers[0]?.(last());
    const other = open('GET', { ...GET, 'mcp-session-id': 'session-2', 'last-event-id': 'primer' });
    await other.res;
    const resumed = open('GET', { ...GET, 'last-event-id': 'primer' });
    await until(() => resumed.text().includes('answer'));
    const again = open('GET', { ...GET, 'last-event-id': 'primer' });
    await again.res;
    await new Promise((done) => setTimeout(done, 50));
    expect([other.text(), again.text()]).toEqual([':\n\n', ':\n\n']);
  });
  it('is told even when it is a refusal', async () => {
    await start();
    const resumed = open('GET', { ...GET, 'last-event-id': 'primer' });
    await resumed.res;
    const first = open('POST', post1, call);
    await until(() => first.ended());
    finishers[0]?.({ effect: 'unknown', refusal: { code: 'dispatch.timeout' } });
    await until(() => resumed.text().includes('dispatch.timeout'));
  });
});

describe('open streams', () => {
  const streaming = (received: Received): Promise<Outcome> => {
    know(received, { principal: { ...principal, id: received.presented.authorization ?? '' }, session: session() });
    received.side.event(Buffer.from(':\n\n'));
    return never;
  };
  it('end at once when their credential is revoked', async () => {
    room = await startRoom(streaming);
    const alice = open('GET', GET);
    const bob = open('GET', { ...GET, authorization: 'Bearer bob' });
    await Promise.all([alice.res, bob.res]);
    room.receive.closeStreams('Bearer t');
    await until(() => alice.ended());
    expect([room.calls[0]?.signal.aborted, bob.ended(), room.calls[1]?.signal.aborted]).toEqual([true, false, false]);
  });
  it('end within a second when their credential expires, or cannot be judged', async () => {
    let valid: () => boolean = () => true;
    room = await startRoom(streaming, {}, { stillValid: () => valid() });
    const a = open('GET', GET);
    await a.res;
    valid = () => { throw new Error('store gone'); };
    await until(() => a.ended(), 2500);
    expect(room.calls[0]?.signal.aborted).toBe(true);
  });
  it('are kept alive with comments', async () => {
    room = await startRoom(streaming, { keepalive_ms: 1000 });
    const a = open('GET', GET);
    await until(() => a.text() === ':\n\n:\n\n', 4000);
    expect(a.ended()).toBe(false);
  });
  it('do not fill the memory for a reader that does not read', async () => {
    let sent = 0;
    let refused = false;
    room = await startRoom(async (received) => {
      know(received, { principal, session: session() });
      while (!refused && sent < 200e6) {
        refused = !received.side.event(Buffer.concat([Buffer.from('data: '), Buffer.alloc(60_000, 120), Buffer.from('\n\n')]));
        sent += 60_000;
        if (sent % 600_000 === 0) await new Promise((done) => setTimeout(done, 1));
      }
      return never;
    }, { max_buffered_bytes: 1_048_576 });
    const socket = connect(room.port, '127.0.0.1', () => socket.write('GET /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nAccept: text/event-stream\r\n\r\n'));
    socket.on('error', () => undefined).pause();
    await until(() => refused, 8000);
    expect(sent).toBeLessThan(30e6); // the kernel's buffers and ours
    expect(room.calls[0]?.signal.aborted).toBe(true);
    expect(room.logs).toContain('a reader was too slow');
    socket.destroy();
  });
});

describe('stopping', () => {
  it('lets what runs end, refuses what comes, ends streams', async () => {
    let finish: (outcome: Outcome) => void = () => undefined;
    room = await startRoom((received) => {
      know(received, { principal, session: session() });
      if (received.message.kind !== 'stream') return new Promise((done) => (finish = done));
      received.side.event(Buffer.from(':\n\n'));
      return never;
    });
    const stream = open('GET', GET);
    await stream.res;
    const running = post(room.port, call);
    await until(() => room.calls.length === 2);
    const late = raw(room.port, ['GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n'], 1500);
    const idle = connect(room.port, '127.0.0.1');
    await new Promise((done) => idle.once('connect', done));
    idle.write('POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: 2\r\n\r\n{');
    await new Promise((done) => setTimeout(done, 50));
    const drained = room.receive.drain(5000);
    idle.write('}');
    await until(() => stream.ended());
    await expect(post(room.port, call)).rejects.toThrow(/ECONNREFUSED/);
    finish(answerTo(room.calls[1]!));
    expect((await running).status).toBe(200);
    idle.destroy();
    await Promise.all([drained, late]);
  });
  it('answers 503 on connections that are still open', async () => {
    room = await startRoom(() => never);
    const socket = connect(room.port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const one = 'POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: 2\r\n\r\n{}';
    socket.write(one.slice(0, 30)); // not idle: a request is under way
    await new Promise((done) => setTimeout(done, 50));
    const busy = post(room.port, call);
    await until(() => room.calls.length === 1);
    const drained = room.receive.drain(400);
    socket.write(one.slice(30));
    await until(() => text.includes('\r\n\r\n{'));
    expect(text).toMatch(/^HTTP\/1\.1 503 [^]*connection: close/i);
    expect(text).toContain('receive.draining');
    await drained;
    await expect(busy).rejects.toThrow();
  });
});

describe('limits', () => {
  const big = Buffer.alloc(10e6, 32);
  it.each([['known', true], ['unknown', false]])('refuses a body of 10 MB before it has arrived, its length %s', async (_, isKnown) => {
    room = await startRoom();
    let sent = 0;
    const answer = await new Promise<{ status: number; text: string; connection: string | undefined }>((resolve, reject) => {
      const req = request({ host: '127.0.0.1', port: room.port, path: '/mcp', method: 'POST', headers: { ...LEGACY, ...(isKnown ? { 'content-length': String(big.length) } : {}) }, agent: false }, (res) => {
        let text = '';
        res.on('data', (c: Buffer) => (text += c.toString())).on('end', () => resolve({ status: res.statusCode ?? 0, text, connection: res.headers.connection }));
      });
      let failed: Error | null = null;
      req.on('error', (error) => (failed = error));
      req.on('close', () => setTimeout(() => reject(failed ?? new Error('no answer')), 100));
      const pump = (): void => {
        while (sent < big.length && !req.destroyed) {
          const more = req.write(big.subarray(sent, sent + 65_536));
          sent += 65_536;
          if (!more) return void req.once('drain', pump);
        }
        if (!req.destroyed) req.end();
      };
      pump();
    });
    expect(answer).toMatchObject({ status: 413, connection: 'close' });
    expect(answer.text).toContain('receive.too_large');
    expect(room.calls).toEqual([]);
    expect(room.refusals.map((r) => r.refusal.code)).toEqual(['receive.too_large']);
  });
  it('takes what is just small enough, in many pieces', async () => {
    room = await startRoom();
    const text = JSON.stringify({ ...call, params: { name: 'n', arguments: { x: '' } } });
    const body = text.replace('""', `"${'é'.repeat((4_194_304 - text.length) / 2)}"`);
    const req = request({ host: '127.0.0.1', port: room.port, path: '/mcp', method: 'POST', headers: { ...LEGACY, 'transfer-encoding': 'chunked' }, agent: false });
    const status = new Promise((resolve, reject) => req.on('response', (res) => resolve(res.resume().statusCode)).on('error', reject));
    const bytes = Buffer.from(body);
    for (let i = 0; i < bytes.length; i += 9_999) req.write(bytes.subarray(i, i + 9_999));
    req.end();
    expect(await status).toBe(200);
    expect(room.calls[0]?.message.bytes.equals(bytes)).toBe(true);
  });
  it('bounds the requests in flight, and the bytes of all bodies together', async () => {
    let finish: (outcome: Outcome) => void = () => undefined;
    room = await startRoom((received) => (room.calls.length > 1 ? Promise.resolve(answerTo(received)) : new Promise((done) => (finish = done))), { max_in_flight: 1, max_body_total_bytes: 2048 });
    const first = post(room.port, call);
    await until(() => room.calls.length === 1);
    expect(await post(room.port, call)).toMatchObject({ status: 503, headers: { 'retry-after': '1' }, json: { error: { data: { code: 'receive.overloaded' } } } });
    finish(answerTo(room.calls[0]!));
    await first;
    expect((await post(room.port, call)).status).toBe(200);
    const half = await raw(room.port, [`POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: 50000\r\n\r\n${' '.repeat(4000)}`], 2500);
    expect(half.text).toMatch(/^HTTP\/1\.1 503 /);
    expect((await post(room.port, call)).status).toBe(200); // all was given back
  });
  it('gives a request back that is never finished', async () => {
    room = await startRoom(undefined, { max_in_flight: 1, request_timeout_ms: 1000 });
    const one = 'POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: 200\r\n\r\n{';
    await raw(room.port, one, 100); // goes away
    await until(() => true);
    expect((await post(room.port, call)).status).toBe(200);
    const slow = await raw(room.port, one, 5000); // stays and says nothing more
    expect(slow).toMatchObject({ closed: true });
    expect(slow.text === '' || slow.text.startsWith('HTTP/1.1 408')).toBe(true);
    expect((await post(room.port, call)).status).toBe(200);
  });
  it('refuses before it lets a body come (Expect: 100-continue)', async () => {
    room = await startRoom();
    const head = (auth: string): string => `POST /mcp HTTP/1.1\r\nHost: localhost\r\n${auth}Content-Type: application/json\r\nAccept: */*\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n`;
    expect((await raw(room.port, head(''), 300)).text).toMatch(/^HTTP\/1\.1 401 [^]*connection: close/i);
    expect((await raw(room.port, head('Authorization: Bearer t\r\n'), 300)).text).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    expect((await raw(room.port, head('Authorization: Bearer t\r\n').replace('100-continue', 'evil'), 300)).text).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe('when something else fails', () => {
  it('answers audit.unavailable when a refusal cannot be recorded', async () => {
    room = await startRoom(undefined, {}, { refuse: () => Promise.reject(new Error('disk full')) });
    expect(await send(room.port, 'GET', '/nowhere')).toMatchObject({ status: 503, json: { error: { data: { code: 'audit.unavailable' } } } });
    expect((await raw(room.port, 'NOT HTTP\r\n\r\n')).text).toMatch(/^HTTP\/1\.1 503 /);
  });
  it('closes, and says nothing of it, when the corridor throws', async () => {
    room = await startRoom(() => Promise.reject(new Error('SECRET')));
    const answer = await post(room.port, call);
    expect([answer.status, answer.json.error.data.code, answer.text.includes('SECRET')]).toEqual([500, 'gateway.bug', false]);
  });
  it('says nothing to garbage behind a request that is still being answered', async () => {
    let finish: (outcome: Outcome) => void = () => undefined;
    room = await startRoom(() => new Promise((done) => (finish = done)));
    const body = JSON.stringify(call);
    const both = raw(room.port, `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: ${body.length}\r\n\r\n${body}GARBAGE\r\n\r\n`, 500);
    await until(() => room.calls.length === 1);
    setTimeout(() => finish(answerTo(room.calls[0]!)), 50);
    const { text, closed } = await both;
    expect(closed).toBe(true);
    expect(text).not.toContain('400');
  });
  it('answers pipelined requests in order, each its own', async () => {
    room = await startRoom(async (received) => {
      await new Promise((done) => setTimeout(done, received.message.rpcId === 1 ? 60 : 1));
      return answerTo(received, `for ${String(received.message.rpcId)}`);
    });
    const one = (id: number): string => {
      const body = JSON.stringify({ ...call, id });
      return `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    };
    const { text } = await raw(room.port, one(1) + one(2), 500);
    expect(text.match(/for \d/g)).toEqual(['for 1', 'for 2']);
  });
});
