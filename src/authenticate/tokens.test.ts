import { createHmac, generateKeyPairSync, type KeyObject, randomBytes, sign as signWith } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compactVerify } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Received } from '../call/call.ts';
import type { Principal } from '../call/principal.ts';
import { createSecrets } from '../secrets/index.ts';
import { storeConfig } from '../store/config.ts';
import { openStore, type Store } from '../store/index.ts';
import { ALGORITHMS, authenticateConfig } from './config.ts';
import { type Authenticate, createAuthenticate, createKeyStore, type KeyStore } from './index.ts';
import { createTokenJudge } from './judge-token.ts';
import { readKeySet, selectKey } from './key-set.ts';
import { readSigned } from './token-parts.ts';

const CORPUS = join(import.meta.dirname, '../../../shared/corpora/jwt');
const GATEWAY = 'https://gateway.test/mcp';
const RESOURCES = [GATEWAY, 'https://gateway.test/s/alpha/mcp', 'https://gateway.test/s/beta/mcp'];
type Json = Record<string, unknown>;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');
const attacker = generateKeyPairSync('rsa', { modulusLength: 2048 });
const otherIssuer = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwkOf = (key: KeyObject, more: Json): Json => ({ ...key.export({ format: 'jwk' }), ...more });
const K1 = jwkOf(rsa.publicKey, { kid: 'K1', use: 'sig', alg: 'RS256' });
const K2 = jwkOf(ec.publicKey, { kid: 'K2', use: 'sig', alg: 'ES256' });
const K3 = jwkOf(ed.publicKey, { kid: 'K3', use: 'sig', alg: 'EdDSA' });

const b64 = (value: string | Buffer): string => Buffer.from(value).toString('base64url');
type Signer = (input: string) => Buffer;
const signers: Readonly<Record<string, Signer>> = {
  RS256: (input) => signWith('sha256', Buffer.from(input), rsa.privateKey),
  PS256: (input) => signWith('sha256', Buffer.from(input), { key: rsa.privateKey, padding: 6, saltLength: 32 }),
  ES256: (input) => signWith('sha256', Buffer.from(input), { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }),
  EdDSA: (input) => signWith(null, Buffer.from(input), ed.privateKey),
};
const by = (key: KeyObject): Signer => (input) => signWith('sha256', Buffer.from(input), key);
const hmac = (secret: string | Buffer): Signer => (input) => createHmac('sha256', secret).update(input).digest();
const none: Signer = () => Buffer.alloc(0);

