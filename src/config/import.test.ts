import * as fc from 'fast-check';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../lib/hash.ts';
import { formatFault, importConfig, parseConfig } from './index.ts';

const faults = (text: string): string[] => {
  const imported = importConfig(text, 'f');
  return imported.ok ? [] : imported.faults.map(formatFault);
};
const taken = (text: string) => {
  const imported = importConfig(text, 'f');
  if (!imported.ok) throw new Error(imported.faults.map(formatFault).join('\n'));
  expect(parseConfig(imported.yaml, 'ours', { secrets: 'form' })).toMatchObject({ ok: true });
  return { config: parse(imported.yaml) as Record<string, any>, notes: imported.notes.join('\n'), yaml: imported.yaml };
};

describe('auth.keys', () => {
  const text = (auth: string, server = '{transport: streamable-http, host: 127.0.0.1, port: 9000}'): string => `server: ${server}\nauth: ${auth}`;
  const keys = (list: string): string => text(`{type: api_key, keys: [${list}]}`);
  it('becomes receive and authenticate', () => {
    const { config, yaml } = taken(keys('{id: ci, key: "${CI_KEY}", scopes: ["github:read", "slack:write"]}, {id: dev, key: "${DEV_KEY}"}'));
    expect(config).toEqual({ receive: { host: '127.0.0.1', port: 9000 }, authenticate: { api_keys: [{ id: 'ci', secret: 'env:CI_KEY', scopes: ['github:read', 'slack:write'] }, { id: 'dev', secret: 'env:DEV_KEY', scopes: [] }] } });
    expect(yaml).toContain('# The key dev has no scopes');
    expect(parseConfig(yaml, 'ours', { env: { CI_KEY: 'v4lue-v4lue-v4lue-v4lue-0123', DEV_KEY: 'w4lue-w4lue-w4lue-w4lue-0123' } }).ok).toBe(true);
  });
  it('is read as JSON too', () => {
    const json = JSON.stringify({ server: { host: 'localhost', port: 1 }, auth: { type: 'api_key', keys: [{ id: 'a', key: '${K}', scopes: [] }] } }, null, '\t');
    expect(taken(json).config['receive']).toEqual({ host: '127.0.0.1', port: 1 });
  });
  it.each([
    ['a literal key', keys('{id: a, key: hunter2hunter2}'), 'f:2:43 auth.keys[0].key: a key never stands in the file'],
    ['a key with a default', keys('{id: a, key: "${K:-hunter2}"}'), 'f:2:43 auth.keys[0].key: a key never stands in the file'],
    ['a key around a variable', keys('{id: a, key: "hunter2${K}"}'), 'f:2:43 auth.keys[0].key: a key never stands in the file'],
    ['an empty key', keys('{id: a, key: ""}'), 'f:2:43 auth.keys[0].key: a key never stands in the file'],
    ['all interfaces', text('{type: api_key, keys: [{id: a, key: "${K}"}]}', '{host: 0.0.0.0}'), 'f:1:16 server.host: beyond this machine the gateway needs TLS'],
    ['all interfaces, IPv6', text('{type: api_key, keys: [{id: a, key: "${K}"}]}', '{host: "::"}'), 'f:1:16 server.host: beyond this machine the gateway needs TLS'],
    ['a name', text('{type: api_key, keys: [{id: a, key: "${K}"}]}', '{host: gw.example.com}'), 'f:1:16 server.host: beyond'],
    ['stdio', text('{type: api_key, keys: [{id: a, key: "${K}"}]}', '{transport: stdio}'), 'f:1:21 server.transport: only HTTP is served'],
    ['a port that is none', text('{type: api_key, keys: [{id: a, key: "${K}"}]}', '{port: 70000}'), 'f:1:16 server.port: must be at most 65535'],
    ['no authentication', text('{type: none, keys: []}'), 'f:2:14 auth.type: must be api_key'],
    ['a missing type', text('{keys: [{id: a, key: "${K}"}]}'), 'f:2:1 auth.type: is missing: type: api_key'],
    ['a missing section', 'server: {port: 1}', 'f:1:1 auth: is missing'],
    ['no keys', text('{type: api_key, keys: []}'), 'f:2:29 auth.keys: must be at least 1 items long'],
    ['a wildcard scope', keys('{id: a, key: "${K}", scopes: ["*"]}'), 'f:2:60 auth.keys[0].scopes[0]: a wildcard scope'],
    ['a wildcard in a scope', keys('{id: a, key: "${K}", scopes: ["github:*"]}'), 'f:2:60 auth.keys[0].scopes[0]: a wildcard scope'],
    ['a scope for all', keys('{id: a, key: "${K}", scopes: [all]}'), 'f:2:60 auth.keys[0].scopes[0]: a wildcard scope'],
    ['scopes that are no list', keys('{id: a, key: "${K}", scopes: "*"}'), 'f:2:59 auth.keys[0].scopes: must be a list'],
    ['two keys of one name', keys('{id: a, key: "${K}"}, {id: a, key: "${L}"}'), 'f:2:57 auth.keys[1].id: stands here for the second time'],
    ['one key for two', keys('{id: a, key: "${K}"}, {id: b, key: "${K}"}'), 'f:2:65 auth.keys[1].key: two callers with one key'],
    ['a key nobody knows', `${keys('{id: a, key: "${K}"}')}\nallow_all: true`, 'f:3:1 allow_all: unknown key'],
    ['a field nobody knows', keys('{id: a, key: "${K}", tools: [x]}'), 'f:2:51 auth.keys[0].tools: unknown key'],
  ])('refuses %s', (_, input, wanted) => {
    const told = faults(input);
    expect(told.some((line) => line.startsWith(wanted)), told.join('\n')).toBe(true);
    expect(told.join('\n')).not.toContain('hunter2');
  });
  it('tells all at once', () => expect(faults(text('{type: none, keys: [{id: a, key: x}, {id: a, key: "${K}", scopes: ["*"]}]}', '{transport: stdio, host: 0.0.0.0, port: 0}'))).toHaveLength(7));
});

