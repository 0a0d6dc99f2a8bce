import { z } from 'zod';
import { secretRef } from '../secrets/index.ts';
import { facts } from './facts.ts';

// So that `check` tells a weak key before the start does.
export { weakness } from './key-text.ts';

/** SHA-256 of texts that stand in manuals, the empty one first: what has such a hash is open to all (CWE-1392). */
const KNOWN_HASHES: ReadonlySet<string> = new Set([
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', // (empty)
  '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', // test
  '5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8', // password
  '2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b', // secret
  '8c6976e5b5410415bde908bd4dee15dfb167a9c873fc4bb8a81f6f2ab448a918', // admin
  '057ba03d6c44104863dc7361fe4578965d1887360f90a0895882e58a6248fc86', // changeme
]);
const apiKey = z.strictObject({
  ...facts,
  secret: secretRef.optional().describe('Where the key itself is: `env:NAME` or `file:PATH`; read again every second, so that it can be rotated. Either this or `sha256`.'),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, { error: 'must be 64 lower-case hex digits' }).refine((hash) => !KNOWN_HASHES.has(hash), { error: 'is the hash of an empty or well-known text' }).optional()
    .describe('SHA-256 of the key in hex. Either this or `secret`.'),
}).refine((key) => (key.secret === undefined) !== (key.sha256 === undefined), { error: 'a key has either a `secret` or a `sha256`' });
export type ConfiguredKey = Readonly<z.infer<typeof apiKey>>;

/** No HS* (a shared secret that verifies can also sign; RS/HS confusion, CVE-2015-9235) and no `none`: they cannot be written. */
export const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

const claim = z.string().min(1).max(256);
const claimNames = (what: string, ...names: string[]) => z.union([claim, z.array(claim).max(8)]).default(names).describe(what);
const claims = z.strictObject({
  caller: claimNames('Claim with the caller’s name; `sub` by default.', 'sub'),
  user: claimNames('Claim with the person; none by default.'),
  team: claimNames('Claim with the team; none by default.'),
  workspace: claimNames('Claim with the workspace (tenant); none by default.'),
  environment: claimNames('Claim with the environment; none by default.'),
  agent: claimNames('Claim with the agent; none by default.'),
  client: claimNames('Claim with the client, the first that is present; `client_id`, `azp` by default.', 'client_id', 'azp'),
  tenant: claimNames('Claim with the tenant (organisation); none by default.'),
  groups: claimNames('Claim with the groups, a list of texts, the first that is present; none by default.'),
  roles: claimNames('Claim with the roles, a list of texts, the first that is present; none by default.'),
  scopes: claimNames('Claim with the scopes, a text or a list, the first that is present; `scope`, `scp` by default.', 'scope', 'scp'),
});
const LOOPBACK = /^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?\//;
const ms = (most: number) => z.int().min(0).max(most);
const issuer = z.strictObject({
  issuer: z.string().min(1).max(512).regex(/^[\x21\x22\x24-\x7e]+$/, { error: 'must be visible ASCII without #' }).describe('The exact `iss` of its tokens.'),
  jwks_url: z.url({ protocol: /^https?$/ }).max(2_048).refine((url) => url.startsWith('https://') || LOOPBACK.test(url), { error: 'must be https:// (http:// only on this machine)' }).optional()
    .describe('Where its public keys are (JWKS). One of `jwks_url`, `jwks_file`, `public_key`.'),
  jwks_file: secretRef.optional().describe('A JWKS by reference, `file:PATH`; read again like a URL.'),
  public_key: secretRef.optional().describe('One public key by reference, `file:PATH`: PEM (SPKI) or JWK.'),
  algorithms: z.array(z.enum(ALGORITHMS)).min(1).default(['RS256', 'ES256', 'EdDSA']).describe('Signature algorithms accepted; RS256, ES256 and EdDSA by default.'),
  audience: z.array(z.string().min(1).max(2_048)).max(64).default([]).describe('Values of `aud` of which the token must hold one, exactly; by default the gateway’s own resource URIs.'),
  types: z.array(z.string().min(1).max(64)).min(1).default(['at+jwt', 'JWT']).describe('Accepted `typ` headers; `at+jwt` and `JWT` by default. A token without `typ` counts as `JWT`.'),
  leeway_ms: ms(300_000).default(30_000).describe('By how much clocks may differ, in ms; 30 s by default.'),
  max_lifetime_ms: ms(86_400_000).min(1_000).default(3_600_000).describe('The longest time between `iat` and `exp`, in ms; one hour by default.'),
  subjects: z.array(z.string().min(1).max(256)).optional().describe('The only values of `sub` that are let in; all by default.'),
  clients: z.array(z.string().min(1).max(256)).optional().describe('The only clients (see `claims.client`) that are let in; all by default.'),
  claims: claims.prefault({}).describe('Which claim becomes which fact: one name or a list.'),
  jwks_refresh_ms: ms(86_400_000).min(1_000).default(300_000).describe('How often the keys are read again, in ms; 5 min by default. A key taken out of the JWKS stops working within this time.'),
  jwks_cooldown_ms: ms(3_600_000).min(1_000).default(30_000).describe('How long after a read an unknown `kid` may cause another, in ms; 30 s by default.'),
  jwks_max_stale_ms: ms(86_400_000).min(1_000).default(3_600_000).describe('How long keys are used when they cannot be read again, in ms; one hour by default.'),
  jwks_timeout_ms: ms(60_000).min(100).default(5_000).describe('How long reading the keys may take, in ms; 5 s by default.'),
}).refine((one) => [one.jwks_url, one.jwks_file, one.public_key].filter((source) => source !== undefined).length === 1, { error: 'an issuer has exactly one of `jwks_url`, `jwks_file`, `public_key`' })
  .refine((one) => one.jwks_max_stale_ms >= one.jwks_refresh_ms, { error: '`jwks_max_stale_ms` must not be below `jwks_refresh_ms`' });
export type IssuerConfig = Readonly<z.infer<typeof issuer>>;

const jwt = z.strictObject({
  issuers: z.array(issuer).max(64).default([]).superRefine((list, ctx) => repeated(list.map((one) => one.issuer), 'issuer', ctx)).describe('Who may issue tokens; nobody by default.'),
  max_bytes: z.int().min(512).max(65_536).default(16_384).describe('Largest token, in bytes.'),
  cache_entries: z.int().min(1).max(1_000_000).default(10_000).describe('How many verified tokens are remembered, each until it expires or its key is withdrawn.'),
});

/** Section `authenticate`. With nothing in it nobody gets in but holders of keys made by `sallyport key create`. */
export const authenticateConfig = z.strictObject({
  api_keys: z.array(apiKey).max(10_000).default([]).superRefine((list, ctx) => {
    repeated(list.map((key) => key.id), 'id', ctx);
    repeated(list.map((key) => key.sha256), 'sha256', ctx);
    repeated(list.map((key) => key.secret), 'secret', ctx);
  }).describe('API keys set by the operator; others are made by `sallyport key create`.'),
  jwt: jwt.prefault({}).describe('JWT bearer tokens.'),
}).prefault({}).describe('Who calls. There is no anonymous mode.');
export type AuthenticateConfig = z.infer<typeof authenticateConfig>;

/** One key under two ids would make two people of one (CWE-694). */
function repeated(values: readonly (string | undefined)[], field: string, ctx: z.RefinementCtx): void {
  const seen = new Set<string>();
  values.forEach((value, at) => {
    if (value !== undefined && seen.has(value)) ctx.addIssue({ code: 'custom', path: [at, field], message: 'stands here for the second time' });
    if (value !== undefined) seen.add(value);
  });
}
