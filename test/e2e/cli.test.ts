import type { Command } from 'commander';
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { buildProgram } from '../../src/cli/index.ts';
import { cli, launch } from '../kit/gateway.ts';

const dir = mkdtempSync(join(tmpdir(), 'cli-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const file = (name: string, text: string): string => {
  const path = join(dir, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};

describe('help', () => {
  const all = (command: Command, path: string): [string, Command][] => [[path, command], ...command.commands.flatMap((sub) => all(sub, `${path} ${sub.name()}`))];
  for (const [path, command] of all(buildProgram(), 'sallyport')) {
    it(`${path} --help shows an example`, () => {
      let text = '';
      command.configureOutput({ writeOut: (out) => (text += out) });
      command.outputHelp();
      expect(text).toMatch(/Example:\n {2}\$ /);
    });
  }
  it('ends without a word when its reader has read enough', () => {
    // The shell's pipe, and the sleep so that the reader is gone before the first word.
    const { stdout, stderr } = spawnSync('sh', ['-c', `{ sleep 0.2; "$0" src/main.ts config docs; echo "code $?" >&2; } | true`, process.execPath], { encoding: 'utf8', timeout: 30_000 });
    expect([stdout, stderr]).toEqual(['', 'code 0\n']);
  });
  it('knows every verb of the issue', () => {
    const names = all(buildProgram(), '').map(([path]) => path.trim());
    expect(names).toEqual(expect.arrayContaining(['serve', 'demo', 'check', 'config schema', 'import', 'key create', 'key list', 'key rotate', 'key revoke', 'tools list', 'call', 'admin create', 'admin list', 'admin revoke', 'approvals list', 'approvals show', 'approvals approve', 'approvals deny', 'audit tail', 'audit query', 'audit export', 'audit verify', 'version']));
  });
});

describe('a wrong configuration', () => {
  const wrong = file('wrong.yaml', `receive:
  prot: 8080
authorize:
  rules:
    - id: a
      why: test
      effect: alow
dispatch:
  servers:
    github:
      url: https://mcp.example.com/mcp
      headers: { Authorization: ghp_0123456789abcdefghijABCDEFGHIJ012345 }
limit:
  rates: { classes: { read: 60 per minute } }
`);
  it('stops serve and check with exit code 2, all faults at once, each with line, column and a mend, no secret shown', async () => {
    for (const args of [['serve', '--config', wrong, '--data', join(dir, 'never')], ['check', wrong]]) {
      const { code, err, out } = await cli(args);
      expect(code).toBe(2);
      for (const place of [/wrong\.yaml:2:\d+ receive\.prot:.*port/, /wrong\.yaml:7:\d+ authorize\.rules\[0\]\.effect/, /wrong\.yaml:12:\d+ dispatch\.servers\.github\.headers\.Authorization/, /wrong\.yaml:14:\d+ limit\.rates\.classes\.read/]) expect(err).toMatch(place);
      expect(err + out).not.toContain('ghp_0123');
    }
    expect(readdirSync(dir)).not.toContain('never');
  });
  it('a missing file, a world-readable secret, a listener beyond loopback', async () => {
    expect((await cli(['check', join(dir, 'none.yaml')])).code).toBe(2);
    const secret = file('token', 'a-long-enough-secret-value-0001');
    const uses = file('uses.yaml', `dispatch: { servers: { a: { url: 'https://mcp.example.com', headers: { Authorization: { secret: 'file:token' } } } } }\n`);
    expect((await cli(['check', uses])).code).toBe(0);
    const { chmodSync } = await import('node:fs');
    chmodSync(secret, 0o644);
    expect((await cli(['check', uses])).err).toMatch(/chmod 600/);
    expect((await cli(['check', file('open.yaml', 'receive: { host: 0.0.0.0 }\n')])).err).toMatch(/TLS/);
  });
});

describe('import', () => {
  it('takes both formats seen in articles, and what it writes is valid', async () => {
    const first = file('a.yaml', 'server: {transport: http, host: 127.0.0.1, port: 9000}\nauth: {type: api_key, keys: [{id: ci, key: "${CI_KEY}", scopes: ["github:read"]}]}\n');
    const one = await cli(['import', first]);
    expect(one.code).toBe(0);
    expect((await cli(['check', file('a-out.yaml', one.out)], { CI_KEY: 'k3y-of-ci-9f8e7d6c5b4a-long-enough' })).code).toBe(0);
    const second = file('b.yaml', `service_accounts: [{name: bot, key_hash: ${'3f1b'.repeat(16)}, allowed_tools: [github__get_file], denied_tools: [], require_confirmation: true}]\nrate_limit: {rps: 5, burst: 10}\naudit_log: ./audit.log\n`);
    const two = await cli(['import', second]);
    expect(two.code).toBe(0);
    expect((await cli(['check', file('b-out.yaml', two.out)])).code).toBe(0);
  });
  it('refuses a literal key and the hash of the empty text', async () => {
    expect((await cli(['import', file('c.yaml', 'server: {transport: http, host: 127.0.0.1, port: 1}\nauth: {type: api_key, keys: [{id: ci, key: plain-key-in-file, scopes: []}]}\n')])).code).toBe(2);
    const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
    expect((await cli(['import', file('d.yaml', `service_accounts: [{name: x, key_hash: ${empty}, allowed_tools: []}]\n`)])).code).toBe(2);
  });
});

describe('keys and records', () => {
  it('a key is shown once; neither list nor the store holds it', async () => {
    const data = join(dir, 'keys');
    const { out, code } = await cli(['key', 'create', 'alice', '--scope', 'a:read', '--data', data]);
    expect(code).toBe(0);
    const key = out.trim();
    const listed = await cli(['key', 'list', '--json', '--data', data]);
    expect(JSON.parse(listed.out)).toMatchObject([{ id: 'alice', scopes: ['a:read'] }]);
    const secret = key.slice(3, 30);
    expect(listed.out).not.toContain(secret);
    for (const name of readdirSync(data)) {
      if (!statSync(join(data, name)).isFile()) continue;
      expect(readFileSync(join(data, name), 'latin1')).not.toContain(secret);
      expect(statSync(join(data, name)).mode & 0o077).toBe(0);
    }
    expect((await cli(['key', 'revoke', 'alicia', '--data', data])).code).toBe(2);
  });
  it('verify is good, then names the first bad record with exit code 1', async () => {
    const gateway = await launch({ config: {}, keys: { a: [] } });
    await gateway.post('/mcp', { jsonrpc: '2.0', id: 1, method: 'ping' });
    expect(await gateway.stop()).toBe(0);
    expect((await cli(['audit', 'verify', '--data', gateway.data])).code).toBe(0);
    const audit = join(gateway.data, 'audit');
    const segment = join(audit, readdirSync(audit).find((name) => name.endsWith('.jsonl') && name.startsWith('audit-')) as string);
    const lines = readFileSync(segment, 'utf8').split('\n');
    writeFileSync(segment, lines.map((line, i) => (i === 2 ? line.replace(/"timestamp":"2/, '"timestamp":"1') : line)).join('\n'));
    const bad = await cli(['audit', 'verify', '--data', gateway.data]);
    expect(bad.code).toBe(1);
    expect(bad.err).toMatch(/audit-\d+\.jsonl:3 seq 3:/);
    appendFileSync(segment, '{}\n');
    expect((await cli(['audit', 'verify', '--data', gateway.data])).code).toBe(1);
    gateway.clean();
  });
});