describe('service_accounts', () => {
  const HASH = sha256('a key that nobody guesses');
  const account = (more: object = {}): object => ({ name: 'bot', key_hash: HASH, allowed_tools: ['search'], ...more });
  const text = (accounts: readonly object[], more: object = {}): string => JSON.stringify({ service_accounts: accounts, ...more });
  const key = (more: object) => taken(text([account(more)])).config['authenticate'].api_keys[0];

  it('becomes authenticate, authorize and limit', () => {
    const { config, notes } = taken(text([account({ denied_tools: ['delete_*'], require_confirmation: ['create_*'] })], { rate_limit: { rps: 10, burst: 20 }, audit_log: '/var/log/audit.log' }));
    expect(config).toEqual({
      authenticate: { api_keys: [{ id: 'bot', sha256: HASH, allowed_tools: ['*__search'], denied_tools: ['*__delete_*'], confirm_tools: ['*__create_*'] }] },
      authorize: { rules: [{ id: `import-${sha256('bot').slice(0, 8)}`, why: 'allowed_tools of the service account bot', effect: 'allow', callers: ['key:bot'], tools: ['*__search'] }] },
      limit: { rates: { callers: { '*': '10/second burst 20' } } },
    });
    expect(notes).toContain('audit_log is not carried over');
  });
  it('"*" narrows nothing and grants nothing', () => {
    for (const all of ['*', ['*'], ['search', '**']]) {
      const { config, notes } = taken(text([account({ allowed_tools: all })]));
      expect(config['authorize'].rules).toEqual([]);
      expect(notes).toContain('means every tool that policy allows; it grants nothing');
    }
  });
  it('an empty list allows nothing', () => {
    expect(key({ allowed_tools: [] })).toMatchObject({ allowed_tools: [] });
    expect(taken(text([account({ allowed_tools: [] })])).config['authorize'].rules).toEqual([]);
  });
  it.each([
    [true, ['*']], [false, []], [['a', 'b__c'], ['*__a', 'b__c', '*__b__c']],
  ])('require_confirmation: %j', (require_confirmation, confirm_tools) => expect(key({ require_confirmation })).toMatchObject({ confirm_tools }));
  it.each([
    ['search', ['*__search']], ['github__search', ['github__search', '*__github__search']], ['github.search', ['github__search', '*__github.search']], ['github/search', ['github__search', '*__github/search']],
    ['*', ['*']], ['*search*', ['*search*']], ['get_*', ['*__get_*']],
  ])('a denied %s never matches less than it did', (name, denied_tools) => expect(key({ denied_tools: [name] })).toMatchObject({ denied_tools }));
  it.each([
    [{ rps: 5 }, '5/second'], [{ rps: 0.5 }, '30/minute burst 1'], [{ rps: 2.5 }, '150/minute burst 2'], [{ rps: 1, burst: 1 }, '1/second'], [{ rps: 0.001, burst: 3 }, '86/day burst 3'], [{ rps: 1.1 }, '66/minute burst 1'],
    [{ rps: 1234.5 }, '74070/minute burst 1234'],
  ])('rate_limit %j', (rate_limit, wanted) => expect(taken(text([account()], { rate_limit })).config['limit'].rates.callers['*']).toBe(wanted));
  it('takes a hash in capitals or with its name', () => {
    expect(key({ key_hash: HASH.toUpperCase() })).toMatchObject({ sha256: HASH });
    expect(key({ key_hash: `sha256:${HASH}` })).toMatchObject({ sha256: HASH });
  });
  it.each([
    ['the hash of nothing', [account({ key_hash: sha256('') })], {}, 'service_accounts[0].key_hash: is the hash of an empty or well-known key'],
    ['the hash of nothing, in capitals', [account({ key_hash: sha256('').toUpperCase() })], {}, 'service_accounts[0].key_hash: is the hash of an empty or well-known key'],
    ['the hash of a sample', [account({ key_hash: sha256('changeme') })], {}, 'service_accounts[0].key_hash: is the hash of an empty or well-known key'],
    ['a short hash', [account({ key_hash: 'abc' })], {}, 'service_accounts[0].key_hash: must be the SHA-256'],
    ['a hash that is no hex', [account({ key_hash: 'g'.repeat(64) })], {}, 'service_accounts[0].key_hash: must be the SHA-256'],
    ['a key in place of its hash', [account({ key_hash: 'hunter2hunter2' })], {}, 'service_accounts[0].key_hash: must be the SHA-256'],
    ['a missing hash', [account({ key_hash: undefined })], {}, 'service_accounts[0].key_hash: is missing'],
    ['one hash for two', [account(), account({ name: 'b', key_hash: HASH.toUpperCase() })], {}, 'service_accounts[1].key_hash: two accounts with one key'],
    ['one name for two', [account(), account({ key_hash: sha256('y') })], {}, 'service_accounts[1].name: stands here for the second time'],
    ['no list of tools', [account({ allowed_tools: undefined })], {}, 'service_accounts[0].allowed_tools: is missing: allowed_tools: [ search, get_* ]'],
    ['a word for all tools', [account({ allowed_tools: 'all' })], {}, 'service_accounts[0].allowed_tools: must be a list of tools, or "*"'],
    ['other globs', [account({ denied_tools: ['delete_?'] })], {}, 'service_accounts[0].denied_tools[0]: must be a tool name or a glob'],
    ['braces', [account({ denied_tools: ['{a,b}'] })], {}, 'service_accounts[0].denied_tools[0]: must be a tool name or a glob'],
    ['a misspelt denial', [account({ denyed_tools: ['x'] })], {}, 'service_accounts[0].denyed_tools: unknown key; did you mean `denied_tools`?'],
    ['a word for confirmation', [account({ require_confirmation: 'yes' })], {}, 'service_accounts[0].require_confirmation: must be true, false or a list of tools'],
    ['a rate of nothing', [account()], { rate_limit: { rps: 0 } }, 'rate_limit.rps: must be'],
    ['a burst of nothing', [account()], { rate_limit: { rps: 1, burst: 0 } }, 'rate_limit.burst: must be at least 1'],
    ['no accounts', [], {}, 'service_accounts: must be at least 1 items long'],
    ['both formats in one', [account()], { auth: { type: 'none' } }, 'auth: unknown key'],
  ])('refuses %s', (_, accounts, more, wanted) => {
    const told = faults(text(accounts, more));
    expect(told.some((line) => line.includes(` ${wanted}`)), told.join('\n')).toBe(true);
    expect(told.join('\n')).not.toContain('hunter2');
  });
});

