import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { answerOf, refusalOf, canned, json, made, principal, rig, tool, type Canned, type Seen } from '../../../test/kit/dispatch-rig.ts';
import { closeAll, closing, connected, EVERY_CAPABILITY, legacyCall, modernCall, requiredOf, run, textOf, type Asked } from '../../../test/kit/asking-rig.ts';
import { startFixture } from '../../../test/kit/fixture/http.ts';
import type { Era } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import { dressTool } from './dress.ts';

closeAll();
/** A server of one era that answers everything but the handshake with these texts, in turn; the last one again and again. */
async function server(era: Era, ...members: readonly string[]): Promise<Canned> {
  let count = 0;
  const up = await canned((seen: Seen, res: ServerResponse) => {
    const { method, id } = seen.json;
    if (seen.method === 'GET') return void res.writeHead(405).end();
    if (method === 'initialize') return era === 'modern' ? json(res, { jsonrpc: '2.0', id, error: { code: -32601, message: 'no' } }, 404) : json(res, { jsonrpc: '2.0', id, result: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'old', version: '1' } } });
    if (method === 'server/discover') return era === 'legacy' ? json(res, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'no' } }, 400) : json(res, { jsonrpc: '2.0', id, result: { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, ttlMs: 0, cacheScope: 'private' } });
    if (id === undefined) return void res.writeHead(202).end();
    json(res, `{"jsonrpc":"2.0","id":${JSON.stringify(id)},${members[Math.min(count++, members.length - 1)]}}`);
  });
  closing(up.close);
  return up;
}
const last = (up: Canned): Seen => up.seen.findLast((seen) => seen.json['id'] !== undefined && seen.json['method'] !== 'initialize' && seen.json['method'] !== 'server/discover') as Seen;
const request = (method: string, params: string, era: Era, more: Asked = {}): ReturnType<typeof made> => made(`{"jsonrpc":"2.0","id":1,"method":"${method}","params":${params}}`, { era, lane: 'own', ...more });
const paramsOf = (seen: Seen): JsonObject => seen.json['params'] as JsonObject;

describe('params', () => {
  test('what the client wrote stays, but for the envelope; the judged arguments in the place of its own', async () => {
    const up = await server('modern', '"result":{"resultType":"complete","content":[]}');
    const r = await connected(up.url);
    const text = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{ "arguments":{"a":1}, "x-unknown" : [1.50, {"deep":12345678901234567890}],"name":"s__echo","_meta":{"traceparent":"00-a","progressToken":5,"sallyport/modelRequestId":"m","io.modelcontextprotocol/clientInfo":{"name":"c"},"com.example/k":{"v":1e400}}}}';
    await run(r, made(text, { lane: 'own', era: 'modern', server: null, tool: tool('s', 'echo'), judged: '{"a":1,"b":2}' }).call);
    const body = last(up).body.toString();
    expect(body).toContain('"x-unknown" : [1.50, {"deep":12345678901234567890}]');
    expect(body).toContain('"com.example/k":{"v":1e400}');
    expect(body).toContain('"arguments":{"a":1,"b":2}');
    expect(paramsOf(last(up))).toMatchObject({ name: 'echo', _meta: { traceparent: '00-a', 'io.modelcontextprotocol/clientInfo': { name: 'sallyport' } } });
    expect(body).not.toContain('sallyport/');
    expect(last(up).headers['mcp-name']).toBe('echo');
  });
  test.each<[string, string, string, JsonObject]>([
    ['prompts/get', '{"name":"s__p","arguments":{"name":"x"}}', 'p', { name: 'p', arguments: { name: 'x' } }],
    ['resources/read', '{"uri":"sp.s+a://b","name":"kept"}', 'a://b', { uri: 'a://b', name: 'kept' }],
    ['completion/complete', '{"ref":{"type":"ref/prompt","name":"s__p","x":1},"argument":{"name":"a","value":"v"},"name":"kept"}', 'p', { ref: { type: 'ref/prompt', name: 'p', x: 1 }, argument: { name: 'a', value: 'v' }, name: 'kept' }],
    ['completion/complete', '{"ref":{"type":"ref/resource","uri":"sp.s+t://{id}"},"argument":{"name":"a","value":"v"}}', 't://{id}', { ref: { type: 'ref/resource', uri: 't://{id}' }, argument: { name: 'a', value: 'v' } }],
  ])('%s: the server’s own name in the place of the aggregate’s', async (method, params, own, expected) => {
    const up = await server('legacy', '"result":{}');
    const r = await connected(up.url);
    const { call } = request(method, params, 'legacy', { server: null });
    await run(r, { ...call, target: { ...call.target, server: 's', name: own } });
    expect(paramsOf(last(up))).toEqual(expected);
  });
  test('POST /tool: name and judged arguments, and nobody to ask', async () => {
    const up = await server('legacy', '"result":{"content":[]}');
    const r = await connected(up.url);
    const { call } = made('{"tool":"s__echo","inputs":{"n":98765432109876543210}}', { lane: 'own', era: 'modern', kind: 'request', server: null, tool: tool('s', 'echo'), judged: '{"n":98765432109876543210}' });
    const answer = answerOf(await run(r, { ...call, door: 'rest', message: { ...call.message, method: 'tools/call', rpcId: 'id' }, target: { ...call.target, method: 'tools/call' } }));
    expect(last(up).body.toString()).toContain('"params":{"name":"echo","arguments":{"n":98765432109876543210}}');
    expect(answer.message).toMatchObject({ id: 'id', result: { resultType: 'complete' } });
  });
});

