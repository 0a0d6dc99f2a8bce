import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { answerOf, refusalOf, canned, event, json, principal, sse, until, type Canned, type Seen } from '../../../test/kit/dispatch-rig.ts';
import { ALL, closeAll, closing, connected, EVERY_CAPABILITY, modernCall, requiredOf, run, textOf, type Asked } from '../../../test/kit/asking-rig.ts';
import { startFixture, type RunningFixture } from '../../../test/kit/fixture/http.ts';
import { createSeal } from '../../lib/seal.ts';
import { createSealed } from '../sealed.ts';

closeAll();
async function legacyFixture(): Promise<RunningFixture> {
  const fixture = await startFixture({ eras: ['legacy'] });
  closing(fixture.close);
  return fixture;
}
const ACCEPT = (content: string): string => `{"action":"accept","content":${content}}`;

/** A legacy server in our own words: `ask` gets the open stream of each tools/call, `answers` what the client said. */
async function legacyServer(ask: (seen: Seen, res: ServerResponse) => void, heard: (seen: Seen) => void = () => undefined): Promise<Canned> {
  const up = await canned((seen, res) => {
    const { method, id } = seen.json;
    if (seen.method === 'GET') return void res.writeHead(405).end();
    if (seen.method === 'DELETE') return void res.writeHead(200).end();
    if (method === 'server/discover') return json(res, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'no' } }, 400);
    if (method === 'initialize') return json(res, { jsonrpc: '2.0', id, result: { protocolVersion: '2025-11-25', capabilities: { tools: {}, logging: {} }, serverInfo: { name: 'old', version: '1' } } }, 200, { 'mcp-session-id': 'up' });
    if (method === 'logging/setLevel') return json(res, { jsonrpc: '2.0', id, result: {} });
    if (method === 'tools/call') {
      sse(res);
      return ask(seen, res);
    }
    res.writeHead(202).end();
    heard(seen);
  });
  closing(up.close);
  return up;
}
const form = (id: number | string, message = 'Who?', more: object = {}): string => event({ jsonrpc: '2.0', id, method: 'elicitation/create', params: { message, requestedSchema: { type: 'object', properties: {} }, ...more } });
const done = (seen: Seen, text: string): string => event({ jsonrpc: '2.0', id: seen.json['id'], result: { content: [{ type: 'text', text }] } });
/** Asks a form, then answers with what it heard. */
async function asksOnce(more: object = {}): Promise<Canned> {
  let stream: { seen: Seen; res: ServerResponse } | null = null;
  return legacyServer((seen, res) => {
    stream = { seen, res };
    res.write(form('up-1', 'Who?', more));
  }, (seen) => {
    if (seen.json['id'] !== 'up-1' || stream === null) return;
    stream.res.write(event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: (stream.seen.json['params'] as { _meta?: { progressToken?: number } })._meta?.progressToken, progress: 1 } }));
    stream.res.write(event({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'warning', data: 'w' } }));
    stream.res.end(done(stream.seen, JSON.stringify(seen.json['result'] ?? seen.json['error'])));
  });
}

