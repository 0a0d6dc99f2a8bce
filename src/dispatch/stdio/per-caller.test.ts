import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { closeAll, refusalOf, rig, root, server, type StdioRig } from '../../../test/kit/stdio-rig.ts';
import type { Question, Reply, RequestOptions } from '../upstream.ts';

afterEach(closeAll);

const PER_CALLER = { processes: 'per_caller' } as const;
const ELICITATION = '{"elicitation":{}}';
const accept = (text: string): Reply => ({ result: `{"action":"accept","content":{"text":"${text}"}}` });
const until = async (is: () => boolean): Promise<void> => {
  for (let i = 0; i < 600 && !is(); i++) await sleep(10);
  expect(is()).toBe(true);
};
/**
 * `ask`: asks the client and answers with what it said. `askFor`: asks `times` times without being asked to. `wait`: answers when told by
 * `let-go`. `told`: what was heard of it all.
 */
const asking = (extra = '', before = ''): string[] => server(`
  if (m.method === 'ask') { qs[++q] = m; return send({ id: q, method: m.params.method ?? 'elicitation/create', params: { message: m.params.message } }); }
  if (m.method === undefined) { replies.push(line); const of = qs[m.id]; if (of && of.id) send({ id: of.id, result: { pid: process.pid, declared, said: m.result ?? m.error } }); return; }
  if (m.method === 'wait') { waiting.push(m.id); return; }
  if (m.method === 'let-go') { for (const id of waiting.splice(0)) send({ id, result: {} }); return ok({}); }
  if (m.method === 'askNow') { qs[++q] = {}; send({ id: q, method: 'elicitation/create', params: { message: 'whose?' } }); return setTimeout(() => ok({ replies }), 100); }
  if (m.method === 'notifications/cancelled') { replies.push('cancelled ' + m.params.requestId); return; }
  if (m.method === 'log') { for (const level of ['debug', 'info', 'error']) send({ method: 'notifications/message', params: { level, data: m.params.data } }); return ok({}); }
  if (m.method === 'logging/setLevel') { levels.push(m.params.level); return ok({}); }
  if (m.method === 'told') return ok({ pid: process.pid, declared, replies, levels, waiting: waiting.length });
  if (m.method === 'die') process.exit(3);
  ${extra}`, `
  ${before} const qs = {}, replies = [], waiting = [], levels = []; let q = 0, declared;
  const first = (f) => (m, line) => { if (m.method === 'initialize') declared = m.params.capabilities; return f(m, line); };
  on = first(on);`);
const parsed = async (work: Promise<{ result: string | null }>): Promise<Record<string, any>> => JSON.parse((await work).result ?? 'null') as Record<string, any>; // test
const as = (principalId: string, more: Partial<RequestOptions> = {}): Partial<RequestOptions> => ({ principalId, capabilities: ELICITATION, ...more });

test('two principals at once, equal ids: each is asked by its own process, which heard what its client declared', async () => {
  const r = rig(asking(), PER_CALLER);
  await r.up();
  const asked: Record<string, Question[]> = { alice: [], bob: [] };
  const both = await Promise.all(['alice', 'bob'].map((who) => parsed(r.ask('ask', { message: `for ${who}`, big: 1 }, as(who, {
    onQuestion: async (question) => {
      asked[who]?.push(question);
      await sleep(30);
      return accept(`of ${who}`);
    },
  })))));
  expect(both.map((one) => one['said'].content.text)).toEqual(['of alice', 'of bob']);
  expect(both[0]?.['declared']).toEqual({ elicitation: {} });
  expect(both[0]?.['pid']).not.toBe(both[1]?.['pid']);
  expect(asked['alice']).toEqual([{ method: 'elicitation/create', paramsText: '{"message":"for alice"}', params: { message: 'for alice' } }]);
  expect(asked['bob']?.map((one) => one.params['message'])).toEqual(['for bob']);
  // The same principal again: the same process. With other capabilities, or for the catalog: another one.
  const again = await parsed(r.ask('told', {}, as('alice')));
  expect(again['pid']).toBe(both[0]?.['pid']);
  const plain = await parsed(r.ask('told', {}, as('alice', { capabilities: '{}' })));
  const own = await parsed(r.ask('told', {}, as('')));
  expect(new Set([both[0]?.['pid'], both[1]?.['pid'], plain['pid'], own['pid']]).size).toBe(4);
  expect([plain['declared'], own['declared']]).toEqual([{}, {}]);
});