let folder: string;
let store: Store;
let keys: KeyStore;
let jwksServer: Server;
let issuer: string;
let served: unknown;
let fetches: string[];
let skew = 0; // of the wall clock, ms
let ahead = 0; // of the monotonic clock, ms
const clock = { now: () => Date.now() + skew, monotonic: () => performance.now() + ahead };
const rooms: Authenticate[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tokens-'));
  store = await openStore(storeConfig.parse({ folder: join(folder, 'data') }), { clock });
  keys = await createKeyStore(store, clock);
  jwksServer = createServer((request, response) => {
    if (served === 'hang') return;
    response.statusCode = served === 'down' ? 500 : 200;
    response.end(request.url === '/other' ? JSON.stringify({ keys: [jwkOf(otherIssuer.publicKey, { kid: 'K1', alg: 'RS256' })] }) : JSON.stringify(served));
  });
  await new Promise<void>((resolve) => { jwksServer.listen(0, '127.0.0.1', resolve); });
  issuer = `http://127.0.0.1:${(jwksServer.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await keys.close();
  await store.close();
  jwksServer.closeAllConnections();
  jwksServer.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => { served = { keys: [K1, K2, K3] }; fetches = []; skew = 0; ahead = 0; });
afterEach(async () => { for (const room of rooms.splice(0)) await room.close(); });

/** The way out, as egress would give it: every URL it is asked for is written down. */
const fetchJson = (url: string, signal: AbortSignal): Promise<unknown> => new Promise((resolve, reject) => {
  fetches.push(url);
  get(url, { signal }, (response) => {
    let text = '';
    response.on('data', (chunk) => { text += String(chunk); });
    response.on('end', () => { if (response.statusCode === 200) resolve(JSON.parse(text)); else reject(new Error(`status ${response.statusCode}`)); });
  }).on('error', reject);
});
const roomWith = async (one: Json = {}, more: Json[] = [], jwt: Json = {}): Promise<Authenticate> => {
  const config = authenticateConfig.parse({ jwt: { ...jwt, issuers: [{ issuer, ...('public_key' in one || 'jwks_file' in one ? {} : { jwks_url: `${issuer}/jwks` }), ...one }, ...more] } });
  const room = await createAuthenticate(config, { keys, clock, fetchJson, audience: () => RESOURCES, secret: createSecrets({ baseDir: folder, env: {} }).resolve });
  rooms.push(room);
  return room;
};
const seconds = (): number => Math.floor(clock.now() / 1_000);
const baseClaims = (): Json => ({ iss: issuer, aud: GATEWAY, sub: 'agent-1', iat: seconds(), exp: seconds() + 300, scope: 'mcp:tools:list mcp:tools:call', client_id: 'client-1' });
interface Wish {
  readonly header?: Json;
  readonly claims?: Json;
  readonly dropHeader?: readonly string[];
  readonly dropClaims?: readonly string[];
  readonly rawClaims?: string;
  readonly rawHeader?: string;
  readonly signer?: Signer;
}
const mint = (wish: Wish = {}): string => {
  const header: Json = { alg: 'RS256', typ: 'at+jwt', kid: 'K1', ...wish.header };
  const claims: Json = { ...baseClaims(), ...wish.claims };
  for (const name of wish.dropHeader ?? []) delete header[name];
  for (const name of wish.dropClaims ?? []) delete claims[name];
  const input = `${b64(wish.rawHeader ?? JSON.stringify(header))}.${b64(wish.rawClaims ?? JSON.stringify(claims))}`;
  const signer = wish.signer ?? signers[String(header['alg'])] ?? signers['RS256'] ?? none;
  return `${input}.${b64(signer(input))}`;
};
const callWith = (authorization: string, server: string | null = null): Received => ({ server, presented: { authorization, apiKey: null, remoteAddress: '192.0.2.1' } }) as unknown as Received;
const offer = async (room: Authenticate, token: string, server: string | null = null): Promise<Principal | string> => {
  const verdict = await room.stage.run(callWith(`Bearer ${token}`, server));
  return 'stop' in verdict ? verdict.stop.code : verdict.go.principal;
};
const idOf = (answer: Principal | string): string => (typeof answer === 'string' ? answer : answer.id);
const isSync = (room: Authenticate, token: string): boolean => !(room.stage.run(callWith(`Bearer ${token}`)) instanceof Promise);
const until = async (holds: () => boolean | Promise<boolean>, ms = 4_000): Promise<void> => {
  const start = performance.now();
  while (!(await holds())) {
    if (performance.now() - start > ms) throw new Error('did not come about in time');
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
};

describe('a good token', () => {
  it('becomes a principal with the facts it proves', async () => {
    const room = await roomWith({ claims: { user: 'sub', team: ['org', 'team'], workspace: 'space', environment: 'env', agent: 'agent_id', tenant: 'tenant', groups: 'groups', roles: ['realm_roles', 'roles'] } });
    const token = mint({ claims: { team: 'core', space: 'w1', env: 'prod', agent_id: 'a7', tenant: 'acme', groups: ['sre', 'on call'], roles: ['auditor'] } });
    const principal = await offer(room, token);
    expect(principal).toEqual({
      id: `jwt:${issuer}#agent-1`, kind: 'jwt', caller: 'agent-1', user: 'agent-1', team: 'core', workspace: 'w1', environment: 'prod', agent: 'a7', client: 'client-1', tenant: 'acme', groups: ['sre', 'on call'], roles: ['auditor'],
      scopes: ['mcp:tools:list', 'mcp:tools:call'], allowedTools: null, deniedTools: [], confirmTools: [], tokenAudience: GATEWAY, expiresAt: expect.any(Number),
    });
    expect(typeof principal !== 'string' && principal.expiresAt).toBeGreaterThan(clock.now() + 300_000);
    expect(room.ready()).toBeNull();
  });

  it('is judged without a promise the second time, and its principal is the same object', async () => {
    const room = await roomWith();
    const token = mint();
    expect(isSync(room, token)).toBe(false);
    const first = await offer(room, token);
    expect(isSync(room, token)).toBe(true);
    expect(await offer(room, token)).toBe(first);
  });

  it.each(['RS256', 'ES256', 'EdDSA'])('may be signed with %s', async (alg) => {
    const kid = { RS256: 'K1', ES256: 'K2', EdDSA: 'K3' }[alg];
    expect(idOf(await offer(await roomWith(), mint({ header: { alg, kid } })))).toBe(`jwt:${issuer}#agent-1`);
  });

  it('may be verified with a local key: PEM, JWK or a JWKS file', async () => {
    const write = (name: string, text: string): string => { writeFileSync(join(folder, name), text, { mode: 0o600 }); return `file:${name}`; };
    const pem = write('a.pem', rsa.publicKey.export({ type: 'spki', format: 'pem' }));
    for (const source of [{ public_key: pem }, { public_key: write('a.jwk', JSON.stringify(K1)) }, { jwks_file: write('a.jwks', JSON.stringify({ keys: [K1] })) }]) {
      expect(idOf(await offer(await roomWith(source), mint())), JSON.stringify(source)).toBe(`jwt:${issuer}#agent-1`);
    }
    expect(fetches).toEqual([]);
    await expect(roomWith({ public_key: write('b.pem', rsa.privateKey.export({ type: 'pkcs8', format: 'pem' })) })).rejects.toThrow(/public key/);
    await expect(roomWith({ public_key: 'file:missing.pem' })).rejects.toThrow(/does not exist/);
    await expect(roomWith({ jwks_file: write('b.jwks', '{}') })).rejects.toThrow(/keys/);
  });
});

