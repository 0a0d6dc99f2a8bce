/** One record. `bytes` are the owner's business: the store knows only kind, id, version and expiry. */
export interface Row {
  readonly id: string;
  /** Grows with every write to the store and is never used twice, so a deleted and re-made record cannot pass for the old one (ABA). */
  readonly version: number;
  /** ms since epoch; null: stays. */
  readonly expiresAt: number | null;
  readonly bytes: Uint8Array;
}
/** One line of a log that only grows. */
export interface Entry {
  readonly seq: number;
  readonly bytes: Uint8Array;
}

/**
 * Durable state behind one port, so that SQLite can be replaced (ADR on storage). Asynchronous even where the backend is not. Every method
 * rejects when the store is gone: the caller refuses then. Several processes may hold the same store open.
 */
export interface Store {
  /** The record, or null when there is none or it has expired. */
  readonly get: (kind: string, id: string) => Promise<Row | null>;
  /**
   * Writes; durable when it resolves. `ifVersion` 0: only if there is no such record; n: only if it still has that version; left out: always.
   * Gives the new version, or null when `ifVersion` did not hold.
   */
  readonly put: (kind: string, id: string, bytes: Uint8Array, options?: { readonly ifVersion?: number; readonly expiresAt?: number | null }) => Promise<number | null>;
  /** False when there was nothing to delete or `ifVersion` did not hold. */
  readonly delete: (kind: string, id: string, ifVersion?: number) => Promise<boolean>;
  /** Unexpired records in the order of their ids, after `after`; at most `limit` (1,000 when left out). */
  readonly list: (kind: string, page?: { readonly after?: string; readonly limit?: number }) => Promise<readonly Row[]>;
  /** Adds a line to a log and gives its number: 1, 2, 3, … without gaps. */
  readonly append: (log: string, bytes: Uint8Array) => Promise<number>;
  /** Lines after `afterSeq`, at most `limit` (1,000 when left out). */
  readonly read: (log: string, afterSeq: number, limit?: number) => Promise<readonly Entry[]>;
  /** A number that differs from the last one when any process has written in between. Cheap enough to ask ten times a second. */
  readonly changes: () => Promise<number>;
  readonly close: () => Promise<void>;
}
