import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { answerOf, refusalOf, canned, event, json, made, principal, session, sse, until, type Canned, type MadeCall, type Seen } from '../../../test/kit/dispatch-rig.ts';
import { ALL, askedOf, closeAll, closing, connected, EVERY_CAPABILITY, legacyCall, respond, run, textOf, toldOf } from '../../../test/kit/asking-rig.ts';
import { startFixture, type RunningFixture } from '../../../test/kit/fixture/http.ts';
import type { JsonObject } from '../../call/json.ts';

closeAll();
async function fixtureOf(era: 'legacy' | 'modern'): Promise<RunningFixture> {
  const fixture = await startFixture({ eras: [era] });
  closing(fixture.close);
  return fixture;
}
const accept = (content: string): string => `"result":{"action":"accept","content":${content}}`;

/** A modern server in our own words; `call` gets each tools/call with the number of its round. */
async function modernServer(call: (seen: Seen, res: ServerResponse, round: number) => void): Promise<Canned> {
  let round = 0;
  const up = await canned((seen, res) => {
    const { method, id } = seen.json;
    if (method === 'server/discover') return json(res, { jsonrpc: '2.0', id, result: { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, ttlMs: 0, cacheScope: 'private' } });
    if (method !== 'tools/call') return json(res, { jsonrpc: '2.0', id: id ?? null, error: { code: -32601, message: 'no' } }, 404);
    call(seen, res, ++round);
  });
  closing(up.close);
  return up;
}
const asks = (seen: Seen, res: ServerResponse, result: string): void => json(res, `{"jsonrpc":"2.0","id":${String(seen.json['id'])},"result":${result}}`);
const ELICIT = '{"method":"elicitation/create","params":{"message":"Who?","requestedSchema":{"type":"object","properties":{}}}}';
const DONE = '{"resultType":"complete","content":[{"type":"text","text":"done"}]}';
const callsOf = (up: Canned): Seen[] => up.seen.filter((seen) => seen.json['method'] === 'tools/call');

/** A legacy server that asks a form on the call's stream and answers with what it heard. */
interface Stream {
  readonly seen: Seen;
  readonly res: ServerResponse;
}
async function legacyServer(asked: (stream: Stream) => void = () => undefined, answered: ((stream: Stream) => void) | null = null): Promise<Canned> {
  let stream: Stream | null = null;
  const up = await canned((seen, res) => {
    const { method, id } = seen.json;
    if (seen.method === 'GET') return void res.writeHead(405).end();
    if (method === 'server/discover') return json(res, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'no' } }, 400);
    if (method === 'initialize') return json(res, { jsonrpc: '2.0', id, result: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'old', version: '1' } } });
    if (method === 'tools/call') {
      sse(res);
      stream = { seen, res };
      asked(stream);
      return void res.write(event({ jsonrpc: '2.0', id: 'up-1', method: 'elicitation/create', params: { message: 'Who?', requestedSchema: { type: 'object', properties: {} } } }));
    }
    res.writeHead(202).end();
    if (id === 'up-1' && stream !== null && answered !== null) return answered(stream);
    if (id === 'up-1') stream?.res.end(event({ jsonrpc: '2.0', id: stream.seen.json['id'], result: { content: [{ type: 'text', text: seen.body.toString() }] } }));
  });
  closing(up.close);
  return up;
}
const question = async (call: MadeCall, n = 0): Promise<ReturnType<typeof askedOf>[number]> => {
  await until(() => askedOf(call).length > n);
  return askedOf(call)[n] as ReturnType<typeof askedOf>[number];
};