describe('the configuration', () => {
  const fails = (one: Json): boolean => !authenticateConfig.safeParse({ jwt: { issuers: [{ issuer: 'https://i.test', ...one }] } }).success;
  it('takes only asymmetric algorithms, one source of keys, https, and one entry per issuer', () => {
    const ok = { jwks_url: 'https://i.test/jwks' };
    expect(fails(ok)).toBe(false);
    for (const alg of ['HS256', 'none', 'HS512', 'rs256']) expect(fails({ ...ok, algorithms: [alg] }), alg).toBe(true);
    expect(fails({})).toBe(true);
    expect(fails({ ...ok, public_key: 'file:x' })).toBe(true);
    for (const url of ['http://i.test/jwks', 'ftp://i.test/x', 'http://localhost.evil.test/x', 'http://127.0.0.1@evil.test/x', 'file:///etc/passwd']) expect(fails({ jwks_url: url }), url).toBe(true);
    expect(fails({ ...ok, algorithms: [] })).toBe(true);
    expect(fails({ ...ok, types: [] })).toBe(true);
    expect(authenticateConfig.safeParse({ jwt: { issuers: [{ issuer: 'a', ...ok }, { issuer: 'a', ...ok }] } }).success).toBe(false);
  });
});

// Every row of the corpus is either driven or named here with the room whose business it is.
const ELSEWHERE = new Map([
  ['jwt-jti-replay', 'no one-time tokens'], ['cred-token-in-query', 'receive/: never presented, so `missing`'], ['cred-token-in-cookie', 'receive/: never presented, so `missing`'],
  ['cred-internal-header-spoof', 'dispatch/'], ['cred-mtls-expired', 'no mTLS yet'], ['cred-mtls-san-vs-cn', 'no mTLS yet'],
]);
const rowsOf = (name: string): Json[] => (existsSync(join(CORPUS, name)) ? readFileSync(join(CORPUS, name), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Json) : []);
const corpus = rowsOf('jwt_and_credential_cases.jsonl');

/** Placeholders of the corpus. */
const fill = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(fill);
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, fill(one)]));
  if (typeof value !== 'string') return value;
  const repeat = /^@@REPEAT:(.):(\d+)$/.exec(value);
  if (repeat !== null) return (repeat[1] ?? '').repeat(Number(repeat[2]));
  const time = /^now\+([\d.]+)$/.exec(value);
  if (time !== null) return seconds() + Number(time[1]);
  if (value === '"9999999999"') return '9999999999';
  return value.replace('GATEWAY_UPPERPATH', GATEWAY.replace('/mcp', '/MCP')).replace('GATEWAY/servers/A', RESOURCES[1] ?? '').replace('GATEWAY', GATEWAY).replace('ISS', issuer.replace('http://', ''));
};
const wishOf = (row: Json): Wish => {
  const signer: Readonly<Record<string, Signer>> = {
    'HMAC(PEM.strip())': hmac(rsa.publicKey.export({ type: 'spki', format: 'pem' }).trim()), 'HMAC(JWK JSON)': hmac(JSON.stringify(K1)),
    'HMAC(n)': hmac(Buffer.from(String(K1['n']), 'base64url')), 'HMAC(changeme)': hmac('changeme'), attacker: by(attacker.privateKey), 'HMAC("") or attacker': by(attacker.privateKey), 'issuer B': by(otherIssuer.privateKey),
  };
  const signedBy = typeof row['sign'] === 'string' ? row['sign'] : null;
  const chosen = row['signature'] === 'empty' ? none : signer[signedBy ?? ''];
  if (signedBy !== null && chosen === undefined) throw new Error(`how to sign ${signedBy}?`);
  return {
    header: (fill(row['header'] ?? {}) as Json), claims: (fill(row['claims'] ?? {}) as Json), dropHeader: (row['header_drop'] ?? []) as string[], dropClaims: (row['claims_drop'] ?? []) as string[],
    ...(chosen === undefined ? {} : { signer: chosen }),
  };
};
/** The exact code per row, so that each is refused for its own reason and not for another guard's. A name for those let in. */
const CODES: Readonly<Record<string, string>> = {
  "jwt-alg-none-'none'": 'malformed', "jwt-alg-none-'None'": 'malformed', "jwt-alg-none-'NONE'": 'malformed', "jwt-alg-none-'nOnE'": 'malformed', "jwt-alg-none-'none '": 'malformed', 'jwt-alg-none-sig-kept': 'algorithm',
  'jwt-alg-missing': 'malformed', 'jwt-alg-array': 'malformed', 'jwt-hs256-with-rsa-pem-nonl': 'algorithm', 'jwt-hs256-with-jwk-json': 'algorithm', 'jwt-hs256-with-modulus': 'algorithm', 'jwt-hs256-weak-changeme': 'algorithm',
  'jwt-alg-ps-with-rs-key': 'algorithm', 'jwt-zip-bomb': 'malformed', 'jwt-jku-attacker': 'malformed', 'jwt-jku-same-host-open-redirect': 'malformed', 'jwt-kid-traversal': 'unknown', 'jwt-kid-cmd': 'unknown', 'jwt-kid-long': 'malformed',
  'jwt-kid-toString': 'unknown', 'jwt-kid-array': 'malformed', 'jwt-b64-false': 'malformed', 'jwt-exp-string': 'claims', 'jwt-exp-negative': 'expired', 'jwt-exp-null': 'claims', 'jwt-nbf-future': 'not_yet', 'jwt-iat-future': 'not_yet',
  'jwt-aud-missing': 'audience', 'jwt-aud-case': 'audience', 'jwt-aud-trailing-slash': 'audience', 'jwt-aud-substring-in-array': 'audience', 'jwt-aud-object': 'audience', 'jwt-aud-server-specific': 'audience', 'jwt-iss-other': 'issuer',
  'jwt-iss-missing': 'issuer', 'jwt-iss-cross-key': 'unknown', 'jwt-sub-object': 'claims', 'jwt-sub-control-chars': 'claims', 'jwt-cnf-mtls-mismatch': 'claims', 'jwt-azp-mismatch': 'claims',
};
const LET_IN = new Set(['jwt-ok-es256', 'jwt-ok-eddsa', 'jwt-ok-aud-array', 'jwt-exp-float', 'jwt-scope-substring', 'jwt-scope-wildcard-string', 'jwt-sub-unicode-lookalike']);

