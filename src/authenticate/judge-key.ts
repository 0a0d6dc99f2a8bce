import { hash as digestOf, timingSafeEqual } from 'node:crypto';
import type { Received } from '../call/call.ts';
import type { Principal } from '../call/principal.ts';
import type { Refusal } from '../call/refusal.ts';
import type { Verdict } from '../call/stage.ts';
import type { Clock } from '../lib/clock.ts';
import type { KeyRing } from './key-ring.ts';
import { isKeyText, isMistyped } from './key-text.ts';
import type { Offer } from './offer.ts';

/** Why the keys at hand may not be all there is to know. */
export interface Doubts {
  /** Revocations cannot be seen: nobody gets in. */
  readonly storeFault: () => string | null;
  /** A key of the configuration cannot be read: one that is not found may be that one, so it is not called unknown. */
  readonly missing: () => string | null;
}
type Answer = Verdict<{ principal: Principal }>;
const stop = (code: Refusal['code'], note: string): Answer => ({ stop: { code, note } });

/**
 * Judges API keys; null: not one. SHA-256 without salt or stretching is right here and only here: a key has 256 random bits, so there
 * is no list of likely keys to try, and a slow hash would only make floods cheaper (CWE-916 is about passwords).
 */
export function createKeyJudge(ring: Pick<KeyRing, 'find'>, doubts: Doubts, clock: Clock): (offer: Offer, call: Received) => Answer | null {
  const offered = Buffer.alloc(64);
  return (offer, call) => {
    if (offer.kind !== 'key') return null;
    const key = offer.text;
    // The whole key is hashed and the whole hash looked up: two keys with a common prefix never share an entry (CVE-2026-35030).
    const hash = digestOf('sha256', key, 'hex');
    const fault = doubts.storeFault();
    if (fault !== null) return stop('authenticate.unavailable', fault);
    const held = ring.find(hash);
    if (held === undefined) return refuseUnheld(key, doubts);
    // The look-up may leak timing of the hash, which tells nothing of the key; the last word is in constant time (CWE-208), and
    // it holds even if the look-up is ever replaced by one that answers with the wrong entry.
    offered.write(hash, 'latin1');
    if (!timingSafeEqual(offered, held.digest)) return refuseUnheld(key, doubts);
    if (held.revoked) return stop('authenticate.revoked', `key ${held.id}`);
    if (held.expiresAt !== null && clock.now() >= held.expiresAt) return stop('authenticate.expired', `key ${held.id}`);
    if (held.fits !== null && !held.fits(call.presented.remoteAddress)) return stop('authenticate.source', `key ${held.id}`);
    return held.yes;
  };
}

function refuseUnheld(key: string, doubts: Doubts): Answer {
  if (!isKeyText(key)) return stop('authenticate.malformed', 'too long, or characters no key has');
  if (isMistyped(key)) return stop('authenticate.malformed', 'the key’s checksum is wrong: mistyped or cut off');
  const missing = doubts.missing();
  return missing === null ? stop('authenticate.unknown', 'no such key') : stop('authenticate.unavailable', missing);
}