describe('a legacy client, a modern server of another maker', () => {
  test('elicitation: a request on the call’s own stream, its response goes back', async () => {
    const fixture = await fixtureOf('modern');
    const r = await connected(fixture.url);
    const call = legacyCall('test_input_required_result_elicitation');
    const running = run(r, call.call);
    const asked = await question(call);
    expect(asked).toMatchObject({ method: 'elicitation/create', params: { message: 'What is your name?' } });
    expect(asked.id).toMatch(/^sallyport-[\w-]{22}$/);
    expect(answerOf(await respond(r, call.session, asked.id, accept('{"name":"Ada"}'))).status).toBe(202);
    expect(textOf(await running)).toBe('Hello, Ada!');
    expect(answerOf(await running)).toMatchObject({ effect: 'done' });
    expect(answerOf(await running).bytes.toString()).not.toContain('resultType');
  });
  test('three at once, then all of them answered', async () => {
    const r = await connected((await fixtureOf('modern')).url);
    const call = legacyCall('test_input_required_result_multiple_inputs');
    const running = run(r, call.call);
    await question(call, 2);
    const answers: Record<string, string> = { 'elicitation/create': accept('{"name":"Ada"}'), 'roots/list': '"result":{"roots":[]}', 'sampling/createMessage': '"result":{"role":"assistant","content":{"type":"text","text":"x"},"model":"m"}' };
    for (const { id, method } of askedOf(call)) await respond(r, call.session, id, answers[method] ?? '');
    expect(textOf(await running)).toBe('all three answered');
  });
  test('two rounds, the state carried along', async () => {
    const r = await connected((await fixtureOf('modern')).url);
    const call = legacyCall('test_input_required_result_multi_round');
    const running = run(r, call.call);
    await respond(r, call.session, (await question(call)).id, accept('{"name":"Ada"}'));
    await respond(r, call.session, (await question(call, 1)).id, accept('{"color":"red"}'));
    expect(textOf(await running)).toBe('both rounds done');
  });
  test('what it never declared, or the config takes out, is not asked: the server hears so, or the call ends', async () => {
    const fixture = await fixtureOf('modern');
    const r = await connected(fixture.url, { client_capabilities: ['elicitation'] });
    expect(textOf(await run(r, legacyCall('test_input_required_result_capabilities', { declares: '{}' }).call))).toBe('nothing may be asked');
    const error = answerOf(await run(r, legacyCall('test_input_required_result_sampling').call)).message?.['error'] as JsonObject;
    expect(error['code']).toBe(-32603); // the server's -32021, which no legacy client knows
  });
});

