import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { closeSync, existsSync, fdatasyncSync, fstatSync, ftruncateSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../lib/hash.ts';
import type { Place } from './chain.ts';
import { lastLine } from './lines.ts';
import { syncFolder } from './segment.ts';

export const CHECKPOINTS = 'checkpoints.jsonl';
const KEYS = 'keys';
const PRIVATE = 'checkpoint.key';
const PUBLIC = 'checkpoint.pub';
const LINE = /^\{"seq":(\d{1,15}),"hash":"([0-9a-f]{64})","timestamp":"[^"]{1,40}","key_id":"([0-9a-f]{64})"(,"sig":"([A-Za-z0-9+/=]{88})"\})$/;

export interface Keys {
  readonly private: KeyObject;
  readonly public: KeyObject;
  /** SHA-256, hex, of the public key's SPKI DER. */
  readonly id: string;
}

/**
 * The Ed25519 pair of a chain. `begin`: a new chain may make one. Throws when an existing chain has none: a new key would make a
 * replaced chain look right.
 */
export function openKeys(dir: string, begin: boolean): Keys {
  const path = join(dir, KEYS, PRIVATE);
  if (begin && !existsSync(path)) writeKey(dir, PRIVATE, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const key = createPrivateKey(readFileSync(path));
  const open = createPublicKey(key);
  return { private: key, public: open, id: keyId(open) };
}
/** Written after the first segment: a folder that has the public key and no segment has lost its records. */
export function publishKey(dir: string, keys: Keys): void {
  if (readPublicKey(dir) === null) writeKey(dir, PUBLIC, keys.public.export({ type: 'spki', format: 'pem' }));
}
function writeKey(dir: string, name: string, pem: string | Buffer): void {
  const folder = join(dir, KEYS);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, `${name}.new`), pem, { mode: 0o600, flush: true });
  renameSync(join(folder, `${name}.new`), join(folder, name));
  syncFolder(folder);
}
/** The public half, for whoever verifies; null: not there. */
export function readPublicKey(dir: string): KeyObject | null {
  const path = join(dir, KEYS, PUBLIC);
  return existsSync(path) ? createPublicKey(readFileSync(path)) : null;
}
export const keyId = (key: KeyObject): string => sha256(key.export({ type: 'spki', format: 'der' }));

/** One signed place in the chain. The signature covers the line's bytes up to `,"sig":"`, the same rule as for records. */
export function renderCheckpoint(place: Place, timestamp: string, keys: Keys): string {
  const body = `{"seq":${place.seq},"hash":"${place.hash}","timestamp":"${timestamp}","key_id":"${keys.id}"`;
  return `${body},"sig":"${sign(null, Buffer.from(body), keys.private).toString('base64')}"}\n`;
}
/** Reads a checkpoint line and checks its signature; text says what is wrong with it. */
export function readCheckpoint(line: Buffer, key: KeyObject): Place | string {
  const text = line.toString('latin1');
  const found = LINE.exec(text);
  if (found === null) return 'not a checkpoint';
  if (found[3] !== keyId(key)) return 'the checkpoint was signed with another key';
  const body = text.slice(0, text.length - (found[4] ?? '').length);
  if (!verify(null, Buffer.from(body, 'latin1'), key, Buffer.from(found[5] ?? '', 'base64'))) return 'the signature of the checkpoint is wrong';
  return { seq: Number(found[1]), hash: found[2] ?? '' };
}

/** The file of checkpoints, opened for appending behind its last whole line. */
export class Checkpoints {
  readonly #fd: number;
  readonly #keys: Keys;
  #size: number;
  /** The newest checkpoint; null: none yet. */
  last: Place | null;

  private constructor(fd: number, keys: Keys, size: number, last: Place | null) {
    this.#fd = fd;
    this.#keys = keys;
    this.#size = size;
    this.last = last;
  }

  /** Throws when the newest checkpoint is not a good one. A line torn by a crash is cut. */
  static open(dir: string, keys: Keys): Checkpoints {
    const path = join(dir, CHECKPOINTS);
    if (!existsSync(path)) return new Checkpoints(openSync(path, 'wx', 0o600), keys, 0, null);
    const last = lastLine(path);
    const place = last === null ? null : readCheckpoint(last.bytes, keys.public);
    if (typeof place === 'string') throw new Error(`${CHECKPOINTS}: ${place}`);
    return new Checkpoints(openSync(path, 'r+'), keys, last?.end ?? 0, place);
  }

  /** Only for places that are on disk: a checkpoint that outlives its record would be a false alarm. Throws what `fs` throws. */
  append(place: Place, timestamp: string): void {
    if (this.last !== null && place.seq <= this.last.seq) return;
    const line = Buffer.from(renderCheckpoint(place, timestamp, this.#keys));
    if (fstatSync(this.#fd).size !== this.#size) ftruncateSync(this.#fd, this.#size);
    for (let at = 0; at < line.length;) at += writeSync(this.#fd, line, at, line.length - at, this.#size + at);
    this.#size += line.length;
    this.last = place;
  }
  sync(): void {
    fdatasyncSync(this.#fd);
  }
  close(): void {
    closeSync(this.#fd);
  }
}
