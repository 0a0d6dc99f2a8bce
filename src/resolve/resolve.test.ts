import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { Authenticated, CallId, Era, Message } from '../call/call.ts';
import type { JsonObject } from '../call/json.ts';
import type { Principal } from '../call/principal.ts';
import type { Resolve } from './index.ts';
import { createResolve, type ServerFacts } from './index.ts';
import { type ResolveConfig, resolveConfig } from './config.ts';

interface Case {
  readonly name: string;
  readonly door?: 'rest';
  readonly server: string | null;
  readonly era: Era;
  readonly kind?: Message['kind'];
  readonly method: string;
  readonly tool?: string | null;
  readonly session?: 'none' | 'guessed' | 'stolen' | 'other_endpoint';
  readonly go?: Readonly<Record<string, unknown>>;
  readonly stop?: string;
}

const principal = (id: string): Principal => ({
  id, kind: 'api_key', caller: id, team: null, user: null, workspace: null, environment: null, agent: null, client: null, scopes: [],
  tenant: null, groups: [], roles: [], allowedTools: null, deniedTools: [], confirmTools: [], tokenAudience: null, expiresAt: null,
});
const alice = principal('key:alice');
const mallory = principal('key:mallory');

function call(over: Partial<Authenticated> & { readonly method?: string; readonly kind?: Message['kind']; readonly params?: JsonObject }): Authenticated {
  const { method = 'tools/call', kind = 'request', params = {}, ...rest } = over;
  const message: Message = { kind, method, rpcId: kind === 'request' ? 1 : null, params, bytes: Buffer.alloc(0), text: '', argumentsText: '{}', inexact: [] };
  return {
    id: '0' as CallId, receivedAt: 0, door: 'mcp', server: null, era: 'modern', version: '2026-07-28', message, name: null, sessionId: null, lastEventId: null, mirrored: [],
    presented: { authorization: null, apiKey: null, remoteAddress: '127.0.0.1' }, modelRequestId: null, signal: new AbortController().signal,
    side: { event: () => true, detached: () => undefined }, principal: alice, ...rest,
  };
}

const definition = (name: string, more: object = {}): string => JSON.stringify({ name, inputSchema: { type: 'object' }, ...more });
const TWO = [definition('read_file'), definition('delete_file')];

interface World {
  readonly lists: Map<string, () => Promise<readonly string[]>>;
  readonly asked: string[];
  readonly logged: object[];
  readonly say: (server: string) => void;
  readonly resolve: Resolve;
  readonly hands: { at: number };
}
const open: Resolve[] = [];
afterEach(() => {
  for (const r of open.splice(0)) r.close();
});

function world(servers: readonly ServerFacts[], config: Partial<ResolveConfig> = {}): World {
  const lists = new Map<string, () => Promise<readonly string[]>>();
  const asked: string[] = [];
  const logged: object[] = [];
  const hands = { at: 1000 };
  let say: (server: string) => void = () => undefined;
  const resolve = createResolve(
    { ...resolveConfig.parse({}), first_load_ms: 100, ...config },
    {
      source: {
        servers: () => servers,
        listTools: (server) => {
          asked.push(server);
          return (lists.get(server) ?? (() => Promise.resolve(TWO)))();
        },
        onChanged: (listener) => {
          say = listener;
        },
      },
      clock: { now: () => hands.at, monotonic: () => hands.at },
      timeoutMs: () => 30_000,
      log: (message, fields) => logged.push({ message, ...fields }),
    },
  );
  open.push(resolve);
  return { lists, asked, logged, say: (server) => say(server), resolve, hands };
}
const FS: ServerFacts = { name: 'fs', transport: 'stdio', era: 'modern', eras: ['modern'] };
const SERVERS: readonly ServerFacts[] = [
  FS,
  { name: 'new', transport: 'http', era: 'modern', eras: ['modern'] },
  { name: 'old', transport: 'http', era: 'legacy', eras: ['legacy'] },
  { name: 'both', transport: 'http', era: 'modern', eras: ['modern', 'legacy'] },
  { name: 'dead', transport: 'http', era: null, eras: [] },
];

