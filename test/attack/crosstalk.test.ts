import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canned, json, type Canned } from '../kit/dispatch-rig.ts';
import { startFixture, type RunningFixture } from '../kit/fixture/http.ts';
import { startSseFixture, type RunningSseFixture } from '../kit/fixture/sse.ts';
import { launch, META, type Launched, type Reply } from '../kit/gateway.ts';
import { channelByHand, modernByHand, streamableByHand, type MatrixClient } from '../kit/hand-clients.ts';
import type { User } from '../kit/clients.ts';
import { openChannel, postTo } from '../kit/old-client.ts';
import { OPEN, openTalk, until } from '../kit/scene.ts';

/**
 * Answers that cross between clients (CVE-2026-25536), where the gateway mints every id itself: between the eras, in both directions,
 * with questions on the way. And what one caller holds is worth nothing in the hands of another (CWE-639): sessions, channels, states,
 * cursors, tasks and questions of others answer exactly like invented ones (CWE-204).
 */
const CALLERS = 500;
const callers = Array.from({ length: CALLERS }, (_, n) => ({ id: `caller-${n}`, key: `k${randomBytes(24).toString('hex')}` }));
const [A, B] = [callers[0]?.key as string, callers[1]?.key as string];

let modern: RunningFixture;
let legacy: RunningFixture;
let old: RunningSseFixture;
let paging: Canned;
let gateway: Launched;
beforeAll(async () => {
  [modern, legacy, old, paging] = await Promise.all([startFixture({ jitterMs: 40, eras: ['modern'] }), startFixture({ jitterMs: 40, eras: ['legacy'] }), startSseFixture({ jitterMs: 40 }), startPaging()]);
  const at = (url: string, more: object = {}): object => ({ url, allow_loopback: true, ...more });
  gateway = await launch({
    config: {
      ...OPEN,
      limit: { ...OPEN.limit, concurrency: { default: 10_000, streams: 10_000, streams_per_caller: 100 } },
      authenticate: { api_keys: callers.map(({ id, key }) => ({ id, sha256: createHash('sha256').update(key).digest('hex') })) },
      receive: { max_in_flight: 10_000 },
      // Of a server's connections only a part may wait for people; here all 500 do at once.
      dispatch: { connections: 2_000, servers: { modern: at(modern.url), legacy: at(legacy.url), old: at(old.url, { transport: 'sse' }), paging: at(paging.url, { era: 'modern' }), 'paging-legacy': at(paging.url, { era: 'legacy' }) } },
    },
  });
  await until('all servers answer', 20_000, async () => (await Promise.all(['modern', 'legacy', 'old'].map((s) => gateway.tool(A, `${s}__echo`, {})))).every(({ status }) => status === 200));
  await until('the lists are read', 20_000, async () => (await Promise.all(['paging', 'paging-legacy'].map((s) => gateway.tool(A, `${s}__long`, {})))).every(({ status }) => status !== 403));
});
afterAll(async () => {
  await gateway?.stop('SIGKILL');
  gateway?.clean();
  await Promise.all([modern?.close(), legacy?.close(), old?.close(), paging?.close()]);
});

/** Two pages of prompts, and a tool that makes a task; both eras. */
const startPaging = (): Promise<Canned> => {
  let tasks = 0;
  return canned((seen, res) => {
    const { id, method, params } = seen.json as { id?: unknown; method?: string; params?: { cursor?: string; protocolVersion?: string; taskId?: string } };
    if (seen.method !== 'POST') return void res.writeHead(seen.method === 'DELETE' ? 200 : 405).end();
    if (id === undefined) return void res.writeHead(202).end();
    const isModern = seen.headers['mcp-method'] !== undefined;
    const say = (result: object, headers: Record<string, string> = {}): void => json(res, { jsonrpc: '2.0', id, result: { ...(isModern ? { resultType: 'complete', ttlMs: 0, cacheScope: 'private' } : {}), ...result } }, 200, headers);
    const capabilities = { tools: {}, prompts: {}, extensions: { 'io.modelcontextprotocol/tasks': {} } };
    if (method === 'server/discover') return say({ supportedVersions: ['2026-07-28'], capabilities });
    if (method === 'initialize') return say({ protocolVersion: params?.protocolVersion, capabilities, serverInfo: { name: 'paging', version: '1' } }, { 'mcp-session-id': randomUUID() });
    if (method === 'tools/list') return say({ tools: [{ name: 'long', inputSchema: { type: 'object' } }] });
    if (method === 'tools/call') return say(isModern ? { resultType: 'task', taskId: `task-${++tasks}-of-the-server`, status: 'working', ttlMs: 60_000 } : { content: [] });
    if (method === 'prompts/list') return params?.cursor === undefined ? say({ prompts: [{ name: 'first' }], nextCursor: 'page-two' }) : params.cursor === 'page-two' ? say({ prompts: [{ name: 'second' }] }) : json(res, { jsonrpc: '2.0', id, error: { code: -32602, message: 'no such page' } });
    return say({ taskId: params?.taskId, status: 'working' });
  });
};

