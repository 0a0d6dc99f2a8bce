import { sha256 } from '../lib/hash.ts';
import type { Place } from './chain.ts';
import { Segment, segmentName } from './segment.ts';

/** A record that waits to be written. Exactly one of `done` and `fail` is called, once. */
export interface Queued {
  /** Up to and including `"seq":`. */
  readonly start: string;
  /**
   * What follows the number, without the chain fields. In pieces where some may hold characters beyond Latin-1: one of them makes
   * V8 store the whole of a joined text two bytes a character, and every later step on it is slower.
   */
  readonly rest: string | readonly string[];
  /** True: `done` waits for the disk; false: for the operating system. */
  readonly durable: boolean;
  /** The operating system has it: it survives kill -9. Called before `done`. */
  readonly written: (seq: number) => void;
  readonly done: (seq: number) => void;
  readonly fail: (cause: Error) => void;
}
export interface WriterParts {
  readonly dir: string;
  readonly segmentMaxBytes: number;
  readonly syncWithinMs: number;
  /** The first record of a new segment, which names the segment it follows. */
  readonly head: (previous: { readonly segment: string; readonly hash: string }) => { readonly start: string; readonly rest: string };
  /** The records that tell, once writing works again, that it did not; at least one. */
  readonly resumed: () => readonly Queued[];
  /** A place in the chain is on disk. */
  readonly synced: (place: Place) => void;
  readonly log: (message: string, fields?: object) => void;
}

const WATCH_MS = 1000;
const FIRST_BUFFER = 256 * 1024;
const KEPT_BUFFER = 4 * 1024 ** 2;

/**
 * Group commit: whoever appends in one turn of the event loop, or while the disk is busy, shares one write; whoever waits for the disk
 * shares one fdatasync, of which one runs at a time, so the window opens by itself under load. Order in the file is order of append.
 */
export class Writer {
  readonly #parts: WriterParts;
  #segment: Segment;
  #place: Place;
  #queue: Queued[] = [];
  #scheduled = false;
  /** The queue holds a record that waits for the operating system only. */
  #hurried = false;
  #waiting: { readonly done: (seq: number) => void; readonly fail: (cause: Error) => void; readonly seq: number }[] = [];
  #synced: Place;
  #syncing: Promise<void> | null = null;
  /** The segment whose sync is under way: closed only afterwards. */
  #busy: Segment | null = null;
  #syncTimer: NodeJS.Timeout | null = null;
  readonly #watch: NodeJS.Timeout;
  /** Why the last write failed; null: it did not. Heals by itself. */
  #failing: string | null = null;
  /** Why nothing may be written any more; null: it may. Does not heal. */
  #poison: Error | null = null;
  #buffer = Buffer.allocUnsafe(FIRST_BUFFER);

  constructor(parts: WriterParts, segment: Segment, place: Place) {
    this.#parts = parts;
    this.#segment = segment;
    this.#place = place;
    this.#synced = place;
    this.#watch = setInterval(() => this.#look(), WATCH_MS).unref();
  }

