import type { Clock } from '../lib/clock.ts';
import type { IssuerConfig } from './config.ts';
import { textOf } from './fault.ts';
import { type KeySet, readKeySet, readPublicKey } from './key-set.ts';

/** The keys of one issuer, kept fresh. */
export interface IssuerKeys {
  /** null: there are none that may be used; see `fault`. */
  readonly current: () => KeySet | null;
  readonly holds: (print: string) => boolean;
  /** Reads again because a token names an unknown key; at most once per cool-down. True when it is worth looking again. */
  readonly lookAgain: () => Promise<boolean>;
  readonly fault: () => string | null;
  readonly close: () => Promise<void>;
}
interface Deps {
  readonly clock: Clock;
  readonly secret: (ref: string) => Promise<string>;
  readonly fetchJson: (url: string, signal: AbortSignal) => Promise<unknown>;
  /** Called when keys came or went. */
  readonly changed: () => void;
}
/** After a failed read: soon, then ever later, but never less often than this. */
const RETRY_MS = { first: 1_000, most: 30_000 };

/** Reads the keys once before it resolves; a URL that does not answer is no reason not to start, `fault` tells. */
export async function watchIssuerKeys(config: IssuerConfig, deps: Deps): Promise<IssuerKeys> {
  const { clock } = deps;
  const closing = new AbortController();
  let set: KeySet | null = null;
  let prints: ReadonlySet<string> = new Set(); // with kid and algorithms: has anything changed?
  let held: ReadonlySet<string> = new Set();
  let readAt = -Infinity; // the last success
  let triedAt = -Infinity;
  let failures = 0;
  let fault: string | null = 'not read yet';
  let timer: NodeJS.Timeout | undefined;
  let reading: Promise<void> | null = null;

  const take = (next: KeySet): void => {
    const nextPrints = new Set(next.keys.map((key) => `${key.print} ${key.kid ?? ''} ${[...key.algorithms].join()}`));
    const same = nextPrints.size === prints.size && [...nextPrints].every((print) => prints.has(print));
    // The old set stays when nothing changed: its key objects carry jose's imported form.
    if (!same || set === null) set = next;
    prints = nextPrints;
    held = new Set(next.keys.map((key) => key.print));
    readAt = clock.monotonic();
    fault = next.faults.length > 0 ? next.faults.join('; ') : null;
    failures = 0;
    if (!same) deps.changed();
  };
  const read = (): Promise<void> => {
    if (closing.signal.aborted) return Promise.resolve();
    triedAt = clock.monotonic();
    clearTimeout(timer);
    reading ??= load(config, deps, closing.signal).then(take).catch((thrown: unknown) => {
      failures += 1;
      fault = `its keys cannot be read: ${textOf(thrown)}`;
    }).finally(() => {
      reading = null;
      if (closing.signal.aborted) return;
      const wait = failures === 0 ? config.jwks_refresh_ms : Math.min(config.jwks_refresh_ms, RETRY_MS.most, RETRY_MS.first * 2 ** (failures - 1));
      timer = setTimeout(() => void read(), wait).unref();
    });
    return reading;
  };
  await read();
  return {
    // Keys that could not be confirmed for so long may have been withdrawn: fail closed.
    current: () => (clock.monotonic() - readAt <= config.jwks_max_stale_ms ? set : null),
    holds: (print) => held.has(print),
    lookAgain: async () => {
      if (reading === null) {
        // Invented kids must not turn us into a hammer on the issuer (CWE-406).
        if (clock.monotonic() - triedAt < config.jwks_cooldown_ms) return false;
        void read();
      }
      await reading;
      return true;
    },
    fault: () => (fault === null ? null : `authenticate.jwt issuer ${config.issuer}: ${fault}`),
    close: async () => {
      closing.abort();
      clearTimeout(timer);
      await reading;
    },
  };
}

async function load(config: IssuerConfig, deps: Deps, closing: AbortSignal): Promise<KeySet> {
  if (config.jwks_url !== undefined) {
    const signal = AbortSignal.any([closing, AbortSignal.timeout(config.jwks_timeout_ms)]);
    return readKeySet(await inTime(deps.fetchJson(config.jwks_url, signal), signal), config.algorithms);
  }
  if (config.jwks_file !== undefined) return readKeySet(JSON.parse(await deps.secret(config.jwks_file)), config.algorithms);
  return readPublicKey(await deps.secret(config.public_key ?? ''), config.algorithms);
}

/** A fetch that does not heed its signal must not hold up every login. */
function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => { reject(new Error('no answer in time')); }, { once: true });
    work.then(resolve, reject);
  });
}
