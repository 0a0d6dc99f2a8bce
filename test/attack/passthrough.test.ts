import { generateKeyPair, exportSPKI, SignJWT } from 'jose';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFixture, type RunningFixture } from '../kit/fixture/http.ts';
import { REFLECTING_TOOLS, startReflecting } from '../kit/fixture/reflecting.ts';
import { launch, META, type Launched, type Reply } from '../kit/gateway.ts';
import { OPEN, openTalk, stdioFixture, until } from '../kit/scene.ts';

/** Token passthrough (MCP security best practices; Lunar `_meta`, ToolHive custom headers): what a caller proves itself with ends at the gateway. */
const canary = (name: string): string => `${name}-${randomBytes(24).toString('hex')}`;
const OWN = canary('up');
const OWN_STDIO = canary('stdio');
const WRONG = `sp_${randomBytes(32).toString('base64url')}_${randomBytes(4).toString('hex').slice(0, 6)}`;
const HEADERS: Readonly<Record<string, string>> = {
  cookie: `session=${canary('cookie')}`, 'proxy-authorization': `Basic ${canary('proxy')}`, 'x-auth-token': canary('xauth'), 'x-forwarded-user': canary('fwd'),
  'x-amz-security-token': canary('amz'), 'x-forwarded-access-token': canary('access'), 'x-goog-api-key': canary('goog'), 'mcp-secret': canary('mcp'), 'private-token': canary('priv'),
};

/** What a requester says to those who decide: in the record, if anywhere, but at no server. */
const [REASON, TICKET, MODEL] = [canary('reason'), canary('ticket'), canary('model')];

let fixture: RunningFixture;
let reflecting: Awaited<ReturnType<typeof startReflecting>>;
let gateway: Launched;
let jwt: string;
/** All that any client got to see. */
const told: string[] = [];
const tell = (reply: Reply): Reply => {
  told.push(JSON.stringify([...reply.headers]), reply.text);
  return reply;
};

beforeAll(async () => {
  fixture = await startFixture();
  reflecting = await startReflecting();
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const dir = mkdtempSync(join(tmpdir(), 'sallyport-canary-'));
  writeFileSync(join(dir, 'issuer.pem'), await exportSPKI(publicKey), { mode: 0o600 });
  const authorization = { secret: 'env:UP_TOKEN', prefix: 'Bearer ' };
  gateway = await launch({
    dir,
    config: {
      ...OPEN,
      authenticate: { jwt: { issuers: [{ issuer: 'https://issuer.test', public_key: 'file:issuer.pem', audience: ['sallyport'] }] } },
      dispatch: {
        servers: {
          http: { url: fixture.url, allow_loopback: true, headers: { authorization } },
          reflecting: { url: reflecting.url, allow_loopback: true, headers: { authorization } },
          stdio: { ...stdioFixture(join(dir, 'stdio.log')), env: { FIXTURE_SECRET: { secret: 'env:STDIO_TOKEN' } } },
        },
      },
      resolve: { tools: { http__slow: { class: 'read' } } },
    },
    env: { UP_TOKEN: OWN, STDIO_TOKEN: OWN_STDIO },
    keys: { caller: [] },
    args: ['--log-level', 'debug'],
  });
  jwt = await new SignJWT({}).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt' }).setSubject('someone').setIssuer('https://issuer.test').setAudience('sallyport').setIssuedAt().setExpirationTime('5m').sign(privateKey);
  await until('all servers answer', 10_000, async () => (await Promise.all(['http', 'stdio'].map((s) => gateway.tool('caller', `${s}__echo`, {})))).every(({ status }) => status === 200));
});
afterAll(async () => {
  await gateway.stop('SIGKILL');
  gateway.clean();
  await fixture.close();
  reflecting.close();
});

const modernCall = (path: string, name: string, meta: object, headers: Record<string, string>): Promise<Reply> => gateway.post(path, {
  jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: { text: 'canary run' }, _meta: { ...META, ...meta } },
}, { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': name, ...headers });

/** Every door, lane and era once, with this credential and every other header a proxy or SDK might add. */
async function useEverything(credential: Record<string, string>): Promise<number[]> {
  const headers = { ...HEADERS, ...credential };
  const key = Object.values(credential)[0] as string;
  const replies = [
    await gateway.post('/tool', { tool: 'http__echo', inputs: { text: 'canary run' } }, headers),
    await gateway.post('/tool', { tool: 'stdio__echo', inputs: { text: 'canary run' } }, headers),
    await gateway.post('/tool', { tool: 'http__test_error_handling', inputs: {} }, headers),
    await modernCall('/s/http/mcp', 'echo', {}, headers),
    await modernCall('/s/http/mcp', 'echo', { 'sallyport/reason': REASON, 'sallyport/ticket': TICKET, 'sallyport/modelRequestId': MODEL }, headers), // words for our own people
    await gateway.post('/tool', { tool: 'http__echo', inputs: { text: 'canary run' }, reason: REASON, ticket: TICKET }, headers),
    await modernCall('/mcp', 'http__echo', { 'x-token': key, authorization: `Bearer ${key}` }, headers), // own lane: the client's _meta stays here
    await modernCall('/s/stdio/mcp', 'echo', { 'x-token': key }, headers),
  ];
  const hello = await gateway.post('/s/http/mcp', { jsonrpc: '2.0', id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } } }, headers);
  const talk = { ...headers, 'mcp-session-id': hello.headers.get('mcp-session-id') ?? '', 'mcp-protocol-version': '2025-11-25' };
  replies.push(hello, await gateway.post('/s/http/mcp', { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } }, talk));
  return replies.map((reply) => tell(reply).status);
}

