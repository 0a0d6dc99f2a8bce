import { sha256 } from '../lib/hash.ts';
import type { ConfiguredKey } from './config.ts';
import { AuthenticateFault, textOf } from './fault.ts';
import { type HeldKey, holdKey } from './held-key.ts';
import { weakness } from './key-text.ts';

/** The keys of the configuration. */
export interface ConfiguredKeys {
  readonly held: () => readonly HeldKey[];
  readonly ids: ReadonlySet<string>;
  /** Keys that are out of use at present, with the reason; never the key. */
  readonly faults: () => readonly string[];
  readonly close: () => Promise<void>;
}
type Reading = { readonly held: HeldKey } | { readonly fault: string };

/** Secrets are read again this often: a rotated file or one that was emptied takes effect without a restart. */
const AGAIN_MS = 1_000;

/**
 * Reads the keys, and reads those behind references again every second. Throws `AuthenticateFault` at the start for a missing, empty,
 * short, sample or doubled key. Later such a key is out of use until it is mended: an old value is never served on (fail closed).
 */
export async function readConfiguredKeys(keys: readonly ConfiguredKey[], secret: (ref: string) => Promise<string>, changed: () => void): Promise<ConfiguredKeys> {
  const before = new Map<string, HeldKey>();
  const readAll = async (): Promise<{ held: HeldKey[]; faults: string[] }> => {
    const readings = await Promise.all(keys.map((key) => read(key, secret, before.get(key.id))));
    const held = readings.flatMap((reading) => ('held' in reading ? [reading.held] : []));
    const faults = readings.flatMap((reading) => ('fault' in reading ? [reading.fault] : []));
    for (const one of held) before.set(one.id, one);
    return dropDoubles(held, faults);
  };
  let now = await readAll();
  if (now.faults.length > 0) throw new AuthenticateFault(now.faults);
  let reading: Promise<void> | null = null;
  const again = async (): Promise<void> => {
    const next = await readAll();
    const same = next.held.length === now.held.length && next.held.every((held, at) => held === now.held[at]);
    now = next;
    if (!same) changed();
  };
  const timer = keys.some((key) => key.secret !== undefined)
    ? setInterval(() => { reading ??= again().finally(() => { reading = null; }); }, AGAIN_MS).unref()
    : undefined;
  return {
    held: () => now.held,
    ids: new Set(keys.map((key) => key.id)),
    faults: () => now.faults,
    close: async () => {
      clearInterval(timer);
      await reading;
    },
  };
}

async function read(key: ConfiguredKey, secret: (ref: string) => Promise<string>, before: HeldKey | undefined): Promise<Reading> {
  const where = `authenticate.api_keys ${key.id}`;
  let hash = key.sha256;
  if (key.secret !== undefined) {
    let value: string;
    try {
      value = await secret(key.secret);
    } catch (thrown) {
      return { fault: `${where}: ${textOf(thrown)}` };
    }
    const wrong = weakness(value);
    if (wrong !== null) return { fault: `${where}: the key behind ${key.secret} ${wrong}; make one with: openssl rand -base64 32` };
    hash = sha256(value);
  }
  if (hash === undefined) return { fault: `${where}: has neither a secret nor a sha256` };
  return { held: before?.hash === hash ? before : holdKey(key, hash, false) };
}

/** One key under two ids would be two callers at once: neither is let in. */
function dropDoubles(held: HeldKey[], faults: string[]): { held: HeldKey[]; faults: string[] } {
  const byHash = Map.groupBy(held, (one) => one.hash);
  for (const group of byHash.values()) if (group.length > 1) faults.push(`authenticate.api_keys ${group.map((one) => one.id).join(', ')}: the same key under more than one id`);
  return { held: held.filter((one) => byHash.get(one.hash)?.length === 1), faults };
}
