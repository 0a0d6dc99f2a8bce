import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const BYTES = 32;

/**
 * A random 256-bit key of the gateway's own, made at the first start and kept in a file that only its user can read. Throws when the
 * file is not such a key: going on with another one would let sealed texts of before look forged, and hide that somebody touched it.
 */
export function ownKey(path: string): Buffer {
  if (!existsSync(path)) make(path);
  const key = readFileSync(path);
  if (key.length !== BYTES) throw new Error(`${path} is not a key of ${BYTES} bytes; delete it to have a new one made: cursors and calls that wait for an answer will then be unknown`);
  return key;
}

/** Written whole under another name first, then linked: a crash leaves no half key, and of two starts one wins. */
function make(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  writeFileSync(draft, randomBytes(BYTES), { mode: 0o600, flush: true });
  try {
    linkSync(draft, path);
  } catch (thrown) {
    if (!existsSync(path)) throw thrown;
  } finally {
    unlinkSync(draft);
  }
  const folder = openSync(dirname(path), 'r');
  fsyncSync(folder);
  closeSync(folder);
}