test('log messages are asked for where there is something to log', async () => {
  const up = await server('modern', '"result":{}');
  const r = await connected(up.url);
  for (const method of ['prompts/list', 'prompts/get']) {
    await run(r, request(method, '{"name":"p","_meta":{"io.modelcontextprotocol/logLevel":"debug"}}', 'modern').call);
    expect(last(up).body.includes('"io.modelcontextprotocol/logLevel":"debug"')).toBe(method === 'prompts/get');
  }
});

describe('cursors', () => {
  test.each<[Era, Era]>([['legacy', 'modern'], ['modern', 'legacy'], ['modern', 'modern']])('a %s client, a %s server: sealed, and only its own come back', async (client, era) => {
    const up = await server(era, '"result":{"prompts":[],"nextCursor":""}');
    const r = await connected(up.url);
    const list = (params: string, more: Asked = {}, method = 'prompts/list'): Promise<unknown> => run(r, request(method, params, client, more).call);
    const first = answerOf((await list('{}')) as never).message?.['result'] as { nextCursor: string };
    expect(first.nextCursor).toMatch(/^s1\./);
    const page = `{"cursor":${JSON.stringify(first.nextCursor)}}`;
    answerOf((await list(page)) as never);
    expect(paramsOf(last(up))['cursor']).toBe('');
    for (const stranger of [list(page, { principal: principal('key:mallory') }), list(page, {}, 'resources/list'), list('{"cursor":"x"}'), list('{"cursor":7}'), list('{"cursor":""}')]) {
      expect(refusalOf((await stranger) as never)).toEqual({ code: 'dispatch.state', effect: 'none' });
    }
    answerOf((await list('{"cursor":null}')) as never);
  });
});