describe('rounds', () => {
  const two = (state: string, more = ''): string => `{"resultType":"input_required","inputRequests":{"a":${ELICIT}${more}}${state}}`;

  test('the same judged arguments each time; the state byte for byte, absent when it was; only this round’s answers', async () => {
    const states = [',"requestState":"é\\u00e9 \\/ one"', '', null];
    const up = await modernServer((seen, res, round) => asks(seen, res, states[round - 1] == null && round > 2 ? DONE : two(states[round - 1] ?? '')));
    const r = await connected(up.url);
    const call = legacyCall('t', { args: '{"n":12345678901234567890}', judged: '{"n":12345678901234567890,"judged":true}' });
    const running = run(r, call.call);
    await respond(r, call.session, (await question(call)).id, '"result":{"action":"accept","content":{"n":98765432109876543210}}');
    await respond(r, call.session, (await question(call, 1)).id, '"result":{"action":"decline"}');
    expect(textOf(await running)).toBe('done');
    const bodies = callsOf(up).map((seen) => seen.body.toString());
    for (const body of bodies) expect(body).toContain('"arguments":{"n":12345678901234567890,"judged":true}');
    expect(bodies[0]).not.toContain('inputResponses');
    expect(bodies[1]).toContain('"inputResponses":{"a":{"action":"accept","content":{"n":98765432109876543210}}},"requestState":"é\\u00e9 \\/ one"');
    expect(bodies[2]).toContain('"inputResponses":{"a":{"action":"decline"}}');
    expect(bodies[2]).not.toContain('requestState');
    expect(new Set(callsOf(up).map((seen) => seen.json['id'])).size).toBe(3);
  });
  test('a server that only wants more time is asked again after a pause, and not without end', async () => {
    const up = await modernServer((seen, res) => asks(seen, res, '{"resultType":"input_required","requestState":"later"}'));
    const r = await connected(up.url);
    const start = performance.now();
    expect(refusalOf(await run(r, legacyCall('t', { declares: '{}' }).call))).toMatchObject({ code: 'dispatch.translation', effect: 'unknown', note: 'more than 8 rounds' });
    expect(callsOf(up)).toHaveLength(9);
    expect(performance.now() - start).toBeGreaterThan(8 * 240);
  });
  test('so much time as the corridor leaves, and no more', async () => {
    const up = await modernServer((seen, res) => asks(seen, res, '{"resultType":"input_required","requestState":"later"}'));
    const r = await connected(up.url);
    expect(refusalOf(await run(r, legacyCall('t', { timeoutMs: 40 }).call))).toMatchObject({ code: 'dispatch.timeout', effect: 'unknown' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(callsOf(up)).toHaveLength(2);
  });
  test('a client that cancels between two rounds has cancelled what may have begun', async () => {
    const up = await modernServer((seen, res) => asks(seen, res, '{"resultType":"input_required","requestState":"later"}'));
    const r = await connected(up.url);
    const call = legacyCall('t');
    const running = run(r, call.call);
    await until(() => callsOf(up).length === 1);
    setTimeout(call.abort, 60);
    expect(refusalOf(await running)).toMatchObject({ code: 'dispatch.cancelled', effect: 'unknown' });
    expect(callsOf(up)).toHaveLength(1);
  });
  test.each([
    ['neither questions nor state', '{"resultType":"input_required"}'], ['a state that is no text', '{"resultType":"input_required","requestState":{}}'],
    ['questions that are none', '{"resultType":"input_required","inputRequests":{"a":1}}'], ['a list of questions', '{"resultType":"input_required","inputRequests":[]}'],
    ['a crowd', `{"resultType":"input_required","inputRequests":{${Array.from({ length: 17 }, (_, i) => `"k${i}":${ELICIT}`).join(',')}}}`],
  ])('%s: no valid answer', async (_name, result) => {
    const up = await modernServer((seen, res) => asks(seen, res, result));
    const r = await connected(up.url);
    expect(refusalOf(await run(r, legacyCall('t').call))).toMatchObject({ code: 'dispatch.bad_answer', effect: 'unknown' });
  });
  test('a server that asks for what was not declared ends the call, and nobody is asked', async () => {
    const up = await modernServer((seen, res) => asks(seen, res, two('', ',"b":{"method":"sampling/createMessage","params":{}}')));
    const r = await connected(up.url);
    const call = legacyCall('t', { declares: '{"elicitation":{}}' });
    expect(refusalOf(await run(r, call.call))).toMatchObject({ code: 'dispatch.translation', effect: 'unknown' });
    expect(call.events).toEqual([]);
  });
  test('a URL gets the id that the older era wants; one that must not be opened is declined without asking', async () => {
    const url = (to: string): string => `{"method":"elicitation/create","params":{"mode":"url","message":"Sign in","url":"${to}"}}`;
    const up = await modernServer((seen, res, round) => asks(seen, res, round > 1 ? DONE : `{"resultType":"input_required","inputRequests":{"good":${url('https://example.com/')},"bad":${url('javascript:0')}}}`));
    const r = await connected(up.url);
    const call = legacyCall('t');
    const running = run(r, call.call);
    const asked = await question(call);
    expect(asked.params).toEqual({ mode: 'url', message: 'Sign in', url: 'https://example.com/', elicitationId: expect.stringMatching(/^[\w-]{22}$/) as string });
    await respond(r, call.session, asked.id, '"result":{"action":"accept"}');
    expect(textOf(await running)).toBe('done');
    expect(askedOf(call)).toHaveLength(1);
    expect(callsOf(up)[1]?.body.toString()).toContain('"inputResponses":{"good":{"action":"accept"},"bad":{"action":"decline"}}');
  });
  test('a user’s error is a cancelled form; a model’s ends the call', async () => {
    const sample = '{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}';
    const up = await modernServer((seen, res, round) => asks(seen, res, round === 1 ? two('') : `{"resultType":"input_required","inputRequests":{"s":${sample}}}`));
    const r = await connected(up.url);
    const call = legacyCall('t');
    const running = run(r, call.call);
    await respond(r, call.session, (await question(call)).id, '"error":{"code":-32601,"message":"no"}');
    await respond(r, call.session, (await question(call, 1)).id, '"error":{"code":-1,"message":"rejected"}');
    expect(refusalOf(await running)).toMatchObject({ code: 'dispatch.unanswered', effect: 'unknown' });
    expect(callsOf(up)[1]?.body.toString()).toContain('{"a":{"action":"cancel"}}');
  });
  test('a state of the client’s own making never reaches a server', async () => {
    const up = await modernServer((seen, res) => asks(seen, res, DONE));
    const r = await connected(up.url);
    const text = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{},"requestState":"FORGED","inputResponses":{"a":{}},"task":{"ttl":1},"other":{"kept":1}}}';
    const call = legacyCall('t');
    expect(textOf(await run(r, { ...made(text, { lane: 'own', tool: call.call.target.tool, session: call.session }).call }))).toBe('done');
    const body = callsOf(up)[0]?.body.toString();
    expect(body).toContain('"other":{"kept":1}');
    for (const gone of ['FORGED', 'inputResponses', 'task"']) expect(body).not.toContain(gone);
  });
});

