import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { know, LEGACY, modernHeaders, modernMeta, post, principal, result, type RoomUnderTest, startRoom } from '../../test/kit/receive-room.ts';
import type { Outcome } from '../call/call.ts';
import type { Refusal } from '../call/refusal.ts';
import { REFUSALS, type RefusalCode } from '../call/refusals.ts';
import { refusalTable } from './refusal-table.ts';

let outcome: Outcome;
let room: RoomUnderTest;
beforeAll(async () => {
  room = await startRoom((call) => {
    know(call, { principal });
    return Promise.resolve(outcome);
  }, { resource_metadata_url: 'https://gw.example.org/.well-known/oauth-protected-resource' });
});
afterAll(() => room.receive.drain(0));

const stop = (refusal: Refusal): void => void (outcome = { effect: 'none', refusal });
const legacyCall = (method = 'tools/call', params: object = { name: 'n' }): ReturnType<typeof post> => post(room.port, { jsonrpc: '2.0', id: 'i', method, params });
const modernCall = (): ReturnType<typeof post> => post(room.port, { jsonrpc: '2.0', id: 'i', method: 'tools/call', params: { name: 'n', _meta: modernMeta } }, modernHeaders('tools/call', 'n'));
const restCall = (tool = 'n'): ReturnType<typeof post> => post(room.port, { tool, inputs: {} }, { 'content-type': 'application/json', 'x-api-key': 'k' }, '/tool');
const isHidden = (code: string): boolean => code.startsWith('authorize.') || code.startsWith('resolve.unknown_tool') || code === 'resolve.unknown_method';
const withoutIds = (text: string): string => text.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID').replace(/"latency_ms":\d+/, '"latency_ms":0');

