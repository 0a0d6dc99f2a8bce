import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const FILE = 'writer.lock';
/** SQLITE_BUSY: somebody else holds the lock. Any other error is not an answer. */
const BUSY = 5;

/**
 * One writer per folder: two gateways on one chain would fork it. The lock is SQLite's exclusive file lock on an empty database:
 * the kernel frees it when the process dies, however it dies, so no lock is ever stale; it holds between containers that share
 * the folder, where process ids mean nothing. Throws when another process (or another `openAudit`) holds it.
 */
export function lockFolder(dir: string): () => void {
  const path = join(dir, FILE);
  // Only when it is missing: opening and closing the file again would free a lock this process holds (POSIX, fcntl).
  if (!existsSync(path)) writeFileSync(path, '', { mode: 0o600 });
  const database = new DatabaseSync(path, { timeout: 1000 });
  try {
    database.exec('PRAGMA journal_mode = MEMORY'); // a journal left by kill -9 would look like a lock to those who may only read
    database.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    if (!isBusy(cause)) throw cause;
    throw new Error(`another gateway writes the audit folder ${dir}; give each gateway a folder of its own`, { cause });
  }
  return () => database.close();
}

/** Does a writer hold the folder now? */
export function isLocked(dir: string): boolean {
  const path = join(dir, FILE);
  if (!existsSync(path)) return false;
  const database = new DatabaseSync(path, { readOnly: true, timeout: 0 });
  try {
    database.prepare('SELECT count(*) FROM sqlite_master').get();
    return false;
  } catch (cause) {
    if (!isBusy(cause)) throw cause;
    return true;
  } finally {
    database.close();
  }
}

const isBusy = (cause: unknown): boolean => cause instanceof Error && 'errcode' in cause && cause.errcode === BUSY;
