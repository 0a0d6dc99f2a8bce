import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const FILE = 'writer.lock';

/**
 * One writer per folder: two gateways on one chain would fork it. The lock is SQLite's exclusive file lock on an empty database:
 * the kernel frees it when the process dies, however it dies, so no lock is ever stale; it holds between containers that share
 * the folder, where process ids mean nothing. Throws when another process (or another `openAudit`) holds it.
 */
export function lockFolder(dir: string): () => void {
  const database = new DatabaseSync(join(dir, FILE), { timeout: 1000 });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
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
  } catch {
    return true;
  } finally {
    database.close();
  }
}