test('a question that may belong to several calls is declined; to the one that is not waiting for its client it is put', async () => {
  const r = rig(asking(), PER_CALLER);
  await r.up();
  const heard: string[] = [];
  const options = (name: string, reply: () => Promise<Reply>): Partial<RequestOptions> => as('p', { onQuestion: (question) => { heard.push(`${name}: ${String(question.params['message'])}`); return reply(); } });
  const wait = r.ask('wait', {}, options('wait', async () => accept('x')));
  const both = await parsed(r.ask('askNow', {}, options('askNow', async () => accept('x'))));
  expect(both['replies']).toEqual(['{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}']);
  expect(heard).toEqual([]);
  expect(r.logged.some((line) => line.startsWith('declined a question'))).toBe(true);
  await r.ask('let-go', {}, as('p'));
  await wait;
  let answer: (reply: Reply) => void = () => undefined;
  const open = parsed(r.ask('ask', { message: 'first' }, options('first', () => new Promise((resolve) => (answer = resolve)))));
  await until(() => heard.includes('first: first'));
  const other = await parsed(r.ask('askNow', {}, options('other', async () => accept('second'))));
  expect(heard).toEqual(['first: first', 'other: whose?']);
  expect(other['replies'].at(-1)).toContain('second');
  answer(accept('at last'));
  expect((await open)['said'].content.text).toBe('at last');
});

test('what was not declared, what nobody answers, and what is asked after all calls have ended is declined', async () => {
  const r = rig(asking(`if (m.method === 'askLater') { setTimeout(() => { qs[++q] = {}; send({ id: q, method: 'elicitation/create', params: {} }); }, 30); return ok({}); }`), PER_CALLER);
  await r.up();
  const never = async (): Promise<Reply> => { throw new Error('must not be asked'); };
  expect((await parsed(r.ask('ask', { method: 'sampling/createMessage' }, as('p', { onQuestion: never }))))['said']).toMatchObject({ code: -32601 });
  expect((await parsed(r.ask('ask', { method: 'elicitation/create' }, as('p', { onQuestion: null }))))['said']).toMatchObject({ code: -32601 });
  await r.ask('askLater', {}, as('p', { onQuestion: never }));
  await sleep(80);
  expect((await parsed(r.ask('told', {}, as('p'))))['replies'].at(-1)).toContain('-32601');
});

test('shared: nobody is asked, nothing is declared, logs stay where they are', async () => {
  const r = rig(asking());
  await r.up();
  const heard: string[] = [];
  const options = as('p', { logLevel: 'debug', onNotification: (method) => void heard.push(method), onQuestion: async () => { heard.push('asked'); return accept('x'); } });
  expect(await parsed(r.ask('ask', {}, options))).toMatchObject({ declared: {}, said: { code: -32601 } });
  await r.ask('log', { data: 'x' }, options);
  expect((await parsed(r.ask('told', {}, as('q'))))['levels']).toEqual([]);
  expect(heard).toEqual([]);
});

test('the time stands still while the client is asked, and goes on where it stood', async () => {
  const r = rig(asking(), PER_CALLER);
  await r.up();
  await r.ask('told', {}, as('p'));
  const slow = async (): Promise<Reply> => { await sleep(700); return accept('late'); };
  expect((await parsed(r.ask('ask', {}, as('p', { timeoutMs: 300, onQuestion: slow }))))['said'].content.text).toBe('late');
  const from = performance.now();
  const silent = rig(server(`if (m.method === 'ask') send({ id: 'q', method: 'elicitation/create', params: {} });`), PER_CALLER);
  await silent.up();
  await refusalOf(silent.ask('x', {}, as('p', { timeoutMs: 50 })));
  await sleep(2_100); // a call that was given up may still be spoken of
  const asked = performance.now();
  expect(await refusalOf(silent.ask('ask', {}, as('p', { timeoutMs: 300, onQuestion: slow })))).toMatchObject({ code: 'dispatch.timeout', effect: 'unknown' });
  expect(performance.now() - asked).toBeGreaterThan(900);
  expect(performance.now() - asked).toBeLessThan(1_800);
  expect(from).toBeLessThan(asked);
});