describe('every refusal', () => {
  it.each([...REFUSALS.keys()].map((code) => [code as RefusalCode]))('%s is told as the catalogue says, in both doors and eras', async (code) => {
    const row = REFUSALS.get(code)!;
    stop({ code, tell: 'MORE', note: 'SECRET', retryAfterMs: 1500 });
    const [legacy, modern, list, rest] = [await legacyCall(), await modernCall(), await legacyCall('resources/list', {}), await restCall()];
    for (const answer of [legacy, modern, list, rest]) {
      expect(answer.text).not.toContain('SECRET');
      expect(answer.headers['x-correlation-id']).toMatch(/^[0-9a-f-]{36}$/);
      if (answer.status === 401) expect(answer.headers['www-authenticate']).toMatch(/^Bearer (error="invalid_token", )?resource_metadata="https:/);
    }
    if (isHidden(code)) return;
    expect([legacy.status, modern.status, list.status, rest.status]).toEqual([row.mcp, row.mcp, row.mcp, row.rest]);
    const about = { code, correlation_id: legacy.headers['x-correlation-id'], retryable: row.retryable, retry_after_ms: 1500 };
    if (row.as === 'tool') {
      expect(legacy.json).toEqual({ jsonrpc: '2.0', id: 'i', result: { content: [{ type: 'text', text: `${row.says} MORE` }], isError: true, _meta: { 'sallyport/refusal': about } } });
      expect(modern.json.result).toMatchObject({ isError: true, resultType: 'complete' });
    } else expect(legacy.json).toEqual({ jsonrpc: '2.0', id: 'i', error: { code: row.rpc, message: `${row.says} MORE`, data: about } });
    expect(list.json).toMatchObject({ id: 'i', error: { code: row.rpc, data: { code } } });
    expect(rest.json).toMatchObject({ status: 'error', result: { code, message: `${row.says} MORE`, retryable: row.retryable }, metadata: { caller: 'alice', tool: 'n' }, warnings: [] });
    expect(rest.headers['retry-after']).toBe(row.rest === 429 || row.rest === 503 ? '2' : undefined);
  });

  it('hides: what policy refuses looks like what does not exist, byte for byte (CWE-204)', async () => {
    const answers = new Map<string, Set<string>>();
    const note = (where: string, text: string): void => void answers.set(where, (answers.get(where) ?? new Set()).add(withoutIds(text)));
    for (const code of ['resolve.unknown_tool', ...REFUSALS.keys()].filter(isHidden) as RefusalCode[]) {
      if (code === 'resolve.unknown_method') continue;
      stop({ code, tell: code, wantScopes: ['admin'], retryAfterMs: 5 });
      for (const [where, answer] of Object.entries({ legacy: await legacyCall(), modern: await modernCall(), rest: await restCall(), prompt: await legacyCall('prompts/get', { name: 'p' }), resource: await legacyCall('resources/read', { uri: 'u:x' }) })) {
        note(where, `${answer.status} ${JSON.stringify(Object.keys(answer.headers))} ${answer.text}`);
      }
    }
    expect([...answers.values()].map((set) => set.size)).toEqual([1, 1, 1, 1, 1]);
    expect([...(answers.get('legacy') ?? [])][0]).toContain('200 ');
    expect([...(answers.get('legacy') ?? [])][0]).toContain('"error":{"code":-32602,"message":"Unknown tool');
    expect([...(answers.get('rest') ?? [])][0]).toMatch(/^403 /);
    expect([...(answers.get('prompt') ?? [])][0]).toContain('Unknown prompt');
    const other = new Set<string>();
    for (const code of ['resolve.unknown_method', 'authorize.no_rule', 'authorize.rule'] as const) {
      stop({ code });
      const { status, text } = await legacyCall('x/secret', {});
      other.add(`${status} ${withoutIds(text)}`);
    }
    expect([...other]).toHaveLength(1);
    expect([...other][0]).toMatch(/^404 .*-32601/);
  });
  it('answers refused notifications with an error without an id', async () => {
    stop({ code: 'limit.rate' });
    const answer = await post(room.port, { jsonrpc: '2.0', method: 'notifications/x' });
    expect(answer.status).toBe(429);
    expect('id' in answer.json).toBe(false);
  });
});

describe('an answer', () => {
  it('keeps its bytes', async () => {
    const bytes = '{ "jsonrpc":"2.0","id":"i",\n "result":{"n":9007199254740993,"n2":1.0} }';
    outcome = result(bytes);
    expect(await legacyCall()).toMatchObject({ status: 200, text: bytes, headers: { 'content-type': 'application/json' } });
  });
  it('keeps the text of the result in POST /tool', async () => {
    outcome = result('{"jsonrpc":"2.0","id":1,"result": {"n":9007199254740993, "content":[]} }', { warnings: ['cut'] });
    const answer = await restCall();
    expect(answer.text).toContain('"result":{"n":9007199254740993, "content":[]}');
    expect(answer.json).toMatchObject({ status: 'ok', metadata: { caller: 'alice' }, warnings: ['cut'] });
    outcome = result('{"jsonrpc":"2.0","id":1,"result":{"isError":true}}', { success: false });
    expect((await restCall()).json).toMatchObject({ status: 'error', result: { isError: true } });
    outcome = result('{"jsonrpc":"2.0","id":1,"error":{"code":-5,"message":"x"}}', { success: false });
    expect((await restCall()).json).toMatchObject({ status: 'error', result: { code: -5 } });
    outcome = result('');
    expect((await restCall()).status).toBe(500);
  });
  it('shows no header but those on the list', async () => {
    outcome = result('{"jsonrpc":"2.0","id":"i","result":{}}');
    const { headers } = await post(room.port, { jsonrpc: '2.0', id: 'i', method: 'ping' }, LEGACY);
    expect(Object.keys(headers).sort()).toEqual(['cache-control', 'connection', 'content-length', 'content-type', 'date', 'x-content-type-options', 'x-correlation-id']);
  });
});

it('docs/reference/refusals.md is current (vitest -u writes it)', async () => {
  await expect(refusalTable()).toMatchFileSnapshot('../../docs/reference/refusals.md');
});
