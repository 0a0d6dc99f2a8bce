import { statSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Clock } from '../lib/clock.ts';
import type { StoreConfig } from './config.ts';
import { prepareFile, StoreFault } from './folder.ts';
import type { Entry, Row, Store } from './port.ts';

/** Raised with every change of the tables; a store from a newer gateway is refused rather than misread. */
const SCHEMA = 1;
/** "SPst": says what the file is, to `file` and to us. */
const APPLICATION = 0x53507374;
const TABLES = `
  CREATE TABLE records (kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, expires_at INTEGER, bytes BLOB NOT NULL, PRIMARY KEY (kind, id)) STRICT, WITHOUT ROWID;
  CREATE INDEX records_expiry ON records (expires_at) WHERE expires_at IS NOT NULL;
  CREATE TABLE entries (log TEXT NOT NULL, seq INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (log, seq)) STRICT, WITHOUT ROWID;
  CREATE TABLE revision (one INTEGER PRIMARY KEY CHECK (one = 1), value INTEGER NOT NULL) STRICT;
  INSERT INTO revision VALUES (1, 0);
  PRAGMA application_id = ${APPLICATION};
  PRAGMA user_version = ${SCHEMA};`;

/** Opens `<folder>/store.sqlite`, making it where missing. Throws `StoreFault` when the folder, the file or its schema cannot be trusted. */
export function openStore(config: StoreConfig, deps: { readonly clock: Clock }): Promise<Store> {
  return Promise.resolve().then(() => open(config, deps.clock));
}

