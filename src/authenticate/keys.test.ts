import { monitorEventLoopDelay } from 'node:perf_hooks';
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Received } from '../call/call.ts';
import type { Principal } from '../call/principal.ts';
import type { Verdict } from '../call/stage.ts';
import { sha256 } from '../lib/hash.ts';
import { createSecrets } from '../secrets/index.ts';
import { storeConfig } from '../store/config.ts';
import { openStore, type Store } from '../store/index.ts';
import { authenticateConfig } from './config.ts';
import { type Authenticate, createAuthenticate, createKeyStore, describeKey, type KeyStore, parseSpan, specOf } from './index.ts';
import { createKeyJudge } from './judge-key.ts';
import { holdKey } from './held-key.ts';
import { isMistyped, KEY_SHAPE, mintKey, weakness } from './key-text.ts';
import { compileSources, parseRange } from './source.ts';

let folder: string;
let store: Store;
let keys: KeyStore;
let now = Date.UTC(2026, 6, 1);
const clock = { now: () => now, monotonic: () => performance.now() };
const closing: (() => Promise<void>)[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keys-'));
  now = Date.UTC(2026, 6, 1);
  store = await openStore(storeConfig.parse({ folder: join(folder, 'data') }), { clock });
  keys = await createKeyStore(store, clock);
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await keys.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const authenticateWith = async (config: unknown = {}, env: Record<string, string> = {}): Promise<Authenticate> => {
  const secrets = createSecrets({ baseDir: folder, env });
  const made = await createAuthenticate(authenticateConfig.parse(config), {
    keys, clock, secret: secrets.resolve, fetchJson: () => Promise.reject(new Error('no network here')), audience: () => [],
  });
  closing.push(made.close);
  return made;
};
const callWith = (presented: Partial<Received['presented']>): Received =>
  ({ server: null, presented: { authorization: null, apiKey: null, remoteAddress: '192.0.2.1', ...presented } }) as unknown as Received;
const atOnce = (verdict: Verdict<{ principal: Principal }> | Promise<Verdict<{ principal: Principal }>>): Verdict<{ principal: Principal }> => {
  if (verdict instanceof Promise) throw new Error('the verdict on a key must not be a promise');
  return verdict;
};
const offer = (room: Authenticate, presented: Partial<Received['presented']>): Principal | string => {
  const verdict = atOnce(room.stage.run(callWith(presented)));
  return 'stop' in verdict ? verdict.stop.code : verdict.go.principal;
};
const present = (room: Authenticate, apiKey: string): Principal | string => offer(room, { apiKey });
const idOf = (answer: Principal | string): string => (typeof answer === 'string' ? answer : answer.id);
const until = async (holds: () => boolean, ms = 2_000): Promise<number> => {
  const start = performance.now();
  while (!holds()) {
    if (performance.now() - start > ms) throw new Error('did not come about in time');
    await new Promise((resolve) => { setTimeout(resolve, 5); });
  }
  return performance.now() - start;
};

describe('the text of a key', () => {
  it('has a shape that scanners find, and no two are alike', () => {
    const made = new Set(Array.from({ length: 500 }, mintKey));
    expect(made.size).toBe(500);
    for (const key of made) {
      expect(key).toMatch(KEY_SHAPE);
      expect(isMistyped(key)).toBe(false);
      expect(weakness(key)).toBeNull();
    }
  });

  it('every typo of one character is told apart', () => {
    const key = mintKey();
    fc.assert(fc.property(fc.integer({ min: 3, max: key.length - 1 }), fc.constantFrom('0', 'a', 'Z', '9', 'k'), (at, char) => {
      const typo = key.slice(0, at) + char + key.slice(at + 1);
      expect(isMistyped(typo)).toBe(typo !== key);
    }));
    expect(isMistyped(key.slice(0, -1))).toBe(true);
    expect(isMistyped(key.toLowerCase())).toBe(true);
  });

  it.each(['', 'changeme', 'your-api-key', 'test', 'a'.repeat(40), 'abc'.repeat(20), 'short-but-fine-9Q2', 'please-change-me-0123456789abcdef', 'YOUR_SECRET_API_KEY_GOES_IN_HERE_0042',
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLW9m', 'with a space 0123456789abcdef', `sp_${'A'.repeat(20)}1234567890abc_zzzzzz`, '0123456789abcdefghijklmn'.repeat(2), 'x'.repeat(600), '<the-credential-of-our-ci-robot>', 'aabbabababbbaaabbabaabbabc'])('refuses %j as a key', (key) => {
    expect(weakness(key)).not.toBeNull();
    if (key.length > 8) expect(weakness(key)).not.toContain(key.slice(0, 8));
  });
});

describe('keys in the store', () => {
  it('are shown once, stored as a hash, and let in with all their facts', async () => {
    const room = await authenticateWith();
    const { key, record } = await keys.create({ id: 'ci', scopes: ['github:read'], team: 'core', user: 'ann', workspace: 'w1', environment: 'prod', agent: 'bot', client: 'runner', tenant: 'acme', groups: ['sre'], roles: ['auditor', 'reader'], allowed_tools: ['github__*'], denied_tools: ['github__delete*'], confirm_tools: ['github__merge'], expires: '2027-01-01T00:00:00Z' });
    expect(present(room, key)).toEqual({
      id: 'key:ci', kind: 'api_key', caller: 'ci', team: 'core', user: 'ann', workspace: 'w1', environment: 'prod', agent: 'bot', client: 'runner', tenant: 'acme', groups: ['sre'], roles: ['auditor', 'reader'], scopes: ['github:read'],
      allowedTools: ['github__*'], deniedTools: ['github__delete*'], confirmTools: ['github__merge'], tokenAudience: null, expiresAt: Date.UTC(2027, 0, 1),
    });
    expect(record.hashes).toEqual([{ sha256: sha256(key), until: null }]);
    const files = readdirSync(join(folder, 'data')).map((name) => readFileSync(join(folder, 'data', name), 'latin1')).join();
    expect(files).toContain(sha256(key));
    for (let at = 3; at + 8 <= key.length; at += 1) expect(files).not.toContain(key.slice(at, at + 8));
  });

  it('the bearer form works too, whatever the case of the scheme; other forms do not', async () => {
    const room = await authenticateWith();
    const { key } = await keys.create({ id: 'ci' });
    expect(idOf(offer(room, { authorization: `Bearer ${key}` }))).toBe('key:ci');
    expect(idOf(offer(room, { authorization: `bearer ${key}` }))).toBe('key:ci');
    for (const authorization of ['', 'Bearer', 'Bearer ', `Bearer\t${key}`, `Bearer  ${key}`, `Basic ${key}`, `ApiKey ${key}`, key, `Bearer ${key}, Bearer ${key}`, `Bearer ${key} `, `DPoP ${key}`]) {
      expect(offer(room, { authorization }), authorization.replace(key, 'KEY')).toBe('authenticate.malformed');
    }
    expect(present(room, '')).toBe('authenticate.malformed');
    expect(present(room, `Bearer ${key}`)).toBe('authenticate.malformed');
    expect(present(room, 'k'.repeat(600))).toBe('authenticate.malformed');
    expect(present(room, key.slice(0, -1))).toBe('authenticate.malformed');
    expect(present(room, mintKey())).toBe('authenticate.unknown');
    expect(present(room, key.toUpperCase())).not.toBe('key:ci');
    expect(offer(room, {})).toBe('authenticate.missing');
  });

  it('two credentials are refused, whatever they are worth', async () => {
    const room = await authenticateWith();
    const { key } = await keys.create({ id: 'ci' });
    for (const authorization of [`Bearer ${key}`, 'Bearer x', '', 'Basic eDp5']) {
      for (const apiKey of [key, 'wrong', '']) expect(offer(room, { authorization, apiKey })).toBe('authenticate.ambiguous');
    }
  });

  it('without any key nobody gets in', async () => {
    const room = await authenticateWith();
    expect(room.ready()).toBeNull();
    for (const presented of [{}, { apiKey: 'x'.repeat(30) }, { authorization: 'Bearer abc' }, { authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' }]) {
      const verdict = await room.stage.run(callWith(presented));
      expect(verdict).toHaveProperty('stop');
    }
  });

  it('an id is given once, even after revocation; the facts are judged', async () => {
    await keys.create({ id: 'ci' });
    await expect(keys.create({ id: 'ci' })).rejects.toThrow(/taken/);
    await keys.revoke('ci');
    await expect(keys.create({ id: 'ci' })).rejects.toThrow(/revoked/);
    await expect(keys.rotate('ci', 0)).rejects.toThrow(/revoked/);
    await expect(keys.revoke('nobody')).rejects.toThrow(/no key/);
    await expect(keys.rotate('nobody', 0)).rejects.toThrow(/no key/);
    await expect(keys.create({ id: 'a\nb' })).rejects.toThrow();
    await expect(keys.create({ id: 'x', sources: ['10.0.0.1/8'] })).rejects.toThrow();
    await expect(keys.create({ id: 'x', team: 'a\u202eb' })).rejects.toThrow();
    await expect(keys.create({ id: 'x', expires: '2020-01-01T00:00:00Z' })).rejects.toThrow(/expired/);
    expect((await keys.list()).map((record) => record.id)).toEqual(['ci']);
  });

  it('expire to the millisecond', async () => {
    const room = await authenticateWith();
    const { key } = await keys.create({ id: 'ci', expires: new Date(now + 1_000).toISOString() });
    now += 999;
    const principal = present(room, key);
    expect(idOf(principal)).toBe('key:ci');
    expect(typeof principal !== 'string' && room.stillValid(principal)).toBe(true);
    now += 1;
    expect(present(room, key)).toBe('authenticate.expired');
    expect(typeof principal !== 'string' && room.stillValid(principal)).toBe(false);
  });

  it('rotation: the old key works for the overlap and then is expired; a later, shorter overlap counts for all old ones', async () => {
    const room = await authenticateWith();
    const first = (await keys.create({ id: 'ci' })).key;
    const second = (await keys.rotate('ci', 60_000)).key;
    const old = present(room, first);
    expect(idOf(old)).toBe('key:ci');
    expect(typeof old !== 'string' && old.expiresAt).toBe(now + 60_000);
    expect(idOf(present(room, second))).toBe('key:ci');
    now += 60_000;
    expect(present(room, first)).toBe('authenticate.expired');
    const third = (await keys.rotate('ci', 60_000)).key;
    const lost: string[] = [];
    room.onRevoked((id) => lost.push(id));
    const fourth = (await keys.rotate('ci', 0)).key;
    expect(lost).toEqual(['key:ci']);
    expect([first, second, third].map((key) => present(room, key))).toEqual(Array(3).fill('authenticate.expired'));
    expect(idOf(present(room, fourth))).toBe('key:ci');
    await expect(keys.rotate('ci', -1)).rejects.toThrow();
    await expect(keys.rotate('ci', Number.NaN)).rejects.toThrow();
  });

  it('revocation answers `revoked`, for rotated keys too, and closes streams', async () => {
    const room = await authenticateWith();
    const lost: string[] = [];
    room.onRevoked((id) => lost.push(id));
    const first = (await keys.create({ id: 'ci' })).key;
    const second = (await keys.rotate('ci', 60_000)).key;
    const other = (await keys.create({ id: 'other' })).key;
    const principals = [first, second].map((key) => present(room, key));
    await keys.revoke('ci');
    expect([first, second].map((key) => present(room, key))).toEqual(['authenticate.revoked', 'authenticate.revoked']);
    expect(principals.map((one) => typeof one !== 'string' && room.stillValid(one))).toEqual([false, false]);
    expect(lost).toEqual(['key:ci']);
    expect(idOf(present(room, other))).toBe('key:other');
  });

  it('source addresses: the socket’s own, and nothing else', async () => {
    const room = await authenticateWith();
    const { key } = await keys.create({ id: 'ci', sources: ['10.0.0.0/8', '2001:db8::/32'] });
    for (const remoteAddress of ['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::1', '2001:db8::1%eth0']) expect(idOf(offer(room, { apiKey: key, remoteAddress })), remoteAddress).toBe('key:ci');
    for (const remoteAddress of ['11.0.0.1', '192.0.2.1', '::1', '2001:db9::1', '', 'garbage', '010.0.0.1', '0x0a.0.0.1', '10.1']) expect(offer(room, { apiKey: key, remoteAddress }), remoteAddress).toBe('authenticate.source');
  });

  it('a record of before groups, roles and tenants has none of them', async () => {
    const { key, record } = await keys.create({ id: 'old' });
    const { groups: _groups, roles: _roles, tenant: _tenant, ...before } = record;
    await store.put('api_key', 'old', Buffer.from(JSON.stringify(before)));
    const again = await createKeyStore(store, clock);
    expect(again.find(sha256(key))?.principal).toMatchObject({ groups: [], roles: [], tenant: null });
    await again.close();
  });

  it('a damaged record lets nobody in and is told', async () => {
    const { key } = await keys.create({ id: 'ci' });
    await store.put('api_key', 'ci', Buffer.from('{"id":"ci"}'));
    const again = await createKeyStore(store, clock);
    expect(again.find(sha256(key))).toBeUndefined();
    expect(again.unreadable()).toEqual(['ci']);
    await again.close();
    const record = (await keys.create({ id: 'a' })).record;
    await store.put('api_key', 'b', Buffer.from(JSON.stringify(record))); // a record under another's name
    const third = await createKeyStore(store, clock);
    expect(third.unreadable()).toContain('b');
    await third.close();
  });

  it('a store that cannot be read any more lets nobody in', async () => {
    const room = await authenticateWith();
    const { key } = await keys.create({ id: 'ci' });
    const principal = present(room, key);
    renameSync(join(folder, 'data', 'store.sqlite'), join(folder, 'data', 'gone'));
    await until(() => keys.fault() !== null);
    expect(present(room, key)).toBe('authenticate.unavailable');
    expect(typeof principal !== 'string' && room.stillValid(principal)).toBe(false);
    expect(room.ready()).toMatch(/key store/);
    renameSync(join(folder, 'data', 'gone'), join(folder, 'data', 'store.sqlite'));
    await until(() => keys.fault() === null);
    expect(idOf(present(room, key))).toBe('key:ci');
  });

  it('another process creates, rotates and revokes: seen within 250 ms, without a restart', async () => {
    const room = await authenticateWith();
    const seen = new Map<string, number>();
    const lag = monitorEventLoopDelay({ resolution: 5 }); // what a busy machine adds is not ours
    lag.enable();
    room.onRevoked((id) => seen.set(id, Date.now()));
    const here = JSON.stringify(import.meta.dirname);
    const script = `
      const { openStore } = await import(${here} + '/../store/index.ts');
      const { createKeyStore } = await import(${here} + '/index.ts');
      const clock = { now: Date.now, monotonic: () => performance.now() };
      const store = await openStore({ folder: process.argv[1], busy_timeout_ms: 5000 }, { clock });
      const keys = await createKeyStore(store, clock);
      for (let n = 0; n < 5; n += 1) await keys.create({ id: 'r' + n });
      const { key } = await keys.create({ id: 'made-there' }); // last: who has seen it has seen them all
      console.log(key);
      await new Promise((resolve) => process.stdin.once('data', resolve));
      const done = {};
      for (let n = 0; n < 5; n += 1) { await keys.revoke('r' + n); done['key:r' + n] = Date.now(); await new Promise((resolve) => setTimeout(resolve, 130)); }
      await keys.revoke('made-there');
      console.log(JSON.stringify(done));
      await keys.close(); await store.close(); process.exit(0);`;
    const running = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, join(folder, 'data')]);
    let out = '';
    running.child.stdout?.on('data', (chunk) => { out += String(chunk); });
    await until(() => out.includes('\n'), 10_000);
    const key = out.trim();
    await until(() => idOf(present(room, key)) === 'key:made-there', 1_000);
    const principal = present(room, key);
    running.child.stdin?.write('go\n');
    const { stdout } = await running;
    await until(() => present(room, key) === 'authenticate.revoked', 1_000);
    expect(typeof principal !== 'string' && room.stillValid(principal)).toBe(false);
    const done = JSON.parse(stdout.trim().split('\n')[1] ?? '') as Record<string, number>;
    expect(Object.keys(done)).toHaveLength(5);
    for (const [id, at] of Object.entries(done)) expect((seen.get(id) ?? Infinity) - at, id).toBeLessThan(250 + 2 * (lag.max / 1e6));
  });
});

describe('the last word is a comparison of the whole hash', () => {
  it('a look-up that gives the wrong entry lets nobody in', () => {
    const facts = authenticateConfig.parse({ api_keys: [{ id: 'a', sha256: sha256('one') }] }).api_keys[0];
    if (facts === undefined) throw new Error('no key');
    const held = holdKey(facts, sha256('one'), false);
    const judge = createKeyJudge({ find: () => held }, { storeFault: () => null, missing: () => null }, clock);
    expect(judge({ kind: 'key', text: 'one' }, callWith({}))).toBe(held.yes);
    expect(judge({ kind: 'key', text: 'two' }, callWith({}))).toMatchObject({ stop: { code: 'authenticate.unknown' } });
  });
});

describe('keys of the configuration', () => {
  const strong = mintKey();

  it('by hash and by reference', async () => {
    const plain = 'Zm9vYmFyLWtleS1vZi1vdXItb3duLTQy';
    const room = await authenticateWith({ api_keys: [{ id: 'a', sha256: sha256(strong), scopes: ['s'] }, { id: 'b', secret: 'env:KEY_B' }] }, { KEY_B: plain });
    expect(idOf(present(room, strong))).toBe('key:a');
    expect(idOf(present(room, plain))).toBe('key:b');
    expect(idOf(offer(room, { authorization: `Bearer ${plain}` }))).toBe('key:b');
  });

  it.each([
    [{ id: 'a' }, /either/], [{ id: 'a', sha256: sha256('x'), secret: 'env:X' }, /either/], [{ id: 'a', sha256: sha256('') }, /empty/], [{ id: 'a', sha256: sha256('test') }, /well-known/],
    [{ id: 'a', sha256: 'AB' }, /hex/], [{ id: 'a', secret: 'literal-secret' }, /reference/], [{ id: '', sha256: sha256('x') }, /1 to 128/], [{ id: 'a', sha256: sha256('x'), expires: 'soon' }, /./],
    [{ id: 'a', sha256: sha256('x'), sources: ['10.0.0.0/33'] }, /address/], [{ id: 'a', sha256: sha256('x'), scopes: ['a b'] }, /scope/], [{ id: 'a', sha256: sha256('x'), tools: [] }, /./],
  ])('refuses %j', (key, why) => {
    const parsed = authenticateConfig.safeParse({ api_keys: [key] });
    expect(parsed.success).toBe(false);
    expect(parsed.error?.message).toMatch(why);
  });

  it('refuses two of a kind', async () => {
    const fails = (api_keys: unknown): boolean => !authenticateConfig.safeParse({ api_keys }).success;
    expect(fails([{ id: 'a', sha256: sha256('x') }, { id: 'a', sha256: sha256('y') }])).toBe(true);
    expect(fails([{ id: 'a', sha256: sha256('x') }, { id: 'b', sha256: sha256('x') }])).toBe(true);
    expect(fails([{ id: 'a', secret: 'env:X' }, { id: 'b', secret: 'env:X' }])).toBe(true);
    await expect(authenticateWith({ api_keys: [{ id: 'a', secret: 'env:X' }, { id: 'b', secret: 'env:Y' }] }, { X: strong, Y: strong })).rejects.toThrow(/more than one id/);
    await expect(authenticateWith({ api_keys: [{ id: 'a', secret: 'env:X' }, { id: 'b', sha256: sha256(strong) }] }, { X: strong })).rejects.toThrow(/more than one id/);
  });

  it.each([['', /empty/], ['changeme', /sample/], ['short-9Q2', /shorter/], ['abababababababababababababab', /repeats/]])('stops the start when the key behind a reference is %j', async (value, why) => {
    await expect(authenticateWith({ api_keys: [{ id: 'a', secret: 'env:X' }] }, { X: value })).rejects.toThrow(why);
  });

  it('stops the start when a reference leads nowhere', async () => {
    await expect(authenticateWith({ api_keys: [{ id: 'a', secret: 'env:X' }] })).rejects.toThrow(/X is not set/);
  });

  it('an id or key that also stands in the store stops the start; one that comes later lets nobody in', async () => {
    const { key } = await keys.create({ id: 'a' });
    await expect(authenticateWith({ api_keys: [{ id: 'a', sha256: sha256(strong) }] })).rejects.toThrow(/store/);
    await expect(authenticateWith({ api_keys: [{ id: 'b', sha256: sha256(key) }] })).rejects.toThrow(/same key/);
    const room = await authenticateWith({ api_keys: [{ id: 'c', sha256: sha256(strong) }] });
    const late = (await keys.create({ id: 'c' })).key;
    expect(present(room, late)).toBe('authenticate.unknown');
    expect(idOf(present(room, strong))).toBe('key:c');
    expect(room.ready()).toMatch(/key c/);
  });

  it('can be revoked from the command line', async () => {
    const room = await authenticateWith({ api_keys: [{ id: 'c', sha256: sha256(strong) }] });
    const lost: string[] = [];
    room.onRevoked((id) => lost.push(id));
    const principal = present(room, strong);
    expect(idOf(principal)).toBe('key:c');
    await keys.revoke('c', { configured: true });
    expect(present(room, strong)).toBe('authenticate.revoked');
    expect(lost).toEqual(['key:c']);
    expect(typeof principal !== 'string' && room.stillValid(principal)).toBe(false);
    const after = await authenticateWith({ api_keys: [{ id: 'c', sha256: sha256(strong) }] });
    expect(present(after, strong)).toBe('authenticate.revoked');
  });

  it('a rotated file takes effect; a broken one shuts its key out and says so', async () => {
    const path = join(folder, 'key');
    const write = (text: string): void => { writeFileSync(path, text, { mode: 0o600 }); };
    write(`${strong}\n`);
    const room = await authenticateWith({ api_keys: [{ id: 'f', secret: `file:${path}` }] });
    const old = present(room, strong);
    expect(idOf(old)).toBe('key:f');
    const lost: string[] = [];
    room.onRevoked((id) => lost.push(id));
    const next = mintKey();
    write(next);
    await until(() => idOf(present(room, next)) === 'key:f', 3_000);
    expect(present(room, strong)).toBe('authenticate.unknown');
    expect(typeof old !== 'string' && room.stillValid(old)).toBe(false);
    expect(lost).toEqual(['key:f']);
    chmodSync(path, 0o644);
    await until(() => present(room, next) === 'authenticate.unavailable', 3_000);
    expect(room.ready()).toMatch(/open to other users/);
    chmodSync(path, 0o600);
    await until(() => idOf(present(room, next)) === 'key:f', 3_000);
  });
});

describe('keys that become one while we run', () => {
  it('let nobody in', async () => {
    const [one, two] = [mintKey(), mintKey()];
    const write = (name: string, text: string): void => { writeFileSync(join(folder, name), text, { mode: 0o600 }); };
    write('one', one);
    write('two', two);
    const room = await authenticateWith({ api_keys: [{ id: 'a', secret: 'file:one' }, { id: 'b', secret: 'file:two' }] });
    expect([present(room, one), present(room, two)].map(idOf)).toEqual(['key:a', 'key:b']);
    write('two', one);
    await until(() => present(room, one) === 'authenticate.unavailable', 4_000);
    expect(room.ready()).toMatch(/a, b: the same key/);
  });
});

describe('what is told', () => {
  it('no refusal holds a part of the credential', async () => {
    const room = await authenticateWith();
    const { key } = await keys.create({ id: 'ci', sources: ['10.0.0.0/8'] });
    await keys.create({ id: 'gone' }).then(() => keys.revoke('gone'));
    const garbage = 'Q7w9zX4kP2mN8vB3cL6j';
    for (const presented of [{ apiKey: key }, { apiKey: `${key}x` }, { apiKey: garbage }, { authorization: `Bearer ${garbage}` }, { authorization: `Basic ${garbage}` }, { authorization: garbage, apiKey: garbage }, { authorization: `Bearer eyJ${garbage}.${garbage}.${garbage}` }]) {
      const text = JSON.stringify(await room.stage.run(callWith(presented)));
      expect(text).toContain('stop');
      for (const secret of [key, garbage]) for (let at = 0; at + 8 <= secret.length; at += 1) expect(text).not.toContain(secret.slice(at, at + 8));
    }
  });
});

describe('ranges', () => {
  it.each(['10.0.0.0/8', '10.0.0.1', '2001:db8::/32', '::1', '0.0.0.0/0', '::/0'])('takes %s', (text) => expect(parseRange(text)).not.toBeNull());
  it.each(['10.0.0.1/8', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/08', '10.0.0.0/8/8', '10.0.0', '010.0.0.0/8', '::ffff:10.0.0.0/104', '::ffff:10.0.0.0/8', 'localhost', '', '2001:db8::1/32', '10.0.0.0/'])('refuses %j', (text) => expect(parseRange(text)).toBeNull());
  it('an IPv4 range never holds an IPv6 address', () => expect(compileSources(['0.0.0.0/0'])?.('2001:db8::1')).toBe(false));
  it('no range means no test', () => expect(compileSources([])).toBeNull());
});

describe('the command line', () => {
  it('reads spans', () => {
    expect(['0', '30m', '24h', '90d', '5s'].map(parseSpan)).toEqual([0, 1_800_000, 86_400_000, 7_776_000_000, 5_000]);
    for (const bad of ['', '1', '1w', '-1h', '1.5h', '1e9d', '9999999d']) expect(() => parseSpan(bad), bad).toThrow();
  });
  it('makes facts of options and one line of a record, without hashes', async () => {
    const { record } = await keys.create(specOf({ id: 'ci', scopes: ['a', 'b'], team: 'core', allow: ['x__*'], expires: '90d' }, now));
    expect(record).toMatchObject({ allowed_tools: ['x__*'], expires: new Date(now + 90 * 86_400_000).toISOString() });
    await keys.rotate('ci', 1_000);
    const line = describeKey((await keys.list())[0] ?? record, now);
    expect(line).toMatch(/^ci {2}active until .*old key until .*scopes=a b {2}team=core$/);
    for (const { sha256: hash } of (await keys.list())[0]?.hashes ?? []) expect(line).not.toContain(hash.slice(0, 8));
  });
});