test('giving up while the client is asked: the server is told, the reply is dropped; for a while nothing is laid to another call', async () => {
  const r = rig(asking(), PER_CALLER);
  await r.up();
  const controller = new AbortController();
  let answer: (reply: Reply) => void = () => undefined;
  let asked = false;
  const gone = refusalOf(r.ask('ask', {}, as('p', { signal: controller.signal, onQuestion: () => new Promise((resolve) => { asked = true; answer = resolve; }) })));
  await until(() => asked);
  controller.abort();
  expect(await gone).toMatchObject({ code: 'dispatch.cancelled', effect: 'unknown' });
  answer(accept('too late'));
  const other: string[] = [];
  const now = await parsed(r.ask('askNow', {}, as('p', { onQuestion: async () => { other.push('asked'); return accept('x'); } })));
  expect(other).toEqual([]);
  expect(now['replies'].filter((line: string) => line.includes('too late'))).toEqual([]);
  expect(now['replies'][0]).toMatch(/^cancelled \d+$/);
  expect(now['replies'].at(-1)).toContain('-32601');
});

test('a late answer to a call that was given up ends the doubt at once', async () => {
  const r = rig(asking(), PER_CALLER);
  await r.up();
  await refusalOf(r.ask('wait', {}, as('p', { timeoutMs: 100 })));
  await r.ask('let-go', {}, as('p'));
  const now = await parsed(r.ask('askNow', {}, as('p', { onQuestion: async () => accept('mine') })));
  expect(now['replies'].at(-1)).toContain('mine');
});

test('ids of questions keep their digits, replies stay on one line', async () => {
  const r = rig(server(`
    if (m.method === 'go') { of = m.id; return raw('{"jsonrpc":"2.0","id":12345678901234567890,"method":"elicitation/create","params":{"n":12345678901234567890}}\\n'); }
    if (m.method === undefined) send({ id: of, result: { line } });`, 'let of;'), PER_CALLER);
  await r.up();
  const seen: string[] = [];
  const { line } = await parsed(r.ask('go', {}, as('p', { onQuestion: async (question) => { seen.push(question.paramsText); return { result: '{"a":\n{"jsonrpc":"2.0","id":1,"method":"x"}\n,"b":2}' }; } })));
  expect(line).toContain('"id":12345678901234567890,');
  expect(line).toContain('"b":2');
  expect(seen).toEqual(['{"n":12345678901234567890}']);
});

test('log messages go to the one call that runs, from its level up; the server is told the lowest level once', async () => {
  const r = rig(asking(), PER_CALLER);
  await r.up();
  const heard: string[] = [];
  const options = (level: RequestOptions['logLevel']): Partial<RequestOptions> => as('p', { logLevel: level, onNotification: (method, text) => void heard.push(`${method} ${(JSON.parse(text) as { level: string }).level}`) });
  await r.ask('log', { data: 1 }, options('info'));
  expect(heard).toEqual(['notifications/message info', 'notifications/message error']);
  await r.ask('log', { data: 1 }, options('error'));
  expect(heard.slice(2)).toEqual(['notifications/message error']);
  await r.ask('log', { data: 1 }, options(null));
  expect(heard.length).toBe(3);
  const wait = r.ask('wait', {}, options('debug'));
  while ((await parsed(r.ask('told', {}, as('p'))))['waiting'] === 0) await sleep(10);
  await r.ask('log', { data: 1 }, options('debug')); // could be either's
  expect(heard.length).toBe(3);
  await r.ask('let-go', {}, as('p'));
  await wait;
  expect((await parsed(r.ask('told', {}, as('p'))))['levels']).toEqual(['info', 'debug']);
});

test('no more processes than allowed: the idlest that runs nothing gives way, and when all are busy the newcomer is refused', async () => {
  const r = rig(asking('', 'const exit = process.exit; process.exit = (code) => setTimeout(exit, 200, code);'), PER_CALLER, {}, { maxProcesses: 2 });
  await r.up();
  const pid = async (who: string): Promise<number> => (await parsed(r.ask('told', {}, as(who))))['pid'] as number;
  const alice = await pid('alice');
  const bob = await pid('bob');
  const busy = r.ask('wait', {}, as('alice'));
  await pid('carol'); // bob, idle, gives way although alice was used longer ago
  expect(isAlive(bob)).toBe(false);
  expect(await pid('alice')).toBe(alice);
  const busyToo = r.ask('wait', {}, as('carol'));
  await sleep(50);
  expect(await refusalOf(r.ask('told', {}, as('dave')))).toMatchObject({ code: 'dispatch.unavailable', effect: 'none' });
  for (const who of ['alice', 'carol']) await r.ask('let-go', {}, as(who));
  await Promise.all([busy, busyToo]);
  await pid('dave');
  expect([alice].filter(isAlive).length).toBe(0);
});

