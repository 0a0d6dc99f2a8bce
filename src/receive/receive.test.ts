import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { LEGACY, modernHeaders, modernMeta, post, raw, type RoomUnderTest, send, startRoom } from '../../test/kit/receive-room.ts';
import { receiveConfig } from './config.ts';

let room: RoomUnderTest;
beforeAll(async () => {
  room = await startRoom(undefined, { origins: ['https://app.example.org'], public_url: 'https://gw.example.org/base' }, { health: () => ({ ready: false, causes: ['audit: not writable', 'server internal-db at 10.0.0.7: down'], servers: { secret: 1 } }) });
});
afterAll(() => room.receive.drain(0));
beforeEach(() => {
  room.calls.length = 0;
  room.refusals.length = 0;
});

const call = (params: object = { name: 'read', arguments: { a: 1 } }, id: unknown = 1): object => ({ jsonrpc: '2.0', id, method: 'tools/call', params });
const modernCall = (params: object = { name: 'read', arguments: {} }): object => call({ ...params, _meta: modernMeta });
const codes = (): string[] => room.refusals.map((r) => r.refusal.code);

describe('a call', () => {
  it('of the modern era reaches the corridor whole', async () => {
    const body = '{ "jsonrpc":"2.0", "id":"é1", "method":"tools/call","params":{"name":"lesen ✓","arguments": {"n": 9007199254740993 , "é":1},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"sallyport/modelRequestId":"m-1"}}}';
    const name = `=?base64?${Buffer.from('lesen ✓').toString('base64')}?=`;
    const answer = await post(room.port, body, { ...modernHeaders('tools/call', name), 'mcp-param-region': 'eu', 'mcp-session-id': 'ignored', 'last-event-id': '4' }, '/s/files/mcp');
    expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }, json: { id: 'é1' } });
    expect(answer.headers['mcp-session-id']).toBeUndefined();
    expect(room.calls[0]).toMatchObject({
      door: 'mcp', server: 'files', era: 'modern', version: '2026-07-28', name: 'lesen ✓', sessionId: null, lastEventId: null, modelRequestId: 'm-1',
      mirrored: [['mcp-name', name], ['mcp-param-region', 'eu']],
      presented: { authorization: 'Bearer t', apiKey: null, remoteAddress: '127.0.0.1' },
      message: { kind: 'request', method: 'tools/call', rpcId: 'é1', text: body, argumentsText: '{"n": 9007199254740993 , "é":1}', inexact: [{ pointer: '/arguments/n', literal: '9007199254740993' }] },
    });
    expect(room.calls[0]?.message.bytes.toString()).toBe(body);
    expect(answer.headers['x-correlation-id']).toBe(room.calls[0]?.id);
  });
  it('of the legacy eras keeps its session', async () => {
    await post(room.port, call(), { ...LEGACY, 'mcp-session-id': 's1', 'mcp-protocol-version': '2025-06-18' });
    await post(room.port, { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {} } });
    await post(room.port, { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '1999-01-01', capabilities: {} } });
    expect(room.calls.map((c) => [c.server, c.era, c.version, c.sessionId])).toEqual([[null, 'legacy', '2025-06-18', 's1'], [null, 'legacy', '2025-11-25', null], [null, 'legacy', '2025-03-26', null]]);
  });
  it('accepts notifications and responses with 202 and an empty body', async () => {
    for (const body of [{ jsonrpc: '2.0', method: 'notifications/initialized' }, { jsonrpc: '2.0', id: 7, result: {} }, { jsonrpc: '2.0', id: 7, error: { code: 1, message: 'x' } }]) {
      expect(await post(room.port, body)).toMatchObject({ status: 202, text: '', headers: { 'content-length': '0' } });
    }
    expect(room.calls.map((c) => [c.message.kind, c.message.method, c.message.rpcId])).toEqual([['notification', 'notifications/initialized', null], ['response', '', 7], ['response', '', 7]]);
  });
  it('hands GET and DELETE on as $stream and $end', async () => {
    await send(room.port, 'GET', '/mcp', { authorization: 'Bearer t', accept: 'text/event-stream', 'mcp-session-id': 's', 'last-event-id': 'e9' });
    await send(room.port, 'DELETE', '/s/files/mcp', { authorization: 'Bearer t', 'mcp-session-id': 's', 'mcp-protocol-version': '2025-11-25' });
    expect(room.calls.map((c) => [c.message.kind, c.message.method, c.sessionId, c.lastEventId, c.version])).toEqual([['stream', '$stream', 's', 'e9', '2025-03-26'], ['end', '$end', 's', null, '2025-11-25']]);
  });
});