describe('a modern client and a modern server that asks', () => {
  test('the state goes out sealed and comes back as it was; the questions pass', async () => {
    const fixture = await startFixture({ eras: ['modern'] });
    closing(fixture.close);
    const r = await connected(fixture.url);
    const first = requiredOf(await run(r, modernCall('test_input_required_result_request_state').call));
    expect(first.requests['confirm']).toMatchObject({ method: 'elicitation/create', params: { message: 'Please confirm' } });
    expect(first.state).toMatch(/^s1\./);
    const retry: Asked = { state: first.state, responses: '{"confirm":{"action":"accept","content":{"ok":true}}}' };
    for (const more of [{ principal: principal('key:mallory') }, { args: '{"x":1}' }, { server: null }, { state: 'FORGED' }] as const) {
      expect(refusalOf(await run(r, modernCall('test_input_required_result_request_state', { ...retry, ...more }).call)).code).toBe('dispatch.state');
    }
    expect(fixture.seenBodies.join('')).not.toContain('FORGED');
    expect(textOf(await run(r, modernCall('test_input_required_result_request_state', retry).call))).toBe('state-ok');
  });
  const asking = (params: string, method = 'elicitation/create'): string => `"result":{"resultType":"input_required","x":12345678901234567890,"inputRequests":{"a":{"method":"${method}","params":${params}}}}`;
  test('behind the aggregate the question says who asks; the rest keeps its bytes', async () => {
    const r = await connected((await server('modern', asking('{"message":"Who?", "n":1.50}'))).url);
    const { bytes } = answerOf(await run(r, modernCall('t', { server: null }).call));
    expect(bytes.toString()).toBe('{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","x":12345678901234567890,"inputRequests":{"a":{"method":"elicitation/create","params":{"message":"[s] Who?", "n":1.50}}}}}');
  });
  test.each<[string, string, Asked, object]>([
    ['what was not declared', asking('{}', 'sampling/createMessage'), { declares: '{"elicitation":{}}' }, EVERY_CAPABILITY],
    ['what the config takes out', asking('{}', 'roots/list'), {}, {}],
    ['a method in another case', asking('{}', 'elicitation/create","Method":"sampling/createMessage'), {}, {}],
    ['a mode in another case', asking('{"message":"x","Mode":"url","url":"javascript:0"}'), {}, EVERY_CAPABILITY],
    ['a question in another case', '"result":{"ResultType":"input_required","content":[]}', {}, {}],
    ['questions in another case', '"result":{"resultType":"complete","InputRequests":{},"content":[]}', {}, {}],
    ['what nobody can be asked', asking('{}', 'tools/call'), {}, EVERY_CAPABILITY],
    ['a URL that must not be opened', asking('{"mode":"url","message":"x","url":"javascript:0"}'), {}, EVERY_CAPABILITY],
  ])('%s does not reach the client', async (_name, member, more, config) => {
    const r = await connected((await server('modern', member)).url, config);
    expect(refusalOf(await run(r, modernCall('t', more).call))).toMatchObject({ code: 'dispatch.bad_answer', effect: 'unknown' });
  });
  test('nobody behind POST /tool can be asked', async () => {
    const r = await connected((await server('modern', asking('{}'))).url);
    expect(refusalOf(await run(r, { ...modernCall('t').call, door: 'rest' })).code).toBe('dispatch.translation');
    const up = await server('modern', '"result":{"resultType":"input_required","requestState":"later"}');
    const later = await connected(up.url);
    expect(refusalOf(await run(later, { ...modernCall('t').call, door: 'rest' })).code).toBe('dispatch.translation');
    expect(last(up).body.toString()).toContain('"io.modelcontextprotocol/clientCapabilities":{}');
  });
});

describe('results', () => {
  test('a kind that the client’s era does not have', async () => {
    const task = '"result":{"resultType":"task","taskId":"1"}';
    const modern = await connected((await server('modern', task)).url);
    expect(refusalOf(await run(modern, legacyCall('t').call))).toMatchObject({ code: 'dispatch.translation', effect: 'unknown' });
    expect(answerOf(await run(modern, modernCall('t').call)).message).toMatchObject({ result: { resultType: 'task' } });
    const legacy = await connected((await server('legacy', '"result":{"resultType":"input_required","inputRequests":{},"content":[]}')).url);
    expect(refusalOf(await run(legacy, modernCall('t').call)).code).toBe('dispatch.translation');
    expect(answerOf(await run(legacy, legacyCall('t').call)).bytes.toString()).toContain('"resultType":"input_required"');
  });
  test('a legacy list for a modern client: complete, private, stale at once, by whom', async () => {
    const r = await connected((await server('legacy', '"result":{ "prompts":[{"name":"p","x":1.50}],"_meta":{"k":1},"cacheScope":"public"}')).url);
    const { bytes, message } = answerOf(await run(r, request('prompts/list', '{}', 'modern').call));
    expect(bytes.toString()).toContain('"prompts":[{"name":"p","x":1.50}],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"old","version":"1"},"k":1}}');
    expect(message).toEqual(JSON.parse(bytes.toString()));
    expect(message).toMatchObject({ result: { resultType: 'complete', ttlMs: 0, cacheScope: 'private' } });
  });
  test('structured results are wrapped where their schema was', async () => {
    const array = { outputSchema: { type: 'array' } };
    const any = { outputSchema: { anyOf: [{ type: 'object' }, { type: 'array' }] } };
    const object = { outputSchema: { type: 'object' } };
    for (const [definition, structured, expected] of [[array, '[1.50]', '{"result":[1.50]}'], [any, '{"a":1}', '{"result":{"a":1}}'], [object, '{"a":1}', '{"a":1}'], [{}, '{"a":1}', '{"a":1}'], [{}, '7', '{"result":7}']] as const) {
      const r = await connected((await server('modern', `"result":{"resultType":"complete","content":[],"structuredContent":${structured}}`)).url);
      expect(answerOf(await run(r, legacyCall('t', { definition }).call)).bytes.toString()).toBe(`{"jsonrpc":"2.0","id":1,"result":{"content":[],"structuredContent":${expected}}}`);
    }
  });
});

