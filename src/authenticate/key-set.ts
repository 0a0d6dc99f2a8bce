import { createPublicKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { sha256 } from '../lib/hash.ts';
import type { Algorithm } from './config.ts';

/** One public key that may verify tokens of one issuer. */
export interface VerifyKey {
  /** Names the key material itself, so that a key that comes back under another `kid` is the same and one that is replaced is not. */
  readonly print: string;
  readonly kid: string | null;
  readonly algorithms: ReadonlySet<string>;
  readonly key: KeyObject;
}
export interface KeySet {
  readonly keys: readonly VerifyKey[];
  /** Keys left out, and why: for the operator. */
  readonly faults: readonly string[];
}

const text = z.string().max(8_192);
const jwk = z.looseObject({ kty: text, kid: text.optional(), use: text.optional(), alg: text.optional(), key_ops: z.array(text).optional(), crv: text.optional(), n: text.optional(), e: text.optional(), x: text.optional(), y: text.optional() });
type Jwk = z.infer<typeof jwk>;
const jwks = z.looseObject({ keys: z.array(z.unknown()).max(200) });

const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const BY_CURVE: Readonly<Record<string, readonly string[]>> = { 'P-256': ['ES256'], 'P-384': ['ES384'], 'P-521': ['ES512'], Ed25519: ['EdDSA'] };
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** Reads a JWKS (RFC 7517). Throws when it is none; keys that do not fit are left out with a reason. */
export function readKeySet(document: unknown, allowed: readonly Algorithm[]): KeySet {
  const keys: VerifyKey[] = [];
  const faults: string[] = [];
  jwks.parse(document).keys.forEach((candidate, at) => {
    const read = readJwk(candidate, allowed);
    if ('key' in read) keys.push(read);
    else if (read.fault !== null) faults.push(`key ${at + 1}: ${read.fault}`);
  });
  return { keys, faults };
}

/** Reads one public key: PEM (SPKI) or a JWK. Throws when it is neither or does not fit. */
export function readPublicKey(source: string, allowed: readonly Algorithm[]): KeySet {
  const pem = source.trimStart().startsWith('-----BEGIN');
  // node would derive the public key from a private one; a private key on a machine that only verifies is a leak waiting to happen.
  if (pem && !source.includes('-----BEGIN PUBLIC KEY-----')) throw new Error('not a public key in PEM (SPKI)');
  const document: unknown = pem ? createPublicKey(source).export({ format: 'jwk' }) : JSON.parse(source);
  const read = readJwk(document, allowed);
  if ('key' in read) return { keys: [read], faults: [] };
  throw new Error(read.fault ?? 'not a key for the algorithms allowed');
}

/** `fault: null`: a key for something else, which is no fault. */
function readJwk(candidate: unknown, allowed: readonly Algorithm[]): VerifyKey | { readonly fault: string | null } {
  const parsed = jwk.safeParse(candidate);
  if (!parsed.success) return { fault: 'not a JWK' };
  const { data } = parsed;
  // A private key that was published is everybody's, and a symmetric one would verify what anybody can sign (CWE-321).
  if (PRIVATE.some((name) => Object.hasOwn(data, name))) return { fault: 'holds a secret; it must be withdrawn and is not used' };
  if ((data.use !== undefined && data.use !== 'sig') || (data.key_ops !== undefined && !data.key_ops.includes('verify'))) return { fault: null };
  const algorithms = algorithmsOf(data).filter((alg) => (allowed as readonly string[]).includes(alg));
  if (algorithms.length === 0) return { fault: null };
  try {
    const key = createPublicKey({ key: publicPart(data), format: 'jwk' });
    const weak = key.asymmetricKeyType === 'rsa' ? rsaWeakness(key, data.n ?? '') : null;
    if (weak !== null) return { fault: weak };
    return { print: sha256(JSON.stringify(publicPart(data))), kid: data.kid ?? null, algorithms: new Set(algorithms), key };
  } catch {
    return { fault: 'cannot be read as a public key' };
  }
}

function rsaWeakness(key: KeyObject, n: string): string | null {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < 2_048) return 'an RSA key below 2048 bits'; // RFC 7518 section 3.3
  // With e = 1 every text is its own signature; with e = 3 sloppy padding checks were forged (CVE-2006-4339).
  if (publicExponent < 65_537n) return 'an RSA key with an exponent below 65537';
  return isRoca(BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`)) ? 'an RSA key that can be factored (CVE-2017-15361, ROCA)' : null;
}
/** Primes by which the residues of ROCA moduli all lie among the powers of 65537: by chance, once in many millions of keys. */
const ROCA_PRIMES = [3, 5, 7, 11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];
const isRoca = (modulus: bigint): boolean => ROCA_PRIMES.every((prime) => powersOf65537(prime).has(Number(modulus % BigInt(prime))));
function powersOf65537(prime: number): Set<number> {
  const powers = new Set<number>();
  for (let power = 1; !powers.has(power); power = (power * (65_537 % prime)) % prime) powers.add(power);
  return powers;
}

/** What the key itself admits, narrowed by its own `alg`: a key for RS256 never verifies PS256 (RFC 8725 section 3.1). */
function algorithmsOf(key: Jwk): readonly string[] {
  const able = key.kty === 'RSA' ? RSA : ((key.kty === 'EC' || key.kty === 'OKP') && key.crv !== undefined && Object.hasOwn(BY_CURVE, key.crv) ? (BY_CURVE[key.crv] ?? []) : []);
  if (key.alg === undefined) return able;
  const own = key.alg === 'Ed25519' ? 'EdDSA' : key.alg; // RFC 9864 gives EdDSA over Ed25519 a name of its own
  return able.includes(own) ? [own] : [];
}
function publicPart(key: Jwk): { kty: string; [name: string]: string } {
  const part: { kty: string; [name: string]: string } = { kty: key.kty };
  for (const name of ['crv', 'e', 'n', 'x', 'y'] as const) {
    const value = key[name];
    if (value !== undefined) part[name] = value;
  }
  return part;
}

/**
 * The one key for a token. `kid` only chooses within the set; it is never a path, a URL or a query (CVE-2018-0114 class). Several that
 * fit are ambiguous and none is tried: with a doubled `kid` whoever adds the second key decides.
 */
export function selectKey(set: KeySet, kid: string | null, alg: string): VerifyKey | 'none' | 'several' {
  const able = set.keys.filter((key) => key.algorithms.has(alg));
  const named = kid === null ? able : able.filter((key) => key.kid === kid);
  const fitting = named.length > 0 || kid === null ? named : able.filter((key) => key.kid === null);
  const [first, second] = fitting;
  if (first === undefined) return 'none';
  return second === undefined ? first : 'several';
}