test('an idle process is ended, and started again when it is needed', async () => {
  const r = rig(asking(), PER_CALLER, {}, { idleMs: 150 });
  await r.up();
  const first = (await parsed(r.ask('told', {}, as('p'))))['pid'] as number;
  await until(() => !isAlive(first));
  expect(r.upstream.state()).toEqual({ ok: true }); // the gateway's own stays
  expect((await parsed(r.ask('told', {}, as('p'))))['pid']).not.toBe(first);
  const busy = refusalOf(r.ask('wait', {}, as('p', { timeoutMs: 600 })));
  expect((await busy).code).toBe('dispatch.timeout'); // and not ended under the call
});

test('kill -9 of a caller’s process: its calls fail as unknown, nobody else’s do, the next call gets a new one', async () => {
  const r = rig(asking(), PER_CALLER);
  await r.up();
  const [alice, bob] = await Promise.all(['alice', 'bob'].map(async (who) => (await parsed(r.ask('told', {}, as(who))))['pid'] as number));
  const dies = refusalOf(r.ask('wait', {}, as('alice')));
  const lives = r.ask('wait', {}, as('bob'));
  await sleep(50);
  process.kill(alice ?? 0, 'SIGKILL');
  expect(await dies).toMatchObject({ code: 'dispatch.crashed', effect: 'unknown', note: 'ended by SIGKILL' });
  expect(await refusalOf(r.ask('told', {}, as('alice')))).toMatchObject({ code: 'dispatch.unavailable', effect: 'none' }); // the back-off
  expect((await parsed(r.ask('told', {}, as('bob'))))['waiting']).toBe(1);
  await sleep(300);
  const next = await parsed(r.ask('told', {}, as('alice')));
  expect(next).toMatchObject({ waiting: 0 }); // nothing was sent again
  expect(next['pid']).not.toBe(alice);
  await r.ask('let-go', {}, as('bob'));
  expect((await lives).result).toBe('{}');
  expect(isAlive(bob ?? 0)).toBe(true);
  expect(r.upstream.state()).toEqual({ ok: true });
});

test('a caller’s process that dies at once is started ever more slowly', async () => {
  const r = rig(server('', `const inner = on; on = (m, l) => { if (m.method === 'initialize' && m.params.capabilities.elicitation) process.exit(9); inner(m, l); };`), PER_CALLER);
  await r.up();
  const from = performance.now();
  while (performance.now() - from < 1_000) {
    expect((await refusalOf(r.ask('x', {}, as('p')))).effect).toBe('none');
    await sleep(5);
  }
  expect(r.logged.filter((line) => line.startsWith('server ended')).length).toBe(0);
  expect(r.upstream.state()).toEqual({ ok: true });
});

test('modern servers get the capabilities and the level with each request, from one process for each principal', async () => {
  const modern = server('', `on = (m) => { const ok = (result) => send({ id: m.id, result }); if (m.method === 'server/discover') return ok({ supportedVersions: ['2026-07-28'], capabilities: {}, resultType: 'complete' }); if (m.method === 'subscriptions/listen') return; ok({ pid: process.pid, meta: m.params._meta, resultType: 'complete' }); };`);
  const r = rig(modern, PER_CALLER);
  await r.up();
  const one = await parsed(r.ask('x', {}, as('p', { logLevel: 'warning' })));
  expect(one['meta']).toMatchObject({ 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} }, 'io.modelcontextprotocol/logLevel': 'warning' });
  const two = await parsed(r.ask('x', {}, as('p', { capabilities: '{"sampling":{}}' })));
  expect(two['pid']).toBe(one['pid']);
  expect(two['meta']).toMatchObject({ 'io.modelcontextprotocol/clientCapabilities': { sampling: {} } });
  expect((await parsed(r.ask('x', {}, as('q'))))['pid']).not.toBe(one['pid']);
  const shared = rig(modern);
  await shared.up();
  expect((await parsed(shared.ask('x', {}, as('p'))))['meta']).toMatchObject({ 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } });
});

