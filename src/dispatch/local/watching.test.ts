import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Journaled } from '../../call/call.ts';
import type { Session } from '../../call/session.ts';
import { answerOf, made, principal, rig, session, until, type CallOptions, type MadeCall, type Rig } from '../../../test/kit/dispatch-rig.ts';
import type { DispatchDeps, Done } from '../room.ts';
import { UpstreamFault, type Upstream } from '../upstream.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const close of open.splice(0)) await close();
});

/** Two servers whose words the test chooses; `acts` are what they were told. */
interface Scene {
  readonly r: Rig;
  readonly acts: string[];
  readonly say: (uri: string, paramsText?: string) => void;
  readonly running: { now: number; most: number };
  /** Subscriptions wait until it is called. */
  readonly accept: { hold: boolean; go: () => void };
}
function scene(deps: Partial<DispatchDeps> = {}, capabilities: object = { resources: { subscribe: true } }): Scene {
  const acts: string[] = [];
  const listeners = new Map<string, Set<(paramsText: string) => void>>();
  const running = { now: 0, most: 0 };
  const held: (() => void)[] = [];
  const accept = { hold: false, go: () => held.splice(0).forEach((go) => go()) };
  const upstream = (name: string): Upstream => ({
    name, transport: 'stdio', era: () => 'legacy', start: () => undefined, onChanged: () => undefined, state: () => ({ ok: true }), close: async () => undefined,
    request: async () => { throw new Error('nobody asks'); },
    info: () => ({ capabilities: capabilities as never, serverInfo: { name }, instructions: null, version: '2025-11-25', askedAt: 0 }),
    watch: async (uri, onUpdated) => {
      acts.push(`+${uri}`);
      running.most = Math.max(running.most, ++running.now);
      if (accept.hold || uri === 'slow') await new Promise<void>((go) => held.push(go));
      else await new Promise((go) => setImmediate(go));
      running.now--;
      if (uri.startsWith('no')) throw new UpstreamFault({ code: 'dispatch.upstream', note: 'refused', effect: 'none' });
      const of = listeners.get(uri) ?? new Set();
      listeners.set(uri, of.add(onUpdated));
      return () => {
        acts.push(`-${uri}`);
        of.delete(onUpdated);
      };
    },
  });
  const r = rig({ files: { command: ['x'], allow_loopback: undefined }, git: { command: ['x'], allow_loopback: undefined } }, { deps: { stdio: upstream, ...deps } });
  open.push(r.close);
  const say = (uri: string, paramsText = JSON.stringify({ uri })): void => listeners.get(uri)?.forEach((listener) => listener(paramsText));
  return { r, acts, say, running, accept };
}
const told = (m: MadeCall): string[] => m.events.map((block) => block.replace(/^event: message\ndata: |\n\n$/g, ''));

