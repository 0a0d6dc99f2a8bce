import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFixture, type RunningFixture } from '../kit/fixture/http.ts';
import { cli, launch, META, records, type Launched } from '../kit/gateway.ts';

/** MISSION A5: no credential of an agent reaches the place where people decide, and no person's key is one of an agent. */
const ISSUER = 'https://issuer.test';
const HOSTILE = 'a\u001b[2J\u202e\u200b';
let fixture: RunningFixture;
let jwks: Server;
let gateway: Launched;
let admin: string;
let dora: string;
let doraFile: string;
let token: string;

beforeAll(async () => {
  fixture = await startFixture();
  const pair = await generateKeyPair('ES256');
  const keySet = JSON.stringify({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' }] });
  jwks = createServer((_req, res) => void res.writeHead(200, { 'content-type': 'application/json' }).end(keySet)).listen(0, '127.0.0.1');
  await once(jwks, 'listening');
  const dir = mkdtempSync(join(tmpdir(), 'sallyport-'));
  const made = await cli(['admin', 'create', 'dora', '--user', 'dora@example.org', '--group', 'ops', '--data', join(dir, 'data')]);
  expect(made.code, made.err).toBe(0);
  dora = made.out.trim();
  doraFile = join(dir, 'dora.key');
  writeFileSync(doraFile, made.out, { mode: 0o600 });
  gateway = await launch({
    dir,
    config: {
      egress: { fetch_allow_loopback: true },
      authenticate: {
        // The worst mistake an operator can make: the admin's key as an agent's.
        api_keys: [{ id: 'mistake', sha256: createHash('sha256').update(dora).digest('hex'), scopes: ['fixture:write'] }],
        jwt: { issuers: [{ issuer: ISSUER, jwks_url: `http://127.0.0.1:${(jwks.address() as AddressInfo).port}/jwks` }] },
      },
      dispatch: { servers: { fixture: { url: fixture.url, allow_loopback: true } } },
      authorize: { rules: [{ id: 'echo', why: 'Echoes reach customers', effect: 'allow', tools: ['fixture__echo'], require_confirmation: true }] },
      approve: { groups: ['ops'] }, admin: { port: 0 },
    },
    keys: { bot: ['--scope', 'fixture:write', '--group', 'ops', '--role', 'admin', '--user', 'dora@example.org'], agent: ['--scope', 'fixture:write', '--group', 'ops'] },
    args: ['--log-level', 'debug'],
  });
  admin = /decide at (\S+)/.exec(gateway.err())?.[1] ?? '';
  token = await new SignJWT({ scope: 'fixture:write', groups: ['ops'] }).setProtectedHeader({ alg: 'ES256', kid: 'k1', typ: 'at+jwt' }).setIssuer(ISSUER).setSubject('dora').setJti('j1')
    .setAudience([`${gateway.url}/mcp`, `${gateway.url}/tool`]).setIssuedAt().setExpirationTime('10m').sign(pair.privateKey);
});
afterAll(async () => {
  await gateway.stop('SIGKILL');
  gateway.clean();
  await fixture.close();
  jwks.close();
});
const env = (): NodeJS.ProcessEnv => ({ SALLYPORT_ADMIN_URL: admin, SALLYPORT_ADMIN_KEY_FILE: doraFile });
const verb = (...args: string[]): ReturnType<typeof cli> => cli(['approvals', ...args], env());
const pendingId = async (): Promise<string> => (JSON.parse((await verb('list', '--json')).out) as { id: string }[])[0]?.id ?? '';

describe('agents at the admin door', () => {
  it('key, token and canaries open nothing there, in whatever header', async () => {
    expect((await gateway.tool('agent', 'fixture__echo', { text: 'one' })).status).toBe(202);
    const id = await pendingId();
    for (const shown of [gateway.keys['agent'] ?? '', gateway.keys['bot'] ?? '', token, `spa_${(gateway.keys['agent'] ?? '').slice(3)}`, 'sk-canary-0123456789abcdef']) {
      for (const headers of [{ authorization: `Bearer ${shown}` }, { 'x-api-key': shown }, { cookie: `session=${shown}` }]) {
        for (const [method, path] of [['GET', '/approvals'], ['GET', `/approvals/${id}`], ['POST', `/approvals/${id}/decision`], ['POST', '/callbacks/approvals']] as const) {
          const answer = await fetch(admin + path, { method, headers: { 'content-type': 'application/json', ...headers }, ...(method === 'POST' ? { body: JSON.stringify({ approval: id, verdict: 'approve', rationale: 'me' }) } : {}) });
          expect([401, 429]).toContain(answer.status);
        }
      }
    }
    expect(JSON.parse((await verb('show', id, '--json')).out)).toMatchObject({ state: 'pending', decisions: [] });
  });

  it('the token is a good one at its own door', async () => {
    expect((await gateway.post('/tool', { tool: 'fixture__echo', inputs: { text: 'jwt' } }, { authorization: `Bearer ${token}` })).status).toBe(202);
  });

  it('the admin API does not exist at the agents’ door', async () => {
    for (const path of ['/approvals', '/callbacks/approvals', '/links/s1.x']) expect((await fetch(gateway.url + path, { headers: { 'x-api-key': gateway.keys['agent'] ?? '' } })).status).toBe(404);
  });
});

describe('an admin key at the agents’ door', () => {
  it('is refused, even if the configuration says it is an agent’s, and is never written down', async () => {
    const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'fixture__echo', arguments: { text: 'x' }, _meta: META } };
    const modern = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'fixture__echo' };
    for (const headers of [{ authorization: `Bearer ${dora}` }, { 'x-api-key': dora }] as Record<string, string>[]) {
      for (const path of ['/mcp', '/s/fixture/mcp']) expect((await gateway.post(path, call, { ...modern, ...headers })).status, path).toBe(401);
      expect((await gateway.post('/tool', { tool: 'fixture__echo', inputs: { text: 'x' } }, headers)).status).toBe(401);
    }
    await gateway.tool('agent', 'fixture__echo', { text: `here is ${dora}` });
    const trail = JSON.stringify(await records(gateway.data));
    expect(trail).toContain('here is ');
    for (const text of [trail, gateway.err(), gateway.out()]) expect(text).not.toContain(dora);
    expect((await records(gateway.data)).filter((record) => record['reason_code'] === 'authenticate.malformed')).toHaveLength(6);
  });
});