async function watched(r: StdioRig, uri: string): Promise<{ heard: string[]; stop: () => void }> {
  const heard: string[] = [];
  return { heard, stop: await r.upstream.watch(uri, (text) => void heard.push(text)) };
}

test('watch, legacy: one subscription, updates as written, taken up again after a restart', async () => {
  const r = rig(server(`
    if (m.method === 'resources/subscribe') { if (m.params.uri === 'no://') return send({ id: m.id, error: { code: -32602, message: 'no' } }); subs.push(m.params.uri); ok({}); return raw('{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"' + m.params.uri + '","n":12345678901234567890}}\\n'); }
    if (m.method === 'resources/unsubscribe') { subs.push('-' + m.params.uri); return ok({}); }
    if (m.method === 'subs') return ok({ subs });
    if (m.method === 'die') process.exit(3);`, 'const subs = [];'));
  await r.up();
  const one = await watched(r, 'a://1');
  const two = await watched(r, 'a://1');
  await expect(watched(r, 'no://')).rejects.toMatchObject({ refusal: { effect: 'none' } });
  expect((await parsed(r.ask('subs')))['subs']).toEqual(['a://1']);
  await until(() => one.heard.length > 0);
  expect(one.heard[0]).toBe('{"uri":"a://1","n":12345678901234567890}');
  await refusalOf(r.ask('die'));
  await r.up();
  await until(() => two.heard.length > 1);
  expect((await parsed(r.ask('subs')))['subs']).toEqual(['a://1']);
  one.stop();
  expect((await parsed(r.ask('subs')))['subs']).toEqual(['a://1']);
  two.stop();
  expect((await parsed(r.ask('subs')))['subs']).toEqual(['a://1', '-a://1']);
});

test('watch: callers’ processes say nothing of resources, and a server that offers no subscriptions is not asked', async () => {
  const r = rig(server(`
    if (m.method === 'resources/subscribe') return ok({});
    if (m.method === 'touch') { send({ method: 'notifications/resources/updated', params: { uri: 'a://1', of: m.params.of } }); return ok({}); }`), PER_CALLER);
  await r.up();
  const one = await watched(r, 'a://1');
  await r.ask('touch', { of: 'caller' }, as('p'));
  await r.ask('touch', { of: 'all' }, as(''));
  await until(() => one.heard.length > 0);
  expect(one.heard).toEqual(['{"uri":"a://1","of":"all"}']);
  const without = rig(server('ok({});', `const inner = on; on = (m, l) => (m.method === 'initialize' ? send({ id: m.id, result: { protocolVersion: '2025-06-18', capabilities: { resources: {} }, serverInfo: { name: 'h', version: '1' } } }) : inner(m, l));`));
  await without.up();
  await expect(watched(without, 'a://1')).rejects.toMatchObject({ refusal: { code: 'dispatch.translation', effect: 'none' } });
});

test('watch, modern, on the official SDK: updates, and after a restart again', async () => {
  const r = rig([process.execPath, `${root}test/kit/fixture/stdio.ts`], { era: 'modern' });
  await r.up();
  const one = await watched(r, 'test://watched-resource');
  const tell = (): Promise<unknown> => r.ask('tools/call', { name: 'test_update_resource', arguments: {} });
  await tell();
  await until(() => one.heard.length > 0);
  expect(one.heard[0]).toContain('test://watched-resource');
  await refusalOf(r.ask('tools/call', { name: 'crash', arguments: {} }));
  await r.up();
  await until(() => one.heard.includes('{"uri":"test://watched-resource"}'));
  const before = one.heard.length;
  await tell();
  await until(() => one.heard.length > before);
  one.stop();
  const after = one.heard.length;
  await sleep(50);
  await tell();
  await sleep(100);
  expect(one.heard.length).toBe(after);
});

test('lists: each kind is told by itself', async () => {
  const r = rig(server(`if (m.method === 'x') { for (const kind of ['prompts', 'resources', 'prompts']) send({ method: 'notifications/' + kind + '/list_changed' }); ok({}); }`));
  const changes: string[] = [];
  r.upstream.onChanged((change) => void changes.push(change));
  await r.up();
  await r.ask('x');
  await until(() => changes.length >= 3);
  expect(changes).toEqual(['connected', 'prompts', 'resources']);
});

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