function open(config: StoreConfig, clock: Clock): Store {
  const path = prepareFile(config.folder, 'store.sqlite');
  const db = new DatabaseSync(path, { timeout: config.busy_timeout_ms });
  try {
    // WAL: the CLI writes while the gateway reads. FULL: a key that was revoked stays revoked after a power cut.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;');
    inTransaction(db, () => migrate(db, path));
  } catch (thrown) {
    db.close();
    throw thrown instanceof StoreFault ? thrown : new StoreFault(`${path} cannot be used: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
  return storeOver(db, path, clock);
}

function migrate(db: DatabaseSync, path: string): void {
  const version = number(db.prepare('PRAGMA user_version').get(), 'user_version');
  const application = number(db.prepare('PRAGMA application_id').get(), 'application_id');
  if (version === 0 && application === 0) {
    if (number(db.prepare('SELECT count(*) AS n FROM sqlite_schema').get(), 'n') > 0) throw new StoreFault(`${path} is another program’s database`);
    db.exec(TABLES);
  } else if (application !== APPLICATION) throw new StoreFault(`${path} is another program’s database`);
  else if (version !== SCHEMA) throw new StoreFault(`${path} has schema ${version}; this gateway knows ${SCHEMA}`);
}

function storeOver(db: DatabaseSync, path: string, clock: Clock): Store {
  const sql = statements(db);
  const birth = identity(path);
  let own = 0; // data_version does not count the writes of its own connection
  const bump = (): number => {
    own += 1;
    return number(sql.bump.get(), 'value');
  };
  const put: Store['put'] = act((kind, id, bytes, options = {}) =>
    inTransaction(db, () => {
      sql.purge.run(clock.now());
      if (options.ifVersion !== undefined && (versionOf(sql.version.get(kind, id)) ?? 0) !== options.ifVersion) return null;
      const version = bump();
      sql.put.run(kind, id, version, options.expiresAt ?? null, bytes);
      return version;
    }));
  const remove: Store['delete'] = act((kind, id, ifVersion) =>
    inTransaction(db, () => {
      sql.purge.run(clock.now());
      const version = versionOf(sql.version.get(kind, id));
      if (version === null || (ifVersion !== undefined && version !== ifVersion)) return false;
      bump();
      return sql.remove.run(kind, id).changes === 1;
    }));
  const append: Store['append'] = act((log, bytes) =>
    inTransaction(db, () => {
      bump();
      return number(sql.append.get(log, log, bytes), 'seq');
    }));
  return {
    put,
    delete: remove,
    append,
    get: act((kind, id) => toRow(sql.get.get(kind, id, clock.now()))),
    list: act((kind, page = {}) => sql.list.all(kind, page.after ?? '', clock.now(), page.limit ?? 1_000).map(toRow).filter((row) => row !== null)),
    read: act((log, afterSeq, limit = 1_000) => sql.read.all(log, afterSeq, limit).map(toEntry)),
    changes: act(() => {
      // A file that was swapped under us (a restored backup) would hide every later revocation from this process for ever.
      if (identity(path) !== birth) throw new StoreFault(`${path} was replaced while open; restart the gateway`);
      return number(sql.changes.get(), 'data_version') + own;
    }),
    close: act(() => {
      if (db.isOpen) db.close();
    }),
  };
}

interface Statements {
  readonly [name: string]: StatementSync;
}
function statements(db: DatabaseSync) {
  return {
    get: db.prepare('SELECT id, version, expires_at, bytes FROM records WHERE kind = ? AND id = ? AND (expires_at IS NULL OR expires_at > ?)'),
    list: db.prepare('SELECT id, version, expires_at, bytes FROM records WHERE kind = ? AND id > ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY id LIMIT ?'),
    version: db.prepare('SELECT version FROM records WHERE kind = ? AND id = ?'),
    put: db.prepare('INSERT OR REPLACE INTO records (kind, id, version, expires_at, bytes) VALUES (?, ?, ?, ?, ?)'),
    remove: db.prepare('DELETE FROM records WHERE kind = ? AND id = ?'),
    purge: db.prepare('DELETE FROM records WHERE expires_at IS NOT NULL AND expires_at <= ?'),
    append: db.prepare('INSERT INTO entries (log, seq, bytes) VALUES (?, 1 + coalesce((SELECT max(seq) FROM entries WHERE log = ?), 0), ?) RETURNING seq'),
    read: db.prepare('SELECT seq, bytes FROM entries WHERE log = ? AND seq > ? ORDER BY seq LIMIT ?'),
    bump: db.prepare('UPDATE revision SET value = value + 1 RETURNING value'),
    changes: db.prepare('PRAGMA data_version'),
  } satisfies Statements;
}

/** IMMEDIATE takes the write lock before the read, so that two writers cannot both see the old version. */
function inTransaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (thrown) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw thrown;
  }
}

/** A throw becomes a rejection, as the port promises. */
const act = <A extends unknown[], T>(work: (...args: A) => T) => async (...args: A): Promise<T> => work(...args);
const identity = (path: string): string => {
  const { dev, ino } = statSync(path, { bigint: true });
  return `${dev}:${ino}`;
};

type Cells = Record<string, unknown> | undefined;
const versionOf = (cells: Cells): number | null => (cells === undefined ? null : number(cells, 'version'));
const toRow = (cells: Cells): Row | null =>
  cells === undefined ? null : { id: text(cells, 'id'), version: number(cells, 'version'), expiresAt: cells['expires_at'] === null ? null : number(cells, 'expires_at'), bytes: blob(cells) };
const toEntry = (cells: Cells): Entry => ({ seq: number(cells, 'seq'), bytes: blob(cells) });
function number(cells: Cells, name: string): number {
  const cell = cells?.[name];
  if (typeof cell !== 'number') throw new StoreFault(`column ${name} is no number`);
  return cell;
}
function text(cells: Cells, name: string): string {
  const cell = cells?.[name];
  if (typeof cell !== 'string') throw new StoreFault(`column ${name} is no text`);
  return cell;
}
function blob(cells: Cells): Uint8Array {
  const cell = cells?.['bytes'];
  if (!(cell instanceof Uint8Array)) throw new StoreFault('column bytes is no blob');
  return cell;
}