describe.skipIf(corpus.length === 0)('the corpus of token attacks (../shared/corpora/jwt; skipped where it is absent)', () => {
  const driven = corpus.filter((row) => String(row['id']) in CODES || LET_IN.has(String(row['id'])));

  it.each(driven.map((row) => [String(row['id']), row] as const))('%s', async (id, row) => {
    const room = await roomWith(id === 'jwt-azp-mismatch' ? { clients: ['client-1'], claims: { client: 'azp' } } : {}, [{ issuer: 'https://b.test', jwks_url: `${issuer}/other` }]);
    fetches.length = 0;
    const start = performance.now();
    const answer = await offer(room, mint(wishOf(row)), row['at'] === undefined ? null : 'beta');
    expect(performance.now() - start).toBeLessThan(200);
    if (LET_IN.has(id)) expect(idOf(answer)).toMatch(/^jwt:/);
    else expect(answer).toBe(`authenticate.${CODES[id]}`);
    if (id === 'jwt-sub-unicode-lookalike') expect(idOf(answer)).not.toBe(`jwt:${issuer}#agent-1`);
    if (id === 'jwt-scope-substring' || id === 'jwt-scope-wildcard-string') expect(typeof answer !== 'string' && answer.scopes).toEqual([(row['claims'] as Json)['scope']]);
    expect(fetches).toEqual([]); // no request at all, so none to what a token names
  });

  it('leaves no row out', () => {
    const source = readFileSync(import.meta.filename, 'utf8');
    const missing = corpus.map((row) => String(row['id'])).filter((id) => !(id in CODES) && !LET_IN.has(id) && !ELSEWHERE.has(id) && !source.includes(`// corpus: ${id}`));
    expect(missing).toEqual([]);
  });
});