describe('a modern client, a legacy server of another maker', () => {
  test('elicitation: asked, answered, one run', async () => {
    const fixture = await legacyFixture();
    const r = await connected(fixture.url);
    const first = requiredOf(await run(r, modernCall('test_elicitation', { args: '{"message":"Name?"}' }).call));
    expect(first.requests[first.keys[0] ?? '']).toMatchObject({ method: 'elicitation/create', params: { message: 'Name?', requestedSchema: { required: ['response'] } } });
    const answer = await run(r, modernCall('test_elicitation', { id: 2, args: '{"message":"Name?"}', state: first.state, responses: `{"${first.keys[0]}":${ACCEPT('{"response":"Ada"}')},"unknown":{}}` }).call);
    expect(textOf(answer)).toContain('"action":"accept"');
    expect(textOf(answer)).toContain('Ada');
    expect(answerOf(answer)).toMatchObject({ effect: 'done', message: { id: 2, result: { resultType: 'complete', _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'sallyport-fixture' } } } } });
    expect(fixture.seenBodies.filter((body) => body.includes('"tools/call"'))).toHaveLength(1);
  });
  test('sampling', async () => {
    const r = await connected((await legacyFixture()).url);
    const first = requiredOf(await run(r, modernCall('test_sampling', { args: '{"prompt":"Hi"}' }).call));
    const key = first.keys[0] ?? '';
    expect(first.requests[key]).toMatchObject({ method: 'sampling/createMessage', params: { messages: [{ role: 'user' }], maxTokens: 100 } });
    const result = '{"role":"assistant","content":{"type":"text","text":"pong"},"model":"m"}';
    expect(textOf(await run(r, modernCall('test_sampling', { args: '{"prompt":"Hi"}', state: first.state, responses: `{"${key}":${result}}` }).call))).toContain('pong');
  });
  test('questions of several rounds in one call', async () => {
    const r = await connected((await legacyFixture()).url);
    // A server of the SDK turns its own input_required into one question after the other for legacy clients.
    let at = requiredOf(await run(r, modernCall('test_input_required_result_multi_round').call));
    const first = at.state;
    at = requiredOf(await run(r, modernCall('test_input_required_result_multi_round', { state: at.state, responses: `{"${at.keys[0]}":${ACCEPT('{"name":"Ada"}')}}` }).call));
    expect(at.state).not.toBe(first);
    expect(textOf(await run(r, modernCall('test_input_required_result_multi_round', { state: at.state, responses: `{"${at.keys[0]}":${ACCEPT('{"color":"red"}')}}` }).call))).toBe('both rounds done');
  });
  test('several at once come as one batch; what is not answered is asked again', async () => {
    const r = await connected((await legacyFixture()).url);
    const call = (more: Asked): Promise<unknown> => run(r, modernCall('test_input_required_result_multiple_inputs', more).call);
    const first = requiredOf(await run(r, modernCall('test_input_required_result_multiple_inputs').call));
    expect(Object.values(first.requests).map(({ method }) => method).toSorted()).toEqual(['elicitation/create', 'roots/list', 'sampling/createMessage']);
    const answers: Record<string, string> = { 'elicitation/create': ACCEPT('{"name":"Ada"}'), 'roots/list': '{"roots":[]}', 'sampling/createMessage': '{"role":"assistant","content":{"type":"text","text":"x"},"model":"m"}' };
    const given = (keys: readonly string[], of: typeof first): string => `{${keys.map((key) => `"${key}":${answers[of.requests[key]?.method ?? '']}`).join(',')}}`;
    const second = requiredOf((await call({ state: first.state, responses: given(first.keys.slice(0, 1), first) })) as never);
    expect(second.keys).toEqual(first.keys.slice(1));
    const third = requiredOf((await call({ state: second.state })) as never);
    expect(third.keys).toEqual(first.keys.slice(1));
    expect(textOf((await call({ state: third.state, responses: given(third.keys, third) })) as never)).toBe('all three answered');
  });
});

