import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import type { Refusal } from '../../call/refusal.ts';
import { answerOf, canned, createStage, event, json, made, principal, refusalOf, rig, session, sse, tool, toolCall, until, type Seen } from '../../../test/kit/dispatch-rig.ts';

const stage = createStage();
afterEach(stage.close);
const setup = (answer: Parameters<typeof stage.setup>[0], server: object = {}, config: object = {}): ReturnType<typeof stage.setup> => stage.setup(answer, { server, config });
type Answerer = (seen: Seen, res: ServerResponse) => void;
const result = (seen: Seen, value: object): object => ({ jsonrpc: '2.0', id: seen.json['id'], result: value });

/** A legacy server as the SDK writes them: everything before `initialize` is a 400. */
function legacy(call: Answerer, sessions = new Set<string>()): Answerer {
  let count = 0;
  return (seen, res) => {
    const { method } = seen.json;
    if (seen.method === 'GET') return void res.writeHead(405).end();
    if (seen.method === 'DELETE') return void res.writeHead(200).end();
    if (method === 'initialize') {
      const id = `up-${++count}`;
      sessions.add(id);
      return json(res, result(seen, { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'old', version: '1' } }), 200, { 'mcp-session-id': id });
    }
    const id = seen.headers['mcp-session-id'];
    if (id === undefined) return json(res, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'Bad Request: Server not initialized' } }, 400);
    if (!sessions.has(String(id))) return json(res, { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } }, 404);
    if (seen.json['id'] === undefined || method === undefined) return void res.writeHead(202).end();
    call(seen, res);
  };
}
function modern(call: Answerer): Answerer {
  return (seen, res) => {
    if (seen.json['method'] === 'server/discover') return json(res, result(seen, { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, ttlMs: 0, cacheScope: 'private', _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'new', version: '1' } } }));
    if (seen.json['method'] === 'initialize') return json(res, { jsonrpc: '2.0', id: seen.json['id'], error: { code: -32022, message: 'no', data: { supported: ['2026-07-28'] } } }, 400);
    call(seen, res);
  };
}
const own = (text: string, more: object = {}): ReturnType<typeof made> => made(text, { lane: 'own', tool: tool('s', 'echo'), ...more });

