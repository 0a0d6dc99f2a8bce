import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { sha256 } from '../lib/hash.ts';
import { formatFault, loadConfig, parseConfig } from './index.ts';

const dir = mkdtempSync(join(tmpdir(), 'sallyport-config-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const put = (name: string, text: string | Buffer, mode = 0o600): string => {
  const file = join(dir, name);
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
};
const ENV = { SHORT: 'k7Q-short', A: 'first-secret-v4lue-1234567890', B: 'other-secret-v4lue-0987654321', SAME_AS_A: 'first-secret-v4lue-1234567890' };
const faults = (text: string): string[] => {
  const loaded = parseConfig(text, join(dir, 'f.yaml'), { env: ENV });
  return loaded.ok ? [] : loaded.faults.map((fault) => formatFault(fault).replace(`${join(dir, 'f.yaml')}:`, ''));
};

describe('loadConfig', () => {
  it('takes an empty file: every room stands at its defaults', () => {
    const loaded = loadConfig(put('empty.yaml', ''));
    expect(loaded).toMatchObject({ ok: true, config: { receive: { host: '127.0.0.1' }, dispatch: { servers: {} }, authenticate: { api_keys: [] } } });
    expect(loaded.ok && Object.isFrozen(loaded.config.dispatch.servers)).toBe(true);
  });
  it('reads file references from the folder of the config, and refuses what others may read', () => {
    put('key', 'v4lue-v4lue-v4lue-v4lue-0123\n', 0o644);
    const file = put('ref.yaml', 'authenticate:\n  api_keys:\n    - {id: a, secret: file:key}\n');
    expect(loadConfig(file)).toMatchObject({ ok: false, faults: [{ line: 3, column: 23, path: 'authenticate.api_keys[0].secret', mend: `chmod 600 ${join(dir, 'key')}` }] });
    chmodSync(join(dir, 'key'), 0o600);
    expect(loadConfig(file).ok).toBe(true);
  });
  it.each([
    ['a missing file', () => join(dir, 'none.yaml'), 'does not exist'],
    ['a folder', () => dir, 'not a regular file'],
    ['a device', () => '/dev/zero', 'not a regular file'],
    ['what is too large', () => put('large.yaml', '#'.repeat(1_048_577)), 'larger than'],
    ['what is too large, cut inside a letter', () => put('cut.yaml', `##${'ü'.repeat(600_000)}`), 'larger than'],
    ['what is not UTF-8', () => put('latin.yaml', Buffer.from([0x23, 0xe9, 0x0a])), 'not UTF-8'],
  ])('refuses %s', (_, file, wrong) => {
    const loaded = loadConfig(file());
    expect(loaded.ok ? '' : loaded.faults.map((fault) => fault.wrong).join('')).toContain(wrong);
  });
});

const SERVERS = 'dispatch: {servers: {github: {url: "https://x.example/mcp"}, files: {command: [npx]}}}\n';
const server = (name: string, more: string, ref: string): string => `${name}: {url: "https://${name}.example/mcp", ${more} headers: {Authorization: {secret: "${ref}"}}}`;

describe('rules between rooms', () => {
  it.each([
    ['api_keys', 'authenticate: {api_keys: [{id: a, secret: env:A, denied_tools: [githb__delete_*]}]}', '2:65 authenticate.api_keys[0].denied_tools[0]', '- github__delete_*'],
    ['api_keys, no server named', 'authenticate: {api_keys: [{id: a, secret: env:A, allowed_tools: [search]}]}', '2:66 authenticate.api_keys[0].allowed_tools[0]', '- "*__search"'],
    ['rules', 'authorize: {rules: [{id: r, effect: deny, tools: [file__*]}]}', '2:51 authorize.rules[0].tools[0]', '- files__*'],
    ['rules, servers', 'authorize: {rules: [{id: r, effect: deny, servers: [githab]}]}', '2:53 authorize.rules[0].servers[0]', '- github'],
    ['authorize.tools', 'authorize: {tools: {githb__x: {scopes: [a]}}}', '2:21 authorize.tools.githb__x', '# write it as github__x'],
    ['resolve', 'resolve: {tools: {gitlab__x: {class: read}}}', '2:19 resolve.tools.gitlab__x', '# write it as github__x'],
    ['validate', 'validate: {tools: {zebra__x: {unknown_arguments: allow}}}', '2:20 validate.tools.zebra__x', '# write it as *__x'],
    ['limit.rates', 'limit: {rates: {tools: {githb__x: 1/minute}}}', '2:25 limit.rates.tools.githb__x', '# write it as github__x'],
    ['limit.concurrency', 'limit: {concurrency: {servers: {githb: 1}}}', '2:33 limit.concurrency.servers.githb', '# write it as github'],
    ['inspect.servers', 'inspect: {servers: {githb: {action: refuse}}}', '2:21 inspect.servers.githb', '# write it as github'],
    ['inspect.tools', 'inspect: {tools: {githb__x: {max_bytes: 2048}}}', '2:19 inspect.tools.githb__x', '# write it as github__x'],
  ])('a tool or server that does not exist in %s', (_, text, place, mend) => {
    const told = faults(SERVERS + text);
    expect(told).toHaveLength(1);
    expect(told[0]?.startsWith(`${place}: `), told[0]).toBe(true);
    expect(told[0]?.endsWith(`: ${mend}`), told[0]).toBe(true);
  });
  it.each(['github__x', 'github__*', 'git*', '*', '*__x', '*hub__x', 'g*', 'files__a__b', 'github_*'])('%s can match a tool', (glob) => {
    expect(faults(`${SERVERS}authorize: {rules: [{id: r, effect: deny, tools: ["${glob}"]}]}`)).toEqual([]);
  });
  it('say nothing while there is no server', () => expect(faults('authorize: {rules: [{id: r, effect: deny, tools: [x__y]}]}')).toEqual([]));

  it('time-outs of tools that do not exist', () => {
    expect(faults('dispatch: {timeouts: {tools: {githb__x: {timeout_ms: 5}}}, servers: {github: {command: [x]}}}')).toEqual(['1:31 dispatch.timeouts.tools.githb__x: can match no tool: tools are named `server__tool` and the servers are github: # write it as github__x']);
  });
  it('one secret in two environments is refused, by name and by value', () => {
    for (const ref of ['env:A', 'env:SAME_AS_A']) {
      const told = faults(`dispatch:\n  servers:\n    ${server('a', 'environment: test,', 'env:A')}\n    ${server('b', 'environment: production,', ref)}`);
      expect(told).toHaveLength(1);
      expect(told[0]).toContain('dispatch.servers.b.headers.Authorization.secret: is the secret of the server `a`, which is of another environment: secret: env:B_HEADERS_AUTHORIZATION');
    }
    expect(faults(`dispatch: {servers: {${server('a', 'environment: test,', 'env:A')}, ${server('b', 'environment: test,', 'env:A')}}}`)).toEqual([]);
    expect(faults(`dispatch: {servers: {${server('a', 'environment: test,', 'env:A')}, ${server('b', 'environment: live,', 'env:B')}}}`)).toEqual([]);
  });
  it('the gateway’s own credential is no caller’s key', () => {
    for (const ref of ['env:A', 'env:SAME_AS_A']) expect(faults(`authenticate: {api_keys: [{id: k, secret: ${ref}}]}\ndispatch: {servers: {${server('a', '', 'env:A')}}}`)[0]).toContain('authenticate.api_keys[0].secret: is also the gateway’s own credential');
    expect(faults(`authenticate: {api_keys: [{id: k, sha256: ${sha256(ENV.A)}}]}\ndispatch: {servers: {${server('a', '', 'env:A')}}}`)[0]).toContain('authenticate.api_keys[0].sha256: is also the gateway’s own credential');
    expect(faults(`authenticate: {api_keys: [{id: k, secret: env:B}]}\ndispatch: {servers: {${server('a', '', 'env:A')}}}`)).toEqual([]);
  });
  it('a caller’s key that can be guessed', () => {
    expect(faults('authenticate: {api_keys: [{id: k, secret: env:SHORT}]}')).toEqual(['1:43 authenticate.api_keys[0].secret: the key behind it is shorter than 24 characters: # make one: openssl rand -base64 32']);
  });
  it('a reference written as plain text would be sent as it stands', () => {
    expect(faults('dispatch: {servers: {a: {url: "https://a.example/mcp", headers: {X-Trace: env:A}}}}')).toEqual(['1:75 dispatch.servers.a.headers.X-Trace: is a plain text here, but is written like a reference to a secret: X-Trace: { secret: env:A }']);
  });
  it('beyond loopback without TLS', () => expect(faults('receive: {host: 0.0.0.0}')[0]).toMatch(/^1:17 receive\.host: .*: host: 127\.0\.0\.1$/));
});