describe('who may be asked what', () => {
  test.each<[string, string, object]>([
    ['nothing declared', '{}', EVERY_CAPABILITY],
    ['another capability declared', '{"sampling":{}}', EVERY_CAPABILITY],
    ['taken out by the config', ALL, { client_capabilities: ['sampling'] }],
  ])('%s: declined', async (_name, declares, server) => {
    const up = await asksOnce();
    const r = await connected(up.url, server);
    expect(textOf(await run(r, modernCall('t', { declares }).call))).toContain('-32601');
  });
  test('the server is told exactly what is left, in sessions of their own', async () => {
    const up = await asksOnce();
    const r = await connected(up.url, { client_capabilities: ['elicitation', 'roots'] });
    const declares = '{"sampling":{}, "roots":{"listChanged":true},"experimental":{"x":{}},"extensions":{"b":{"v": 1.50},"io.modelcontextprotocol/tasks":{}},"elicitation":{},"tasks":{}}';
    requiredOf(await run(r, modernCall('t', { declares }).call));
    const opened = up.seen.filter((seen) => seen.json['method'] === 'initialize').map((seen) => seen.body.toString());
    expect(opened[1]).toContain('"capabilities":{"elicitation":{},"extensions":{"b":{"v":1.5}},"roots":{}}');
    expect(JSON.parse(opened[1] ?? '')).toMatchObject({ params: { capabilities: { elicitation: {}, extensions: { b: {} }, roots: {} } } });
    for (const secret of ['sampling', 'tasks', 'listChanged', 'experimental']) expect(opened[1]).not.toContain(secret);
  });
  test.each([['javascript:alert(1)'], ['http://example.com/'], ['https://user:secret@example.com/'], ['https://exa\nmple.com'], ['file:///etc/passwd'], ['\\\\evil']])('no browser is sent to %s', async (url) => {
    const up = await asksOnce({ mode: 'url', url, elicitationId: 'e' });
    const r = await connected(up.url);
    expect(textOf(await run(r, modernCall('t').call))).toBe('{"action":"decline"}');
  });
  test('a URL to open: https, without the id of the other era; only who declared the mode', async () => {
    const up = await asksOnce({ mode: 'url', url: 'https://example.com/sign-in', elicitationId: 'e' });
    const r = await connected(up.url);
    const first = requiredOf(await run(r, modernCall('t').call));
    expect(first.requests['q1']).toEqual({ method: 'elicitation/create', params: { message: 'Who?', requestedSchema: { type: 'object', properties: {} }, mode: 'url', url: 'https://example.com/sign-in' } });
    expect(textOf(await run(r, modernCall('t', { declares: '{"elicitation":{}}' }).call))).toContain('-32601');
  });
  test('nothing in it belongs to the server’s own channel', async () => {
    const up = await asksOnce({ task: { ttl: 1 }, _meta: { progressToken: 1, k: 2 } });
    const r = await connected(up.url);
    expect(requiredOf(await run(r, modernCall('t').call)).requests['q1']?.params).toEqual({ message: 'Who?', requestedSchema: { type: 'object', properties: {} }, _meta: { k: 2 } });
  });
  test('behind the aggregate no pages of servers are offered', async () => {
    const up = await asksOnce();
    const r = await connected(up.url);
    await run(r, modernCall('t', { server: null, declares: '{"extensions":{"io.modelcontextprotocol/ui":{},"b":{}}}' }).call);
    await run(r, modernCall('t', { declares: '{"extensions":{"io.modelcontextprotocol/ui":{}}}' }).call);
    const opened = up.seen.filter((seen) => seen.json['method'] === 'initialize').map((seen) => (seen.json['params'] as { capabilities: object }).capabilities);
    expect(opened.slice(1)).toEqual([{ extensions: { b: {} } }, { extensions: { 'io.modelcontextprotocol/ui': {} } }]);
  });
  test('behind the aggregate the question says which server asks', async () => {
    const up = await asksOnce();
    const r = await connected(up.url);
    expect(requiredOf(await run(r, modernCall('t', { server: null }).call)).requests['q1']?.params['message']).toBe('[s] Who?');
  });
  test('a server that asks a hundred things gets sixteen asked', async () => {
    const up = await legacyServer((_seen, res) => void res.write(Array.from({ length: 100 }, (_, i) => form(i + 1000)).join('')));
    const r = await connected(up.url);
    expect(requiredOf(await run(r, modernCall('t').call)).keys).toHaveLength(16);
  });
});

