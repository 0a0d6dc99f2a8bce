import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFixture, type RunningFixture } from '../kit/fixture/http.ts';
import { cli, launch, records, type Launched, type Reply } from '../kit/gateway.ts';
import { listenRequest, OPEN, openStream, openTalk, until } from '../kit/scene.ts';

/** What docs/ promises: a revocation by another process is in force within so many ms. */
const REVOKED_MS = 250 + 500; // what a machine busy with other tests adds
const ISSUER = 'https://issuer.test';

let fixture: RunningFixture;
let jwks: Server;
let signing: CryptoKey;
let gateway: Launched;
beforeAll(async () => {
  fixture = await startFixture();
  const pair = await generateKeyPair('ES256');
  signing = pair.privateKey;
  const keySet = JSON.stringify({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' }] });
  jwks = createServer((_req, res) => void res.writeHead(200, { 'content-type': 'application/json' }).end(keySet)).listen(0, '127.0.0.1');
  await once(jwks, 'listening');
  gateway = await launch({
    config: {
      ...OPEN,
      egress: { fetch_allow_loopback: true },
      authenticate: { jwt: { issuers: [{ issuer: ISSUER, jwks_url: `http://127.0.0.1:${(jwks.address() as AddressInfo).port}/jwks` }] } },
      dispatch: { servers: { fixture: { url: fixture.url, allow_loopback: true } } },
    },
    keys: { revoked: [], streaming: [], staying: [], rotated: [] },
  });
  await until('the server answers', 10_000, async () => (await echo('staying')).status === 200);
});
afterAll(async () => {
  await gateway.stop('SIGKILL');
  gateway.clean();
  await fixture.close();
  jwks.close();
});

const echo = (key: string, text = ''): Promise<Reply> => gateway.tool(key, 'fixture__echo', { text });
const withHeaders = (headers: Record<string, string>): Promise<Reply> => gateway.post('/tool', { tool: 'fixture__echo', inputs: {} }, headers);
const codeOf = ({ status, body }: Reply): [number, string] => [status, body.result.code];
const didRun = (text: string): boolean => fixture.ran.some(([, args]) => (args as { text?: string }).text === text);
/** How long after the command's end the key goes on working, ms; calls all the while. */
async function worksFor(key: string, command: readonly string[]): Promise<number> {
  expect((await cli([...command, '--data', gateway.data])).code).toBe(0);
  return until(`${command.join(' ')} is in force`, 2_000, async () => (await echo(key)).status === 401);
}
const reasonOf = async (reply: Reply): Promise<unknown> => (await records(gateway.data, '--id', reply.headers.get('x-correlation-id') as string)).map((r) => [r['event'], r['reason_code'], r['effect']]);

describe('key revoke while the gateway runs', () => {
  it('is in force within 250 ms, for calls and for sessions, and is on record', async () => {
    const talk = await openTalk(gateway, 'revoked', '/s/fixture/mcp');
    expect((await talk.call(1, 'echo', {})).status).toBe(200);
    expect(await worksFor('revoked', ['key', 'revoke', 'revoked'])).toBeLessThan(REVOKED_MS);
    const refused = await echo('revoked', 'after revocation');
    expect(codeOf(refused)).toEqual([401, 'authenticate.revoked']);
    expect((await talk.call(2, 'echo', { text: 'after revocation' })).status).toBe(401);
    expect((await gateway.modern('revoked', '/s/fixture/mcp', 'tools/list', {})).status).toBe(401);
    expect(didRun('after revocation')).toBe(false);
    expect(await reasonOf(refused)).toEqual([['call.refused', 'authenticate.revoked', 'none']]);
    await until('it is on record', 3_000, async () => {
      const acts = await records(gateway.data, '--event', 'key.*');
      return acts.filter((r) => r['caller_id'] === 'revoked').map((r) => r['event']).join() === 'key.created,key.revoked';
    });
    expect((await echo('staying')).status).toBe(200);
  });

  it('ends the open streams of that key in both eras, and no others', async () => {
    const listen = async (key: string): Promise<Awaited<ReturnType<typeof openStream>>[]> => {
      const talk = await openTalk(gateway, key, '/s/fixture/mcp');
      return Promise.all([
        openStream(`${gateway.url}/s/fixture/mcp`, { method: 'GET', headers: { ...talk.headers, accept: 'text/event-stream' } }),
        openStream(`${gateway.url}/s/fixture/mcp`, listenRequest(gateway.keys[key] as string)),
        openStream(`${gateway.url}/mcp`, listenRequest(gateway.keys[key] as string)),
      ]);
    };
    const [theirs, mine] = await Promise.all([listen('streaming'), listen('staying')]);
    expect([...theirs, ...mine].map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
    let ended = 0;
    for (const stream of mine) void stream.ended.then(() => ended++);
    await cli(['key', 'revoke', 'streaming', '--data', gateway.data]);
    const start = performance.now();
    await Promise.all(theirs.map((stream) => stream.ended));
    expect(performance.now() - start).toBeLessThan(REVOKED_MS + 50);
    expect(ended).toBe(0);
    for (const stream of mine) stream.close();
  });

  it('a rotated key: the new one at once, the old one not a moment longer than the overlap', async () => {
    const rotated = await cli(['key', 'rotate', 'rotated', '--overlap', '0', '--data', gateway.data]);
    expect(rotated.code).toBe(0);
    expect(await until('the old key is out', 2_000, async () => (await echo('rotated')).status === 401)).toBeLessThan(REVOKED_MS);
    expect((await echo(rotated.out.trim())).status).toBe(200);
  });
});

it('a key that expires: good until then, refused from then on, its stream ends', async () => {
  const made = await cli(['key', 'create', 'brief', '--expires', '3s', '--data', gateway.data]);
  const key = made.out.trim();
  await until('the new key is known', 1_000, async () => (await echo(key)).status === 200);
  const stream = await openStream(`${gateway.url}/s/fixture/mcp`, listenRequest(key));
  expect(stream.status).toBe(200);
  await until('it has expired', 4_000, async () => (await echo(key)).status === 401);
  expect(codeOf(await echo(key))).toEqual([401, 'authenticate.expired']);
  const start = performance.now();
  await stream.ended;
  expect(performance.now() - start).toBeLessThan(1_500);
});

it('two credentials at once are refused, whichever would be good', async () => {
  const good = gateway.keys['staying'] as string;
  const token = await tokenFor(`${gateway.url}/tool`);
  const before = fixture.ran.length;
  for (const second of [`Bearer ${good}`, `Bearer ${token}`, 'Bearer nonsense', 'Basic bm86']) {
    expect(codeOf(await withHeaders({ 'x-api-key': good, authorization: second }))).toEqual([400, 'authenticate.ambiguous']);
  }
  expect(fixture.ran.length).toBe(before);
});

const tokenFor = (audience: string | string[], sub = 'someone'): Promise<string> =>
  new SignJWT({}).setProtectedHeader({ alg: 'ES256', kid: 'k1', typ: 'at+jwt' }).setSubject(sub).setIssuer(ISSUER).setAudience(audience).setIssuedAt().setExpirationTime('5m').sign(signing);

describe('a token for another audience', () => {
  const bearer = async (audience: string | string[]): Promise<Record<string, string>> => ({ authorization: `Bearer ${await tokenFor(audience)}` });

  it('is refused; one for this gateway is not', async () => {
    const good = await withHeaders(await bearer(`${gateway.url}/tool`));
    expect([good.status, good.body.metadata.caller]).toEqual([200, 'someone']);
    const before = fixture.ran.length;
    for (const audience of ['https://other.test/mcp', 'http://127.0.0.1:1/tool', `${gateway.url}/tool/`, `${gateway.url.toUpperCase()}/tool`, gateway.url, '*', '']) {
      const refused = await withHeaders(await bearer(audience));
      expect(codeOf(refused), audience).toEqual([401, expect.stringMatching(/^authenticate\./)]);
      expect(refused.headers.get('www-authenticate')).toMatch(/^Bearer/);
    }
    const named = await withHeaders(await bearer('https://other.test/mcp'));
    expect(await reasonOf(named)).toEqual([['call.refused', 'authenticate.audience', 'none']]);
    expect(fixture.ran.length).toBe(before);
  });
  it('one that was issued for a server is good there only', async () => {
    const headers = await bearer(`${gateway.url}/s/fixture/mcp`);
    const list = (path: string): Promise<Reply> => gateway.post(path, { jsonrpc: '2.0', id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } } }, headers);
    expect([(await list('/s/fixture/mcp')).status, (await list('/mcp')).status, (await withHeaders(headers)).status]).toEqual([200, 401, 401]);
  });
});