describe('to a legacy server', () => {
  test('a modern client’s call: judged arguments letter for letter, result dressed, the rest untouched', async () => {
    const { up, r } = await setup(legacy((seen, res) => json(res, `{"jsonrpc":"2.0","id":${String(seen.json['id'])},"result":{"content":[],"structuredContent":{"n":12345678901234567890}}}`)));
    const m = own(toolCall('a', '{"n": 98765432109876543210}', '{"io.modelcontextprotocol/clientCapabilities":{},"sallyport/modelRequestId":"CANARY","progressToken":7,"token":"CANARY","traceparent":"00-a","com.example/k": 1}'), { era: 'modern' });
    const answer = answerOf(await r.dispatch.stage.run(m.call));
    const sent = up.seen.find((s) => s.json['method'] === 'tools/call');
    expect(sent?.body.toString()).toMatch(/^\{"jsonrpc":"2.0","id":\d+,"method":"tools\/call","params":\{"_meta":\{"progressToken":\d+,"traceparent":"00-a","com.example\/k": 1\},"name":"echo","arguments":\{"n": 98765432109876543210\}\}\}$/);
    expect(JSON.stringify([sent?.rawHeaders, sent?.body.toString()])).not.toContain('CANARY');
    expect(answer.bytes.toString()).toBe('{"jsonrpc":"2.0","id":"a","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"old","version":"1"}},"content":[],"structuredContent":{"n":12345678901234567890}}}');
    expect(answer).toMatchObject({ status: 200, effect: 'done', message: { id: 'a', result: { resultType: 'complete' } } });
  });
  test('each principal has a session of its own', async () => {
    const { up, r } = await setup(legacy((seen, res) => json(res, result(seen, { content: [] }))));
    for (const id of ['key:a', 'key:b', 'key:a']) answerOf(await r.dispatch.stage.run(own(toolCall(), { principal: principal(id) }).call));
    const ids = up.seen.filter((s) => s.json['method'] === 'tools/call').map((s) => s.headers['mcp-session-id']);
    expect(ids[0]).toBe(ids[2]);
    expect(ids[0]).not.toBe(ids[1]);
    const control = up.seen.find((s) => s.json['method'] === 'notifications/initialized')?.headers['mcp-session-id'];
    expect(ids).not.toContain(control);
  });
  test('a forgotten session is opened again, once; the call runs once', async () => {
    const sessions = new Set<string>();
    const { up, r } = await setup(legacy((seen, res) => json(res, result(seen, { content: [] })), sessions));
    answerOf(await r.dispatch.stage.run(own(toolCall()).call));
    sessions.clear();
    answerOf(await r.dispatch.stage.run(own(toolCall()).call));
    expect(up.seen.filter((s) => s.json['method'] === 'tools/call')).toHaveLength(3);
  });
  test('progress comes under the client’s own token, log messages of its level; what it never declared is declined', async () => {
    const { up, r } = await setup(legacy((seen, res) => {
      sse(res);
      const token = ((seen.json['params'] as { _meta: { progressToken: number } })._meta).progressToken;
      res.write(event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: token, progress: 0.5, message: 'half' } }));
      res.write(event({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'log' } }));
      res.write(event({ jsonrpc: '2.0', id: 77, method: 'elicitation/create', params: {} }));
      setTimeout(() => res.end(event(result(seen, { content: [], isError: true }))), 50);
    }));
    const m = own(toolCall(1, '{}', '{"progressToken":"mine"}'));
    expect(answerOf(await r.dispatch.stage.run(m.call))).toMatchObject({ message: { result: { isError: true } }, effect: 'unknown' });
    expect(m.events).toEqual([event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'mine', progress: 0.5, message: 'half' } })]);
    expect(up.seen.find((s) => s.json['id'] === 77)?.json).toMatchObject({ error: { code: -32601 } });
  });
  test('notifications/cancelled of the session stops it and tells the server', async () => {
    const { up, r } = await setup(legacy(() => undefined));
    const s = session(null);
    const done = r.dispatch.stage.run(own(toolCall('x'), { session: s }).call);
    await until(() => up.seen.some((one) => one.json['method'] === 'tools/call'));
    const cancel = made('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"x"}}', { lane: 'local', session: s });
    expect(answerOf(await r.dispatch.stage.run(cancel.call)).status).toBe(202);
    expect(refusalOf(await done)).toMatchObject({ code: 'dispatch.cancelled', effect: 'unknown' });
    await until(() => up.seen.some((one) => one.json['method'] === 'notifications/cancelled'));
  });
  test.each<[string, Answerer, Partial<Refusal>]>([
    ['silence', () => undefined, { code: 'dispatch.timeout', effect: 'unknown' }],
    ['crash', (_s, res) => res.destroy(), { code: 'dispatch.crashed', effect: 'unknown' }],
    ['foreign id', (_s, res) => json(res, { jsonrpc: '2.0', id: 12345, result: {} }), { code: 'dispatch.bad_answer', effect: 'unknown' }],
    ['duplicate keys in the result', (s, res) => json(res, `{"jsonrpc":"2.0","id":${String(s.json['id'])},"result":{"content":[],"content":[1]}}`), { code: 'dispatch.bad_answer', effect: 'unknown' }],
    ['oversize', (s, res) => json(res, result(s, { x: 'y'.repeat(5000) })), { code: 'dispatch.bad_answer', effect: 'unknown' }],
    ['401', (_s, res) => json(res, {}, 401), { code: 'dispatch.upstream_auth', effect: 'none' }],
    ['503', (_s, res) => res.writeHead(503).end(), { code: 'dispatch.upstream', effect: 'unknown' }],
  ])('%s', async (_name, answer, refusal) => {
    const { up, r } = await setup(legacy(answer), {}, { max_answer_bytes: 4096 });
    expect(refusalOf(await r.dispatch.stage.run(own(toolCall(), { timeoutMs: 300 }).call))).toMatchObject(refusal);
    expect(up.seen.filter((s) => s.json['method'] === 'tools/call')).toHaveLength(1);
  });
});