describe('the ticket', () => {
  const state = async (r: Awaited<ReturnType<typeof connected>>, more: Asked = {}): Promise<string> => requiredOf(await run(r, modernCall('t', more).call)).state;
  const answer = (state: string, more: Asked = {}): Asked => ({ state, responses: `{"q1":${ACCEPT('{}')}}`, ...more });

  test('is good once: of two at the same time one wins, later ones lose', async () => {
    const r = await connected((await asksOnce()).url);
    const sealed = await state(r);
    const both = await Promise.all([run(r, modernCall('t', answer(sealed)).call), run(r, modernCall('t', answer(sealed)).call)]);
    expect(both.map((one) => ('go' in one ? 'answered' : one.stop.code)).toSorted()).toEqual(['answered', 'dispatch.state']);
    expect(refusalOf(await run(r, modernCall('t', answer(sealed)).call))).toEqual({ code: 'dispatch.state', effect: 'none' });
  });
  test.each<[string, (sealed: string) => Asked]>([
    ['another principal', (sealed) => answer(sealed, { principal: principal('key:mallory') })],
    ['other arguments', (sealed) => answer(sealed, { args: '{"x":2}' })],
    ['another endpoint', (sealed) => answer(sealed, { server: null })],
    ['a changed state', (sealed) => answer(`${sealed.slice(0, -2)}xx`)],
    ['an invented one', () => answer('s1.AAAA')],
    ['an empty one', () => answer('')],
  ])('%s: unknown, and the call goes on waiting for its owner', async (_name, more) => {
    const up = await asksOnce();
    const r = await connected(up.url);
    const sealed = await state(r, { args: '{"x":1}' });
    expect(refusalOf(await run(r, modernCall('t', { args: '{"x":1}', ...more(sealed) }).call))).toEqual({ code: 'dispatch.state', effect: 'none' });
    expect(textOf(await run(r, modernCall('t', answer(sealed, { args: '{ "x" : 1 }' })).call))).toContain('accept');
    expect(up.seen.filter((seen) => seen.json['method'] === 'tools/call')).toHaveLength(1);
  });
  test('a state that is not a text is unknown', async () => {
    const r = await connected((await asksOnce()).url);
    const call = modernCall('t', { state: 'x' });
    const { message } = call.call;
    const numbered = { ...call.call, message: { ...message, text: message.text.replace('"x"', '7'), params: { ...message.params, requestState: 7 } } };
    expect(refusalOf(await run(r, numbered)).code).toBe('dispatch.state');
  });
  test('opened by somebody else’s seal it is still not theirs', async () => {
    const r = await connected((await asksOnce()).url);
    const sealed = createSealed(createSeal(Buffer.alloc(32, 7)), Date.now, 60_000);
    const own = modernCall('t');
    const { state } = requiredOf(await run(r, own.call));
    const foreign = modernCall('t', { principal: principal('key:mallory') }).call;
    const theirs = sealed.close('ticket', foreign, sealed.open('ticket', own.call, state) ?? '');
    expect(refusalOf(await run(r, modernCall('t', answer(theirs, { principal: principal('key:mallory') })).call)).code).toBe('dispatch.state');
    expect(textOf(await run(r, modernCall('t', answer(state)).call))).toContain('accept');
  });
  test('an answer that is none is asked for again', async () => {
    const r = await connected((await asksOnce()).url);
    const again = requiredOf(await run(r, modernCall('t', { state: await state(r), responses: '{"q1":5}' }).call));
    expect(again.keys).toEqual(['q1']);
  });
  test('lives no longer than the credential', async () => {
    const up = await asksOnce();
    const r = await connected(up.url);
    await state(r, { principal: principal('key:alice', { expiresAt: Date.now() + 100 }) });
    await until(() => up.seen.some((seen) => seen.json['method'] === 'notifications/cancelled'), 1_000);
  });
  test('lapses: the server is told, the place is free, the ticket unknown', async () => {
    const up = await asksOnce();
    const r = await connected(up.url, EVERY_CAPABILITY, { questions: { ttl_ms: 100, max_per_caller: 1 } });
    const sealed = await state(r);
    await until(() => up.seen.some((seen) => seen.json['method'] === 'notifications/cancelled'));
    expect(refusalOf(await run(r, modernCall('t', answer(sealed)).call)).code).toBe('dispatch.state');
    await state(r);
  });
  test('asking again does not buy more time', async () => {
    const up = await asksOnce();
    const r = await connected(up.url, EVERY_CAPABILITY, { questions: { ttl_ms: 400 } });
    let sealed = await state(r);
    const start = performance.now();
    for (;;) {
      const again = await run(r, modernCall('t', { state: sealed }).call);
      if ('stop' in again) break;
      sealed = requiredOf(again).state;
      await new Promise((resolve) => setTimeout(resolve, 50));
      if (performance.now() - start > 3_000) throw new Error('it never lapsed');
    }
    await until(() => up.seen.some((seen) => seen.json['method'] === 'notifications/cancelled'));
  });
  test('more calls than may wait: refused, and cancelled at the server; others are not touched', async () => {
    const up = await asksOnce();
    const r = await connected(up.url, EVERY_CAPABILITY, { questions: { max: 3, max_per_caller: 2 } });
    await state(r);
    await state(r);
    expect(refusalOf(await run(r, modernCall('t').call))).toMatchObject({ code: 'dispatch.questions', effect: 'unknown' });
    await until(() => up.seen.filter((seen) => seen.json['method'] === 'notifications/cancelled').length === 1);
    await state(r, { principal: principal('key:bob') });
    expect(refusalOf(await run(r, modernCall('t', { principal: principal('key:carol') }).call)).code).toBe('dispatch.questions');
  });
  test('a revoked credential frees what waits for it', async () => {
    const up = await asksOnce();
    const r = await connected(up.url);
    const sealed = await state(r);
    r.dispatch.dropOf('key:bob');
    r.dispatch.dropOf('key:alice');
    await until(() => up.seen.some((seen) => seen.json['method'] === 'notifications/cancelled'));
    expect(refusalOf(await run(r, modernCall('t', answer(sealed)).call)).code).toBe('dispatch.state');
  });
});

