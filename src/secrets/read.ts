import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseRef } from './ref.ts';
import { isSample } from './sample.ts';

/** Where references are looked up. */
export interface Places {
  /** The folder `file:` paths start from: that of the config file. */
  readonly baseDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}
/** `wrong` and `mend` never hold the value. `mend` is a command or a sentence for the operator. */
export type Read = { readonly ok: true; readonly value: string } | { readonly ok: false; readonly wrong: string; readonly mend: string };

/** Larger than any key or certificate chain; a bound so that `file:/dev/zero` cannot fill memory (CWE-400). */
const MAX_BYTES = 65_536;
const refuse = (wrong: string, mend: string): Read => ({ ok: false, wrong, mend });

/** Reads what a reference points at, now. Never throws; refuses the missing, the empty, the well-known and what others may read. */
export function readSecret(ref: string, places: Places): Read {
  const parsed = parseRef(ref);
  if (parsed === null) return refuse('is not a reference to a secret', 'env:NAME');
  if (parsed.kind === 'file') return readFile(resolve(places.baseDir, parsed.path));
  // An own property only: `env:constructor` must not find what every object inherits (CWE-1321).
  const value = Object.hasOwn(places.env, parsed.name) ? places.env[parsed.name] : undefined;
  if (value === undefined) return refuse(`the environment variable ${parsed.name} is not set`, `export ${parsed.name}=…`);
  return judge(value, `the environment variable ${parsed.name}`, `export ${parsed.name}="$(openssl rand -base64 32)"`);
}

function readFile(path: string): Read {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // a FIFO would otherwise hang the gateway at open
  } catch (thrown) {
    const missing = (thrown as NodeJS.ErrnoException).code === 'ENOENT';
    return refuse(`the file ${path} ${missing ? 'does not exist' : 'cannot be opened'}`, missing ? `install -m 600 /dev/stdin ${quote(path)}` : `chmod 600 ${quote(path)}`);
  }
  try {
    return readOpen(fd, path);
  } catch {
    return refuse(`the file ${path} cannot be read`, `chmod 600 ${quote(path)}`);
  } finally {
    closeSync(fd);
  }
}

/** Judges the open file, not its name, so that nothing can be swapped between the look and the read (CWE-367). */
function readOpen(fd: number, path: string): Read {
  const stat = fstatSync(fd);
  if (!stat.isFile()) return refuse(`${path} is not a regular file`, `install -m 600 /dev/stdin ${quote(path)}`);
  // CWE-732: what group or others may read or write is not a secret. Windows has no such bits; there the folder's ACL must do.
  if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0) {
    return refuse(`the file ${path} is open to other users (mode ${(stat.mode & 0o777).toString(8).padStart(4, '0')})`, `chmod 600 ${quote(path)}`);
  }
  const buffer = Buffer.alloc(MAX_BYTES + 1);
  let length = 0;
  for (let got = -1; got !== 0 && length < buffer.length; length += got) got = readSync(fd, buffer, length, buffer.length - length, null);
  if (length > MAX_BYTES) return refuse(`the file ${path} is larger than ${MAX_BYTES} bytes`, `put only the secret into ${quote(path)}`);
  let value: string;
  try {
    value = new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, length));
  } catch {
    return refuse(`the file ${path} is not UTF-8 text`, `put only the secret into ${quote(path)}`);
  }
  return judge(value.replace(/\r?\n$/, ''), `the file ${path}`, `openssl rand -base64 32 | install -m 600 /dev/stdin ${quote(path)}`);
}

function judge(value: string, where: string, mend: string): Read {
  if (value.trim() === '') return refuse(`${where} is empty`, mend); // an empty secret matches an empty credential (CWE-258)
  if (value.includes('\0')) return refuse(`${where} holds a NUL character`, mend);
  if (isSample(value.trim())) return refuse(`${where} holds a well-known sample, not a secret`, mend);
  return { ok: true, value };
}

/** A path as a shell takes it. */
const quote = (path: string): string => (/^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`);
