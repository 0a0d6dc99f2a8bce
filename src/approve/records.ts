import type { Clock } from '../lib/clock.ts';
import type { ApprovalRequest } from './approvals.ts';

/** The part of the store this room needs; see src/store/port.ts. */
export interface ApprovalStore {
  readonly get: (kind: string, id: string) => Promise<StoredRow | null>;
  readonly put: (kind: string, id: string, bytes: Uint8Array, options?: { readonly ifVersion?: number; readonly expiresAt?: number | null }) => Promise<number | null>;
  readonly delete: (kind: string, id: string, ifVersion?: number) => Promise<boolean>;
  readonly list: (kind: string, page?: { readonly after?: string; readonly limit?: number }) => Promise<readonly StoredRow[]>;
}
export interface StoredRow {
  readonly id: string;
  readonly version: number;
  readonly bytes: Uint8Array;
}

/** A request as it lies in the store. */
export interface Kept {
  readonly key: string;
  readonly version: number;
  readonly request: ApprovalRequest;
  /** The place it takes among its requester's pending ones, given back when it is decided. */
  readonly slot: string;
}

/** One record for each request, under its binding and a number: so only one process can make the next request for a call. */
export interface Records {
  readonly latest: (binding: string) => Promise<Kept | null>;
  readonly byId: (id: string) => Promise<Kept | null>;
  /** null: another process made it first. */
  readonly add: (request: ApprovalRequest, slot: string, after: Kept | null) => Promise<Kept | null>;
  /** null: it has changed since it was read. */
  readonly replace: (kept: Kept, request: ApprovalRequest) => Promise<Kept | null>;
  readonly all: () => AsyncGenerator<Kept>;
}

const KIND = 'approval';
const INDEX = 'approval_id';
const PAGE = 500;
/** Incremented with every change of the shape; a record of another shape is refused rather than misread. */
const SHAPE = 1;

export function openRecords(store: ApprovalStore, clock: Clock, keepMs: number): Records {
  // The store forgets by its own clock; what is closed or has expired may be looked up for a while.
  const forgetAt = (request: ApprovalRequest): number => Math.max(request.expiresAt, request.closedAt ?? 0, clock.now()) + keepMs;
  const bytesOf = (request: ApprovalRequest, slot: string): Buffer => Buffer.from(JSON.stringify({ shape: SHAPE, slot, request }));
  const latest: Records['latest'] = async (binding) => {
    let last: StoredRow | null = null;
    for (let after = `${binding}.`; ;) {
      const page = await store.list(KIND, { after, limit: PAGE });
      const own = page.filter((row) => row.id.startsWith(`${binding}.`));
      last = own.at(-1) ?? last;
      if (own.length < PAGE) break;
      after = last?.id ?? after;
    }
    return last === null ? null : read(last);
  };
  return {
    latest,
    byId: async (id) => {
      const index = await store.get(INDEX, id);
      const row = index === null ? null : await store.get(KIND, Buffer.from(index.bytes).toString());
      const kept = row === null ? null : read(row);
      return kept?.request.id === id ? kept : null;
    },
    add: async (request, slot, after) => {
      const key = `${request.binding}.${String(numberOf(after) + 1).padStart(9, '0')}`;
      const expiresAt = forgetAt(request);
      await store.put(INDEX, request.id, Buffer.from(key), { expiresAt }); // first: a request nobody can look up could not be decided
      const version = await store.put(KIND, key, bytesOf(request, slot), { ifVersion: 0, expiresAt });
      if (version === null) await store.delete(INDEX, request.id);
      return version === null ? null : { key, version, request, slot };
    },
    replace: async (kept, request) => {
      const version = await store.put(KIND, kept.key, bytesOf(request, kept.slot), { ifVersion: kept.version, expiresAt: forgetAt(request) });
      return version === null ? null : { ...kept, version, request };
    },
    all: async function* () {
      for (let after = ''; ;) {
        const page = await store.list(KIND, { after, limit: PAGE });
        for (const row of page) yield read(row);
        const last = page.at(-1);
        if (page.length < PAGE || last === undefined) return;
        after = last.id;
      }
    },
  };
}

const numberOf = (kept: Kept | null): number => (kept === null ? 0 : Number(kept.key.slice(kept.key.indexOf('.') + 1)));

function read(row: StoredRow): Kept {
  const value = JSON.parse(Buffer.from(row.bytes).toString()) as { shape: unknown; slot: string; request: ApprovalRequest };
  // A record that lies under a key it does not belong to would approve another call.
  if (value.shape !== SHAPE || !row.id.startsWith(`${value.request.binding}.`)) throw new Error('an approval in the store cannot be read');
  return { key: row.id, version: row.version, request: value.request, slot: value.slot };
}
