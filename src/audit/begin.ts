import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { GENESIS } from './chain.ts';
import type { Place } from './chain.ts';
import { Checkpoints, openKeys, publishKey, readPublicKey } from './checkpoint.ts';
import type { Keys } from './checkpoint.ts';
import { renderFields } from './fields.ts';
import type { AuditFields } from './fields.ts';
import { BrokenChain, SEGMENT_OPENED, recover } from './recover.ts';
import type { Recovered } from './recover.ts';
import { Segment, segmentName } from './segment.ts';
import { seal } from './writer.ts';

/** A chain that is open for writing, and the signing of its end. */
export interface Chain {
  readonly segment: Segment;
  readonly place: Place;
  readonly recovered: Recovered;
  /** Tells that everything up to a place is on disk. */
  readonly synced: (place: Place) => void;
  /** Signs the end at once; throws when that cannot be written. */
  readonly signNow: () => void;
  readonly close: () => void;
}
export interface BeginDeps {
  readonly dir: string;
  readonly clock: Clock;
  readonly log: (message: string, fields?: object) => void;
}

/** Finds the end of the chain, or writes its first record. Throws BrokenChain and what `fs` throws. */
export function beginChain(deps: BeginDeps, start: (event: string) => string, everyMs: number): Chain {
  const { dir } = deps;
  const recovered = recover(dir);
  const begin = recovered.segment === null;
  if (begin && readPublicKey(dir) !== null) throw new BrokenChain(dir, 'it has a public key and no segment');
  const keys = keysOf(dir, begin);
  const checkpoints = checkpointsOf(dir, keys, recovered.place);
  if (recovered.discard !== null) rmSync(join(dir, recovered.discard));
  const made = recovered.segment === null ? firstSegment(dir, start, keys) : null;
  const segment = made?.segment ?? Segment.open(dir, recovered.segment?.name ?? '', recovered.segment?.size ?? 0, recovered.segment?.headBytes ?? 0);
  publishKey(dir, keys);
  const place = made?.place ?? recovered.place;
  return { segment, place, recovered, ...signer(deps, checkpoints, place, everyMs) };
}

/** Writes what the last run left unsaid: what was cut, and calls of which nobody knows how they ended. */
export async function continueChain(chain: Chain, note: (event: string, fields: Partial<AuditFields>) => Promise<void>): Promise<void> {
  const { cut, open } = chain.recovered;
  const notes = cut > 0 ? [note('audit.recovered', { tool_input: { bytes_cut: cut } })] : [];
  for (const fields of open) notes.push(note('call.outcome_unknown', { ...fields, effect: 'unknown', error: 'the gateway ended before the outcome was recorded' }));
  await Promise.all(notes);
  chain.signNow();
}

function keysOf(dir: string, begin: boolean): Keys {
  try {
    return openKeys(dir, begin);
  } catch (cause) {
    throw new BrokenChain(dir, `its signing key cannot be read (${String(cause)})`);
  }
}
/** A checkpoint beyond the last record: somebody cut the tail while the gateway was down. */
function checkpointsOf(dir: string, keys: Keys, end: Place): Checkpoints {
  let checkpoints: Checkpoints;
  try {
    checkpoints = Checkpoints.open(dir, keys);
  } catch (cause) {
    throw new BrokenChain(dir, String(cause));
  }
  const last = checkpoints.last;
  const wrong = last !== null && (last.seq > end.seq || (last.seq === end.seq && last.hash !== end.hash));
  if (!wrong) return checkpoints;
  checkpoints.close();
  throw new BrokenChain(dir, `its last record is seq ${end.seq}, but a checkpoint signs seq ${last.seq} with another end`);
}

function firstSegment(dir: string, start: (event: string) => string, keys: Keys): { segment: Segment; place: Place } {
  const details = { format: 1, previous_segment: null, previous_hash: GENESIS, open_intents: [], checkpoint_key: keys.id };
  const { bytes, hash } = seal(start(SEGMENT_OPENED), 1, renderFields({ tool_input: details }), GENESIS);
  return { segment: Segment.create(dir, segmentName(1), bytes), place: { seq: 1, hash } };
}

function signer(deps: BeginDeps, checkpoints: Checkpoints, first: Place, everyMs: number): Pick<Chain, 'synced' | 'signNow' | 'close'> {
  let newest = first;
  let timer: NodeJS.Timeout | null = null;
  let signedAt = deps.clock.monotonic();
  const signNow = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    signedAt = deps.clock.monotonic();
    checkpoints.append(newest, new Date(deps.clock.now()).toISOString());
  };
  const signLater = (): void => {
    try {
      signNow();
    } catch (thrown) {
      // The chain itself is whole; the next checkpoint covers what this one would have.
      deps.log('audit: a checkpoint could not be written', { cause: String(thrown) });
    }
  };
  return {
    synced: (place) => {
      newest = place;
      const due = signedAt + everyMs - deps.clock.monotonic();
      if (due <= 0) signLater();
      else timer ??= setTimeout(signLater, due).unref();
    },
    signNow,
    close: () => {
      signLater();
      checkpoints.close();
    },
  };
}
