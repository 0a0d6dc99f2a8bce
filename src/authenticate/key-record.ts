import { z } from 'zod';
import { facts } from './facts.ts';
import { type HeldKey, holdKey } from './held-key.ts';

const when = z.iso.datetime();
const record = z.strictObject({
  ...facts,
  created: when,
  /** A revoked record is a tombstone: it is never deleted, so that its id cannot be given to somebody else. */
  revoked: when.nullable(),
  /** The key in force first, then those rotated out, newest first. Empty: a tombstone for a key of the configuration. */
  hashes: z.array(z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/), until: when.nullable() })).max(17),
});
/** What the store holds of a key: never the key itself. */
export type KeyRecord = Readonly<z.infer<typeof record>>;

/** What `create` takes: the facts of a key; all but the id may be left out. Unknown fields and wrong forms throw. */
export const keySpec = z.strictObject(facts);
export type KeySpec = z.input<typeof keySpec>;

/** How many rotated-out hashes are kept, to answer `expired` rather than `unknown`. */
const KEPT = 16;

/** Reads a record back; null when it cannot be what we wrote (a damaged file, another version): such a key lets nobody in. */
export function readRecord(bytes: Uint8Array): KeyRecord | null {
  try {
    const parsed = record.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
export const writeRecord = (value: KeyRecord): Uint8Array => Buffer.from(JSON.stringify(record.parse(value)));

/** Puts a new hash in front; every older one ends at the latest after the overlap. */
export function rotated(old: KeyRecord, hash: string, now: number, overlapMs: number): KeyRecord {
  const end = now + overlapMs;
  const hashes = old.hashes.slice(0, KEPT).map(({ sha256, until }) => ({ sha256, until: new Date(until === null ? end : Math.min(end, Date.parse(until))).toISOString() }));
  return { ...old, hashes: [{ sha256: hash, until: null }, ...hashes] };
}

/** One entry per hash. */
export const heldBy = (value: KeyRecord): HeldKey[] =>
  value.hashes.map(({ sha256, until }) => holdKey(factsOf(value), sha256, value.revoked !== null, until === null ? null : Date.parse(until)));
const factsOf = ({ created: _created, revoked: _revoked, hashes: _hashes, ...rest }: KeyRecord) => rest;