describe('any input', () => {
  it.each(['', 'hello', '[]', '{}', 'null', 'servers: {}', '{"mcpServers": {}}'])('%j is in no format', (input) => expect(faults(input)[0]).toMatch(/^f:1:1 \(file\): is in no format that import knows/));
  it('faults of form come first', () => expect(faults('auth: {')[0]).toMatch(/^f:\d+:\d+ /));
  it('throws nothing, and what it gives passes the check', () => {
    const leaf = fc.oneof(fc.string({ maxLength: 12 }), fc.integer(), fc.boolean(), fc.constantFrom(null, '*', '${A}', sha256('x'), 'api_key', '127.0.0.1', 'a__b'));
    const some = fc.oneof(leaf, fc.array(leaf, { maxLength: 3 }));
    const entry = fc.record({ id: some, key: some, scopes: some, name: some, key_hash: some, allowed_tools: some, denied_tools: some, require_confirmation: some }, { requiredKeys: [] });
    const file = fc.record({
      server: fc.record({ transport: some, host: some, port: some }, { requiredKeys: [] }),
      auth: fc.record({ type: some, keys: fc.array(entry, { maxLength: 3 }) }, { requiredKeys: [] }),
      service_accounts: fc.array(entry, { maxLength: 3 }),
      rate_limit: fc.record({ rps: fc.oneof(fc.double(), some), burst: some }, { requiredKeys: [] }),
      audit_log: some,
    }, { requiredKeys: [] });
    fc.assert(fc.property(file, (value) => {
      const imported = importConfig(JSON.stringify(value), 'f');
      if (imported.ok) expect(parseConfig(imported.yaml, 'f', { secrets: 'form' }).ok).toBe(true);
      else expect(imported.faults.length).toBeGreaterThan(0);
    }), { numRuns: 100 });
  });
  it('any well-formed account is carried over', () => {
    const word = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,20}$/);
    const tool = fc.stringMatching(/^[\w.:/*-]{1,20}$/);
    const account = fc.record({ name: word, key_hash: fc.stringMatching(/^[0-9a-f]{64}$/), allowed_tools: fc.oneof(fc.constant('*'), fc.array(tool, { maxLength: 4 })), denied_tools: fc.array(tool, { maxLength: 4 }), require_confirmation: fc.oneof(fc.boolean(), fc.array(tool, { maxLength: 3 })) });
    const rate = fc.record({ rps: fc.double({ min: 0.00002, max: 100_000, noNaN: true }), burst: fc.integer({ min: 1, max: 100_000 }) });
    fc.assert(fc.property(fc.uniqueArray(account, { minLength: 1, maxLength: 4, selector: (each) => each.name }), rate, (service_accounts, rate_limit) => {
      expect(faults(JSON.stringify({ service_accounts: service_accounts.filter((each, i) => service_accounts.findIndex((other) => other.key_hash === each.key_hash) === i), rate_limit }))).toEqual([]);
    }), { numRuns: 100 });
  });
});