describe('whose answer it is', () => {
  test('only the session that was asked, only once; everything else is dropped and said so', async () => {
    const up = await modernServer((seen, res, round) => asks(seen, res, round > 1 ? DONE : `{"resultType":"input_required","inputRequests":{"a":${ELICIT}}}`));
    const r = await connected(up.url);
    const call = legacyCall('t');
    const running = run(r, call.call);
    const { id } = await question(call);
    await respond(r, session(null, { principalId: 'key:alice' }), id, accept('{"evil":1}'));
    await respond(r, session(null, { principalId: 'key:mallory' }), id, accept('{"evil":1}'));
    await respond(r, call.session, 'sallyport-guess', accept('{"evil":1}'));
    await respond(r, call.session, id, accept('{"good":1}'));
    await respond(r, call.session, id, accept('{"evil":2}'));
    expect(textOf(await running)).toBe('done');
    expect(callsOf(up)[1]?.body.toString()).toContain('{"good":1}');
    expect(up.seen.map((seen) => seen.body.toString()).join('')).not.toContain('evil');
    expect(r.logs.filter(({ message }) => message === 'dropped a response that nobody asked for')).toHaveLength(4);
  });
  test('what inspect/ withholds is not asked', async () => {
    const up = await legacyServer();
    const r = await connected(up.url, EVERY_CAPABILITY, {}, { screen: () => null });
    const call = legacyCall('t');
    expect(textOf(await run(r, call.call))).toContain('-32601');
    expect(call.events).toEqual([]);
  });
});

