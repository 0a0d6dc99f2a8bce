import type { Clock } from '../lib/clock.ts';
import { sha256 } from '../lib/hash.ts';
import type { Store } from '../store/index.ts';
import type { HeldKey } from './held-key.ts';
import { heldBy, type KeyRecord, keySpec, type KeySpec, readRecord, rotated, writeRecord } from './key-record.ts';
import { mintKey } from './key-text.ts';

/** The command cannot be done as asked; the message is for the operator. */
export class KeyFault extends Error {
  override readonly name = 'KeyFault';
}
export interface MintedKey {
  readonly record: KeyRecord;
  /** The key, for the only time it can be seen. */
  readonly key: string;
}
/** The keys in the store, with all hashes in memory. */
export interface KeyStore {
  /** Makes a key. `KeyFault` when the id is taken, by a revoked key too; a zod error when the facts are not in order. */
  readonly create: (spec: KeySpec) => Promise<MintedKey>;
  readonly list: () => Promise<readonly KeyRecord[]>;
  /** A new key for the same id; the old one works for `overlapMs` more. */
  readonly rotate: (id: string, overlapMs: number) => Promise<MintedKey>;
  /** Revokes all keys of the id, for good. `configured`: the id is one of the configuration, so it may be new to the store. */
  readonly revoke: (id: string, options?: { readonly configured?: boolean }) => Promise<KeyRecord>;
  /** By SHA-256 in hex, from memory. */
  readonly find: (hash: string) => HeldKey | undefined;
  readonly held: () => Iterable<HeldKey>;
  readonly isRevoked: (id: string) => boolean;
  readonly has: (id: string) => boolean;
  /** Grows with each reload. */
  readonly version: () => number;
  readonly onChange: (listener: () => void) => void;
  /** Why the keys in memory may be out of date, or null. */
  readonly fault: () => string | null;
  /** Records that cannot be read; their keys let nobody in. */
  readonly unreadable: () => readonly string[];
  /** Stops watching; the store itself stays open. */
  readonly close: () => Promise<void>;
}
interface Memory {
  readonly byHash: ReadonlyMap<string, HeldKey>;
  readonly ids: ReadonlySet<string>;
  readonly revoked: ReadonlySet<string>;
  readonly unreadable: readonly string[];
}

const KIND = 'api_key';
/** With the time a reload takes this keeps the promise of the README: a revocation by another process works within 250 ms. */
const POLL_MS = 100;

/** Loads all keys and watches the store for changes by other processes. Rejects when the store cannot be read. */
export async function createKeyStore(store: Store, clock: Clock): Promise<KeyStore> {
  let memory: Memory = { byHash: new Map(), ids: new Set(), revoked: new Set(), unreadable: [] };
  let seen = -1;
  let version = 0;
  let fault: string | null = null;
  const listeners: (() => void)[] = [];
  const reload = async (): Promise<void> => {
    const changes = await store.changes(); // before the records: what is written in between is found by the next look
    if (changes === seen) return;
    memory = remember(await loadAll(store));
    seen = changes;
    version += 1;
    for (const listener of listeners) listener();
  };
  let looking: Promise<void> | null = null;
  const look = (): Promise<void> => {
    looking ??= reload().then(() => { fault = null; }, (thrown: unknown) => {
      // Who cannot see revocations must not let anybody in (fail closed, CWE-636).
      fault = thrown instanceof Error ? thrown.message : String(thrown);
    }).finally(() => { looking = null; });
    return looking;
  };
  await reload();
  const timer = setInterval(() => void look(), POLL_MS);
  timer.unref();

  const update = async (id: string, change: (old: KeyRecord | null) => KeyRecord): Promise<KeyRecord> => {
    for (;;) {
      const row = await store.get(KIND, id);
      const old = row === null ? null : readRecord(row.bytes);
      if (row !== null && old === null) throw new KeyFault(`the record of ${id} cannot be read`);
      const next = change(old);
      if ((await store.put(KIND, id, writeRecord(next), { ifVersion: row?.version ?? 0 })) === null) continue; // another process was faster: look again
      if (looking !== null) await looking; // a look that began before the write has not seen it
      await look();
      return next;
    }
  };
  const stamp = (): string => new Date(clock.now()).toISOString();
  return {
    create: async (spec) => {
      const facts = keySpec.parse(spec);
      if (facts.expires !== null && Date.parse(facts.expires) <= clock.now()) throw new KeyFault('the key would have expired already');
      const key = mintKey();
      const record = await update(facts.id, (old) => {
        if (old !== null) throw new KeyFault(`the id ${facts.id} is ${old.revoked === null ? 'taken: use `key rotate`' : 'that of a revoked key and is not given again'}`);
        return { ...facts, created: stamp(), revoked: null, hashes: [{ sha256: sha256(key), until: null }] };
      });
      return { record, key };
    },
    list: async () => (await loadAll(store)).flatMap(({ record }) => (record === null ? [] : [record])),
    rotate: async (id, overlapMs) => {
      if (!Number.isSafeInteger(overlapMs) || overlapMs < 0 || overlapMs > 366 * 86_400_000) throw new KeyFault('the overlap must be 0 to 366 days');
      const key = mintKey();
      const record = await update(id, (old) => {
        if (old === null) throw new KeyFault(`there is no key ${id}`);
        if (old.revoked !== null) throw new KeyFault(`the key ${id} is revoked`);
        return rotated(old, sha256(key), clock.now(), overlapMs);
      });
      return { record, key };
    },
    revoke: (id, options) => update(id, (old) => {
      if (old === null && options?.configured !== true) throw new KeyFault(`there is no key ${id}`);
      const base = old ?? { ...keySpec.parse({ id }), created: stamp(), revoked: null, hashes: [] };
      return { ...base, revoked: base.revoked ?? stamp() };
    }),
    find: (hash) => memory.byHash.get(hash),
    held: () => memory.byHash.values(),
    isRevoked: (id) => memory.revoked.has(id),
    has: (id) => memory.ids.has(id),
    version: () => version,
    onChange: (listener) => void listeners.push(listener),
    fault: () => fault,
    unreadable: () => memory.unreadable,
    close: async () => {
      clearInterval(timer);
      await looking;
    },
  };
}

interface Loaded {
  readonly id: string;
  readonly record: KeyRecord | null;
}
async function loadAll(store: Store): Promise<Loaded[]> {
  const all: Loaded[] = [];
  for (;;) {
    const page = await store.list(KIND, { after: all.at(-1)?.id ?? '', limit: 1_000 });
    for (const row of page) {
      const record = readRecord(row.bytes);
      all.push({ id: row.id, record: record?.id === row.id ? record : null });
    }
    if (page.length < 1_000) return all;
  }
}

function remember(loaded: readonly Loaded[]): Memory {
  const byHash = new Map<string, HeldKey>();
  const revoked = new Set<string>();
  const unreadable: string[] = [];
  for (const { id, record } of loaded) {
    if (record === null) unreadable.push(id);
    else {
      if (record.revoked !== null) revoked.add(id);
      for (const held of heldBy(record)) byHash.set(held.hash, held);
    }
  }
  return { byHash, ids: new Set(loaded.map(({ id }) => id)), revoked, unreadable };
}
