import { statSync } from 'node:fs';
import { join } from 'node:path';
import { GENESIS, misplaced, readLink } from './chain.ts';
import type { Link, Place } from './chain.ts';
import { IDENTITY } from './fields.ts';
import type { AuditFields } from './fields.ts';
import { lastLine, readLines } from './lines.ts';
import type { Line } from './lines.ts';
import { firstSeqOf, listSegments } from './segment.ts';

/** Opens a segment file: names what it follows and carries the calls that were open when it began. */
export const SEGMENT_OPENED = 'audit.segment_opened';

export interface Recovered {
  readonly place: Place;
  /** The segment that is written on; null: the folder is empty and a chain begins. */
  readonly segment: { readonly name: string; readonly size: number; readonly headBytes: number } | null;
  /** A last segment without one whole record: killed while it was being created. It is not part of the chain. */
  readonly discard: string | null;
  /** Bytes of a torn end that are not part of the chain. */
  readonly cut: number;
  /** Calls with an intent and no outcome, oldest first. */
  readonly open: readonly Partial<AuditFields>[];
}

/** The chain cannot be continued; a new one must not be begun in its place without a person who looked. */
export class BrokenChain extends Error {
  constructor(dir: string, what: string) {
    super(`audit: the chain in ${dir} is broken: ${what}. Run \`sallyport audit verify\`, then move the folder away to begin a new chain`);
    this.name = 'BrokenChain';
  }
}

/**
 * Finds the end of the chain after whatever ended the last run. Reads the last segment only: its head carries what was open
 * before it. Throws BrokenChain. Changes nothing.
 */
export function recover(dir: string): Recovered {
  const names = listSegments(dir);
  const newest = names.at(-1);
  const discard = newest !== undefined && lastLine(join(dir, newest)) === null ? newest : null;
  if (discard !== null) names.pop();
  const cut = discard === null ? 0 : statSync(join(dir, discard)).size;
  const name = names.at(-1);
  if (name === undefined) return { place: { seq: 0, hash: GENESIS }, segment: null, discard, cut, open: [] };
  const before = endOfPrevious(dir, names.at(-2));
  if (firstSeqOf(name) !== before.seq + 1) throw new BrokenChain(dir, `${name} does not follow ${names.at(-2) ?? 'the beginning'}`);
  const read = readSegment(dir, name, before);
  return { ...read, discard, cut: cut + read.cut };
}

function endOfPrevious(dir: string, name: string | undefined): Place {
  if (name === undefined) return { seq: 0, hash: GENESIS };
  const last = lastLine(join(dir, name));
  const link = last === null ? 'no record' : readLink(last.bytes);
  if (typeof link === 'string') throw new BrokenChain(dir, `${name}, last line: ${link}`);
  return link;
}

function readSegment(dir: string, name: string, before: Place): Omit<Recovered, 'discard'> {
  const path = join(dir, name);
  const open = new Map<string, Partial<AuditFields>>();
  let place = before;
  let size = 0;
  let headBytes = 0;
  let number = 0;
  let torn = false;
  for (const line of readLines(path)) {
    number += 1;
    torn ||= isTorn(line);
    if (torn) {
      // A NUL written into an older record must not make us cut off the good ones behind it.
      if (typeof readLink(line.bytes) !== 'string') throw new BrokenChain(dir, `${name}, line ${number}: a record stands behind a torn one`);
      continue;
    }
    const link = readLink(line.bytes);
    const wrong = typeof link === 'string' ? link : misplaced(link, place);
    if (typeof link === 'string' || wrong !== null) throw new BrokenChain(dir, `${name}, line ${number}: ${wrong ?? ''}`);
    place = { seq: link.seq, hash: link.hash };
    size = line.offset + line.bytes.length + 1;
    if (number === 1) headBytes = size;
    trackOpen(open, link, line.bytes);
  }
  if (size === 0) throw new BrokenChain(dir, `${name} has no head`);
  return { place, segment: { name, size, headBytes }, cut: statSync(path).size - size, open: [...open.values()] };
}

/**
 * What a crash leaves behind the last record: a line without an end (kill -9), or a stretch of zeros (power loss: the file's size
 * was on disk before its bytes). JSON has no NUL byte, so a record never looks like this. What follows it was never acknowledged.
 */
export const isTorn = (line: Line): boolean => !line.complete || line.bytes.includes(0);

function trackOpen(open: Map<string, Partial<AuditFields>>, link: Link, bytes: Buffer): void {
  if (link.event === SEGMENT_OPENED) {
    for (const fields of parse(bytes).tool_input?.open_intents ?? []) if (fields.correlation_id) open.set(fields.correlation_id, identity(fields));
  } else if (link.correlationId !== null) {
    if (link.event === 'call.intended') open.set(link.correlationId, identity(parse(bytes)));
    else if (link.event === 'call.finished' || link.event === 'call.outcome_unknown') open.delete(link.correlationId);
  }
}
/** Only of lines whose hash fits: they are our own. */
const parse = (bytes: Buffer): Partial<AuditFields> & { tool_input?: { open_intents?: readonly Partial<AuditFields>[] } | null } => JSON.parse(bytes.toString());
const identity = (fields: Partial<AuditFields>): Partial<AuditFields> => Object.fromEntries(IDENTITY.map((name) => [name, fields[name] ?? null]));
