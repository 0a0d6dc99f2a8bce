import type { Principal } from '../call/principal.ts';
import type { Clock } from '../lib/clock.ts';
import type { ConfiguredKeys } from './configured-keys.ts';
import type { HeldKey } from './held-key.ts';
import type { KeyStore } from './key-store.ts';

/** All keys, from configuration and store, by hash. */
export interface KeyRing {
  readonly find: (hash: string) => HeldKey | undefined;
  readonly stillHolds: (principal: Principal, now: number) => boolean;
  /** Merges again after a change on either side and tells who lost a key. */
  readonly merge: () => void;
  readonly clashes: () => readonly string[];
}

export function createKeyRing(configured: ConfiguredKeys, keys: KeyStore, clock: Clock, lost: (principalId: string) => void): KeyRing {
  let byHash: ReadonlyMap<string, HeldKey> = new Map();
  let clashes: readonly string[] = [];
  const hashOf = new WeakMap<Principal, string>();
  const merge = (): void => {
    const merged = mergeKeys(configured, keys);
    const before = byHash;
    byHash = merged.byHash;
    clashes = merged.clashes;
    for (const held of byHash.values()) hashOf.set(held.principal, held.hash);
    const gone = new Set<string>();
    for (const old of before.values()) {
      const now = byHash.get(old.hash);
      if (!old.revoked && (now === undefined || now.revoked || now.id !== old.id || isCutOff(now, old, clock.now()))) gone.add(old.principal.id);
    }
    for (const id of gone) lost(id);
  };
  return {
    merge,
    find: (hash) => byHash.get(hash),
    stillHolds: (principal, now) => {
      const held = byHash.get(hashOf.get(principal) ?? '');
      return held !== undefined && held.principal.id === principal.id && !held.revoked && (held.expiresAt === null || now < held.expiresAt);
    },
    clashes: () => clashes,
  };
}
/** Rotated out without an overlap. With one, the key goes on until its end, which `stillHolds` knows. */
const isCutOff = (now: HeldKey, old: HeldKey, at: number): boolean => now.expiresAt !== old.expiresAt && now.expiresAt !== null && now.expiresAt <= at;

/**
 * An id or a key that stands on both sides is two callers in one: the configuration's id wins, a doubled key lets nobody in. A
 * revocation wins over everything, so a key of the configuration can be shut off from the command line as well.
 */
function mergeKeys(configured: ConfiguredKeys, keys: KeyStore): { byHash: Map<string, HeldKey>; clashes: string[] } {
  const byHash = new Map<string, HeldKey>();
  const clashes = new Set<string>();
  for (const held of keys.held()) {
    if (configured.ids.has(held.id) && !held.revoked) clashes.add(`key ${held.id}: the id stands in the configuration and in the store; the store’s key is not used`);
    else byHash.set(held.hash, held);
  }
  for (const held of configured.held()) {
    const other = byHash.get(held.hash);
    if (other !== undefined && !other.revoked) {
      clashes.add(`keys ${held.id} and ${other.id}: the same key in the configuration and in the store; it lets nobody in`);
      byHash.delete(held.hash);
    } else if (other === undefined) byHash.set(held.hash, keys.isRevoked(held.id) ? asRevoked(held) : held);
  }
  return { byHash, clashes: [...clashes] };
}
const asRevoked = (held: HeldKey): HeldKey => ({ ...held, revoked: true });