describe(`${CALLERS} callers at once between the eras, all with the same ids`, () => {
  const ASKS_BACK = { arguments: (nonce: string): string => JSON.stringify({ message: nonce }), tool: 'test_elicitation', answer: (nonce: string) => ({ response: `to ${nonce}` }) };
  const ASKS_NAME = { arguments: (): string => '{}', tool: 'test_input_required_result_elicitation', answer: (nonce: string) => ({ name: nonce }) };
  const CELLS: Readonly<Record<string, { readonly open: (key: string, user: User) => Promise<MatrixClient>; readonly asking: typeof ASKS_BACK | typeof ASKS_NAME | null }>> = {
    'modern clients, legacy server': { open: (key, user) => modernByHand(`${gateway.url}/s/legacy/mcp`, key, user), asking: ASKS_BACK },
    'modern clients, HTTP+SSE server': { open: (key, user) => modernByHand(`${gateway.url}/s/old/mcp`, key, user), asking: ASKS_BACK },
    'legacy clients, modern server': { open: (key, user) => streamableByHand(`${gateway.url}/s/modern/mcp`, key, '2025-11-25', user), asking: ASKS_NAME },
    'HTTP+SSE clients, modern server': { open: (key) => channelByHand(`${gateway.url}/s/modern/mcp`, key, undefined), asking: null },
    'HTTP+SSE clients, legacy server': { open: (key) => channelByHand(`${gateway.url}/s/legacy/mcp`, key, undefined), asking: null },
  };
  it.each(Object.keys(CELLS))('%s: everybody hears their own answers, questions and progress, and nobody else’s', async (cell) => {
    const { open, asking } = CELLS[cell] as (typeof CELLS)[string];
    const found = (text: string): readonly string[] => [...new Set(text.match(/n[0-9a-f]{24}n/g) ?? [])];
    const people = await Promise.all(callers.map(async ({ key }) => {
      const nonce = `n${randomBytes(12).toString('hex')}n`;
      const asked: string[] = [];
      const client = await open(key, ({ message }) => {
        asked.push(message);
        return { action: 'accept', content: asking?.answer(nonce) ?? {} };
      });
      return { nonce, asked, client, progress: [] as number[] };
    }));
    const told = await Promise.all(people.map(async ({ nonce, client, progress }) => ({
      echo: await client.call('echo', JSON.stringify({ text: nonce })),
      progress: await client.call('test_tool_with_progress', '{}', { onProgress: (heard) => progress.push(heard.progress) }),
      asked: asking === null ? null : await client.call(asking.tool, asking.arguments(nonce)),
    })));
    await Promise.all(people.map(({ client }) => client.close()));
    const wrong = people.flatMap(({ nonce, asked, progress }, n) => {
      const mine = told[n];
      const foreign = found(`${mine?.echo.raw} ${mine?.asked?.raw ?? ''} ${asked.join()}`).filter((one) => one !== nonce);
      const isRight = foreign.length === 0 && found(mine?.echo.words ?? '').length === 1 && progress.join() === '0,50,100' && mine?.progress.error === null && (mine.asked === null || (asked.length === 1 && mine.asked.words.includes(nonce)));
      return isRight ? [] : [`caller ${n} (${nonce}): foreign ${foreign.join()}; echo ${mine?.echo.raw}; progress ${progress.join()} ${mine?.progress.raw}; asked ${asked.join('|')}: ${mine?.asked?.raw}`];
    });
    expect(wrong.slice(0, 3), `${wrong.length} of ${CALLERS}`).toEqual([]);
  }, 180_000);
});

