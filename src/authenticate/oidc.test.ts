import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// @ts-expect-error the package brings no types
import { Provider } from 'oidc-provider';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Received } from '../call/call.ts';
import { systemClock as clock } from '../lib/clock.ts';
import { storeConfig } from '../store/config.ts';
import { openStore } from '../store/index.ts';
import { authenticateConfig } from './config.ts';
import { type Authenticate, createAuthenticate, createKeyStore } from './index.ts';

const RESOURCE = 'https://gateway.test/mcp';
let server: Server;
let issuer: string;
const closing: (() => Promise<void> | void)[] = [];

const send = (url: string, form?: Record<string, string>): Promise<Record<string, unknown>> => new Promise((resolve, reject) => {
  const sent = request(url, form === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: `Basic ${Buffer.from('agent-7:a-long-client-secret').toString('base64')}` } }, (response) => {
    let text = '';
    response.on('data', (chunk) => { text += String(chunk); });
    response.on('end', () => { resolve(JSON.parse(text) as Record<string, unknown>); });
  }).on('error', reject);
  sent.end(form === undefined ? undefined : new URLSearchParams(form).toString());
});

beforeAll(async () => {
  server = createServer();
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'e1', alg: 'ES256', use: 'sig' }, { ...rsa.privateKey.export({ format: 'jwk' }), kid: 'r1', alg: 'RS256', use: 'sig' }] },
    clients: [{ client_id: 'agent-7', client_secret: 'a-long-client-secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context: unknown, resource: string) => ({ scope: 'mcp:tools:list mcp:tools:call', audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: 300, jwt: { sign: { alg: 'ES256' } } }),
      },
    },
  });
  server.on('request', provider.callback());
  const folder = mkdtempSync(join(tmpdir(), 'oidc-'));
  const store = await openStore(storeConfig.parse({ folder: join(folder, 'data') }), { clock });
  const keys = await createKeyStore(store, clock);
  closing.push(() => keys.close(), () => store.close(), () => { server.closeAllConnections(); server.close(); }, () => { rmSync(folder, { recursive: true }); });
  room = await createAuthenticate(authenticateConfig.parse({ jwt: { issuers: [{ issuer, jwks_url: `${issuer}/jwks` }] } }), {
    keys, clock, audience: () => [RESOURCE], secret: () => Promise.reject(new Error('none')), fetchJson: (url) => send(url),
  });
  closing.unshift(room.close);
});
afterAll(async () => { for (const close of closing) await close(); });
let room: Authenticate;
const offer = async (token: unknown): Promise<unknown> => {
  const verdict = await room.stage.run({ server: null, presented: { authorization: `Bearer ${String(token)}`, apiKey: null, remoteAddress: '127.0.0.1' } } as unknown as Received);
  return 'stop' in verdict ? verdict.stop.code : verdict.go.principal;
};

it('a token of a real authorization server, asked for with our resource (RFC 8707), is let in; one for another resource is not', async () => {
  const grant = { grant_type: 'client_credentials', scope: 'mcp:tools:call' };
  const ours = await send(`${issuer}/token`, { ...grant, resource: RESOURCE });
  expect(await offer(ours['access_token'])).toMatchObject({ id: `jwt:${issuer}#agent-7`, client: 'agent-7', scopes: ['mcp:tools:call'], tokenAudience: RESOURCE });
  const theirs = await send(`${issuer}/token`, { ...grant, resource: 'https://other.test/mcp' });
  expect(typeof theirs['access_token']).toBe('string');
  expect(await offer(theirs['access_token'])).toBe('authenticate.audience');
});