describe('subscriptions/listen', () => {
  const listen = (s: Scene, uris: readonly string[], more: CallOptions = {}): MadeCall & { readonly done: Promise<Done> } => {
    const text = JSON.stringify({ jsonrpc: '2.0', id: 'sub', method: 'subscriptions/listen', params: { notifications: { resourceSubscriptions: uris } } });
    const m = made(text, { lane: 'local', era: 'modern', server: 'files', timeoutMs: null, ...more });
    return { ...m, done: Promise.resolve(s.r.dispatch.stage.run(m.call)) };
  };
  const honoured = async (m: MadeCall): Promise<string[]> => {
    await until(() => m.events.length > 0);
    return (JSON.parse(told(m)[0] ?? '') as { params: { notifications: { resourceSubscriptions?: string[] } } }).params.notifications.resourceSubscriptions ?? [];
  };

  test('a URI is judged as resources/subscribe of that caller: what is not allowed is neither acknowledged nor asked for', async () => {
    const judged: unknown[] = [];
    const s = scene({ mayUse: (who, ...rest) => judged.push([who.id, ...rest]) > 0 && rest[2] !== 'b' });
    const m = listen(s, ['a', 'b', 'no']);
    expect(await honoured(m)).toEqual(['a']);
    expect(s.acts).toEqual(['+a', '+no']);
    expect(judged).toContainEqual(['key:alice', 'files', 'resources/subscribe', 'b']);
    m.abort();
    answerOf(await m.done);
    expect(s.acts).toEqual(['+a', '+no', '-a']);
  });
  test('at the aggregate under the aggregate’s names, and pages of a server are not watched', async () => {
    const s = scene();
    const m = listen(s, ['sp.git+a', 'sp.nobody+a', 'a', 'sp.git+ui://page'], { server: null });
    expect(await honoured(m)).toEqual(['sp.git+a']);
    expect(s.acts).toEqual(['+a']);
    s.say('a');
    s.say('a', '{"uri":"a/b"}');
    expect(told(m).slice(1).map((one) => (JSON.parse(one) as { params: { uri: string } }).params.uri)).toEqual(['sp.git+a', 'sp.git+a/b']);
  });
  test('a server without subscriptions is not asked', async () => {
    const s = scene({}, { resources: {} });
    const m = listen(s, ['a']);
    expect(answerOf(await m.done).message).toMatchObject({ result: { resultType: 'complete' } });
    expect(told(m)[0]).toContain('"notifications":{}');
    expect(s.acts).toEqual([]);
  });
  test('nothing accepted: says so and ends', async () => {
    const m = listen(scene(), ['no1', 'no2']);
    expect(answerOf(await m.done).message).toMatchObject({ id: 'sub', result: { resultType: 'complete' } });
    expect(told(m)).toHaveLength(1);
  });
  test('a hundred resources a stream, eight asked for at a time', async () => {
    const s = scene();
    const uris = Array.from({ length: 130 }, (_, i) => `u${i}`);
    const m = listen(s, uris);
    expect(await honoured(m)).toEqual(uris.slice(0, 100));
    expect(s.running.most).toBe(8);
  });
  test('a thousand resources a caller in all; another caller is not concerned; given back when a stream ends', async () => {
    const s = scene();
    const uris = Array.from({ length: 100 }, (_, i) => `u${i}`);
    const streams = Array.from({ length: 10 }, () => listen(s, uris));
    for (const m of streams) expect(await honoured(m)).toHaveLength(100);
    expect(await honoured(listen(s, ['one more']))).toEqual([]);
    expect(await honoured(listen(s, ['one more'], { principal: principal('key:bob') }))).toEqual(['one more']);
    streams[0]?.abort();
    await streams[0]?.done;
    expect(await honoured(listen(s, ['one more']))).toEqual(['one more']);
  });
  test('what servers refuse is not counted', async () => {
    const s = scene();
    for (let i = 0; i < 11; i++) await listen(s, Array.from({ length: 100 }, (_, n) => `no${n}`)).done;
    expect(await honoured(listen(s, ['a']))).toEqual(['a']);
  });
  test('the acknowledgement comes first; what the server said before it follows, the latest of each', async () => {
    const s = scene();
    const m = listen(s, ['a', 'slow']);
    await until(() => s.running.now === 1);
    s.say('a', '{"uri":"a","n":1}');
    s.say('a', '{"uri":"a","n":2}');
    expect(m.events).toEqual([]);
    s.accept.go();
    expect(await honoured(m)).toEqual(['a', 'slow']);
    expect(told(m).slice(1)).toEqual([expect.stringContaining('"n":2')]);
  });
  test('the server’s words stay, but the subscription id is the client’s own', async () => {
    const s = scene();
    const m = listen(s, ['a']);
    await honoured(m);
    s.say('a', '{ "big":12345678901234567890,"_meta": {"x":1.50,"io.modelcontextprotocol/subscriptionId":"stolen"},"uri" : "a" }');
    expect(told(m)[1]).toBe('{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{ "big":12345678901234567890,"_meta": {"io.modelcontextprotocol/subscriptionId":"sub","x":1.50},"uri" : "a" }}');
  });
  test('what cannot be read alike by all is dropped', async () => {
    const s = scene();
    const m = listen(s, ['a']);
    await honoured(m);
    for (const text of ['{"uri":"a","uri":"b"}', '{"uri":7}', '[]', '{}']) s.say('a', text);
    expect(m.events).toHaveLength(1);
  });
  test('a part of what is watched is judged by itself', async () => {
    const s = scene({ mayUse: (_who, _server, _method, name) => name !== 'a/secret' });
    const m = listen(s, ['a']);
    await honoured(m);
    s.say('a', '{"uri":"a/secret"}');
    s.say('a', '{"uri":"a/open"}');
    expect(told(m).slice(1).map((one) => (JSON.parse(one) as { params: { uri: string } }).params.uri)).toEqual(['a/open']);
  });
  test('events go through the screen', async () => {
    const s = scene({ screen: (block) => (block.includes('bad') ? null : Buffer.from(block.toString().replace('dirty', 'clean'))) });
    const m = listen(s, ['a']);
    await honoured(m);
    s.say('a', '{"uri":"a","title":"bad"}');
    s.say('a', '{"uri":"a","title":"dirty"}');
    expect(told(m)).toHaveLength(2);
    expect(told(m)[1]).toContain('clean');
  });
  test('a client that leaves while servers are asked leaves nothing behind', async () => {
    const s = scene();
    s.accept.hold = true;
    const m = listen(s, Array.from({ length: 20 }, (_, i) => `u${i}`));
    await until(() => s.acts.length === 8);
    m.abort();
    s.accept.go();
    answerOf(await m.done);
    expect(s.acts.map((act) => act[0]).join('')).toBe('++++++++--------');
  });
  test('servers that do not answer hold up the acknowledgement for one time-out, not for one each', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const clock = { ms: 0 };
    const s = scene({ clock: { now: Date.now, monotonic: () => clock.ms } });
    s.accept.hold = true;
    const m = listen(s, Array.from({ length: 20 }, (_, i) => `u${i}`));
    clock.ms = 30_001;
    await vi.advanceTimersByTimeAsync(30_000);
    vi.useRealTimers();
    expect(await honoured(m)).toEqual([]);
    expect(s.acts).toHaveLength(8);
  });
  test('a server that accepts too late is let go again', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const s = scene();
    s.accept.hold = true;
    const m = listen(s, ['a']);
    await vi.advanceTimersByTimeAsync(30_000);
    vi.useRealTimers();
    expect(await honoured(m)).toEqual([]);
    s.accept.go();
    await until(() => s.acts.length === 2);
    expect(s.acts).toEqual(['+a', '-a']);
  });
});

