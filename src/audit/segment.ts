import { closeSync, fdatasync, fdatasyncSync, fstatSync, fsyncSync, ftruncateSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const NAME = /^audit-(\d{12})\.jsonl$/;
export const segmentName = (firstSeq: number): string => `audit-${String(firstSeq).padStart(12, '0')}.jsonl`;
/** The seq a segment's name says it begins with. */
export const firstSeqOf = (name: string): number => Number(NAME.exec(name)?.[1] ?? Number.NaN);
/** Names of all segments of a folder, in the order of the chain. */
export const listSegments = (dir: string): string[] => readdirSync(dir).filter((name) => NAME.test(name)).toSorted();

/** Makes a file's name durable: without it a power loss may take the whole new file. */
export function syncFolder(dir: string): void {
  const fd = openSync(dir, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** One segment file that is written. A write is there as a whole or not at all. */
export class Segment {
  readonly name: string;
  /** Bytes that hold good records. */
  size: number;
  /** Bytes of the first line: it grows with the open intents and must not make the segment count as full. */
  headBytes: number;
  readonly #path: string;
  readonly #fd: number;
  readonly #inode: number;
  #torn = false;

  private constructor(dir: string, name: string, fd: number, size: number, headBytes: number) {
    this.name = name;
    this.#path = join(dir, name);
    this.#fd = fd;
    this.#inode = fstatSync(fd).ino;
    this.size = size;
    this.headBytes = headBytes;
  }

  /** Creates a segment with its first line, durable. What a failed try left behind is removed. Throws what `fs` throws. */
  static create(dir: string, name: string, head: Buffer): Segment {
    const path = join(dir, name);
    rmSync(path, { force: true });
    const fd = openSync(path, 'wx', 0o600);
    try {
      const segment = new Segment(dir, name, fd, 0, head.length);
      segment.write(head, head.length);
      fsyncSync(fd);
      syncFolder(dir);
      return segment;
    } catch (thrown) {
      closeSync(fd);
      rmSync(path, { force: true });
      throw thrown;
    }
  }

  /** Opens an existing segment behind its last good byte; whatever stands there is cut. */
  static open(dir: string, name: string, size: number, headBytes: number): Segment {
    const fd = openSync(join(dir, name), 'r+');
    ftruncateSync(fd, size);
    fsyncSync(fd);
    return new Segment(dir, name, fd, size, headBytes);
  }

  /** Appends; on a short write or an error the file is rolled back to its last good byte and the error is thrown. */
  write(buffer: Buffer, length: number): void {
    if (this.#torn) this.#rollback();
    try {
      for (let at = 0; at < length;) at += writeSync(this.#fd, buffer, at, length - at, this.size + at);
    } catch (thrown) {
      this.#torn = true;
      try {
        this.#rollback();
      } catch { /* tried again before the next write, which fails as long as this does */ }
      throw thrown;
    }
    this.size += length;
  }
  #rollback(): void {
    ftruncateSync(this.#fd, this.size);
    this.#torn = false;
  }

  sync(done: (failed: Error | null) => void): void {
    fdatasync(this.#fd, done);
  }
  syncNow(): void {
    fdatasyncSync(this.#fd);
  }
  /** Is the file still there under its name? A removed file takes writes without an error and without a trace. */
  vanished(): boolean {
    return statSync(this.#path, { throwIfNoEntry: false })?.ino !== this.#inode;
  }
  close(): void {
    closeSync(this.#fd);
  }
}