describe.each<['legacy' | 'modern', () => Promise<Canned>]>([
  ['legacy', () => legacyServer()],
  ['modern', () => modernServer((seen, res) => asks(seen, res, seen.body.includes('inputResponses') ? DONE : `{"resultType":"input_required","inputRequests":{"a":${ELICIT}}}`))],
])('a legacy client that does not answer a %s server', (era, server) => {
  test('in time: told so, and the call ends', async () => {
    const up = await server();
    const r = await connected(up.url, EVERY_CAPABILITY, { questions: { ttl_ms: 80, max_per_caller: 1 } });
    for (const id of [1, 2]) {
      const call = legacyCall('t', { id });
      expect(refusalOf(await run(r, call.call))).toMatchObject({ code: 'dispatch.unanswered', effect: 'unknown' });
      expect(toldOf(call)).toEqual(['elicitation/create', 'notifications/cancelled']);
      expect(call.events[1]).toContain(`"requestId":"${askedOf(call)[0]?.id}"`);
    }
    if (era === 'legacy') await until(() => up.seen.filter((seen) => seen.json['method'] === 'notifications/cancelled').length === 2);
  });
  test('within what the corridor leaves', async () => {
    const r = await connected((await server()).url);
    const start = performance.now();
    expect(refusalOf(await run(r, legacyCall('t', { timeoutMs: 50 }).call)).code).toBe('dispatch.unanswered');
    expect(performance.now() - start).toBeLessThan(500);
  });
  test('because it cancels', async () => {
    const up = await server();
    const r = await connected(up.url);
    const call = legacyCall('t', { id: 'x' });
    const running = run(r, call.call);
    const { id } = await question(call);
    await run(r, made('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"x"}}', { lane: 'local', session: call.session }).call);
    expect(refusalOf(await running)).toMatchObject({ code: 'dispatch.cancelled', effect: 'unknown' });
    await respond(r, call.session, id, accept('{}'));
    expect(callsOf(up)).toHaveLength(1);
    if (era === 'legacy') await until(() => up.seen.some((seen) => seen.json['method'] === 'notifications/cancelled'));
  });
  test('because its session ended', async () => {
    const r = await connected((await server()).url);
    const call = legacyCall('t');
    r.sessions.set(call.session.id, call.session);
    const running = run(r, call.call);
    await question(call);
    await run(r, made('', { kind: 'end', lane: 'local', session: call.session }).call);
    expect(refusalOf(await running).effect).toBe('unknown');
  });
  test('because nobody reads its stream; another one of its session will do', async () => {
    const r = await connected((await server()).url);
    const gone = legacyCall('t');
    gone.state.accepting = false;
    expect(refusalOf(await run(r, gone.call))).toMatchObject({ code: 'dispatch.unanswered', note: 'the client is gone' });
    const other = legacyCall('t');
    other.state.accepting = false;
    const heard: string[] = [];
    other.session.streams.add((block: Buffer) => heard.push(block.toString()));
    const running = run(r, other.call);
    await until(() => heard.length === 1);
    const { id } = JSON.parse(heard[0]?.split('data: ')[1] ?? '{}') as { id: string };
    await respond(r, other.session, id, accept('{}'));
    expect(answerOf(await running).effect).toBe('done');
  });
  test('because too many wait already', async () => {
    const up = await server();
    const r = await connected(up.url, EVERY_CAPABILITY, { questions: { max: 2, max_per_caller: 1 } });
    const first = legacyCall('t');
    const running = run(r, first.call);
    await question(first);
    const second = legacyCall('t', { id: 2 });
    expect(refusalOf(await run(r, second.call))).toMatchObject({ code: 'dispatch.questions', effect: 'unknown' });
    expect(askedOf(second)).toEqual([]);
    if (era === 'legacy') await until(() => up.seen.some((seen) => seen.json['method'] === 'notifications/cancelled'));
    const bob = legacyCall('t', { principal: principal('key:bob'), id: 3 });
    const other = run(r, bob.call);
    expect((await question(bob)).method).toBe('elicitation/create');
    bob.abort();
    first.abort();
    expect(refusalOf(await running).code).toBe('dispatch.cancelled');
    expect(refusalOf(await other).code).toBe('dispatch.cancelled');
  });
});