describe('a person on the command line', () => {
  it('sees hostile arguments without harm, decides, and the call runs once', async () => {
    const inputs = { text: `${HOSTILE} p\u0430ypal` };
    expect((await gateway.tool('agent', 'fixture__echo', inputs)).status).toBe(202);
    const id = await pendingId();
    for (const args of [['list'], ['list', '--json'], ['show', id], ['show', id, '--json']]) {
      const { code, out } = await verb(...args);
      expect(code).toBe(0);
      expect(out.replaceAll('\n', '')).not.toMatch(/\p{C}/u);
    }
    expect((await verb('show', id)).out).toContain('\\u{1b}[2J\\u{202e}\\u{200b} p\u0430\\u{430}ypal');
    expect(await verb('approve', id, '--rationale', 'ok')).toMatchObject({ code: 0 });
    expect((await gateway.tool('agent', 'fixture__echo', inputs)).status).toBe(200);
    expect((await gateway.tool('agent', 'fixture__echo', inputs)).status).toBe(202);
    const again = await verb('approve', id, '--rationale', 'ok');
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('admin.closed')]);
  });

  it('who asked is refused under his own name; wrong use is told', async () => {
    expect((await gateway.tool('bot', 'fixture__echo', { text: 'mine' })).status).toBe(202);
    const id = await pendingId();
    const self = await verb('approve', id, '--rationale', 'mine');
    expect([self.code, self.err]).toEqual([1, expect.stringContaining('admin.self')]);
    expect((await verb('deny', id)).code).toBe(2);
    expect((await cli(['approvals', 'list'], { SALLYPORT_ADMIN_URL: admin, SALLYPORT_ADMIN_KEY_FILE: '' })).code).toBe(2);
    writeFileSync(join(gateway.dir, 'agent.key'), gateway.keys['agent'] ?? '', { mode: 0o600 });
    expect((await cli(['approvals', 'list', '--url', admin, '--key-file', join(gateway.dir, 'agent.key')])).code).toBe(2);
    expect((await verb('approve', id, '--rationale', 'x', '--narrow', 'nothing')).code).toBe(2);
  });

  it('a revoked key is dead at once, and all of it is on record', async () => {
    expect((await cli(['admin', 'revoke', 'dora', '--data', gateway.data])).code).toBe(0);
    expect((await verb('list')).err).toMatch(/admin\.(?:unauthenticated|rate)/);
    expect((await cli(['admin', 'list', '--data', gateway.data])).out).toMatch(/^dora {2}revoked .* groups=ops$/m);
    const seen = async (): Promise<unknown[]> => (await records(gateway.data)).map((record) => record['event']);
    for (let i = 0; i < 40 && !(await seen()).includes('admin.revoked'); i++) await new Promise((done) => setTimeout(done, 50));
    expect(await seen()).toEqual(expect.arrayContaining(['admin.created', 'admin.refused', 'approval.decided', 'admin.revoked']));
  });
});
