import { existsSync, statSync } from 'node:fs';
import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { GENESIS, misplaced, readLink } from './chain.ts';
import type { Link, Place } from './chain.ts';
import { CHECKPOINTS, readCheckpoint, readPublicKey } from './checkpoint.ts';
import { lastLine, readLines } from './lines.ts';
import type { Line } from './lines.ts';
import { isLocked } from './lock.ts';
import { SEGMENT_OPENED } from './recover.ts';
import { firstSeqOf, listSegments } from './segment.ts';

/** The first thing that is wrong. */
export interface BadRecord {
  /** File name in the folder. */
  readonly segment: string;
  /** From 1; null: the file as a whole. */
  readonly line: number | null;
  /** The seq that was expected there. */
  readonly seq: number;
  readonly what: string;
}
export interface VerifyReport {
  readonly ok: boolean;
  readonly bad: BadRecord | null;
  readonly segments: number;
  /** Good records, up to the bad one. */
  readonly records: number;
  readonly last: Place;
  /** Checkpoints that were compared and fit. */
  readonly checkpoints: number;
  /** Newest record that a checkpoint signs; what follows could be cut without a trace. 0: none. */
  readonly signedTo: number;
  /** A gateway writes in the folder at this moment. */
  readonly live: boolean;
}
export interface VerifyOptions {
  /** A file of checkpoint lines that was kept elsewhere: finds a folder that was rolled back or rebuilt as a whole. */
  readonly checkpoint?: string;
}

/** Stops the reading at the first thing that is wrong. */
class Found extends Error {
  readonly bad: BadRecord;
  constructor(segment: string, line: number | null, seq: number, what: string) {
    super(what);
    this.bad = { segment, line, seq, what };
  }
}

/** Reads the whole chain in constant memory, also while a gateway writes it. Throws only what `fs` throws. */
export function verifyAudit(dir: string, options: VerifyOptions = {}): VerifyReport {
  const live = isLocked(dir);
  const count = { segments: 0, records: 0, checkpoints: 0, signedTo: 0 };
  let last: Place = { seq: 0, hash: GENESIS };
  try {
    // Marks before records: a checkpoint is written after its record, so every mark we hold must have its record.
    const key = readPublicKey(dir);
    const own = join(dir, CHECKPOINTS);
    const marks = [existsSync(own) ? openMarks(CHECKPOINTS, own, key, count) : null, options.checkpoint === undefined ? null : openMarks(options.checkpoint, options.checkpoint, key, count)]
      .filter((one) => one !== null);
    const names = listSegments(dir);
    for (const name of names) {
      for (const { link, number } of readSegment(dir, name, last, live && name === names.at(-1))) {
        last = { seq: link.seq, hash: link.hash };
        count.records += 1;
        for (const mark of marks) mark.compare(last, name, number);
      }
      count.segments += 1;
    }
    const end = names.at(-1) ?? segmentless(key, marks);
    for (const mark of marks) mark.finish(last, end);
    if (count.records > 1 && !existsSync(own)) throw new Found(CHECKPOINTS, null, last.seq, 'the checkpoints are missing');
    return { ok: true, bad: null, ...count, last, live };
  } catch (thrown) {
    if (!(thrown instanceof Found)) throw thrown;
    return { ok: false, bad: thrown.bad, ...count, last, live };
  }
}

const segmentless = (key: KeyObject | null, marks: readonly unknown[]): string => {
  if (key === null && marks.length === 0) throw new Found('', null, 1, 'no audit records in this folder');
  throw new Found('', null, 1, 'all segments are missing');
};

function* readSegment(dir: string, name: string, before: Place, growing: boolean): Generator<{ link: Link; number: number }> {
  let place = before;
  let number = 0;
  if (firstSeqOf(name) !== before.seq + 1) throw new Found(name, null, before.seq + 1, nameWrong(name, before));
  for (const line of readLines(join(dir, name))) {
    number += 1;
    if (!line.complete && growing) return; // a batch that is being written
    const link = checkLine(line, place, name, number);
    if (number === 1) checkHead(link, line.bytes, name, before);
    yield { link, number };
    place = link;
  }
  if (number === 0 && !growing) throw new Found(name, null, before.seq + 1, 'the segment is empty');
}

function nameWrong(name: string, before: Place): string {
  const first = firstSeqOf(name);
  return first > before.seq + 1 ? `records are missing before this segment: seq ${before.seq + 1} to ${first - 1}` : 'the segment does not begin where the one before ends';
}
function checkLine(line: Line, before: Place, name: string, number: number): Link {
  const seq = before.seq + 1;
  if (!line.complete) throw new Found(name, number, seq, `torn tail: ${line.bytes.length} bytes without a line end; a start of the gateway cuts them and records it`);
  const link = readLink(line.bytes);
  if (typeof link === 'string') throw new Found(name, number, seq, link);
  const wrong = misplaced(link, before);
  if (wrong !== null) throw new Found(name, number, seq, wrong);
  return link;
}
function checkHead(link: Link, bytes: Buffer, name: string, before: Place): void {
  const input: unknown = link.event === SEGMENT_OPENED ? (JSON.parse(bytes.toString()) as { tool_input?: unknown }).tool_input : null;
  const named = typeof input === 'object' && input !== null && 'previous_hash' in input ? input.previous_hash : null;
  if (named !== before.hash) throw new Found(name, 1, link.seq, 'the segment does not begin with a record that names the one before');
}

interface Marks {
  readonly compare: (place: Place, segment: string, line: number) => void;
  readonly finish: (last: Place, segment: string) => void;
}
/** Walks a file of checkpoints beside the chain. Both are in order of seq, so one of each is held at a time. */
function openMarks(label: string, path: string, key: KeyObject | null, count: { checkpoints: number; signedTo: number }): Marks {
  const lines = readLines(path, 0, statSync(path).size);
  let number = 0;
  let before = 0;
  const next = (): Place | null => {
    for (;;) {
      const { value: line } = lines.next();
      if (line === undefined) return null;
      number += 1;
      if (!line.complete && label === CHECKPOINTS) return null; // torn by a crash; the next one covers more
      if (line.bytes.length === 0) continue;
      const mark = key === null ? 'the public key keys/checkpoint.pub is missing' : readCheckpoint(line.bytes, key);
      if (typeof mark === 'string') throw new Found(label, number, before, mark);
      if (mark.seq <= before) throw new Found(label, number, mark.seq, 'the checkpoints are out of order');
      before = mark.seq;
      return mark;
    }
  };
  let mark = next();
  return {
    compare: (place, segment, line) => {
      if (mark?.seq !== place.seq) return;
      if (mark.hash !== place.hash) throw new Found(segment, line, place.seq, `the chain was rewritten: the checkpoint in ${label} signs another record here; look between seq ${count.signedTo + 1} and ${place.seq}`);
      count.checkpoints += 1;
      count.signedTo = Math.max(count.signedTo, place.seq);
      mark = next();
    },
    finish: (last, segment) => {
      if (mark !== null) throw new Found(segment, null, last.seq + 1, `the tail was cut: a checkpoint in ${label} signs seq ${mark.seq}, the chain ends at seq ${last.seq}`);
      lines.return();
    },
  };
}

/** The newest signed checkpoint as it stands in the file, to be kept elsewhere; null: none. */
export function readLastCheckpoint(dir: string): string | null {
  const path = join(dir, CHECKPOINTS);
  return existsSync(path) ? (lastLine(path)?.bytes.toString() ?? null) : null;
}