describe('a legacy client, a legacy server in the own lane', () => {
  test('the question under an id of the gateway’s, the response letter for letter', async () => {
    const up = await legacyServer();
    const r = await connected(up.url);
    const call = legacyCall('t', { server: null });
    const running = run(r, call.call);
    const asked = await question(call);
    expect(asked.params['message']).toBe('[s] Who?');
    await respond(r, call.session, asked.id, '"result":{"action" : "accept","content":{"n":12345678901234567890}}');
    expect(textOf(await running)).toBe('{"jsonrpc":"2.0","id":"up-1","result":{"action" : "accept","content":{"n":12345678901234567890}}}');
    expect(up.seen.find((seen) => seen.json['method'] === 'initialize' && seen.body.includes('sampling'))?.body.toString()).toContain('"roots":{}');
  });
  test('tasks are not carried, so not declared', async () => {
    const up = await legacyServer();
    const r = await connected(up.url);
    const call = legacyCall('t', { declares: '{"elicitation":{},"tasks":{"cancel":{}},"experimental":{"x":{}}}' });
    const running = run(r, call.call);
    await respond(r, call.session, (await question(call)).id, accept('{}'));
    await running;
    const opened = up.seen.filter((seen) => seen.json['method'] === 'initialize').map((seen) => (seen.json['params'] as JsonObject)['capabilities']);
    expect(opened[1]).toEqual({ elicitation: {}, experimental: { x: {} } });
  });
  test('a server that does not wait: the question is withdrawn', async () => {
    const up = await legacyServer((stream) => setTimeout(() => stream.res.end(event({ jsonrpc: '2.0', id: stream.seen.json['id'], result: { content: [{ type: 'text', text: 'never mind' }] } })), 40));
    const r = await connected(up.url, EVERY_CAPABILITY, { questions: { max_per_caller: 1 } });
    for (const id of [1, 2]) {
      const call = legacyCall('t', { id });
      expect(textOf(await run(r, call.call))).toBe('never mind');
      expect(toldOf(call)).toEqual(['elicitation/create', 'notifications/cancelled']);
    }
  });
  test('an answered call gives its place to the next while it works on, and ends before its stage does', async () => {
    const timers: NodeJS.Timeout[] = [];
    const up = await legacyServer(() => undefined, ({ seen, res }) => {
      const progressToken = (seen.json['params'] as { _meta?: { progressToken: number } })._meta?.progressToken;
      if (progressToken !== undefined) timers.push(setInterval(() => res.write(event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken, progress: 1 } })), 20));
    });
    closing(async () => timers.forEach((timer) => clearInterval(timer)));
    const r = await connected(up.url, EVERY_CAPABILITY, { questions: { max_per_caller: 1 } });
    const call = legacyCall('t', { timeoutMs: 60, meta: '"progressToken":"p"' });
    const start = performance.now();
    const running = run(r, call.call);
    const { id } = await question(call);
    await new Promise((resolve) => setTimeout(resolve, 450));
    await respond(r, call.session, id, accept('{}'));
    await until(() => timers.length === 1);
    const next = legacyCall('t', { id: 2 });
    const waiting = run(r, next.call);
    await question(next);
    expect(refusalOf(await running)).toMatchObject({ code: 'dispatch.timeout', effect: 'unknown' });
    expect(performance.now() - start).toBeLessThan(800);
    next.abort();
    await waiting;
  });
  test('an error passes as such', async () => {
    const r = await connected((await legacyServer()).url);
    const call = legacyCall('t');
    const running = run(r, call.call);
    await respond(r, call.session, (await question(call)).id, '"error":{"code":-1,"message":"User rejected"}');
    expect(textOf(await running)).toBe('{"jsonrpc":"2.0","id":"up-1","error":{"code":-1,"message":"User rejected"}}');
  });
  test('without a declaration: declined; log messages of its level', async () => {
    const fixture = await fixtureOf('legacy');
    const r = await connected(fixture.url);
    const plain = legacyCall('test_elicitation', { args: '{"message":"?"}', declares: '{}' });
    expect(answerOf(await run(r, plain.call)).message?.['result']).toMatchObject({ isError: true });
    const logged = legacyCall('test_tool_with_logging', { declares: ALL });
    await run(r, logged.call);
    expect(toldOf(logged)).toEqual(['notifications/message', 'notifications/message', 'notifications/message']);
    const quiet = legacyCall('test_tool_with_logging', { session: session(null, { logLevel: 'error' }) });
    await run(r, quiet.call);
    expect(quiet.events).toEqual([]);
  });
});
