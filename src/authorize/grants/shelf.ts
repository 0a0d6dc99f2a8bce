import type { Store } from '../../store/index.ts';
import { type Held, read, write } from './record.ts';

const KIND = 'grant';
/** Grants that ended are kept so long for `grant list --all`; the audit record keeps them for good. Emergencies stay. */
const KEPT_MS = 90 * 86_400_000;
const [SEEN_KIND, SEEN_ID] = ['grant_time', 'seen'] as const;

export type GrantStore = Pick<Store, 'get' | 'put' | 'list' | 'changes'>;

/** Grants and emergencies in the store. Every method rejects when the store is gone. */
export interface Shelf {
  /** All there are, and whether that differs from what the last call gave. */
  readonly look: () => Promise<{ readonly all: readonly Held[]; readonly isNew: boolean; readonly unreadable: readonly string[] }>;
  readonly add: (record: Held) => Promise<void>;
  /** What `change` makes of the record, written; `change` gives null for "leave it". null: there is no such record, or it was left. */
  readonly update: (id: string, change: (old: Held) => Held | null | Promise<Held | null>) => Promise<Held | null>;
  readonly get: (id: string) => Promise<Held | null>;
  /** The latest time any process saw; 0: none. */
  readonly seen: () => Promise<number>;
  readonly saw: (now: number) => Promise<void>;
}

export function createShelf(store: GrantStore): Shelf {
  let changes = -1;
  let known = new Map<string, { readonly version: number; readonly record: Held | null }>();
  const put = (record: Held, ifVersion: number): Promise<number | null> => store.put(KIND, record.id, write(record), { ifVersion, expiresAt: record.kind === 'grant' ? record.until + KEPT_MS : null });
  const load = async (): Promise<boolean> => {
    const now = await store.changes(); // before the records: what is written in between is found by the next look
    if (now === changes) return false;
    const next = new Map<string, { readonly version: number; readonly record: Held | null }>();
    for (let after = ''; ;) {
      const page = await store.list(KIND, { after, limit: 1_000 });
      for (const row of page) {
        const before = known.get(row.id);
        next.set(row.id, before?.version === row.version ? before : { version: row.version, record: read(row.id, row.bytes) });
      }
      after = page.at(-1)?.id ?? '';
      if (page.length < 1_000) break;
    }
    const isNew = next.size !== known.size || [...next].some(([id, row]) => known.get(id) !== row);
    [changes, known] = [now, next];
    return isNew;
  };
  return {
    look: async () => {
      const isNew = await load();
      return { isNew, all: [...known.values()].flatMap(({ record }) => record ?? []), unreadable: [...known].flatMap(([id, { record }]) => (record === null ? [id] : [])) };
    },
    add: async (record) => {
      if ((await put(record, 0)) === null) throw new Error('the id is taken');
    },
    update: async (id, change) => {
      for (;;) {
        const row = await store.get(KIND, id);
        const old = row === null ? null : read(id, row.bytes);
        const next = old === null ? null : await change(old);
        if (row === null || next === null) return null;
        if ((await put(next, row.version)) !== null) return next; // otherwise another process was faster: look again
      }
    },
    get: async (id) => {
      const row = await store.get(KIND, id);
      return row === null ? null : read(id, row.bytes);
    },
    seen: async () => {
      const row = await store.get(SEEN_KIND, SEEN_ID);
      const at = row === null ? 0 : Number(Buffer.from(row.bytes).toString());
      return Number.isFinite(at) ? at : 0;
    },
    saw: async (now) => void (await store.put(SEEN_KIND, SEEN_ID, Buffer.from(String(now)))),
  };
}