/** Everything a client can tell, without what differs between any two answers, and without what it wrote itself. */
const shown = ({ status, headers, text }: { readonly status: number; readonly headers: Headers | Record<string, unknown>; readonly text: string }, ...own: readonly string[]): string => {
  const all = headers instanceof Headers ? Object.fromEntries(headers) : headers;
  const id = String(all['x-correlation-id']);
  const stable = Object.entries(all).filter(([name]) => !['date', 'x-correlation-id'].includes(name));
  return own.reduce((shorter, one) => shorter.replaceAll(one, 'OWN'), JSON.stringify([status, stable, text.replaceAll(id, 'CORRELATION')]));
};
/** Of the same length, made of the same letters. */
const inventedLike = (text: string): string => text.replaceAll(/[A-Za-z0-9]/g, (letter) => {
  const from = /[0-9]/.test(letter) ? '0123456789' : /[a-z]/.test(letter) ? 'abcdefghijklmnopqrstuvwxyz' : 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
  return from[randomBytes(1).readUInt8() % from.length] as string;
});
const ASKABLE = { ...META, 'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } } };
const WITH_TASKS = { ...META, 'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/tasks': {} } } };

describe('in the hands of another caller', () => {
  it.each([['legacy', 'test_elicitation', { message: 'mine alone' }, { response: 'stolen' }], ['old', 'test_elicitation', { message: 'mine alone' }, { response: 'stolen' }], ['modern', 'test_input_required_result_request_state', {}, { ok: true }]] as const)(
    'the state of a call to %s that waits for its user opens nothing, and the call lives on', async (server, name, args, content) => {
      const path = `/s/${server}/mcp`;
      const asked = (await gateway.modern(A, path, 'tools/call', { name, arguments: args, _meta: ASKABLE })).body.result;
      expect(asked.resultType).toBe('input_required');
      const [question] = Object.keys(asked.inputRequests);
      const retry = (key: string, at: string, requestState: string, words: object = args, text: object = content): Promise<Reply> =>
        gateway.modern(key, at, 'tools/call', { name, arguments: words, inputResponses: { [question as string]: { action: 'accept', content: text } }, requestState, _meta: ASKABLE });
      const invented = shown(await retry(B, path, inventedLike(asked.requestState)));
      expect(invented).toContain('dispatch.state');
      expect(shown(await retry(B, path, asked.requestState)), 'another caller').toBe(invented);
      expect(shown(await retry(A, path === '/s/legacy/mcp' ? '/s/old/mcp' : '/s/legacy/mcp', asked.requestState)), 'another server').toBe(invented);
      if (server !== 'modern') expect(shown(await retry(A, path, asked.requestState, { message: 'something else' })), 'other arguments').toBe(invented);
      expect(JSON.stringify([legacy.seenBodies, old.seenBodies])).not.toContain('stolen');
      const answered = await retry(A, path, asked.requestState, args, server === 'modern' ? { ok: true } : { response: 'said by its owner' });
      expect(answered.text).toContain(server === 'modern' ? 'state-ok' : 'said by its owner');
      if (server !== 'modern') expect(shown(await retry(A, path, asked.requestState)), 'once more').toBe(invented);
    });

  it.each(['/s/modern/mcp', '/s/legacy/mcp', '/s/old/mcp'])('a session at %s is as unknown as one that never was', async (path) => {
    const mine = await openTalk(gateway, A, path);
    const act = async (method: string, session: string): Promise<string> => {
      const answer = await fetch(gateway.url + path, {
        method, headers: { 'content-type': 'application/json', accept: method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream', 'x-api-key': B, 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' },
        ...(method === 'POST' ? { body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: { text: 'stolen' } } }) } : {}), signal: AbortSignal.timeout(5_000),
      });
      return shown({ status: answer.status, headers: answer.headers, text: await answer.text() });
    };
    for (const method of ['POST', 'GET', 'DELETE']) {
      const unknown = await act(method, randomBytes(32).toString('base64url'));
      expect(unknown).toMatch(/^\[404/);
      expect(await act(method, mine.id), method).toBe(unknown);
    }
    expect((await mine.call(5, 'echo', { text: 'alive' })).text, 'it lives on').toContain('alive');
  });

  it.each(['modern', 'legacy'])('a channel to %s takes no message of another', async (server) => {
    const url = `${gateway.url}/s/${server}/mcp`;
    const mine = await openChannel(url, { 'x-api-key': A });
    await mine.ask(1, 'initialize', { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'old', version: '1' } });
    const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: { text: 'stolen' } } };
    const send = async (key: string, endpoint: string): Promise<string> => shown(await postTo(new URL(endpoint, url).href, call, { 'x-api-key': key }));
    const invented = mine.endpoint.replace(/[^/]{43}$/, () => randomBytes(32).toString('base64url'));
    const unknown = await send(B, invented);
    expect(unknown).toMatch(/^\[4\d\d/);
    expect(await send(B, mine.endpoint), 'another caller').toBe(unknown);
    expect(await send(A, invented.replace(/\/s\/[^/]+/, '/s/old')), 'its owner elsewhere').toBe(await send(A, mine.endpoint.replace(/\/s\/[^/]+/, '/s/old')));
    expect((await mine.ask(2, 'tools/call', { name: 'echo', arguments: { text: 'alive' } })).result.content[0].text).toContain('alive');
    expect(mine.text()).not.toContain('stolen');
    mine.close();
  });

  it.each(['paging', 'paging-legacy'])('a cursor of %s leads nowhere, in either era', async (server) => {
    const path = `/s/${server}/mcp`;
    const pages: Readonly<Record<string, (key: string, cursor?: string) => Promise<Reply>>> = {
      modern: (key, cursor) => gateway.modern(key, path, 'prompts/list', cursor === undefined ? {} : { cursor }),
      legacy: async (key, cursor) => (await openTalk(gateway, key, path)).send({ id: 1, method: 'prompts/list', params: cursor === undefined ? {} : { cursor } }),
    };
    for (const [era, page] of Object.entries(pages)) {
      const cursor = (await page(A)).body.result.nextCursor as string;
      expect(cursor, era).not.toContain('page-two');
      const unknown = shown(await page(B, inventedLike(cursor)));
      expect(unknown).toContain('dispatch.state');
      expect(shown(await page(B, cursor)), era).toBe(unknown);
      expect((await page(A, cursor)).body.result.prompts, era).toEqual([{ name: 'second' }]);
    }
    expect(paging.seen.map(({ json: { params } }) => JSON.stringify(params)).filter((params) => params?.includes('"cursor"') === true && !params.includes('page-two')), 'no other cursor ever arrived').toEqual([]);
  });

  it.each(['tasks/get', 'tasks/update', 'tasks/cancel'])('a task does not answer to %s', async (method) => {
    const made = (await gateway.modern(A, '/s/paging/mcp', 'tools/call', { name: 'long', arguments: {}, _meta: WITH_TASKS })).body.result;
    expect(made.resultType).toBe('task');
    const about = async (key: string, taskId: string): Promise<Reply> => {
      const answer = await fetch(`${gateway.url}/s/paging/mcp`, {
        method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { taskId, _meta: WITH_TASKS } }),
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'x-api-key': key, 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, 'mcp-name': taskId },
      });
      const text = await answer.text();
      return { status: answer.status, headers: answer.headers, text, body: JSON.parse(text) };
    };
    const invented = inventedLike(made.taskId);
    const unknown = shown(await about(B, invented), invented);
    expect(shown(await about(B, made.taskId), made.taskId)).toBe(unknown);
    expect((await about(A, made.taskId)).body.result?.taskId).toBe(made.taskId);
    expect(paging.seen.filter(({ json: sent }) => sent['method'] === method), 'the server heard of its owner’s alone').toHaveLength(1);
  });

  it('a question is not theirs to answer', async () => {
    const heard: { readonly id: unknown }[] = [];
    const path = '/s/modern/mcp';
    const theirs = await openTalk(gateway, B, path);
    let stolen: string | null = null;
    let unknown: string | null = null;
    const mine = await streamableByHand(gateway.url + path, A, '2025-11-25', () => ({ action: 'accept', content: { name: 'its owner' } }), async (raw) => {
      const { id } = JSON.parse(raw) as { id: unknown };
      heard.push({ id });
      const answer = (to: unknown): Promise<Reply> => theirs.send({ id: to, result: { action: 'accept', content: { name: 'a thief' } } });
      unknown = shown(await answer(typeof id === 'string' ? inventedLike(id) : 4_711));
      stolen = shown(await answer(id));
    });
    const told = await mine.call('test_input_required_result_elicitation', '{}');
    expect(heard).toHaveLength(1);
    expect(stolen).toBe(unknown);
    expect(told.words).toBe('Hello, its owner!');
    await mine.close();
  });
});
