import { env as processEnv } from 'node:process';
import { type Clock, systemClock } from '../lib/clock.ts';
import { type Places, readSecret } from './read.ts';
import { createSeen, type Seen } from './seen.ts';

export { ownKey } from './own-key.ts';
export { readSecret, type Places } from './read.ts';
export { looksLikeRef, SECRET_FLAG, secretRef } from './ref.ts';
export { isSample, SAMPLE_WORDS } from './sample.ts';

/** Turns references into values at the moment of use. Values never reach call/, a log or a record. */
export interface Secrets {
  /** The value behind `env:NAME` or `file:PATH`, at most one second old. Rejects with a `SecretFault`. */
  readonly resolve: (ref: string) => Promise<string>;
  /** The text without any value that was handed out; the same string when there is none. For records and logs. */
  readonly hide: Seen['hide'];
  /** Tells what must not come back from a server that was given the values of these references, longest first; null: of all. */
  readonly formsOf: Seen['formsOf'];
}

/** Why a reference gives no value. The message names the reference and the mend, never the value. */
export class SecretFault extends Error {
  override readonly name = 'SecretFault';
}

/** How long a value is kept: rotation needs no restart, and a busy server is not read from disk on every call. */
const KEEP_MS = 1_000;

/**
 * Reads env and files again when the value is older than a second, with every check each time. A failure is never cached, and a
 * stale value is never served in its place: a secret that was withdrawn must stop working.
 */
export function createSecrets(deps: { readonly baseDir: string; readonly env?: Places['env']; readonly clock?: Clock }): Secrets {
  const clock = deps.clock ?? systemClock;
  const places: Places = { baseDir: deps.baseDir, env: deps.env ?? processEnv };
  const seen = createSeen();
  const kept = new Map<string, { readonly value: string; readonly until: number }>(); // as many entries as the config has references
  const resolve = (ref: string): Promise<string> => {
    const now = clock.monotonic();
    const hit = kept.get(ref);
    if (hit !== undefined && now < hit.until) return Promise.resolve(hit.value);
    const read = readSecret(ref, places);
    if (!read.ok) {
      kept.delete(ref);
      return Promise.reject(new SecretFault(`${read.wrong}: ${read.mend}`));
    }
    kept.set(ref, { value: read.value, until: now + KEEP_MS });
    seen.add(ref, read.value);
    return Promise.resolve(read.value);
  };
  return { resolve, hide: seen.hide, formsOf: seen.formsOf };
}
