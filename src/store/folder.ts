import { closeSync, lstatSync, mkdirSync, openSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';

/** The store cannot be opened or trusted; the message names the file and the mend. */
export class StoreFault extends Error {
  override readonly name = 'StoreFault';
}

/** Windows has no such bits; there the folder's ACL must do. */
const MODES = process.platform !== 'win32';

/**
 * Makes the folder (0700) and the file (0600) where missing and refuses what others can open: whoever can write the file can
 * give himself a key, whoever can read it learns all names (CWE-732, CWE-276). Never changes the mode of what was there before:
 * `--data /tmp` must not lock everybody else out of /tmp.
 */
export function prepareFile(folder: string, name: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, name);
  judge(statSync(folder), folder, 0o700);
  // Made with its mode from the first moment: a chmod afterwards would leave a gap (CWE-367). SQLite gives -wal and -shm the same mode.
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
  }
  const file = lstatSync(path);
  if (!file.isFile()) throw new StoreFault(`${path} is not a regular file`); // a link could lead SQLite to another's file (CWE-59)
  judge(file, path, 0o600);
  return path;
}

function judge(stat: Stats, path: string, mode: number): void {
  if (!MODES) return;
  if (stat.uid !== process.getuid?.()) throw new StoreFault(`${path} belongs to another user`);
  if ((stat.mode & 0o077) !== 0) throw new StoreFault(`${path} is open to other users: chmod ${mode.toString(8)} ${path}`);
}