describe('what the corpus describes in words', () => {
  it('scopes as a list', async () => { // corpus: jwt-ok-scp-array
    const room = await roomWith();
    expect(await offer(room, mint({ claims: { scp: ['a', 'b'] }, dropClaims: ['scope'] }))).toMatchObject({ scopes: ['a', 'b'] });
    for (const scope of [['a b'], ['a', 1], { a: 1 }, 7, 'a"b', 'a  b', Array(300).fill('s')]) expect(await offer(room, mint({ claims: { scope } })), JSON.stringify(scope)).toBe('authenticate.claims');
  });
  it('groups and roles are lists of names, and nothing else passes for one', async () => {
    const room = await roomWith({ claims: { groups: 'groups', roles: 'roles' } });
    expect(await offer(room, mint())).toMatchObject({ groups: [], roles: [], tenant: null });
    expect(await offer(room, mint({ claims: { groups: [], roles: ['a b', 'ü'] } }))).toMatchObject({ groups: [], roles: ['a b', 'ü'] });
    for (const bad of ['admins', 'a,b', null, 7, { a: 1 }, [7], [''], ['a\nb'], ['a\u200bdmin'], [null], ['x'.repeat(257)], ['ok', ['admins']], Array(257).fill('g')]) {
      expect(await offer(room, mint({ claims: { groups: bad } })), JSON.stringify(bad)).toBe('authenticate.claims');
      expect(await offer(room, mint({ claims: { roles: bad } })), JSON.stringify(bad)).toBe('authenticate.claims');
    }
  });
  it('no scope: let in with none, so that authorize/ refuses', async () => { // corpus: jwt-scope-missing
    expect(await offer(await roomWith(), mint({ dropClaims: ['scope'] }))).toMatchObject({ scopes: [] });
  });
  it('no subject', async () => { // corpus: jwt-sub-missing
    const room = await roomWith();
    expect(await offer(room, mint({ dropClaims: ['sub'] }))).toBe('authenticate.claims');
    expect(await offer(room, mint({ claims: { sub: '' } }))).toBe('authenticate.claims');
  });
  it('a thousand unknown kids cause no more than one fetch per cool-down', async () => { // corpus: jwt-kid-unknown-storm
    const room = await roomWith();
    expect(fetches).toHaveLength(1);
    const storm = async (): Promise<void> => {
      const answers = await Promise.all(Array.from({ length: 1_000 }, (_, n) => offer(room, mint({ header: { kid: `u${n}` }, signer: () => randomBytes(256) }))));
      expect(new Set(answers)).toEqual(new Set(['authenticate.unknown']));
    };
    await storm();
    expect(fetches).toHaveLength(1);
    ahead += 30_001;
    await storm();
    expect(fetches).toHaveLength(2);
  });
  it('a doubled kid is ambiguous; the same kid at another issuer is another key', async () => { // corpus: jwt-kid-duplicate-in-jwks
    served = { keys: [jwkOf(attacker.publicKey, { kid: 'K1', alg: 'RS256' }), K1] };
    const room = await roomWith({}, [{ issuer: 'https://b.test', jwks_url: `${issuer}/other` }]);
    expect(await offer(room, mint())).toBe('authenticate.unknown');
    expect(await offer(room, mint({ signer: by(attacker.privateKey) }))).toBe('authenticate.unknown');
    expect(idOf(await offer(room, mint({ claims: { iss: 'https://b.test' }, signer: by(otherIssuer.privateKey) })))).toBe('jwt:https://b.test#agent-1');
  });
  it('names that stand twice', async () => { // corpus: jwt-dup-claims
    const room = await roomWith();
    const claims = JSON.stringify(baseClaims());
    for (const rawClaims of [claims.replace('{', '{"aud":"evil",'), claims.replace('{', '{"AUD":"evil",'), claims.replace('{', '{"\\u0061ud":"evil",'), claims.replace('{', '{"__proto__":{"sub":"x"},')]) {
      expect(await offer(room, mint({ rawClaims })), rawClaims).toBe('authenticate.malformed');
    }
    expect(await offer(room, mint({ rawHeader: '{"alg":"none","alg":"RS256","kid":"K1"}' }))).toBe('authenticate.malformed');
    expect(await offer(room, mint({ rawClaims: `${claims} ` }))).not.toBe('authenticate.malformed'); // white space is JSON
    for (const rawClaims of ['[]', '"x"', 'null', '', '{', `\ufeff${claims}`, `${claims}${claims}`, '{"a":'.repeat(40)]) expect(await offer(room, mint({ rawClaims })), rawClaims.slice(0, 20)).toBe('authenticate.malformed');
  });
  it('other spellings of the same bytes', async () => { // corpus: jwt-b64-padding, // corpus: jwt-whitespace
    const room = await roomWith();
    const token = mint();
    const [head = '', body = '', signature = ''] = token.split('.');
    expect(idOf(await offer(room, token))).toMatch(/^jwt/);
    const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const trailing = signature.slice(0, -1) + (digits[digits.indexOf(signature.slice(-1)) | 1] ?? '');
    expect(Buffer.from(trailing, 'base64url').equals(Buffer.from(signature, 'base64url'))).toBe(true);
    const spoilt = [`${head}=.${body}.${signature}`, `${head}.${body}=.${signature}`, `${token}=`, `${token}==`, `${head}.${body}.${trailing}`, ` ${token}`, `${token} `, `${head} .${body}.${signature}`, `${head}.${body}\n.${signature}`,
      `${token}.`, `.${token}`, `${head}..${signature}`, `${head}.${body}`, `${head}.${body}.`, `${token}.${body}.${signature}`, Buffer.from(head, 'base64url').toString('base64') + `+.${body}.${signature}`];
    for (const one of spoilt) expect(await offer(room, one), one.slice(-20)).toBe('authenticate.malformed');
  });
  it('an ECDSA signature in DER; with high S it is the same signature and let in', async () => { // corpus: jwt-ecdsa-der-sig, // corpus: jwt-ecdsa-high-s
    const room = await roomWith();
    const header = { alg: 'ES256', kid: 'K2' };
    expect(await offer(room, mint({ header, signer: (input) => signWith('sha256', Buffer.from(input), { key: ec.privateKey, dsaEncoding: 'der' }) }))).toBe('authenticate.unknown');
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const high: Signer = (input) => {
      const raw = signers['ES256']?.(input) ?? Buffer.alloc(0);
      const flipped = order - BigInt(`0x${raw.subarray(32).toString('hex')}`);
      return Buffer.concat([raw.subarray(0, 32), Buffer.from(flipped.toString(16).padStart(64, '0'), 'hex')]);
    };
    expect(idOf(await offer(room, mint({ header, signer: high })))).toMatch(/^jwt/);
    expect(await offer(room, mint({ header, signer: () => Buffer.alloc(64) }))).toBe('authenticate.unknown'); // CVE-2022-21449
  });
  it('weak, private and foreign keys of a JWKS are not used, and the operator is told', async () => { // corpus: jwt-rsa-1024-key, // corpus: jwt-jwks-private-key, // corpus: jwt-rsa-e3-forgery
    const small = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const e3 = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 });
    served = { keys: [jwkOf(small.publicKey, { kid: 'small' }), jwkOf(e3.publicKey, { kid: 'e3' }), jwkOf(attacker.privateKey, { kid: 'private' }), { kty: 'oct', kid: 'oct', k: 'c2VjcmV0', alg: 'HS256' }, { ...K1, kid: 'enc', use: 'enc' }, { ...K1, kid: 'ps', alg: 'PS256' }, { ...K1, kid: 'ops', key_ops: ['sign'] }, 7, { ...K2, kid: 'bad', x: 'AA' }, K1] };
    const room = await roomWith();
    for (const [kid, key] of [['small', small.privateKey], ['e3', e3.privateKey], ['private', attacker.privateKey], ['enc', rsa.privateKey], ['ps', rsa.privateKey], ['ops', rsa.privateKey]] as const) {
      expect(await offer(room, mint({ header: { kid }, signer: by(key) })), kid).toBe('authenticate.unknown');
    }
    expect(await offer(room, mint({ header: { alg: 'HS256', kid: 'oct' }, signer: hmac('secret') }))).toBe('authenticate.algorithm');
    expect(idOf(await offer(room, mint()))).toMatch(/^jwt/);
    expect(room.ready()).toMatch(/below 2048.*65537.*holds a secret.*holds a secret.*not a JWK.*cannot be read/);
  });
  it('a verified token does not outlive its end', async () => { // corpus: jwt-cache-after-expiry
    const room = await roomWith();
    const token = mint();
    const principal = await offer(room, token);
    skew = 300_000;
    expect(await offer(room, token)).toBe(principal); // within the leeway of 30 s
    skew = 331_000;
    expect(await offer(room, token)).toBe('authenticate.expired');
    expect(typeof principal !== 'string' && room.stillValid(principal)).toBe(false);
    expect(await offer(room, token)).toBe('authenticate.expired');
  });
  it('a forgery does not spoil its twin, before or after', async () => { // corpus: jwt-cache-negative-poison
    const room = await roomWith();
    const token = mint();
    const forged = `${token.slice(0, -40)}${'A'.repeat(40)}`;
    expect(await offer(room, forged)).not.toMatch(/^jwt/);
    expect(idOf(await offer(room, token))).toMatch(/^jwt/);
    expect(typeof (await offer(room, forged))).toBe('string');
    expect(typeof (await offer(room, token.slice(0, -1)))).toBe('string');
    expect(idOf(await offer(room, token))).toMatch(/^jwt/);
  });
  it('the header', async () => { // corpus: cred-auth-lowercase-bearer, // corpus: cred-auth-empty-bearer, // corpus: cred-auth-bearer-tab, // corpus: cred-apikey-and-jwt, // corpus: cred-apikey-case
    const room = await roomWith();
    const token = mint();
    const run = async (authorization: string | null, apiKey: string | null = null): Promise<string> => {
      const verdict = await room.stage.run({ server: null, presented: { authorization, apiKey, remoteAddress: '' } } as unknown as Received);
      return 'stop' in verdict ? verdict.stop.code : verdict.go.principal.kind;
    };
    expect(await run(`bearer ${token}`)).toBe('jwt');
    expect(await run('Bearer ')).toBe('authenticate.malformed');
    expect(await run(`Bearer\t${token}`)).toBe('authenticate.malformed');
    const { key } = await keys.create({ id: `k${Date.now()}` });
    expect(await run(`Bearer ${token}`, key)).toBe('authenticate.ambiguous');
    expect(await run(null, token)).toMatch(/^authenticate/);
    expect(await run(null, key)).toBe('api_key');
    const swapped = Array.from(key, (char) => (char === char.toLowerCase() ? char.toUpperCase() : char.toLowerCase())).join('');
    expect(await run(null, swapped)).toMatch(/^authenticate/);
  });
  it('a client that is disabled at the issuer is out when its key is withdrawn, open streams too', async () => { // corpus: jwt-client-disabled
    const room = await roomWith({ jwks_refresh_ms: 1_000 });
    const token = mint();
    const principal = await offer(room, token);
    const lost: string[] = [];
    room.onRevoked((id) => lost.push(id));
    expect(typeof principal !== 'string' && room.stillValid(principal)).toBe(true);
    served = { keys: [K2] };
    await until(async () => (await offer(room, token)) === 'authenticate.unknown');
    expect(typeof principal !== 'string' && room.stillValid(principal)).toBe(false);
    expect(lost).toEqual([`jwt:${issuer}#agent-1`]);
    served = { keys: [{ ...jwkOf(attacker.publicKey, {}), kid: 'K1', alg: 'RS256' }] }; // another key under the old name
    await until(async () => idOf(await offer(room, mint({ signer: by(attacker.privateKey) }))).startsWith('jwt'));
    expect(await offer(room, token)).toBe('authenticate.unknown');
  });
});