describe('the route', () => {
  it.each(['/', '/mcp/', '//mcp', '/MCP', '/mcp%20', '/%6dcp', '/mcp/../mcp', '/health/../mcp', '/s//mcp', '/s/files/mcp/', '/s/a/b/mcp', '/s/%66iles/mcp', '/s/../mcp', '/tool/', '/mcp;x', '/mcp#x', '/admin', '/.well-known/x', '/metrics', 'http://127.0.0.1/mcp'])('%s is nowhere, and recorded', async (path) => {
    const answer = await raw(room.port, `POST ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: 2\r\n\r\n{}`);
    expect(answer.text).toMatch(/^HTTP\/1\.1 404 /);
    expect(codes()).toEqual(['receive.path']);
    expect(room.calls).toEqual([]);
  });
  it('refuses a query: tokens do not belong there', async () => {
    expect(await post(room.port, call(), LEGACY, '/mcp?access_token=abc')).toMatchObject({ status: 400, json: { error: { code: -32600, data: { code: 'receive.message' } } } });
  });
  it.each([['PUT', '/mcp', 'POST, GET, DELETE'], ['OPTIONS', '/s/files/mcp', 'POST, GET, DELETE'], ['GET', '/tool', 'POST'], ['HEAD', '/mcp', 'POST, GET, DELETE']])('%s %s is not served', async (method, path, allow) => {
    expect(await send(room.port, method, path)).toMatchObject({ status: 405, headers: { allow } });
    expect(codes()).toEqual(['receive.method']);
  });
  it('without a credential every method and variant gets 401 or 404', async () => {
    const { authorization: _, ...bare } = LEGACY;
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE']) {
      for (const path of ['/mcp', '/s/files/mcp', '/s/none/mcp', '/tool', '/mcp?x=1', '/nope', '/admin']) {
        const { status, headers } = await send(room.port, method, path, { ...bare, 'x-forwarded-user': 'admin', 'x-original-url': '/health', 'x-http-method-override': 'GET', forwarded: 'for=127.0.0.1' });
        expect([401, 404]).toContain(status);
        if (status === 401) expect(headers['www-authenticate']).toBe('Bearer');
      }
    }
    expect(room.calls).toEqual([]);
    expect(new Set(codes())).toEqual(new Set(['authenticate.missing', 'receive.path']));
    expect(new Set(room.refusals.map((r) => r.server))).toEqual(new Set([null, 'files']));
  });
  it('answers probes without a credential and says nothing more', async () => {
    expect(await send(room.port, 'GET', '/health', {})).toMatchObject({ status: 200, json: { status: 'ok' } });
    const ready = await send(room.port, 'GET', '/ready', { host: '10.0.0.9:1' });
    expect(ready).toMatchObject({ status: 503, json: { ready: false, causes: ['audit: not writable', 'server'] } });
    expect(ready.text).not.toMatch(/10\.0\.0\.7|secret|internal/);
    expect((await send(room.port, 'POST', '/ready', {})).status).toBe(405);
    expect((await send(room.port, 'GET', '/ready', { origin: 'https://evil.test' })).status).toBe(403);
    expect(room.refusals).toEqual([]);
  });
});