describe('cases.yaml', async () => {
  const cases = parse(readFileSync(new URL('./cases.yaml', import.meta.url), 'utf8')) as readonly Case[];
  const { resolve, lists } = world(SERVERS, { methods: { 'x/harmless': { class: 'read' } } });
  lists.set('dead', () => Promise.reject(new Error('refused')));
  await resolve.start();
  const keep = (who: Principal, server: string | null): string => {
    const session = resolve.sessions.open(who, server, '2025-11-25');
    resolve.sessions.keep(session);
    return session.id;
  };
  const sessionOf = (c: Case): string | null => {
    if (c.session === 'none') return null;
    if (c.session === 'guessed') return 'guess';
    if (c.session === 'stolen') return keep(mallory, c.server);
    if (c.session === 'other_endpoint') return keep(alice, 'old');
    return c.era === 'legacy' ? keep(alice, c.server) : null;
  };
  test.each(cases.map((c) => [c.name, c] as const))('%s', async (_, c) => {
    const verdict = await resolve.stage.run(
      call({ door: c.door ?? 'mcp', server: c.server, era: c.era, kind: c.kind ?? 'request', method: c.method, name: c.tool ?? null, sessionId: sessionOf(c) }),
    );
    if (c.stop !== undefined) return expect(verdict).toMatchObject({ stop: { code: c.stop } });
    expect(verdict).toHaveProperty('go');
    const { session, ...target } = c.go ?? {};
    if ('go' in verdict) {
      expect(verdict.go.target).toMatchObject(target);
      if (session === null) expect(verdict.go.session).toBeNull();
    }
  });
});

describe('both doors', () => {
  const ref = (method: string, name: string): JsonObject => (method === 'completion/complete' ? { ref: name.startsWith('sp.') || name.includes(':') ? { type: 'ref/resource', uri: name } : { type: 'ref/prompt', name } } : {});
  test.each([
    ['prompts/get', 'hello', 'fs__hello'], ['resources/read', 'file:///a', 'sp.fs+file:///a'], ['completion/complete', 'hello', 'fs__hello'], ['completion/complete', 'file:///{x}', 'sp.fs+file:///{x}'],
  ])('%s of %s is judged, limited and recorded alike at either', (method, own, name) => {
    const { resolve } = world([FS], { methods: { 'prompts/get': { class: 'write' } } });
    const aimed = (server: string | null, as: string): unknown => resolve.stage.run(call({ server, method, name: as, params: ref(method, as) }));
    expect(aimed(null, name)).toEqual(aimed('fs', own));
    expect(aimed(null, name)).toMatchObject({ go: { target: { ...resolve.targetOf('fs', method, own), lane: 'own' } } });
  });
  test('a completion for a prompt does not pass for one for a resource, nor the other way', () => {
    const { resolve } = world([FS]);
    const aimed = (as: JsonObject, name: string): unknown => resolve.stage.run(call({ server: null, method: 'completion/complete', name, params: { ref: as } }));
    expect(aimed({ type: 'ref/prompt', name: 'sp.fs+x:y' }, 'sp.fs+x:y')).toMatchObject({ stop: { code: 'resolve.unknown_tool' } });
    expect(aimed({ type: 'ref/resource', uri: 'fs__hello' }, 'fs__hello')).toMatchObject({ stop: { code: 'resolve.unknown_tool' } });
    expect(aimed({ type: 'ref/resource', uri: 'sp.fs+ui://x' }, 'sp.fs+ui://x')).toMatchObject({ stop: { code: 'resolve.unknown_tool' } });
  });
});

describe('sessions at the door', () => {
  test('a refused initialize leaves nothing', async () => {
    const { resolve } = world(SERVERS);
    const verdict = await resolve.stage.run(call({ server: 'fs', era: 'legacy', method: 'initialize' }));
    expect(verdict).toMatchObject({ go: { session: { principalId: alice.id, server: 'fs' } } });
    expect([...resolve.sessions.all()]).toEqual([]);
  });
});