describe('errors', () => {
  test.each<[Era, Era, string, number, number, number]>([
    ['legacy', 'modern', 'resources/read', -32002, -32602, 200],
    ['legacy', 'modern', 'prompts/get', -32601, -32601, 404],
    ['legacy', 'modern', 'prompts/get', -32042, -32603, 200],
    ['legacy', 'modern', 'prompts/get', -32021, -32603, 200],
    ['legacy', 'legacy', 'prompts/get', -32042, -32042, 200],
    ['modern', 'legacy', 'resources/read', -32602, -32002, 200],
    ['modern', 'legacy', 'prompts/get', -32602, -32602, 200],
    ['modern', 'legacy', 'prompts/get', -32021, -32603, 200],
    ['modern', 'legacy', 'prompts/get', -32099, -32603, 200],
    ['modern', 'legacy', 'prompts/get', -31000, -31000, 200],
    ['modern', 'modern', 'prompts/get', -32021, -32021, 400],
    ['modern', 'modern', 'prompts/get', -32000, -32000, 200],
  ])('%s server, %s client, %s: %i is %i', async (era, client, method, code, expected, status) => {
    const r = await connected((await server(era, `"error":{"code":${code},"message":"m","data":{"n":12345678901234567890}}`)).url);
    const answer = answerOf(await run(r, request(method, '{"name":"p","uri":"a:b"}', client).call));
    expect(answer.bytes.toString()).toBe(`{"jsonrpc":"2.0","id":1,"error":{"code":${expected},"message":"m","data":{"n":12345678901234567890}}}`);
    expect(answer).toMatchObject({ status, message: { error: { code: expected } } });
  });
});

describe('tools for clients of another era', () => {
  test('only what must change does', () => {
    const definition = '{"name":"t", "execution":{"taskSupport":"optional"},"inputSchema":{"maximum":12345678901234567890},"outputSchema":{"type":"object"}}';
    expect(dressTool(definition, 'legacy', 'legacy')).toBe(definition);
    expect(dressTool(definition, 'modern', 'legacy')).toBe(definition);
    expect(dressTool(definition, 'legacy', 'modern')).toBe('{"name":"t","inputSchema":{"maximum":12345678901234567890},"outputSchema":{"type":"object"}}');
  });
  test('a result that is no object gets one around it, and its references lead where they led', () => {
    const schema = '{"type":"array","items":{"$ref":"#/$defs/i"},"$defs":{"i":{"anyOf":[{"$ref":"#"},{"$ref":"#anchor"},{"$ref":"https://e.com/#/x"}]},"$ref":{"type":"string"}}}';
    const dressed = JSON.parse(dressTool(`{"name":"t","outputSchema":${schema}}`, 'modern', 'legacy')) as { outputSchema: object };
    expect(dressed.outputSchema).toEqual({
      type: 'object', required: ['result'],
      properties: { result: { type: 'array', items: { $ref: '#/properties/result/$defs/i' }, $defs: { i: { anyOf: [{ $ref: '#/properties/result' }, { $ref: '#anchor' }, { $ref: 'https://e.com/#/x' }] }, $ref: { type: 'string' } } } },
    });
    expect(dressTool('{"outputSchema":{"$id":"x:y","type":"array","items":{"$ref":"#/$defs/i"}}}', 'modern', 'legacy')).toContain('"$ref":"#/$defs/i"');
  });
});

test('before a server’s era is known nothing is declared in the caller’s name', async () => {
  const up = await server('legacy', '"result":{"content":[]}');
  const r = rig({ s: { url: up.url, ...EVERY_CAPABILITY } });
  closing(r.close);
  expect(answerOf(await run(r, modernCall('t').call)).message).toMatchObject({ result: { resultType: 'complete' } });
  expect(up.seen.filter((seen) => seen.json['method'] === 'initialize').map((seen) => (seen.json['params'] as JsonObject)['capabilities'])).toEqual([{}, {}]);
});
