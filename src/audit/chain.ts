import { sha256 } from '../lib/hash.ts';

/** `prev_hash` of the first record of a chain. */
export const GENESIS = '0'.repeat(64);
/** Bytes of `,"hash":"<64 hex>"}` at the end of every line; what stands before them is what is hashed. */
const HASH_BYTES = 75;
/** Bytes of `,"prev_hash":"<64 hex>"` and the hash behind it. */
const TAIL_BYTES = HASH_BYTES + 79;
const TAIL = /^,"prev_hash":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}$/;
const START = /^\{"timestamp":"([^"]{1,40})","event":"([a-z]+\.[a-z_]+)","seq":(\d{1,15}),"correlation_id":(?:"([^"\\]{1,64})"|null),/;

/** What the chain says about one line. */
export interface Link {
  readonly timestamp: string;
  readonly event: string;
  readonly seq: number;
  readonly correlationId: string | null;
  readonly prevHash: string;
  readonly hash: string;
}
/** Where the next line must fit. */
export interface Place {
  readonly seq: number;
  readonly hash: string;
}

/** Reads the fixed parts of a line (without its newline) and checks its own hash; text says what is wrong with it. */
export function readLink(line: Buffer): Link | string {
  const tail = TAIL.exec(line.toString('latin1', Math.max(0, line.length - TAIL_BYTES)));
  const start = START.exec(line.toString('latin1', 0, 240));
  if (tail === null || start === null) return 'not a record';
  const hash = sha256(line.subarray(0, line.length - HASH_BYTES));
  if (hash !== tail[2]) return 'the record was changed: its hash does not fit its bytes';
  return { timestamp: start[1] ?? '', event: start[2] ?? '', seq: Number(start[3]), correlationId: start[4] ?? null, prevHash: tail[1] ?? '', hash };
}

/** Does the line stand where it belongs? null: yes; otherwise what is wrong. */
export function misplaced(link: Link, before: Place): string | null {
  if (link.seq > before.seq + 1) return `records are missing: seq ${before.seq + 1} to ${link.seq - 1}`;
  if (link.seq <= before.seq) return `seq ${link.seq} stands again or out of order after seq ${before.seq}`;
  if (link.prevHash !== before.hash) return `prev_hash does not name the record before: seq ${before.seq} was replaced, or this one comes from another chain`;
  return null;
}