describe('the catalog', () => {
  const names = (w: World, server: string | null): readonly string[] => w.resolve.catalog.tools(server).map((t) => (server === null ? t.id : t.name));

  test('has a stable order: server name, then the server’s own order', async () => {
    const w = world([{ ...FS, name: 'zoo' }, { ...FS, name: 'ant' }]);
    w.lists.set('zoo', () => Promise.resolve([definition('b'), definition('a')]));
    await w.resolve.start();
    expect(names(w, null)).toEqual(['ant__read_file', 'ant__delete_file', 'zoo__b', 'zoo__a']);
  });
  test('a dead server delays nobody for longer than the first load may take', async () => {
    const w = world([FS, { ...FS, name: 'hangs' }]);
    w.lists.set('hangs', () => new Promise(() => undefined));
    const before = performance.now();
    await w.resolve.start();
    expect(performance.now() - before).toBeLessThan(1_000);
    expect(names(w, null)).toEqual(['fs__read_file', 'fs__delete_file']);
    expect(w.resolve.catalog.state('hangs')).toEqual({ ok: false, cause: 'not loaded yet' });
  });
  test('two tools that look alike are both withheld, and that is logged', async () => {
    const w = world([FS]);
    w.lists.set('fs', () => Promise.resolve([definition('read'), definition('Read'), definition('write'), definition('send'), definition('sеnd'), definition('x'), definition('x')]));
    await w.resolve.start();
    expect(names(w, 'fs')).toEqual(['write']);
    expect(w.logged).toHaveLength(6);
    expect(await w.resolve.stage.run(call({ server: 'fs', name: 'read' }))).toMatchObject({ stop: { code: 'resolve.unknown_tool' } });
  });
  test('a name that does not fit the aggregate stays on its own endpoint', async () => {
    const w = world([FS]);
    w.lists.set('fs', () => Promise.resolve([definition('lire/é'), definition('x'.repeat(126)), definition('ok')]));
    await w.resolve.start();
    expect(names(w, null)).toEqual(['fs__ok']);
    expect(names(w, 'fs')).toHaveLength(3);
    expect(w.resolve.catalog.find(null, 'fs__lire/é')).toBeUndefined();
    expect(w.logged).toHaveLength(2);
  });
  test.each([
    ['{"name":"a","name":"b","inputSchema":{}}'], ['[]'], ['nonsense'], [definition('')], [definition('a b')], [definition('a\u200bb')], [definition('a\u202eb')],
    ['{"name":"a"}'], ['{"name":"a","inputSchema":[]}'], [definition('big', { description: 'x'.repeat(600_000) })], [`{"name":"a","inputSchema":{},"x":${'['.repeat(300)}${']'.repeat(300)}}`],
  ])('%.60s is withheld', async (text) => {
    const w = world([FS]);
    w.lists.set('fs', () => Promise.resolve([text, definition('ok')]));
    await w.resolve.start();
    expect(names(w, 'fs')).toEqual(['ok']);
    expect(w.logged).toMatchObject([{ message: 'a tool is withheld', server: 'fs' }]);
  });
  test('keeps the last good list for stale_ms while the server is down, and says why', async () => {
    const w = world([FS], { stale_ms: 1_000 });
    await w.resolve.start();
    w.lists.set('fs', () => Promise.reject(new Error('connection refused')));
    w.hands.at += 6_000;
    w.resolve.catalog.find('fs', 'nope');
    w.say('fs');
    await expect.poll(() => w.resolve.catalog.state('fs')).toEqual({ ok: false, cause: 'connection refused' });
    expect(names(w, 'fs')).toEqual([]); // 6 s is more than stale_ms
    expect(await w.resolve.stage.run(call({ server: 'fs', name: 'read_file' }))).toMatchObject({ stop: { code: 'resolve.unavailable' } });
    expect(await w.resolve.stage.run(call({ server: 'fs', method: 'tools/list' }))).toMatchObject({ stop: { code: 'resolve.unavailable' } });
  });
  test('within stale_ms the old tools still answer', async () => {
    const w = world([FS]);
    await w.resolve.start();
    w.lists.set('fs', () => Promise.reject(new Error('connection refused')));
    w.hands.at += 6_000;
    w.say('fs');
    await expect.poll(() => w.resolve.catalog.state('fs').ok).toBe(false);
    expect(names(w, 'fs')).toEqual(['read_file', 'delete_file']);
  });
  test('a flood of list_changed causes one refresh', async () => {
    const w = world([FS]);
    await w.resolve.start();
    w.hands.at += 10_000;
    const before = w.resolve.catalog.version();
    w.lists.set('fs', () => Promise.resolve([definition('new_tool')]));
    for (let i = 0; i < 1000; i++) w.say('fs');
    await expect.poll(() => names(w, 'fs')).toEqual(['new_tool']);
    expect(w.asked).toEqual(['fs', 'fs']);
    expect(w.resolve.catalog.version()).toBeGreaterThan(before);
  });
  test('an unchanged list changes neither version nor tool objects', async () => {
    const w = world([FS]);
    await w.resolve.start();
    const [version, tool] = [w.resolve.catalog.version(), w.resolve.catalog.find('fs', 'read_file')];
    w.hands.at += 10_000;
    w.say('fs');
    await expect.poll(() => w.asked.length).toBe(2);
    await new Promise((r) => setTimeout(r, 20));
    expect(w.resolve.catalog.version()).toBe(version);
    expect(w.resolve.catalog.find('fs', 'read_file')).toBe(tool);
  });
  test('guessing names is not a load on the server: one refresh in 5 s, and no waiting', async () => {
    const w = world([FS]);
    await w.resolve.start();
    w.hands.at += 5_001;
    for (let i = 0; i < 20; i++) {
      expect(w.resolve.stage.run(call({ server: 'fs', name: `guess${i}` }))).toMatchObject({ stop: { code: 'resolve.unknown_tool' } });
      await new Promise((r) => setImmediate(r));
    }
    expect(w.asked).toEqual(['fs', 'fs']);
  });
  test('a call to a server that is still starting waits for it', async () => {
    const w = world([FS]);
    w.lists.set('fs', () => new Promise((r) => setTimeout(() => r(TWO), 20)));
    expect(await w.resolve.stage.run(call({ name: 'fs__read_file' }))).toMatchObject({ go: { target: { id: 'fs__read_file' } } });
  });
  test('a known tool is resolved without a promise', async () => {
    const w = world([FS]);
    await w.resolve.start();
    const verdict = w.resolve.stage.run(call({ name: 'fs__read_file' }));
    expect(verdict).not.toBeInstanceOf(Promise);
    expect(w.resolve.stage.run(call({ name: 'fs__read_file' }))).toEqual(verdict);
  });
  test('the operator’s class wins over inference, the most specific glob over the others', async () => {
    const w = world([FS], { tools: { 'fs__*': { class: 'admin' }, 'fs__read_*': { class: 'read' } } });
    await w.resolve.start();
    expect(w.resolve.catalog.tools('fs').map((t) => t.risk)).toEqual(['read', 'admin']);
  });
  test('more tools than allowed are not taken over', async () => {
    const w = world([FS], { max_tools: 1 });
    await w.resolve.start();
    expect(w.resolve.catalog.state('fs')).toMatchObject({ ok: false });
    expect(names(w, 'fs')).toEqual([]);
  });
  test('the digest covers every digit and every key, and nothing else', async () => {
    const digest = async (text: string): Promise<string | undefined> => {
      const w = world([FS]);
      w.lists.set('fs', () => Promise.resolve([text]));
      await w.resolve.start();
      return w.resolve.catalog.tools('fs')[0]?.digest;
    };
    const one = await digest('{"name":"a","inputSchema":{"maximum":9007199254740992}}');
    expect(one).toMatch(/^[0-9a-f]{64}$/);
    expect(await digest('{ "inputSchema" : {"maximum":9007199254740992.0}, "name":"\\u0061"}')).toBe(one);
    expect(await digest('{"name":"a","inputSchema":{"maximum":9007199254740993}}')).not.toBe(one);
    expect(await digest('{"name":"a","inputSchema":{"maximum":9007199254740992},"x-new":1}')).not.toBe(one);
  });
});