describe('more of what a token may try', () => {
  const refusedAs = async (code: string, wish: Wish, one: Json = {}, server: string | null = null): Promise<void> => expect(await offer(await roomWith(one), mint(wish), server)).toBe(`authenticate.${code}`);

  it.each(['jku', 'x5u', 'jwk', 'x5c', 'crit', 'b64', 'zip'])('%s in the header, though well signed', (name) => refusedAs('malformed', { header: { [name]: name === 'jwk' ? K1 : `${issuer}/evil` } }));
  it('types: only those on the list; none counts as JWT', async () => {
    const room = await roomWith();
    for (const typ of ['at+jwt', 'AT+JWT', 'application/at+jwt', 'JWT', 'jwt']) expect(idOf(await offer(room, mint({ header: { typ } }))), typ).toMatch(/^jwt/);
    expect(idOf(await offer(room, mint({ dropHeader: ['typ'] })))).toMatch(/^jwt/);
    for (const typ of ['dpop+jwt', 'logout+jwt', 'secevent+jwt', 'JOSE', '']) expect(await offer(room, mint({ header: { typ } })), typ).toBe('authenticate.algorithm');
    expect(await offer(room, mint({ header: { typ: 7 } }))).toBe('authenticate.malformed');
    const strict = await roomWith({ types: ['at+jwt'] });
    for (const wish of [{ header: { typ: 'JWT' } }, { dropHeader: ['typ'] }]) expect(await offer(strict, mint(wish))).toBe('authenticate.algorithm');
  });
  it('lives longer than allowed, or without a birth', async () => {
    await refusedAs('lifetime', { claims: { exp: seconds() + 3_601 } });
    await refusedAs('lifetime', { claims: { exp: 1e300 } });
    await refusedAs('claims', { dropClaims: ['iat'] });
    await refusedAs('claims', { dropClaims: ['exp'] });
    await refusedAs('claims', { claims: { iat: seconds() + 5, exp: seconds() + 5 } });
    await refusedAs('lifetime', { claims: { iat: 0 } });
    await refusedAs('claims', { claims: { nbf: '0' } });
    await refusedAs('claims', { rawClaims: JSON.stringify(baseClaims()).replace(/"exp":\d+/, '"exp":1e999') });
  });
  it('the leeway, to the edge', async () => {
    const room = await roomWith({ leeway_ms: 10_000 });
    expect(idOf(await offer(room, mint({ claims: { iat: seconds() - 60, exp: seconds() - 8 } })))).toMatch(/^jwt/);
    expect(await offer(room, mint({ claims: { iat: seconds() - 60, exp: seconds() - 11 } }))).toBe('authenticate.expired');
    expect(idOf(await offer(room, mint({ claims: { nbf: seconds() + 9 } })))).toMatch(/^jwt/);
    expect(await offer(room, mint({ claims: { nbf: seconds() + 12 } }))).toBe('authenticate.not_yet');
  });
  it('audiences: one server’s token is good there alone, the gateway’s everywhere', async () => {
    const room = await roomWith();
    const alpha = mint({ claims: { aud: RESOURCES[1] } });
    for (let round = 0; round < 2; round += 1) {
      expect(await offer(room, alpha, 'alpha')).toMatchObject({ tokenAudience: RESOURCES[1] });
      expect(await offer(room, alpha, 'beta')).toBe('authenticate.audience');
      expect(await offer(room, alpha, null)).toBe('authenticate.audience');
    }
    const both = mint({ claims: { aud: [RESOURCES[1], RESOURCES[2]] } });
    expect(await offer(room, both, 'beta')).toMatchObject({ tokenAudience: RESOURCES[2] });
    expect(await offer(room, both, 'alpha')).toMatchObject({ tokenAudience: RESOURCES[1] });
    expect(idOf(await offer(room, mint(), 'beta'))).toMatch(/^jwt/);
    for (const aud of [[], [GATEWAY, 7], '', `${GATEWAY} https://x`, null]) expect(await offer(room, mint({ claims: { aud } })), JSON.stringify(aud)).toBe('authenticate.audience');
    const own = await roomWith({ audience: ['api://gateway'] });
    expect(idOf(await offer(own, mint({ claims: { aud: 'api://gateway' } })))).toMatch(/^jwt/);
    expect(await offer(own, mint())).toBe('authenticate.audience');
  });
  it('subjects and clients on a list', async () => {
    await refusedAs('claims', {}, { subjects: ['agent-2'] });
    await refusedAs('claims', {}, { clients: ['client-2'] });
    await refusedAs('claims', { dropClaims: ['client_id'] }, { clients: ['client-1'] });
    expect(idOf(await offer(await roomWith({ subjects: ['agent-1'], clients: ['client-1'] }), mint()))).toMatch(/^jwt/);
  });
  it('facts of a wrong form are refused, not skipped', async () => {
    const one = { claims: { team: ['team', 'group'] } };
    await refusedAs('claims', { claims: { team: ['a'], group: 'b' } }, one);
    await refusedAs('claims', { claims: { team: '' } }, one);
    await refusedAs('claims', { claims: { team: 'a\u200bb' } }, one);
    await refusedAs('claims', { claims: { team: 'a'.repeat(300) } }, one);
    await refusedAs('malformed', { rawClaims: JSON.stringify(baseClaims()).replace('agent-1', '\\ud800') });
    await refusedAs('claims', {}, { claims: { caller: 'email' } });
  });
  it('names a kid longer than any key has', () => refusedAs('malformed', { header: { kid: 'k'.repeat(300) } }));
  it('was signed by a key that is withdrawn while the signature is checked', async () => {
    const config = authenticateConfig.parse({ jwt: { issuers: [{ issuer, jwks_url: `${issuer}/jwks` }] } });
    const one = config.jwt.issuers[0];
    if (one === undefined) throw new Error('no issuer');
    const set = readKeySet({ keys: [K1] }, one.algorithms);
    let held = true;
    const watched = { current: () => set, holds: () => held, lookAgain: () => Promise.resolve(false), fault: () => null, close: () => Promise.resolve() };
    const { judge } = createTokenJudge(config.jwt, new Map([[issuer, { config: one, keys: watched }]]), () => RESOURCES, clock);
    const text = mint();
    const verdict = judge({ kind: 'token', text }, callWith(''));
    held = false;
    expect(await verdict).toMatchObject({ stop: { code: 'authenticate.unknown' } });
    held = true;
    expect(await judge({ kind: 'token', text }, callWith(''))).toHaveProperty('go');
  });
  it('is too large', async () => {
    await refusedAs('malformed', { claims: { filler: 'x'.repeat(16_384) } });
    expect(idOf(await offer(await roomWith(), mint({ claims: { filler: 'x'.repeat(8_000) } })))).toMatch(/^jwt/);
  });
  it('names no kid: good only when one key fits', async () => {
    expect(idOf(await offer(await roomWith(), mint({ dropHeader: ['kid'] })))).toMatch(/^jwt/);
    served = { keys: [K1, jwkOf(attacker.publicKey, { kid: 'K9', alg: 'RS256' })] };
    await refusedAs('unknown', { dropHeader: ['kid'] });
  });
  it('notes hold no part of the token', async () => {
    const room = await roomWith({ subjects: ['nobody'] });
    for (const wish of [{}, { header: { kid: 'secretkidvalue' } }, { claims: { aud: 'secretaudience' } }, { header: { alg: 'secretalg' } }, { claims: { iss: 'secretissuer' } }, { signer: none }]) {
      const token = mint(wish);
      const text = JSON.stringify(await room.stage.run(callWith(`Bearer ${token}`)));
      expect(text).not.toContain('secret');
      expect(text).not.toContain('agent-1');
      for (const part of token.split('.')) if (part.length > 8) expect(text).not.toContain(part.slice(0, 8));
    }
  });
});