describe('to a modern server', () => {
  test('a legacy client’s call: envelope, headers that repeat the body, result dressed', async () => {
    const definition = { inputSchema: { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' }, deep: { type: 'object', properties: { n: { type: 'integer', 'x-mcp-header': 'N' } } } } } };
    const { up, r } = await setup(modern((seen, res) => {
      if (seen.json['method'] === 'tools/list') return json(res, result(seen, { tools: [{ name: 'echo', ...definition }], resultType: 'complete', ttlMs: 0, cacheScope: 'public' }));
      json(res, `{"jsonrpc":"2.0","id":${String(seen.json['id'])},"result":{"resultType":"complete","content":[],"structuredContent":[12345678901234567890],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"n"},"k":1}}}`);
    }));
    expect(await r.dispatch.source.listTools('s')).toEqual([JSON.stringify({ name: 'echo', ...definition })]);
    const answer = answerOf(await r.dispatch.stage.run(own(toolCall(3, '{"region":"eu é","deep":{"n":4},"x":1}')).call));
    const sent = up.seen.find((s) => s.json['method'] === 'tools/call');
    expect(sent?.headers).toMatchObject({ 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'echo', 'mcp-param-region': `=?base64?${Buffer.from('eu é').toString('base64')}?=`, 'mcp-param-n': '4' });
    expect(sent?.json['params']).toMatchObject({ _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {}, 'io.modelcontextprotocol/clientInfo': { name: 'sallyport' } }, name: 'echo' });
    expect(answer.bytes.toString()).toBe('{"jsonrpc":"2.0","id":3,"result":{"content":[],"structuredContent":{"result":[12345678901234567890]},"_meta":{"k":1}}}');
  });
  test('what is cached elsewhere goes out as private', async () => {
    const { r } = await setup(modern((seen, res) => json(res, result(seen, { contents: [], resultType: 'complete', ttlMs: 5, cacheScope: 'public' }))));
    const text = '{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"x://y","_meta":{"a":1}}}';
    const answer = answerOf(await r.dispatch.stage.run(made(text, { lane: 'own', era: 'modern' }).call));
    expect(answer.message).toMatchObject({ result: { cacheScope: 'private', ttlMs: 5 } });
  });
  test('errors keep their meaning for the caller’s era', async () => {
    const { r } = await setup(modern((seen, res) => json(res, { jsonrpc: '2.0', id: seen.json['id'], error: { code: -32601, message: 'no' } }, 404)));
    expect(answerOf(await r.dispatch.stage.run(own(toolCall(), { era: 'modern' }).call))).toMatchObject({ status: 404, effect: 'none' });
    expect(answerOf(await r.dispatch.stage.run(own(toolCall()).call))).toMatchObject({ status: 200, message: { error: { code: -32601 } } });
  });
  test('tools whose header declarations are invalid are left out, and said so', async () => {
    const bad = (schema: object): object => ({ name: `t${JSON.stringify(schema).length}`, inputSchema: { type: 'object', ...schema } });
    const tools = [
      bad({ properties: { a: { type: 'number', 'x-mcp-header': 'A' } } }), bad({ properties: { a: { type: 'string', 'x-mcp-header': '' } } }),
      bad({ properties: { a: { type: 'string', 'x-mcp-header': 'A B' } } }), bad({ anyOf: [{ properties: { a: { type: 'string', 'x-mcp-header': 'A' } } }] }),
      bad({ properties: { a: { type: 'string', 'x-mcp-header': 'A' }, b: { type: 'string', 'x-mcp-header': 'a' } } }), bad({ properties: { 'x-mcp-header': { type: 'string' } } }),
    ];
    const { r } = await setup(modern((seen, res) => json(res, result(seen, { tools, resultType: 'complete' }))));
    expect((await r.dispatch.source.listTools('s')).map((t) => JSON.parse(t) as unknown)).toEqual(tools.slice(5));
    expect(r.logs.filter((l) => l.message.includes('x-mcp-header'))).toHaveLength(5);
  });
});

describe('which era', () => {
  test.each<[string, Answerer, string]>([
    ['401', (_s, res) => json(res, {}, 401), 'dispatch.upstream_auth'],
    ['503', (_s, res) => json(res, {}, 503), 'dispatch.upstream'],
    ['a page', (_s, res) => res.writeHead(200, { 'content-type': 'text/html' }).end('hello'), 'dispatch.bad_answer'],
    ['only later revisions', (s, res) => json(res, { jsonrpc: '2.0', id: s.json['id'], error: { code: -32022, message: 'no', data: { supported: ['2027-01-01'] } } }, 400), 'dispatch.translation'],
  ])('%s says nothing about it', async (_name, answer, code) => {
    const { up, r } = await setup(answer);
    expect(refusalOf(await r.dispatch.stage.run(own(toolCall()).call))).toMatchObject({ code, effect: 'none' });
    expect(r.dispatch.source.servers()[0]).toMatchObject({ era: null, eras: [] });
    expect(up.seen.some((s) => s.json['method'] === 'initialize' || s.json['method'] === 'tools/call')).toBe(false);
    expect(r.dispatch.health()['s']).toMatchObject({ ok: false });
  });
  test('a pinned era is not asked for', async () => {
    const { up, r } = await setup(legacy((seen, res) => json(res, result(seen, { content: [] }))), { era: 'legacy' });
    answerOf(await r.dispatch.stage.run(own(toolCall()).call));
    expect(up.seen.some((s) => s.json['method'] === 'server/discover')).toBe(false);
    expect(r.dispatch.source.servers()[0]).toMatchObject({ era: 'legacy', eras: ['legacy'] });
  });
  test('a server that comes up later is found, and the catalog hears of it', async () => {
    const first = await canned(() => undefined);
    const port = Number(new URL(first.url).port);
    await first.close();
    const r = rig({ s: { url: first.url } });
    stage.opened(r.close);
    let heard = 0;
    r.dispatch.source.onChanged(() => heard++);
    r.dispatch.start();
    await until(() => r.dispatch.health()['s']?.cause?.includes('unavailable') === true);
    const late = await canned(legacy((seen, res) => json(res, result(seen, { tools: [] }))));
    late.server.closeAllConnections();
    await new Promise((resolve) => late.server.close(resolve));
    late.server.listen(port, '127.0.0.1');
    stage.opened(late.close);
    await until(() => heard > 0, 8_000);
    expect(r.dispatch.health()['s']).toEqual({ ok: true, era: 'legacy' });
  }, 12_000);
});

describe('lists of tools', () => {
  test('all pages, each definition byte for byte', async () => {
    const pages = new Map([[undefined, '{"tools":[{"name":"a", "inputSchema":{"maximum":12345678901234567890}}],"nextCursor":""}'], ['', '{"tools":[ {"name":"b"} ]}']]);
    const { r } = await setup(legacy((seen, res) => json(res, `{"jsonrpc":"2.0","id":${String(seen.json['id'])},"result":${pages.get((seen.json['params'] as { cursor?: string }).cursor)}}`)));
    expect(await r.dispatch.source.listTools('s')).toEqual(['{"name":"a", "inputSchema":{"maximum":12345678901234567890}}', '{"name":"b"}']);
  });
  test('a list without end is no list', async () => {
    const { r } = await setup(legacy((seen, res) => json(res, result(seen, { tools: [], nextCursor: 'again' }))));
    await expect(r.dispatch.source.listTools('s')).rejects.toThrow('100 pages');
  });
  test('a server without tools has none', async () => {
    const { r } = await setup(legacy((seen, res) => json(res, { jsonrpc: '2.0', id: seen.json['id'], error: { code: -32601, message: 'no' } })));
    expect(await r.dispatch.source.listTools('s')).toEqual([]);
  });
});