/** Not even 8 characters in a row of `secret`, in no piece of `text`. */
function findings(secret: string, text: string): string[] {
  return Array.from({ length: secret.length - 7 }, (_, i) => secret.slice(i, i + 8)).filter((part) => text.includes(part));
}
const upstreams = (): string => [fixture.seenHeaders.join('\n'), fixture.seenBodies.join('\n'), readFileSync(join(gateway.dir, 'stdio.log'), 'utf8')].join('\n');
const logs = (): string => gateway.out() + gateway.err();
/** Every file the gateway wrote: audit, checkpoints, store. */
const files = (folder = gateway.data): string => readdirSync(folder).map((name) => join(folder, name)).map((path) => (statSync(path).isDirectory() ? files(path) : readFileSync(path, 'latin1'))).join('\n');

describe('what callers send to prove themselves', () => {
  it('is good for calls through every door', async () => {
    const all = (status: number): number[] => Array.from({ length: 10 }, () => status);
    expect(await useEverything({ 'x-api-key': gateway.keys['caller'] as string })).toEqual(all(200));
    expect(await useEverything({ authorization: `Bearer ${gateway.keys['caller']}` })).toEqual(all(200));
    expect(await useEverything({ authorization: `Bearer ${jwt}` })).toEqual(all(200));
    expect(await useEverything({ 'x-api-key': WRONG })).toEqual(all(401));
    expect(await useEverything({ authorization: `Bearer ${jwt.slice(0, -4)}AAAA` })).toEqual(all(401));
  });
  it('is refused in other places, and not repeated there', async () => {
    const key = gateway.keys['caller'] as string;
    const statuses = [
      tell(await gateway.post(`/mcp?api_key=${key}`, {}, { 'x-api-key': key })),
      tell(await gateway.post(`/${key}`, {}, { 'x-api-key': key })),
      tell(await gateway.post('/tool', `{"tool": "http__echo", "inputs": {}, "api_key": "${key}"}`, { 'x-api-key': key })),
      tell(await gateway.post('/tool', `{"tool": "${key}"`, { 'x-api-key': key })),
      tell(await gateway.post('/tool', { tool: 'http__echo', inputs: {} }, { 'x-api-key': key, authorization: `Bearer ${jwt}` })),
      tell(await gateway.post('/s/http/mcp', { jsonrpc: '2.0', id: 1, method: 'tools/list' }, { 'x-api-key': key, 'mcp-session-id': key })),
      tell(await gateway.post('/mcp', { jsonrpc: '2.0', id: 1, method: 'tools/list' }, { authorization: `Basic ${key}` })),
    ].map(({ status }) => status);
    expect(statuses).toEqual([400, 404, 400, 400, 400, 404, 401]);
  });
  it('reaches no server, file, log line or answer, not even 8 characters of it', () => {
    expect(fixture.ran.length).toBeGreaterThan(10);
    const secrets = { key: gateway.keys['caller'] as string, wrong: WRONG, jwt: jwt.split('.').slice(1).join('.'), ...HEADERS };
    for (const [name, secret] of Object.entries(secrets)) {
      for (const [where, text] of Object.entries({ upstreams: upstreams(), files: files(), logs: logs(), answers: told.join('\n') })) {
        expect(findings(secret.replace(/^(session=|Basic )/, ''), text), `${name} in ${where}`).toEqual([]);
      }
    }
  });
});

describe('what callers say to those who decide', () => {
  it('reaches no server, in no lane and by no door', () => {
    for (const said of [REASON, TICKET, MODEL]) expect(findings(said, upstreams()), said).toEqual([]);
  });
});

describe('what the gateway itself signs in with', () => {
  it('reaches its server and no other', () => {
    expect(fixture.seenHeaders).toContain(`Bearer ${OWN}`);
    expect(reflecting.got).toContain(`Bearer ${OWN}`);
    expect(findings(OWN_STDIO, upstreams())).toEqual([]);
  });
  it('reaches no client, file or log line, though servers repeat it wherever they can', async () => {
    await until('the reflecting server is known', 5_000, async () => (await gateway.tool('caller', 'reflecting__result', {})).status === 200);
    for (const name of REFLECTING_TOOLS) {
      const replies = [await gateway.tool('caller', `reflecting__${name}`, {}), await gateway.modern('caller', '/s/reflecting/mcp', 'tools/call', { name, arguments: {} }), await gateway.modern('caller', '/mcp', 'tools/call', { name: `reflecting__${name}`, arguments: {} })];
      replies.map(tell);
    }
    for (const method of ['server/discover', 'tools/list', 'prompts/list', 'no/such/method']) {
      for (const path of ['/s/reflecting/mcp', '/mcp']) tell(await gateway.modern('caller', path, method, {}));
    }
    const talk = await openTalk(gateway, 'caller', '/s/reflecting/mcp');
    tell(await talk.send({ id: 1, method: 'tools/list' }));
    const seen = { files: files(), logs: logs(), answers: told.join('\n') };
    for (const [where, text] of Object.entries(seen)) {
      for (const secret of [OWN, OWN_STDIO]) expect(findings(secret, text), where).toEqual([]);
    }
    expect(seen.answers).toContain('you are Bearer [redacted:own_credential]');
    expect(seen.answers, 'events too').toContain('working as Bearer [redacted:own_credential]');
    expect(seen.files).toContain('secret:own_credential');
    expect(seen.logs, 'the stdio server’s stderr').toContain('signed in with [redacted:own_credential]');
  });
});