describe('the keys of an issuer', () => {
  it('a new key is fetched when a token names it', async () => {
    served = { keys: [K2] };
    const room = await roomWith();
    ahead += 30_001;
    served = { keys: [K1, K2] };
    expect(idOf(await offer(room, mint()))).toMatch(/^jwt/);
    expect(fetches).toHaveLength(2);
  });
  it('an issuer that does not answer does not stop the start; its tokens are not called unknown; it is asked again', async () => {
    served = 'down';
    const room = await roomWith();
    expect(room.ready()).toMatch(/cannot be read/);
    expect(await offer(room, mint())).toBe('authenticate.unavailable');
    served = { keys: [K1] };
    await until(async () => idOf(await offer(room, mint())).startsWith('jwt'));
    expect(room.ready()).toBeNull();
  });
  it('one that hangs is given up', async () => {
    served = 'hang';
    const start = performance.now();
    const room = await roomWith({ jwks_timeout_ms: 200 });
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(await offer(room, mint())).toBe('authenticate.unavailable');
  });
  it('keys that cannot be confirmed are used for a while and then no more', async () => {
    const room = await roomWith({ jwks_refresh_ms: 1_000, jwks_max_stale_ms: 100_000 });
    const token = mint();
    const principal = await offer(room, token);
    served = 'down';
    await until(() => room.ready() !== null);
    expect(await offer(room, token)).toBe(principal);
    ahead += 110_000;
    expect(await offer(room, token)).toBe('authenticate.unavailable');
    expect(await offer(room, mint({ claims: { jti: 'new' } }))).toBe('authenticate.unavailable');
    expect(typeof principal !== 'string' && room.stillValid(principal)).toBe(false);
  });
});

