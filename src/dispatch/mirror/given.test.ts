import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import type { JsonObject } from '../../call/json.ts';
import { answerOf, canned, createStage, event, json, made, principal, refusalOf, rig, session, sse, toolCall, until, type CallOptions, type Seen } from '../../../test/kit/dispatch-rig.ts';
import type { Done } from '../room.ts';

const stage = createStage();
afterEach(stage.close);
const setup = (answer: Parameters<typeof stage.setup>[0], server: object = {}, config: object = {}): ReturnType<typeof stage.setup> => stage.setup(answer, { server, config });
type Answering = (seen: Seen, res: ServerResponse) => void;
const resultOf = (done: Done): JsonObject => {
  const answer = answerOf(done);
  expect(JSON.parse(answer.bytes.toString())).toEqual(answer.message); // what is judged is what is sent
  return (answer.message as { result: JsonObject }).result;
};
const UNKNOWN = { code: 'dispatch.state', effect: 'none' };
const NO_METHOD = { code: 'resolve.unknown_method', effect: 'none' };
const MODERN: CallOptions = { era: 'modern' };
const MALLORY: CallOptions = { era: 'modern', principal: principal('key:mallory') };
/** Answers with a result, as text, for whatever id was asked. */
const saying = (result: string | ((seen: Seen) => string)): Answering => (seen, res) =>
  json(res, `{"jsonrpc":"2.0", "id":${JSON.stringify(seen.json['id'])},"result":${typeof result === 'string' ? result : result(seen)}}`);
const request = (method: string, params = '{}', id = 1): string => `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${params}}`;
const paramsOf = (seen: Seen | undefined): JsonObject => (seen?.json['params'] ?? {}) as JsonObject;

describe('request state (MCP 2026-07-28 multi round-trip requests)', () => {
  const asks = '"inputRequests":{"k":{"method":"elicitation/create","params":{"big":12345678901234567890}}}';
  const retry = (state: unknown, args = '{"n":98765432109876543210}'): string => toolCall(2, args).replace('"arguments"', `"inputResponses":{"k":{"action":"accept"}}, "requestState" : ${JSON.stringify(state)},"arguments"`);
  const server = () => setup(saying((seen) => (paramsOf(seen)['requestState'] === undefined ? `{"resultType":"input_required", "requestState" : "in\\u006eer", ${asks}}` : '{"resultType":"complete","content":[]}')));

  test('goes out sealed and comes back as the server gave it; no other byte changes', async () => {
    const { up, run } = await server();
    const first = await run(toolCall(1, '{"n":98765432109876543210}'), MODERN);
    const state = String(resultOf(first)['requestState']);
    expect(state).not.toContain('inner');
    expect(answerOf(first).bytes.toString()).toBe(`{"jsonrpc":"2.0", "id":1,"result":{"resultType":"input_required", "requestState" : ${JSON.stringify(state)}, ${asks}}}`);
    const again = retry(state);
    expect(resultOf(await run(again, MODERN))['resultType']).toBe('complete');
    expect(up.seen[1]?.body.toString()).toBe(again.replace(state, 'inner'));
  });
  test('in an event only the data changes; id and retry lines stay', async () => {
    const { run } = await setup((seen, res) => {
      sse(res);
      res.end(`id: 7\nretry: 500\nevent: message\ndata: {"jsonrpc":"2.0","id":${JSON.stringify(seen.json['id'])},\ndata: "result":{"resultType":"input_required","requestState":"inner"}}\n\n`);
    });
    const answer = answerOf(await run(toolCall(), MODERN));
    expect(answer.event?.toString()).toBe(`id: 7\nretry: 500\nevent: message\n${answer.bytes.toString().split('\n').map((line) => `data: ${line}`).join('\n')}\n\n`);
    expect(answer.event?.toString()).not.toContain('inner');
  });
  test('of another caller, for other arguments, changed, invented, bare or not a text: one answer, and the server hears nothing', async () => {
    const { up, run } = await server();
    const state = String(resultOf(await run(toolCall(1, '{"n":98765432109876543210}'), MODERN))['requestState']);
    const tries: [string, CallOptions][] = [
      [retry(state), MALLORY], [retry(state, '{"n":98765432109876543211}'), MODERN], [retry(`${state.slice(0, -2)}AA`), MODERN], [retry('inner'), MODERN], [retry(''), MODERN], [retry(null), MODERN], [retry(1), MODERN],
      [retry(state).replace('tools/call', 'prompts/get'), MODERN],
    ];
    for (const [text, options] of tries) expect(refusalOf(await run(text, options))).toEqual(UNKNOWN);
    expect(up.seen).toHaveLength(1);
  });
  test('is over after its time', async () => {
    const { up, run } = await setup(saying('{"resultType":"input_required","requestState":"inner"}'), {}, { state_ttl_ms: 1 });
    const state = String(resultOf(await run(toolCall(), MODERN))['requestState']);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(refusalOf(await run(retry(state, '{}'), MODERN))).toEqual(UNKNOWN);
    expect(up.seen).toHaveLength(1);
  });
  test('absent stays absent, in both directions; a complete result and older clients have none', async () => {
    for (const [result, options] of [[`{"resultType":"input_required",${asks}}`, MODERN], ['{"resultType":"complete","requestState":"x"}', MODERN], ['{"resultType":"input_required","requestState":"x"}', {}]] as const) {
      const { up, run } = await setup(saying(result));
      const text = toolCall();
      expect(answerOf(await run(text, options)).bytes.toString()).toBe(`{"jsonrpc":"2.0", "id":1,"result":${result}}`);
      expect(up.seen[0]?.body.toString()).toBe(text);
    }
    const { up, run } = await setup(saying('{"content":[]}'));
    answerOf(await run(retry('theirs')));
    expect(paramsOf(up.seen[0])['requestState']).toBe('theirs');
  });
  test('capabilities are cut and the state is opened in one message', async () => {
    const { up, run } = await server();
    const meta = '{"io.modelcontextprotocol/clientCapabilities":{"sampling":{},"elicitation":{}}}';
    const state = String(resultOf(await run(toolCall(1, '{}', meta), MODERN))['requestState']);
    answerOf(await run(toolCall(2, '{}', meta).replace('"arguments"', `"requestState":${JSON.stringify(state)},"arguments"`), MODERN));
    expect(up.seen[1]?.body.toString()).toBe(toolCall(2, '{}', '{"io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}').replace('"arguments"', '"requestState":"inner","arguments"'));
  });
});