describe('resources/subscribe', () => {
  const kept = (s: Scene, server: string | null = 'files'): Session => {
    const one = session(null, { server });
    s.r.sessions.set(one.id, one);
    return one;
  };
  const callOf = (one: Session | null, shown: string, method = 'resources/subscribe', more: CallOptions & { uri?: string; at?: string } = {}): Journaled => {
    const { call } = made(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { uri: shown } }), { lane: 'local', server: one?.server ?? 'files', session: one, ...more });
    return { ...call, name: shown, target: { ...call.target, server: more.at ?? 'files', name: more.uri ?? shown } };
  };
  const run = async (s: Scene, call: Journaled): Promise<Done> => s.r.dispatch.stage.run(call);
  const listening = async (s: Scene, one: Session): Promise<MadeCall> => {
    const m = made('', { kind: 'stream', lane: 'local', server: one.server, session: one, timeoutMs: null });
    void s.r.dispatch.stage.run(m.call);
    await until(() => m.events.length === 1);
    return m;
  };

  test('in the modern era there is no such method', async () => {
    const s = scene();
    for (const method of ['resources/subscribe', 'resources/unsubscribe']) {
      expect(answerOf(await run(s, callOf(null, 'a', method, { era: 'modern' })))).toMatchObject({ status: 404, message: { error: { code: -32601 } } });
    }
    expect(s.acts).toEqual([]);
  });
  test('nor at a server that has no subscriptions', async () => {
    const s = scene({}, { resources: {} });
    expect(answerOf(await run(s, callOf(kept(s), 'a'))).message).toMatchObject({ error: { code: -32601 } });
    expect(s.acts).toEqual([]);
  });
  test('one subscription however often it is asked for; a refusal is told and not kept', async () => {
    const s = scene();
    const one = kept(s);
    await Promise.all([run(s, callOf(one, 'a')), run(s, callOf(one, 'a'))]);
    expect(answerOf(await run(s, callOf(one, 'a'))).message).toMatchObject({ result: {} });
    expect(s.acts).toEqual(['+a']);
    for (let i = 0; i < 2; i++) expect(await run(s, callOf(one, 'no'))).toMatchObject({ stop: { code: 'dispatch.upstream', effect: 'none' } });
    expect(s.acts).toEqual(['+a', '+no', '+no']);
  });
  test('a caller whose credential is revoked holds nothing any longer; others do', async () => {
    const s = scene();
    answerOf(await run(s, callOf(kept(s), 'a')));
    const other = session(null, { server: 'files', principalId: 'key:bob' });
    s.r.sessions.set(other.id, other);
    answerOf(await run(s, callOf(other, 'b', 'resources/subscribe', { principal: principal('key:bob') })));
    s.r.dispatch.dropOf('key:alice');
    expect(s.acts).toEqual(['+a', '+b', '-a']);
    expect([...s.r.sessions.values()]).toEqual([other]);
  });
  test('a hundred a session', async () => {
    const s = scene();
    const one = kept(s);
    for (let i = 0; i < 100; i++) answerOf(await run(s, callOf(one, `u${i}`)));
    expect(await run(s, callOf(one, 'one more'))).toMatchObject({ stop: { code: 'dispatch.subscriptions', effect: 'none' } });
    answerOf(await run(s, callOf(one, 'u0')));
    answerOf(await run(s, callOf(one, 'u0', 'resources/unsubscribe')));
    answerOf(await run(s, callOf(one, 'one more')));
  });
  test('at the aggregate the client reads its own names', async () => {
    const s = scene();
    const one = kept(s, null);
    answerOf(await run(s, callOf(one, 'sp.git+a', 'resources/subscribe', { at: 'git', uri: 'a' })));
    const m = await listening(s, one);
    s.say('a', '{"uri":"a","_meta":{"io.modelcontextprotocol/subscriptionId":7}}');
    expect(told(m)[1]).toBe('{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"sp.git+a"}}');
  });
  test('after unsubscribe nothing more, not even what was kept', async () => {
    const s = scene();
    const one = kept(s);
    answerOf(await run(s, callOf(one, 'a')));
    s.say('a');
    answerOf(await run(s, callOf(one, 'a', 'resources/unsubscribe')));
    expect(s.acts).toEqual(['+a', '-a']);
    const m = await listening(s, one);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(m.events).toHaveLength(1);
    answerOf(await run(s, callOf(one, 'a', 'resources/unsubscribe')));
  });
  test('unsubscribed before the server has answered: let go when it does', async () => {
    const s = scene();
    const one = kept(s);
    s.accept.hold = true;
    const asked = run(s, callOf(one, 'a'));
    await until(() => s.acts.length === 1);
    answerOf(await run(s, callOf(one, 'a', 'resources/unsubscribe')));
    s.accept.go();
    await asked;
    expect(s.acts).toEqual(['+a', '-a']);
  });
  test('the end of the session ends its subscriptions, also those on their way, and none begins after it', async () => {
    const s = scene();
    const one = kept(s);
    answerOf(await run(s, callOf(one, 'a')));
    s.accept.hold = true;
    const asked = run(s, callOf(one, 'b'));
    await until(() => s.acts.length === 2);
    await run(s, made('', { kind: 'end', lane: 'local', server: 'files', session: one }).call);
    s.accept.go();
    await asked;
    expect(s.acts.toSorted()).toEqual(['+a', '+b', '-a', '-b']);
    expect(await run(s, callOf(one, 'c'))).toMatchObject({ stop: { code: 'dispatch.session' } });
    expect(s.acts).toHaveLength(4);
  });
});
