import { hash as digestOf } from 'node:crypto';
import { compactVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import type { Received } from '../call/call.ts';
import type { Principal } from '../call/principal.ts';
import type { Refusal } from '../call/refusal.ts';
import type { Verdict } from '../call/stage.ts';
import type { Clock } from '../lib/clock.ts';
import { fittingAudience, type Reach } from './audience.ts';
import { type Claimed, readClaims } from './claims.ts';
import type { AuthenticateConfig, IssuerConfig } from './config.ts';
import { textOf } from './fault.ts';
import type { IssuerKeys } from './issuer-keys.ts';
import { selectKey, type VerifyKey } from './key-set.ts';
import type { Offer } from './offer.ts';
import { normalType, takeApart, type TokenParts } from './token-parts.ts';

type Answer = Verdict<{ principal: Principal }>;
export interface TrustedIssuer {
  readonly config: IssuerConfig;
  readonly keys: IssuerKeys;
}
export interface TokenJudge {
  /** null: not a token. A promise only for tokens seen for the first time. */
  readonly judge: (offer: Offer, call: Received) => Answer | Promise<Answer> | null;
  readonly stillHolds: (principal: Principal, now: number) => boolean;
  /** Forgets every token whose key is no longer in its issuer's set; gives the principals that lost one. */
  readonly dropWithdrawn: () => ReadonlySet<string>;
}
/** A token that was verified once. */
interface Verified {
  readonly claimed: Claimed;
  readonly issuer: TrustedIssuer;
  readonly print: string;
  /** What the audience check said last, and of which list: the same one comes again and again. */
  asked: readonly string[] | null;
  fitting: Reach | null;
  yes: Answer | null;
}
const stop = (code: Refusal['code'], note: string): { readonly stop: Refusal } => ({ stop: { code, note } });

/** Judges bearer tokens (RFC 9068, RFC 8725). `audience`: the gateway's own resource URIs. */
export function createTokenJudge(config: AuthenticateConfig['jwt'], issuers: ReadonlyMap<string, TrustedIssuer>, audience: () => readonly string[], clock: Clock): TokenJudge {
  // The key is the hash of the whole token, signature included; a prefix would let a forged tail in (CVE-2026-35030). Only what was
  // verified is kept, so that a forgery cannot push its twin out or spoil it.
  const cache = new LRUCache<string, Verified>({ max: config.cache_entries });
  const origin = new WeakMap<Principal, Verified>();

  const verify = async (token: string, hash: string, call: Received): Promise<Answer> => {
    const parts = takeApart(token);
    if ('malformed' in parts) return stop('authenticate.malformed', parts.malformed);
    const chosen = await chooseKey(parts, issuers);
    if ('stop' in chosen) return chosen;
    const { issuer, key } = chosen;
    try {
      await compactVerify(token, key.key, { algorithms: [parts.alg] });
    } catch (thrown) {
      return stop('authenticate.unknown', `the signature does not hold: ${codeOf(thrown)}`);
    }
    const claimed = readClaims(parts.claims, issuer.config, clock.now());
    if ('stop' in claimed) return claimed;
    const verified: Verified = { claimed: claimed.value, issuer, print: key.print, asked: null, fitting: null, yes: null };
    const answer = admit(verified, call);
    if (!('stop' in answer)) cache.set(hash, verified);
    return answer;
  };

  /** What can change after a token was verified is judged each time: its end, its key, the audience at this endpoint. */
  const admit = (verified: Verified, call: Received): Answer => {
    const { claimed, issuer, print } = verified;
    if (clock.now() >= claimed.until) return stop('authenticate.expired', 'exp');
    if (issuer.keys.current() === null) return stop('authenticate.unavailable', issuer.keys.fault() ?? 'its keys are too old');
    if (!issuer.keys.holds(print)) return stop('authenticate.unknown', 'the key that signed it was withdrawn');
    const accepted = issuer.config.audience.length > 0 ? issuer.config.audience : audience();
    const last = verified.fitting;
    if (verified.yes !== null && last !== null && verified.asked === accepted && (last.server === null || last.server === call.server)) return verified.yes;
    const fitting = fittingAudience(claimed.audiences, accepted, call.server);
    if (fitting === null) return stop('authenticate.audience', 'aud names none of our resource URIs, or another endpoint’s');
    const principal: Principal = Object.freeze({ ...claimed.principal, tokenAudience: fitting.audience });
    origin.set(principal, verified);
    verified.asked = accepted;
    verified.fitting = fitting;
    verified.yes = Object.freeze({ go: Object.freeze({ principal }) });
    return verified.yes;
  };

  return {
    judge: (offer, call) => {
      if (offer.kind !== 'token') return null;
      if (offer.text.length > config.max_bytes) return stop('authenticate.malformed', `larger than ${config.max_bytes} bytes`); // CWE-400
      const hash = digestOf('sha256', offer.text, 'hex');
      const known = cache.get(hash);
      if (known === undefined) return verify(offer.text, hash, call);
      const answer = admit(known, call);
      if ('stop' in answer && answer.stop.code === 'authenticate.expired') cache.delete(hash);
      return answer;
    },
    stillHolds: (principal, now) => {
      const verified = origin.get(principal);
      return verified !== undefined && now < verified.claimed.until && verified.issuer.keys.current() !== null && verified.issuer.keys.holds(verified.print);
    },
    dropWithdrawn: () => {
      const lost = new Set<string>();
      for (const [hash, { claimed, issuer, print }] of cache.entries()) {
        if (issuer.keys.holds(print)) continue;
        cache.delete(hash);
        lost.add(claimed.principal.id);
      }
      return lost;
    },
  };
}

/** Finds the issuer by its exact name and the one key that may have signed; an unknown `kid` makes the set be read again, rarely. */
async function chooseKey(parts: TokenParts, issuers: ReadonlyMap<string, TrustedIssuer>): Promise<{ readonly issuer: TrustedIssuer; readonly key: VerifyKey } | { readonly stop: Refusal }> {
  const iss = Object.hasOwn(parts.claims, 'iss') ? parts.claims['iss'] : undefined;
  // The issuer chooses the keys, so a key of one issuer never signs for another (RFC 8725 section 3.8).
  const issuer = typeof iss === 'string' ? issuers.get(iss) : undefined;
  if (issuer === undefined) return stop('authenticate.issuer', 'iss is missing or not configured');
  // The allow-list decides, never the header: `none`, and HS256 with a public key as its secret, end here (CVE-2015-9235, RFC 8725 section 3.1).
  if (!(issuer.config.algorithms as readonly string[]).includes(parts.alg)) return stop('authenticate.algorithm', 'alg is not on the list');
  // One kind of JWT must not pass for another (RFC 8725 section 3.11): logout tokens, entity statements, DPoP proofs.
  if (!issuer.config.types.some((type) => normalType(type) === parts.typ)) return stop('authenticate.algorithm', 'typ is not on the list');
  const none = (): { readonly stop: Refusal } => stop('authenticate.unavailable', issuer.keys.fault() ?? 'its keys are too old');
  let set = issuer.keys.current();
  let key = set === null ? 'none' : selectKey(set, parts.kid, parts.alg);
  if (key === 'none' && (await issuer.keys.lookAgain())) {
    set = issuer.keys.current();
    key = set === null ? 'none' : selectKey(set, parts.kid, parts.alg);
  }
  if (set === null) return none();
  if (key === 'none') return stop('authenticate.unknown', 'no key of this issuer fits kid and alg');
  if (key === 'several') return stop('authenticate.unknown', 'more than one key of this issuer fits kid and alg');
  return { issuer, key };
}
const codeOf = (thrown: unknown): string => (thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : textOf(thrown));