describe('what a modern server may ask by its answer', () => {
  test.each([['{"k":{"method":"sampling/createMessage","params":{}}}'], ['{"a":{"method":"elicitation/create"},"k":{"method":"roots/list"}}'], ['{"k":{"method":"tools/call"}}'], ['{"k":7}'], ['[{"method":"elicitation/create"}]']])('not what was never declared to it: %s', async (asks) => {
    for (const result of [`{"resultType":"input_required","inputRequests":${asks}}`, `{"resultType":"complete","status":"input_required","inputRequests":${asks}}`]) {
      const { run } = await setup(saying(result));
      expect(refusalOf(await run(toolCall(), MODERN))).toMatchObject({ code: 'dispatch.bad_answer', effect: 'unknown' });
    }
  });
  test.each(['{"resultType":"input_required","InputRequests":{"k":{"method":"elicitation/create"}}}', '{"inputReque\u017fts":{}}', '{"inputRequests":{"k":{"method":"elicitation/create","Method":"roots/list"}}}'])('nor in another spelling: %s', async (result) => {
    const { run } = await setup(saying(result));
    expect(refusalOf(await run(toolCall(), MODERN)).code).toBe('dispatch.bad_answer');
  });
  test('what is allowed passes', async () => {
    const { run } = await setup(saying('{"resultType":"input_required","inputRequests":{"k":{"method":"sampling/createMessage","params":{}}}}'), { client_capabilities: ['sampling'] });
    expect(resultOf(await run(toolCall(), MODERN))['resultType']).toBe('input_required');
  });
});

