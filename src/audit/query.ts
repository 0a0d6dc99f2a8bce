import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { existsSync, statSync } from 'node:fs';
import type { AuditRecord } from './fields.ts';
import { lastLines, readLines } from './lines.ts';
import { listSegments } from './segment.ts';

/** Which records; everything that is given must fit. */
export interface AuditFilter {
  readonly correlationId?: string;
  /** `caller_id` as recorded. */
  readonly caller?: string;
  readonly tool?: string;
  readonly server?: string;
  readonly decision?: 'allow' | 'deny';
  /** An event, or its first part with a dot and a star: `call.*`. */
  readonly event?: string;
  /** ms since epoch, included. */
  readonly since?: number;
  /** ms since epoch, not included. */
  readonly until?: number;
  /** At most so many, the oldest first. */
  readonly limit?: number;
}
/** Takes one line with its newline; a promise holds the reading back. */
export type Write = (line: Buffer) => void | Promise<void>;

interface Hit {
  readonly bytes: Buffer;
  readonly record: AuditRecord;
}

/** Records that fit, oldest first, one in memory at a time. Lines that are no records are left out: `verify` names them. */
export function* queryAudit(dir: string, filter: AuditFilter): Generator<AuditRecord, void, undefined> {
  for (const { record } of find(dir, filter)) yield record;
}

/** Writes the lines that fit, byte for byte, so that whoever has all of them can verify the chain. Resolves with their number. */
export async function exportAudit(dir: string, filter: AuditFilter, write: Write): Promise<number> {
  let count = 0;
  for (const { bytes } of find(dir, filter)) {
    const held = write(withNewline(bytes));
    if (held instanceof Promise) await held;
    count += 1;
  }
  return count;
}

function* find(dir: string, filter: AuditFilter): Generator<Hit, void, undefined> {
  const fits = compile(filter);
  let left = filter.limit ?? Infinity;
  for (const name of listSegments(dir)) {
    for (const line of readLines(join(dir, name))) {
      if (left <= 0) return;
      const record = line.complete ? fits(line.bytes) : null;
      if (record === null) continue;
      left -= 1;
      yield { bytes: line.bytes, record };
    }
  }
}

function compile(filter: AuditFilter): (line: Buffer) => AuditRecord | null {
  const must = Object.entries({ correlation_id: filter.correlationId, caller_id: filter.caller, tool: filter.tool, mcp_server: filter.server, decision: filter.decision })
    .filter((entry): entry is [keyof AuditRecord, string] => entry[1] !== undefined);
  // A record that fits holds these bytes: most lines are passed over without being parsed.
  const needles = must.map(([name, value]) => Buffer.from(`${JSON.stringify(name)}:${JSON.stringify(value)}`));
  const prefix = filter.event?.endsWith('.*') === true ? filter.event.slice(0, -1) : null;
  return (line) => {
    if (!needles.every((needle) => line.includes(needle))) return null;
    const record = parse(line);
    if (record === null || !must.every(([name, value]) => record[name] === value)) return null;
    if (filter.event !== undefined && (prefix === null ? record.event !== filter.event : !record.event.startsWith(prefix))) return null;
    const at = Date.parse(record.timestamp);
    return at >= (filter.since ?? -Infinity) && at < (filter.until ?? Infinity) ? record : null;
  };
}
/** The parse edge: what is in the file was written by us, or `verify` says that it was not. */
function parse(line: Buffer): AuditRecord | null {
  try {
    return JSON.parse(line.toString()) as AuditRecord;
  } catch {
    return null;
  }
}
const withNewline = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.from('\n')]);

export interface TailOptions {
  /** How many of the newest records come first; default 10. */
  readonly lines?: number;
  /** Stay and write what comes, across segments, until `signal` is aborted. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}
const POLL_MS = 100;

/** Writes the newest records and, with `follow`, those that come. Polls: file events do not cross container and network mounts. */
export async function tailAudit(dir: string, options: TailOptions, write: Write): Promise<void> {
  let { name, offset } = beginTail(dir, options.lines ?? 10);
  for (;;) {
    const names = listSegments(dir);
    for (const next of name === null ? names : names.slice(names.indexOf(name))) {
      if (next !== name) offset = 0;
      name = next;
      offset = await pass(join(dir, next), offset, write, options.signal);
    }
    if (options.follow !== true || isAborted(options)) return;
    await sleep(POLL_MS, undefined, options.signal === undefined ? {} : { signal: options.signal }).catch(() => undefined);
    if (isAborted(options)) return;
  }
}

const isAborted = (options: TailOptions): boolean => options.signal?.aborted === true;

function beginTail(dir: string, lines: number): { name: string | null; offset: number } {
  let left = lines;
  let place: { name: string | null; offset: number } = { name: null, offset: 0 };
  for (const name of listSegments(dir).toReversed()) {
    const { offset, found } = lastLines(join(dir, name), left);
    place = { name, offset };
    left -= found;
    if (left <= 0) break;
  }
  return place;
}
/** Writes whole records from an offset; gives the offset behind the last one. */
async function pass(path: string, offset: number, write: Write, signal: AbortSignal | undefined): Promise<number> {
  let at = offset;
  if (!existsSync(path) || statSync(path).size <= at) return at;
  for (const line of readLines(path, at)) {
    if (!line.complete || signal?.aborted === true) break;
    const end = line.offset + line.bytes.length + 1;
    await write(withNewline(line.bytes));
    at = end;
  }
  return at;
}