const wycheproof = rowsOf('wycheproof_jws.jsonl');
describe.skipIf(wycheproof.length === 0)('Wycheproof (../shared/corpora/jwt; skipped where it is absent)', () => {
  const sets = new Map(wycheproof.filter((row) => row['keyset'] !== undefined).map((row) => {
    const set = row['keyset'] as Json;
    return [row['keyset_id'], Array.isArray(set['keys']) ? set : { keys: [set] }];
  }));

  it('no signature that does not hold is taken for one that does', async () => {
    let held = 0;
    for (const row of wycheproof) {
      const signed = readSigned(String(row['token']));
      if ('malformed' in signed) continue;
      const key = selectKey(readKeySet(sets.get(row['keyset_id']), ALGORITHMS), signed.kid, signed.alg);
      if (typeof key === 'string' || !(ALGORITHMS as readonly string[]).includes(signed.alg)) continue;
      const holds = await compactVerify(String(row['token']), key.key, { algorithms: [signed.alg] }).then(() => true, () => false);
      if (holds) {
        expect(row['crypto_result'], String(row['id'])).toBe('valid');
        held += 1;
      }
    }
    expect(held).toBeGreaterThanOrEqual(30); // the good ones do hold, so the test tests something
  });

  it('none gets in, none throws, none is a 5xx', async () => {
    for (const [id, set] of sets) {
      served = set;
      const room = await roomWith({ algorithms: [...ALGORITHMS] });
      for (const row of wycheproof.filter((one) => one['keyset_id'] === id)) expect(await offer(room, String(row['token'])), String(row['id'])).toMatch(/^authenticate\.(?:malformed|unknown|issuer|algorithm|claims)$/);
    }
    expect(fetches.every((url) => url === `${issuer}/jwks`)).toBe(true);
  });
});