describe('cursors', () => {
  const paged = (seen: Seen): string => (paramsOf(seen)['cursor'] === '' ? '{"last":true}' : '{"prompts":[{"name":"a","n":1e400}], "nextCursor" : ""}');
  test.each(['prompts/list', 'resources/list', 'resources/templates/list', 'tasks/list'])('%s: sealed, and opened, in both eras; the empty one too', async (method) => {
    for (const era of ['modern', 'legacy'] as const) {
      const { up, run } = await setup(saying(paged));
      const first = await run(request(method), { era });
      const cursor = JSON.stringify(resultOf(first)['nextCursor']);
      expect(answerOf(first).bytes.toString()).toBe(`{"jsonrpc":"2.0", "id":1,"result":{"prompts":[{"name":"a","n":1e400}], "nextCursor" : ${cursor}}}`);
      const next = request(method, `{ "cursor" : ${cursor}}`);
      expect(resultOf(await run(next, { era }))).toEqual({ last: true });
      expect(up.seen[1]?.body.toString()).toBe(next.replace(cursor, '""'));
    }
  });
  test('of another caller, another list, bare or not a text: unknown', async () => {
    const { up, run } = await setup(saying(paged));
    const cursor = JSON.stringify(resultOf(await run(request('prompts/list'), MODERN))['nextCursor']);
    expect(refusalOf(await run(request('prompts/list', `{"cursor":${cursor}}`), MALLORY))).toEqual(UNKNOWN);
    expect(refusalOf(await run(request('resources/list', `{"cursor":${cursor}}`), MODERN))).toEqual(UNKNOWN);
    for (const bare of ['""', '"page-2"', '2', '{}']) expect(refusalOf(await run(request('prompts/list', `{"cursor":${bare}}`), MODERN))).toEqual(UNKNOWN);
    expect(up.seen).toHaveLength(1);
  });
  test('no cursor is no cursor; what is none elsewhere is left alone', async () => {
    const { up, run } = await setup(saying('{"nextCursor":null}'));
    for (const [text, result] of [[request('prompts/list', '{"cursor":null}'), { nextCursor: null }], [request('prompts/list'), { nextCursor: null }]] as const) expect(resultOf(await run(text, MODERN))).toEqual(result);
    const other = await setup(saying('{"nextCursor":"mine"}'));
    expect(resultOf(await other.run(request('x/list', '{"cursor":"mine"}'), MODERN))).toEqual({ nextCursor: 'mine' });
    expect(other.up.seen[0]?.body.toString()).toBe(request('x/list', '{"cursor":"mine"}'));
    expect(up.seen).toHaveLength(2);
  });
});

describe('caches on the way', () => {
  test.each(['server/discover', 'prompts/list', 'resources/list', 'resources/templates/list', 'resources/read'])('%s is private', async (method) => {
    for (const scope of ['public', 'shared']) {
      const { run } = await setup(saying(`{"ttlMs":60000, "cacheScope" :"${scope}","x":1e400}`));
      expect(answerOf(await run(request(method), MODERN)).bytes.toString()).toBe('{"jsonrpc":"2.0", "id":1,"result":{"ttlMs":60000, "cacheScope" :"private","x":1e400}}');
    }
    const both = await setup(saying('{"cacheScope":"public","nextCursor":"c"}'));
    const result = resultOf(await both.run(request(method), MODERN));
    expect([result['cacheScope'], result['nextCursor'] === 'c']).toEqual(['private', !method.endsWith('list')]);
  });
  test('what is private, says nothing, is of the other era or no list keeps its bytes', async () => {
    for (const [method, result, options] of [['prompts/list', '{"cacheScope": "priv\\u0061te"}', MODERN], ['prompts/list', '{"ttlMs":1}', MODERN], ['prompts/list', '{"cacheScope":"public"}', {}], ['prompts/get', '{"cacheScope":"public"}', MODERN]] as const) {
      const { run } = await setup(saying(result));
      expect(answerOf(await run(request(method), options)).bytes.toString()).toBe(`{"jsonrpc":"2.0", "id":1,"result":${result}}`);
    }
  });
});