describe('the configuration', () => {
  test('an empty section works', () => expect(resolveConfig.safeParse({}).success).toBe(true));
  test.each([
    [{ tools: { 'fs__*': { class: 'read' }, '*fs__': { class: 'write' } } }],
    [{ tools: { x: { class: 'harmless' } } }],
    [{ methods: { 'tools/call': { class: 'read' } } }],
    [{ refresh: 5 }],
  ])('%o is refused', (section) => expect(resolveConfig.safeParse(section).success).toBe(false));
});

describe('channels and batches', async () => {
  const { resolve } = world(SERVERS);
  await resolve.start();
  const sessionIn = (version: string, kind: 'session' | 'channel' = 'session', who = alice, server: string | null = 'old'): string => {
    const session = resolve.sessions.open(who, server, version, kind);
    resolve.sessions.keep(session);
    return session.id;
  };
  const old = { era: 'legacy', server: 'old', version: '2024-11-05' } as const;
  const run = async (over: Parameters<typeof call>[0]) => await resolve.stage.run(call({ ...old, ...over }));

  test('a GET opens a channel, in the lane of the gateway, which nobody finds before dispatch keeps it', async () => {
    const verdict = await run({ channel: true, kind: 'stream', method: '$stream' });
    expect(verdict).toMatchObject({ go: { target: { lane: 'local', timeoutMs: null }, session: { kind: 'channel', version: '2024-11-05', principalId: alice.id, server: 'old' } } });
    expect('go' in verdict && resolve.sessions.find(verdict.go.session?.id ?? '')).toBeUndefined();
  });
  test('what comes by it is never mirrored, and initialize stays in it', async () => {
    const sessionId = sessionIn('2024-11-05', 'channel');
    expect(await run({ channel: true, sessionId, name: 'read_file' })).toMatchObject({ go: { target: { lane: 'own' }, session: { id: sessionId } } });
    expect(await run({ channel: true, sessionId, method: 'initialize' })).toMatchObject({ go: { target: { lane: 'local' }, session: { id: sessionId } } });
    expect(await run({ sessionId: sessionIn('2024-11-05'), name: 'read_file' })).toMatchObject({ go: { target: { lane: 'mirror' } } });
  });
  test.each([
    ['of another caller', sessionIn('2024-11-05', 'channel', mallory)], ['of another endpoint', sessionIn('2024-11-05', 'channel', alice, null)],
    ['that is a session', sessionIn('2024-11-05')], ['that is none', 'guess'], ['that is not named', null],
  ])('a channel %s is unknown, to initialize too', async (_, sessionId) => {
    for (const method of ['initialize', 'ping']) expect(await run({ channel: true, sessionId, method })).toEqual({ stop: { code: 'resolve.unknown_session' } });
  });
  test.each([['2024-11-05', true], ['2025-03-26', true], ['2025-06-18', false], ['2025-11-25', false]])('a session of %s may send batches: %s', async (version, may) => {
    const verdicts = [await run({ batched: true, version: '2025-03-26', sessionId: sessionIn(version), method: 'ping' }), await run({ batched: true, channel: true, sessionId: sessionIn(version, 'channel'), method: 'ping' })];
    for (const verdict of verdicts) expect('stop' in verdict ? verdict.stop.code : true).toBe(may ? true : 'receive.message');
  });
  test('a batch without a session is told so', async () => expect(await run({ batched: true, method: 'ping' })).toEqual({ stop: { code: 'receive.session_required' } }));
});
