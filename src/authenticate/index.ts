import type { Received } from '../call/call.ts';
import type { Principal } from '../call/principal.ts';
import type { Stage, Verdict } from '../call/stage.ts';
import type { Clock } from '../lib/clock.ts';
import type { AuthenticateConfig } from './config.ts';
import { type ConfiguredKeys, readConfiguredKeys } from './configured-keys.ts';
import { AuthenticateFault } from './fault.ts';
import { watchIssuerKeys } from './issuer-keys.ts';
import { createKeyJudge } from './judge-key.ts';
import { createTokenJudge, type TokenJudge, type TrustedIssuer } from './judge-token.ts';
import { createKeyRing } from './key-ring.ts';
import type { KeyStore } from './key-store.ts';
import { readOffer } from './offer.ts';

export { createKeyStore, KeyFault, type KeyStore, type MintedKey } from './key-store.ts';
export type { KeyRecord, KeySpec } from './key-record.ts';
export { describeKey, parseSpan, specOf, type KeyOptions } from './key-command.ts';

/** What this room needs from the others. */
export interface AuthenticateDeps {
  readonly keys: KeyStore;
  readonly clock: Clock;
  /** Resolves `env:NAME` and `file:PATH`; rejects when there is no usable value. */
  readonly secret: (ref: string) => Promise<string>;
  /** Through egress/. Only ever called with a `jwks_url` of the configuration. */
  readonly fetchJson: (url: string, signal: AbortSignal) => Promise<unknown>;
  /** The gateway's own resource URIs. Give the same array as long as nothing changed: the answer is remembered by it. */
  readonly audience: () => readonly string[];
}
export interface Authenticate {
  readonly stage: Stage<Received, { principal: Principal }>;
  /** Why some caller cannot be judged at present, or null. */
  readonly ready: () => string | null;
  /** Asked on open streams, with the very object the stage gave. False: revoked, expired, its key withdrawn, or nobody can tell. */
  readonly stillValid: (principal: Principal) => boolean;
  /** Called with the id of a principal that lost a key or token; ask `stillValid` of each of its streams. */
  readonly onRevoked: (listener: (principalId: string) => void) => void;
  /** Stops all watching. The key store stays open. */
  readonly close: () => Promise<void>;
}

/** Rejects with `AuthenticateFault` when a key or issuer of the configuration cannot be used. */
export async function createAuthenticate(config: AuthenticateConfig, deps: AuthenticateDeps): Promise<Authenticate> {
  const listeners: ((principalId: string) => void)[] = [];
  const lost = (principalId: string): void => {
    for (const listener of listeners) listener(principalId);
  };
  const configured: ConfiguredKeys = await readConfiguredKeys(config.api_keys, deps.secret, () => ring.merge());
  const ring = createKeyRing(configured, deps.keys, deps.clock, lost);
  ring.merge();
  if (ring.clashes().length > 0) {
    await configured.close();
    throw new AuthenticateFault(ring.clashes());
  }
  deps.keys.onChange(ring.merge);
  const issuers = new Map<string, TrustedIssuer>();
  const tokens = createTokenJudge(config.jwt, issuers, deps.audience, deps.clock);
  const close = async (): Promise<void> => {
    await Promise.all([configured.close(), ...[...issuers.values()].map(({ keys }) => keys.close())]);
  };
  try {
    await watchIssuers(config, deps, issuers, () => { for (const id of tokens.dropWithdrawn()) lost(id); });
  } catch (thrown) {
    await close();
    throw thrown;
  }
  const missing = (): string | null => configured.faults()[0] ?? null;
  const keyJudge = createKeyJudge(ring, { storeFault: deps.keys.fault, missing }, deps.clock);
  return {
    stage: { name: 'authenticate', run: (call) => run(call, keyJudge, tokens.judge) },
    ready: () => {
      const store = deps.keys.fault();
      const unreadable = deps.keys.unreadable().map((id) => `key ${id}: its record cannot be read`);
      const causes = [...(store === null ? [] : [`key store: ${store}`]), ...unreadable, ...configured.faults(), ...ring.clashes(), ...[...issuers.values()].flatMap(({ keys }) => keys.fault() ?? [])];
      return causes.length === 0 ? null : causes.join('; ');
    },
    stillValid: (principal) => {
      const now = deps.clock.now();
      return principal.kind === 'jwt' ? tokens.stillHolds(principal, now) : deps.keys.fault() === null && ring.stillHolds(principal, now);
    },
    onRevoked: (listener) => void listeners.push(listener),
    close,
  };
}

/** Each judge says yes, no, or null for "not mine"; what is nobody's is refused: there is no anonymous mode. */
function run(call: Received, key: ReturnType<typeof createKeyJudge>, token: TokenJudge['judge']): Verdict<{ principal: Principal }> | Promise<Verdict<{ principal: Principal }>> {
  const offer = readOffer(call.presented);
  if ('stop' in offer) return offer;
  return key(offer, call) ?? token(offer, call) ?? { stop: { code: 'authenticate.malformed', note: 'no way to judge this credential' } };
}

async function watchIssuers(config: AuthenticateConfig, deps: AuthenticateDeps, issuers: Map<string, TrustedIssuer>, changed: () => void): Promise<void> {
  await Promise.all(config.jwt.issuers.map(async (one) => {
    const keys = await watchIssuerKeys(one, { ...deps, changed });
    issuers.set(one.issuer, { config: one, keys });
  }));
  // A file that cannot be used is a mistake of the operator's; a URL that does not answer may be up in a minute.
  const faults = [...issuers.values()].filter(({ config: one }) => one.jwks_url === undefined).flatMap(({ keys }) => keys.fault() ?? []);
  if (faults.length > 0) throw new AuthenticateFault(faults);
}