  append(record: Queued): void {
    this.#queue.push(record);
    if (!record.durable) this.#hurried = true;
    // What waits for the disk gains nothing by being written before the disk is free, and costs a write of its own.
    if (this.#syncing === null || this.#hurried || this.#failing !== null) this.#soon();
  }
  /** At the end of this turn of the event loop, when all that has come in meanwhile has been read. */
  #soon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  }

  /** null: records can be written; otherwise why not. */
  ready(): string | null {
    this.#checkPresence();
    return this.#poison?.message ?? this.#failing;
  }
  /** A segment that was deleted or replaced under us would swallow records without an error. */
  #checkPresence(): void {
    if (this.#poison === null && this.#segment.vanished()) this.#die(new Error(`audit: the file ${this.#segment.name} was removed or replaced; restart the gateway`));
  }
  /** Tries by itself when writing failed: a gateway that is not ready gets no calls that would find out that there is space again. */
  #look(): void {
    this.#checkPresence();
    if (this.#failing !== null && this.#poison === null) this.#flush();
  }

  /** Writes and syncs what is queued, then closes the file. Later appends fail. */
  async close(): Promise<void> {
    this.#flush();
    while (this.#syncing !== null) await this.#syncing;
    if (this.#syncTimer !== null) clearTimeout(this.#syncTimer);
    clearInterval(this.#watch);
    if (this.#poison === null && this.#synced.seq < this.#place.seq) {
      try {
        this.#segment.syncNow();
        this.#settle(this.#place);
      } catch (thrown) {
        this.#die(asError(thrown));
      }
    }
    this.#poison ??= new Error('audit: closed');
    this.#segment.close();
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    this.#hurried = false;
    const batch = this.#queue;
    this.#queue = [];
    if (this.#poison !== null) return refuse(batch, this.#poison);
    if (this.#failing !== null) batch.unshift(...this.#parts.resumed());
    if (batch.length === 0) return this.#syncWaiting();
    try {
      if (this.#segment.size - this.#segment.headBytes >= this.#parts.segmentMaxBytes) this.#rotate();
      this.#write(batch);
    } catch (thrown) {
      this.#failed(asError(thrown), batch);
      return this.#syncWaiting();
    }
    this.#healed();
    this.#tell(batch);
  };

  #write(batch: readonly Queued[]): void {
    let { seq, hash } = this.#place;
    let length = 0;
    for (const record of batch) {
      seq += 1;
      const { rest } = record;
      let end = length;
      if (typeof rest === 'string') end = this.#put(end, `${record.start}${seq}${rest},"prev_hash":"${hash}"`);
      else {
        end = this.#put(end, `${record.start}${seq}`);
        for (const piece of rest) end = this.#put(end, piece);
        end = this.#put(end, `,"prev_hash":"${hash}"`);
      }
      // Hashed are the bytes as they are written, from the same buffer: what a verifier reads.
      hash = sha256(this.#buffer.subarray(length, end));
      length = end + this.#buffer.write(`,"hash":"${hash}"}\n`, end, 'latin1');
    }
    this.#segment.write(this.#buffer, length);
    this.#place = { seq, hash };
    if (this.#buffer.length > KEPT_BUFFER) this.#buffer = Buffer.allocUnsafe(FIRST_BUFFER);
  }
  /** Puts text into the buffer, with room for the hash behind it; the offset after it. */
  #put(at: number, text: string): number {
    const need = text.length * 3 + 80;
    if (this.#buffer.length - at < need) this.#grow(at, need);
    return at + this.#buffer.write(text, at, 'utf8');
  }
  #grow(used: number, need: number): void {
    const bigger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, used + need));
    this.#buffer.copy(bigger, 0, 0, used);
    this.#buffer = bigger;
  }

  #tell(batch: readonly Queued[]): void {
    let seq = this.#place.seq - batch.length;
    for (const record of batch) {
      seq += 1;
      record.written(seq);
      if (record.durable) this.#waiting.push({ done: record.done, fail: record.fail, seq });
      else record.done(seq);
    }
    this.#syncWaiting();
  }
  #syncWaiting(): void {
    if (this.#waiting.length > 0) this.#sync();
    else if (this.#synced.seq < this.#place.seq && this.#poison === null) this.#syncTimer ??= setTimeout(this.#sync, this.#parts.syncWithinMs * 0.8);
  }

  readonly #sync = (): void => {
    if (this.#syncTimer !== null) clearTimeout(this.#syncTimer);
    this.#syncTimer = null;
    if (this.#syncing !== null || this.#poison !== null || this.#synced.seq === this.#place.seq) return;
    const place = this.#place;
    const segment = this.#segment;
    this.#busy = segment;
    this.#syncing = new Promise((resolve) => {
      segment.sync((failed) => {
        this.#syncing = null;
        this.#busy = null;
        if (segment !== this.#segment) segment.close(); // rotated meanwhile
        if (failed !== null) this.#die(syncFailed(failed));
        else this.#settle(place);
        if (this.#waiting.length > 0 || this.#queue.length > 0) this.#soon(); // the next sync takes along what this turn brings
        else this.#syncWaiting();
        resolve();
      });
    });
  };
  /** Everything up to `place` is on disk. */
  #settle(place: Place): void {
    if (place.seq <= this.#synced.seq) return;
    this.#synced = place;
    const held = this.#waiting;
    const next = held.findIndex((one) => one.seq > place.seq);
    this.#waiting = next < 0 ? [] : held.slice(next);
    for (const one of next < 0 ? held : held.slice(0, next)) one.done(one.seq);
    this.#parts.synced(place);
  }

  /** The old segment is on disk before the new one exists: a power loss must not leave a hole between two files. */
  #rotate(): void {
    const old = this.#segment;
    try {
      old.syncNow();
    } catch (thrown) {
      throw this.#die(syncFailed(asError(thrown)));
    }
    this.#settle(this.#place);
    const seq = this.#place.seq + 1;
    const { start, rest } = this.#parts.head({ segment: old.name, hash: this.#place.hash });
    const { bytes, hash } = seal(start, seq, rest, this.#place.hash);
    this.#segment = Segment.create(this.#parts.dir, segmentName(seq), bytes);
    this.#place = { seq, hash };
    this.#settle(this.#place);
    if (this.#busy !== old) old.close();
  }

  #failed(cause: Error, batch: readonly Queued[]): void {
    if (this.#failing === null) this.#parts.log('audit: a record could not be written', { cause: cause.message });
    this.#failing = `audit: records cannot be written: ${cause.message}`;
    refuse(batch, cause);
  }
  #healed(): void {
    if (this.#failing === null) return;
    this.#failing = null;
    this.#parts.log('audit: records can be written again');
  }
  /**
   * After a failed fdatasync the kernel may have dropped the pages and report success the next time ("fsyncgate", LWN 752063):
   * nothing this process could do would prove what is on disk, so it writes no more. A restart reads what is really there.
   */
  #die(cause: Error): Error {
    if (this.#poison === null) this.#parts.log('audit: stopped for good', { cause: cause.message });
    this.#poison ??= cause;
    const held = [...this.#waiting, ...this.#queue];
    this.#waiting = [];
    this.#queue = [];
    refuse(held, cause);
    return cause;
  }
}

/** One line with its place in the chain, and the hash of it. */
export function seal(start: string, seq: number, rest: string, prevHash: string): { readonly bytes: Buffer; readonly hash: string } {
  const line = `${start}${seq}${rest},"prev_hash":"${prevHash}"`;
  const hash = sha256(line);
  return { bytes: Buffer.from(`${line},"hash":"${hash}"}\n`), hash };
}
const refuse = (records: readonly { readonly fail: (cause: Error) => void }[], cause: Error): void => {
  for (const one of records) one.fail(cause);
};
const syncFailed = (cause: Error): Error => new Error(`audit: fdatasync failed, restart the gateway: ${cause.message}`);
const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));