describe('while it waits', () => {
  test('progress and log messages go to the retry, under its own token and level', async () => {
    const r = await connected((await asksOnce()).url);
    const first = modernCall('t', { meta: '"progressToken":"one","io.modelcontextprotocol/logLevel":"debug"' });
    const { state } = requiredOf(await run(r, first.call));
    const second = modernCall('t', { state, responses: `{"q1":${ACCEPT('{}')}}`, meta: '"progressToken":"two","io.modelcontextprotocol/logLevel":"warning"' });
    expect(textOf(await run(r, second.call))).toContain('accept');
    expect(first.events).toEqual([]);
    expect(second.events).toEqual([
      event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'two', progress: 1 } }),
      event({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'warning', data: 'w' } }),
    ]);
    const { state: again } = requiredOf(await run(r, modernCall('t', { meta: '"io.modelcontextprotocol/logLevel":"debug"' }).call));
    const grave = modernCall('t', { state: again, responses: `{"q1":${ACCEPT('{}')}}`, meta: '"io.modelcontextprotocol/logLevel":"error"' });
    await run(r, grave.call);
    expect(grave.events).toEqual([]);
  });
  test('a client that leaves during a leg cancels; one that is between two does not', async () => {
    let stream: ServerResponse | null = null;
    const up = await legacyServer((_seen, res) => {
      stream = res;
      setTimeout(() => res.write(form('up-1')), 50);
    });
    const r = await connected(up.url);
    const cancelled = (): number => up.seen.filter((seen) => seen.json['method'] === 'notifications/cancelled').length;
    const first = modernCall('t');
    const { state } = requiredOf(await run(r, first.call));
    first.abort(); // its exchange is over
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(cancelled()).toBe(0);
    const second = modernCall('t', { state, responses: `{"q1":${ACCEPT('{}')}}` });
    const running = run(r, second.call);
    await until(() => up.seen.some((seen) => seen.json['id'] === 'up-1'));
    expect(stream).not.toBeNull();
    second.abort();
    expect(refusalOf(await running)).toMatchObject({ code: 'dispatch.cancelled', effect: 'unknown' });
    await until(() => cancelled() === 1);
  });
  test('a server that dies meanwhile: the retry hears it', async () => {
    let stream: ServerResponse | null = null;
    const up = await legacyServer((_seen, res) => {
      stream = res;
      res.write(form('up-1'));
    });
    const r = await connected(up.url);
    const { state } = requiredOf(await run(r, modernCall('t').call));
    (stream as ServerResponse | null)?.destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(refusalOf(await run(r, modernCall('t', { state, responses: `{"q1":${ACCEPT('{}')}}` }).call))).toMatchObject({ code: 'dispatch.crashed', effect: 'unknown' });
    expect(refusalOf(await run(r, modernCall('t', { state }).call)).code).toBe('dispatch.state');
  });
  test('a server that does not wait: its answer waits for the retry', async () => {
    const up = await legacyServer((seen, res) => {
      res.write(form('up-1'));
      setTimeout(() => res.end(done(seen, 'never mind')), 60);
    });
    const r = await connected(up.url, EVERY_CAPABILITY, { questions: { max_per_caller: 1 } });
    for (const id of [1, 2]) {
      const { state } = requiredOf(await run(r, modernCall('t', { id }).call));
      await new Promise((resolve) => setTimeout(resolve, 120));
      expect(textOf(await run(r, modernCall('t', { state, responses: '{}' }).call))).toBe('never mind');
    }
  });
});

describe('error -32042', () => {
  const required = { jsonrpc: '2.0', error: { code: -32042, message: 'Sign in first', data: { elicitations: [{ mode: 'url', message: 'Sign in', url: 'https://example.com/in', elicitationId: 'e1' }] } } };
  const server = (error: object = required): Promise<Canned> => {
    let count = 0;
    return legacyServer((seen, res) => void res.end(++count === 1 ? event({ ...error, id: seen.json['id'] }) : done(seen, `call ${count}`)));
  };
  test('becomes a question; its answer sends the call again', async () => {
    const r = await connected((await server()).url);
    const first = requiredOf(await run(r, modernCall('t').call));
    expect(first.requests).toEqual({ q1: { method: 'elicitation/create', params: { mode: 'url', message: 'Sign in', url: 'https://example.com/in' } } });
    expect(refusalOf(await run(r, modernCall('t', { state: first.state, principal: principal('key:mallory') }).call)).code).toBe('dispatch.state');
    expect(textOf(await run(r, modernCall('t', { state: first.state, responses: '{"q1":{"action":"accept"}}' }).call))).toBe('call 2');
  });
  test.each<[string, Asked, object]>([
    ['who cannot open URLs', { declares: '{"elicitation":{}}' }, required],
    ['a URL that must not be opened', {}, { error: { ...required.error, data: { elicitations: [{ mode: 'url', message: 'x', url: 'javascript:0' }] } } }],
    ['no elicitations', {}, { error: { ...required.error, data: {} } }],
  ])('%s: a plain error', async (_name, more, error) => {
    const r = await connected((await server({ jsonrpc: '2.0', ...error })).url);
    expect(answerOf(await run(r, modernCall('t', more).call)).message).toMatchObject({ error: { code: -32603, message: 'Sign in first' } });
  });
});