describe('Host and Origin', () => {
  it.each(['evil.test', 'evil.test:80', 'localhost.evil.test', 'localhost@evil.test', '127.0.0.1.evil.test', 'localhost:99999', '[::2]', 'gw.example.org:8443'])('refuses the Host %j (DNS rebinding)', async (host) => {
    expect((await post(room.port, call(), { ...LEGACY, host })).status).toBe(403);
    expect(codes()).toEqual(['receive.host']);
  });
  it('refuses no Host and an empty one', async () => {
    const rest = 'Authorization: Bearer t\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: 2\r\n\r\n{}';
    expect((await raw(room.port, `POST /mcp HTTP/1.1\r\nHost:\r\n${rest}`)).text).toMatch(/^HTTP\/1\.1 403 /);
    expect((await raw(room.port, `POST /mcp HTTP/1.0\r\n${rest}`)).text).toMatch(/^HTTP\/1\.[01] 403 /);
    expect((await raw(room.port, `POST /mcp HTTP/1.1\r\n${rest}`)).text).toMatch(/^HTTP\/1\.1 400 /);
  });
  it.each(['localhost', 'LOCALHOST:1', '127.0.0.1:8080', '[::1]:9', 'gw', 'gw.example.org', 'gw.example.org:443'])('takes the Host %j', async (host) => {
    expect((await post(room.port, call(), { ...LEGACY, host })).status).toBe(200);
  });
  it.each(['https://evil.test', 'null', 'http://localhost:3000', 'https://app.example.org.evil.test', 'http://app.example.org', 'file://'])('refuses the Origin %j on every method', async (origin) => {
    for (const method of ['POST', 'GET', 'DELETE', 'OPTIONS']) expect((await send(room.port, method, '/mcp', { ...LEGACY, origin }, method === 'POST' ? '{}' : undefined)).status).toBe(403);
  });
  it('takes its own origin and listed ones; only those get CORS headers', async () => {
    const own = await post(room.port, call(), { ...LEGACY, host: 'localhost:5', origin: 'http://localhost:5' });
    expect([own.status, own.headers['access-control-allow-origin']]).toEqual([200, undefined]);
    const listed = await post(room.port, call(), { ...LEGACY, origin: 'https://app.example.org' });
    expect([listed.status, listed.headers['access-control-allow-origin']]).toEqual([200, 'https://app.example.org']);
    const asks = await send(room.port, 'OPTIONS', '/mcp', { origin: 'https://app.example.org', 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization, mcp-param-region, cookie, x-evil' });
    expect(asks).toMatchObject({ status: 204, headers: { 'access-control-allow-headers': 'authorization, mcp-param-region' } });
    expect(asks.headers['access-control-allow-credentials']).toBeUndefined();
  });
});

describe('headers', () => {
  it.each(['Authorization: Bearer u', 'authorization: Bearer t', 'Content-Type: application/json', 'Host: localhost', 'Mcp-Session-Id: 1\r\nmcp-session-id: 2', 'Mcp-Name: a\r\nMCP-NAME: a', 'Mcp-Param-X: 1\r\nMcp-Param-X: 2', 'X-Api-Key: a\r\nx-api-key: b', 'Origin: http://localhost\r\nOrigin: https://evil.test', 'Mcp-Protocol-Version: 2025-11-25\r\nMCP-Protocol-Version: 2026-07-28'])('refuses a second %s', async (more) => {
    const { text } = await raw(room.port, `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n${more}\r\nContent-Length: 2\r\n\r\n{}`);
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(codes()).toEqual(['receive.headers']);
  });
  it('refuses too many', async () => {
    const many = Array.from({ length: 200 }, (_, i) => `X-${i}: 1\r\n`).join('');
    expect((await raw(room.port, `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\n${many}Content-Length: 2\r\n\r\n{}`)).text).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(codes()).toEqual(['receive.headers']);
  });
  it.each(['text/plain', 'multipart/form-data', 'application/x-www-form-urlencoded', 'application/json, text/plain', 'application/jsonx', 'application/json; charset=utf-16', 'application/json-rpc', ''])('refuses the Content-Type %j', async (type) => {
    expect((await post(room.port, call(), { ...LEGACY, 'content-type': type })).status).toBe(415);
  });
  it('takes the usual Content-Types and no encoding', async () => {
    for (const type of ['application/json', 'Application/JSON; charset=UTF-8', 'application/json;charset="utf-8"']) expect((await post(room.port, call(), { ...LEGACY, 'content-type': type })).status).toBe(200);
    expect((await post(room.port, call(), { ...LEGACY, 'content-encoding': 'gzip' })).status).toBe(415);
  });
  it.each(['application/json', 'text/event-stream', 'text/html', 'application/json, text/event-stream;q=0', ''])('wants both kinds of answer accepted, not only %j', async (accept) => {
    expect((await post(room.port, call(), { ...LEGACY, accept })).status).toBe(406);
  });
  it('takes */* and two Accept headers', async () => {
    expect((await post(room.port, call(), { ...LEGACY, accept: '*/*' })).status).toBe(200);
    expect((await post(room.port, call(), { ...LEGACY, accept: ['text/event-stream', 'application/json'] })).status).toBe(200);
    expect((await send(room.port, 'GET', '/mcp', { authorization: 'Bearer t', accept: 'application/json' })).status).toBe(406);
  });
});

const without = (name: string): Record<string, string> => Object.fromEntries(Object.entries(modernHeaders('tools/call', 'read')).filter(([key]) => key !== name));

describe('the modern header ladder', () => {
  const cases: [string, object, Record<string, string>, number, number][] = [
    ['no version header', modernCall(), without('mcp-protocol-version'), 400, -32020],
    ['another version in the header', modernCall(), { ...modernHeaders('tools/call', 'read'), 'mcp-protocol-version': '2025-11-25' }, 400, -32020],
    ['no Mcp-Method', modernCall(), without('mcp-method'), 400, -32020],
    ['another Mcp-Method', modernCall(), modernHeaders('tools/list', 'read'), 400, -32020],
    ['another case of Mcp-Method', modernCall(), modernHeaders('Tools/call', 'read'), 400, -32020],
    ['no Mcp-Name', modernCall(), modernHeaders('tools/call'), 400, -32020],
    ['another Mcp-Name', modernCall(), modernHeaders('tools/call', 'write'), 400, -32020],
    ['base64 that is not canonical', modernCall(), modernHeaders('tools/call', '=?base64?cmVhZB==?='), 400, -32020],
    ['base64 that is not UTF-8', modernCall(), modernHeaders('tools/call', '=?base64?wK4=?='), 400, -32020],
    ['a version we do not know', call({ name: 'read', _meta: { ...modernMeta, 'io.modelcontextprotocol/protocolVersion': '9999-01-01' } }), { ...modernHeaders('tools/call', 'read'), 'mcp-protocol-version': '9999-01-01' }, 400, -32022],
    ['a legacy version in _meta', call({ name: 'read', _meta: { ...modernMeta, 'io.modelcontextprotocol/protocolVersion': '2025-11-25' } }), { ...modernHeaders('tools/call', 'read'), 'mcp-protocol-version': '2025-11-25' }, 400, -32022],
    ['no capabilities', call({ name: 'read', _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }), modernHeaders('tools/call', 'read'), 400, -32602],
    ['a version that is no text', call({ name: 'read', _meta: { ...modernMeta, 'io.modelcontextprotocol/protocolVersion': 2 } }), modernHeaders('tools/call', 'read'), 400, -32602],
    ['a modern header without a claim', call(), modernHeaders('tools/call', 'read'), 400, -32602],
    ['initialize with a modern header', { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25' } }, modernHeaders('initialize'), 400, -32020],
    ['an unknown legacy version', call(), { ...LEGACY, 'mcp-protocol-version': '2024-01-01' }, 400, -32022],
    ['resources/read with another uri', { jsonrpc: '2.0', id: 1, method: 'resources/read', params: { uri: 'a:b', _meta: modernMeta } }, modernHeaders('resources/read', 'a:c'), 400, -32020],
    ['tasks/get with another id', { jsonrpc: '2.0', id: 1, method: 'tasks/get', params: { taskId: 't1', _meta: modernMeta } }, modernHeaders('tasks/get', 't2'), 400, -32020],
    ['a notification with another Mcp-Method', { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } }, modernHeaders('notifications/x'), 400, -32020],
    ['a good call', modernCall(), modernHeaders('tools/call', 'read'), 200, 0],
    ['whitespace around the values', modernCall(), { ...modernHeaders('tools/call', 'read'), 'mcp-method': '  tools/call \t' }, 200, 0],
    ['a notification with a modern header', { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } }, { ...LEGACY, 'mcp-protocol-version': '2026-07-28' }, 202, 0],
  ];
  it.each(cases)('%s', async (_, body, headers, status, code) => {
    const answer = await post(room.port, body, headers);
    expect([answer.status, answer.json?.error?.code ?? 0]).toEqual([status, code]);
    expect(room.calls).toHaveLength(status < 300 ? 1 : 0);
    if (status === 400 && 'id' in body) expect(answer.json.id).toBe(1);
    if (code === -32022) expect(answer.json.error.data).toMatchObject({ supported: expect.arrayContaining(['2026-07-28']), requested: headers['mcp-protocol-version'] });
  });
  it('is POST only for modern clients', async () => {
    expect(await send(room.port, 'GET', '/mcp', { authorization: 'Bearer t', accept: 'text/event-stream', 'mcp-protocol-version': '2026-07-28' })).toMatchObject({ status: 405, headers: { allow: 'POST' } });
  });
  it('never quotes what is no version', async () => {
    const answer = await post(room.port, call(), { ...LEGACY, 'mcp-protocol-version': 'evil<script>' });
    expect(answer.text).not.toContain('evil');
  });
});

describe('POST /tool', () => {
  const REST = { 'content-type': 'application/json', 'x-api-key': 'k' };
  it('becomes a tools/call with the exact text of inputs', async () => {
    const answer = await post(room.port, '{"tool":"files__read","inputs": {"n":9007199254740993, "b" :1}}', REST, '/tool');
    expect(answer).toMatchObject({ status: 200, json: { status: 'ok', result: { content: [{ text: 'done' }] }, metadata: { caller: null, tool: 'files__read', correlation_id: room.calls[0]?.id }, warnings: [] } });
    expect(room.calls[0]).toMatchObject({
      door: 'rest', era: 'modern', version: '2026-07-28', server: null, name: 'files__read', presented: { apiKey: 'k', authorization: null },
      message: { method: 'tools/call', kind: 'request', argumentsText: '{"n":9007199254740993, "b" :1}', params: { name: 'files__read' }, inexact: [{ pointer: '/arguments/n' }] },
    });
  });
  it.each(['[]', '{}', '{"tool":1}', '{"tool":""}', '{"tool":"a","inputs":[]}', '{"tool":"a","inputs":null}', '{"tool":"a","Inputs":{}}', '{"tool":"a","input":{}}', '{"tool":"a","tool":"b"}'])('refuses %s', async (body) => {
    const answer = await post(room.port, body, REST, '/tool');
    expect(answer).toMatchObject({ status: 400, json: { status: 'error', result: { retryable: false }, metadata: { caller: null, tool: null } } });
    expect(room.calls).toEqual([]);
  });
});

describe('the configuration', () => {
  it('works empty and stands on loopback', () => {
    expect(receiveConfig.parse(undefined)).toEqual(receiveConfig.parse({}));
    expect(receiveConfig.parse({})).toMatchObject({ host: '127.0.0.1', port: 8080, max_bytes: 4_194_304, max_depth: 64, origins: [] });
  });
  it('does not carry credentials over a network in the clear (CWE-319)', () => {
    expect(receiveConfig.safeParse({ host: '0.0.0.0' }).success).toBe(false);
    expect(receiveConfig.safeParse({ host: '192.0.2.1' }).success).toBe(false);
    expect(receiveConfig.safeParse({ host: '0.0.0.0', tls_terminated_by_proxy: true }).success).toBe(true);
    expect(receiveConfig.safeParse({ host: '::', tls: { cert: 'file:c.pem', key: 'file:k.pem' } }).success).toBe(true);
    expect(receiveConfig.safeParse({ tls: { cert: 'file:c.pem', key: '-----BEGIN PRIVATE KEY-----' } }).success).toBe(false);
  });
});