describe('tasks', () => {
  /** A server with the tasks of 2026-07-28 and of 2025-11-25; `tasks/list` lists its callers' tasks all together. */
  const server: Answering = (seen, res) => {
    const { method } = seen.json;
    const id = String(paramsOf(seen)['name'] ?? '');
    if (method === 'tools/call') return saying(seen.headers['mcp-method'] === undefined ? `{"task":{"taskId":"t-${id}","status":"working","ttl":60000}}` : `{"resultType":"task","taskId":"t-${id}","status":"working","ttlMs":60000}`)(seen, res);
    if (method === 'tasks/list') return saying('{"tasks":[ {"taskId":"t-a","n":1e400}, {"taskId":"t-b"} ,7,{"taskId":"t-c"}], "nextCursor":"more"}')(seen, res);
    saying(`{"taskId":${JSON.stringify(paramsOf(seen)['taskId'] ?? null)},"status":"working"}`)(seen, res);
  };
  const create = (name: string, task = ''): string => toolCall(1, '{}').replace('"echo"', JSON.stringify(name)).replace('"arguments"', `${task}"arguments"`);
  const LEGACY_TASK = '"task":{"ttl":60000},';
  const about = (method: string, taskId: unknown): string => request(method, `{"taskId":${JSON.stringify(taskId)}}`);

  test.each(['tasks/get', 'tasks/update', 'tasks/cancel', 'tasks/result', 'tasks/of-tomorrow'])('%s: the caller’s own pass with their bytes; anybody else’s are as unknown as invented ones', async (method) => {
    for (const era of ['modern', 'legacy'] as const) {
      const { up, run } = await setup(server);
      const created = await run(create('a', era === 'legacy' ? LEGACY_TASK : ''), { era });
      expect(answerOf(created).bytes.toString()).toContain('"t-a"');
      expect(answerOf(await run(about(method, 't-a'), { era })).effect).toBe('done');
      expect(up.seen[1]?.body.toString()).toBe(about(method, 't-a'));
      const unknown = era === 'modern' && method === 'tasks/result' ? NO_METHOD : UNKNOWN; // 2026-07-28 has it no more
      expect(refusalOf(await run(about(method, 't-a'), { era, principal: principal('key:mallory') }))).toEqual(unknown);
      for (const other of ['t-b', '', null, ['t-a']]) expect(refusalOf(await run(about(method, other), { era }))).toEqual(unknown);
      expect(refusalOf(await run(request(method), { era }))).toEqual(unknown);
      expect(up.seen).toHaveLength(2);
    }
  });
  test('after a restart nobody’s task is known, but a server that says it has tasks has the methods', async () => {
    const discovered = '{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}},"ttlMs":0,"cacheScope":"private"}';
    const { up, r, run } = await setup((seen, res) => (seen.json['method'] === 'server/discover' ? saying(discovered)(seen, res) : void res.writeHead(404).end()), { era: 'modern' });
    expect(refusalOf(await run(about('tasks/get', 't-a'), MODERN))).toEqual(NO_METHOD);
    r.dispatch.start();
    await until(() => r.dispatch.health()['s']?.ok === true);
    expect(refusalOf(await run(about('tasks/get', 't-a'), MODERN))).toEqual(UNKNOWN);
    expect(up.seen.filter((seen) => seen.json['method'] === 'tasks/get')).toEqual([]);
  });
  test('a task is its caller’s for as long as the server says it lives, in both eras; what the server says later counts', async () => {
    for (const era of ['modern', 'legacy'] as const) {
      let at = 0;
      const up = await canned((seen, res) => (seen.json['method'] === 'tasks/result' ? saying('{"content":[]}')(seen, res) : server(seen, res)));
      const r = rig({ s: { url: up.url } }, { deps: { clock: { now: () => at, monotonic: () => at } } });
      stage.opened(up.close); stage.opened(r.close);
      const run = async (text: string): Promise<Done> => r.dispatch.stage.run(made(text, { era }).call);
      answerOf(await run(create('a', era === 'legacy' ? LEGACY_TASK : '')));
      at = 60_000 - 1;
      answerOf(await run(about(era === 'legacy' ? 'tasks/result' : 'tasks/cancel', 't-a')));
      answerOf(await run(about('tasks/get', 't-a'))); // says nothing of a ttl: a day
      at = 86_460_000 - 2;
      answerOf(await run(about('tasks/get', 't-a')));
      answerOf(await run(create('b', era === 'legacy' ? LEGACY_TASK : '')));
      at += 60_000;
      expect(refusalOf(await run(about('tasks/get', 't-b')))).toEqual(UNKNOWN);
    }
  });
  test('an answer that only looks like a new task makes none', async () => {
    const { run } = await setup(server);
    answerOf(await run(create('a'), {})); // 2025-11-25, but no task was asked for
    expect(refusalOf(await run(about('tasks/get', 't-a')))).toEqual(NO_METHOD);
    const odd = await setup(saying('{"resultType":"complete","taskId":"t-a","task":{"taskId":"t-a"}}'));
    answerOf(await odd.run(create('a', LEGACY_TASK), MODERN));
    expect(refusalOf(await odd.run(about('tasks/get', 't-a'), MODERN))).toEqual(NO_METHOD);
    const nameless = await setup(saying('{"resultType":"task","taskId":7}'));
    answerOf(await nameless.run(create('a'), MODERN));
    expect(refusalOf(await nameless.run(about('tasks/get', 7), MODERN))).toEqual(NO_METHOD);
    // Asking for a list is no way to a task either.
    const echo = await setup(saying('{"tasks":[],"taskId":"t-x"}'));
    answerOf(await echo.run(about('tasks/list', 't-x')));
    expect(refusalOf(await echo.run(about('tasks/get', 't-x')))).toEqual(NO_METHOD);
  });
  test('tasks/list shows the caller’s own, as the server spelled them', async () => {
    const { run } = await setup(server);
    for (const name of ['a', 'c']) answerOf(await run(create(name, LEGACY_TASK)));
    answerOf(await run(create('b', LEGACY_TASK), { principal: principal('key:bob') }));
    const done = await run(request('tasks/list'));
    const cursor = JSON.stringify(resultOf(done)['nextCursor']);
    expect(cursor).not.toContain('more');
    expect(answerOf(done).bytes.toString()).toBe(`{"jsonrpc":"2.0", "id":1,"result":{"tasks":[{"taskId":"t-a","n":1e400},{"taskId":"t-c"}], "nextCursor":${cursor}}}`);
    expect(resultOf(await run(request('tasks/list'), { principal: principal('key:nobody') }))['tasks']).toEqual([]);
    const odd = await setup(saying('{"tasks":{"t-a":{"taskId":"t-a"}}}'));
    expect(resultOf(await odd.run(request('tasks/list')))).toEqual({ tasks: [] });
    const whole = await setup((seen, res) => (seen.json['method'] === 'tools/call' ? server(seen, res) : saying('{"tasks":[ {"taskId":"t-a"} ]}')(seen, res)));
    answerOf(await whole.run(create('a', LEGACY_TASK)));
    expect(answerOf(await whole.run(request('tasks/list'))).bytes.toString()).toContain('{"tasks":[ {"taskId":"t-a"} ]}');
  });
  test('a request or notification that says it belongs to another’s task does not leave', async () => {
    const { up, run } = await setup((seen, res) => (seen.json['id'] === undefined ? void res.writeHead(202).end() : server(seen, res)));
    answerOf(await run(create('a'), MODERN));
    const related = (id: string): string => toolCall(2, '{}', `{"io.modelcontextprotocol/related-task":{"taskId":"${id}"}}`);
    answerOf(await run(related('t-a'), MODERN));
    for (const options of [MALLORY, {}] as const) {
      const text = options === MALLORY ? related('t-a') : related('t-b');
      expect(refusalOf(await run(text, options))).toEqual(UNKNOWN);
    }
    expect(refusalOf(await run(toolCall(2, '{}', '{"io.modelcontextprotocol/related-task":{}}'), MODERN))).toEqual(UNKNOWN);
    const note = '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1,"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t-a"}}}}';
    expect(refusalOf(await run(note, { session: session('up-m', { principalId: 'key:mallory' }), principal: principal('key:mallory') }))).toEqual(UNKNOWN);
    expect(up.seen).toHaveLength(2);
  });
  test('events about a task of somebody else are dropped, and so are those that ask too much', async () => {
    const status = (taskId: unknown, more: object = {}): object => ({ jsonrpc: '2.0', method: 'notifications/tasks', params: { taskId, status: 'working', ...more } });
    const related = { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1, _meta: { 'io.modelcontextprotocol/related-task': { taskId: 't-b' } } } };
    const legacy = { jsonrpc: '2.0', method: 'notifications/tasks/status', params: { taskId: 't-b', status: 'working' } };
    const asking = status('t-a', { inputRequests: { k: { method: 'roots/list' } } });
    const { r, run } = await setup((seen, res) => {
      if (paramsOf(seen)['name'] === 'a') return server(seen, res);
      sse(res);
      res.write(event(status('t-b')) + event(status(undefined)) + event(related) + event(legacy) + event(asking) + event(status('t-a')));
      if (seen.json['method'] === 'tools/call') res.end(event({ jsonrpc: '2.0', id: seen.json['id'], result: { content: [] } }));
    });
    answerOf(await run(create('a'), MODERN));
    const m = made(toolCall(), MODERN);
    answerOf(await r.dispatch.stage.run(m.call));
    expect(m.events).toEqual([event(status('t-a'))]);
    const listen = made(request('subscriptions/listen', '{"notifications":{"taskIds":["t-a"]}}'), { era: 'modern', timeoutMs: null });
    const listening = r.dispatch.stage.run(listen.call);
    await until(() => listen.events.length === 1);
    expect(listen.events).toEqual([event(status('t-a'))]);
    listen.abort();
    await listening;
    const get = made('', { kind: 'stream', session: session('up-1'), timeoutMs: null });
    const streaming = r.dispatch.stage.run(get.call);
    await until(() => get.events.length === 2);
    expect(get.events[1]).toBe(event(status('t-a')));
    get.abort();
    await streaming;
  });
  test('a question about a task of somebody else is declined, so that the server does not wait', async () => {
    const ask = (id: number, taskId: string): object => ({ jsonrpc: '2.0', id, method: 'elicitation/create', params: { message: 'x', _meta: { 'io.modelcontextprotocol/related-task': { taskId } } } });
    const { up, r, run } = await setup((seen, res) => {
      if (seen.json['method'] === undefined) return void res.writeHead(202).end();
      if (paramsOf(seen)['name'] === 'a') return server(seen, res);
      sse(res);
      res.write(event(ask(7, 't-b')) + event(ask(8, 't-a')));
      setTimeout(() => res.end(event({ jsonrpc: '2.0', id: seen.json['id'], result: { content: [] } })), 50);
    });
    const s = session('up-1');
    answerOf(await run(create('a', LEGACY_TASK), { session: s }));
    const m = made(about('tasks/result', 't-a'), { session: s });
    answerOf(await r.dispatch.stage.run(m.call));
    expect(m.events).toEqual([event(ask(8, 't-a'))]);
    expect([...s.asked]).toEqual([8]);
    await until(() => up.seen.some((seen) => seen.json['id'] === 7));
    expect(up.seen.find((seen) => seen.json['id'] === 7)?.json).toMatchObject({ error: { code: -32601 } });
  });
  test('only own tasks are listened to', async () => {
    const { up, r, run } = await setup((seen, res) => {
      if (seen.json['method'] === 'tools/call') return server(seen, res);
      sse(res);
      res.end(event({ jsonrpc: '2.0', id: seen.json['id'], result: { resultType: 'complete' } }));
    });
    answerOf(await run(create('a'), MODERN));
    answerOf(await run(create('b'), MALLORY));
    const listen = (ids: string): Promise<Done> => Promise.resolve(r.dispatch.stage.run(made(request('subscriptions/listen', `{"notifications":{ "promptsListChanged":true,"taskIds" : ${ids}}}`), { era: 'modern', timeoutMs: null }).call));
    for (const ids of ['["t-b", "t-a","t-x",7]', '[ "t-a" ]', '["t-b"]']) answerOf(await listen(ids));
    expect(up.seen.slice(2).map((seen) => seen.body.toString())).toEqual(['["t-a"]', '[ "t-a" ]', '[]'].map((ids) => request('subscriptions/listen', `{"notifications":{ "promptsListChanged":true,"taskIds" : ${ids}}}`)));
    expect(refusalOf(await listen('{"0":"t-b"}'))).toEqual(UNKNOWN);
    for (const key of ['TaskIds', 'taskids', 'task\\u0049DS', 'ta\u017fkIds']) {
      const text = request('subscriptions/listen', `{"notifications":{"${key}":["t-b"]}}`);
      expect(refusalOf(await r.dispatch.stage.run(made(text, { era: 'modern', timeoutMs: null }).call))).toEqual(UNKNOWN);
    }
    answerOf(await r.dispatch.stage.run(made(request('subscriptions/listen', '{"notifications":{}}'), { era: 'modern', timeoutMs: null }).call));
    expect(up.seen).toHaveLength(6);
  });
});
