import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Longest line that is read: a file without line ends must not fill the memory (CWE-770). */
export const MAX_LINE = 64 * 1024 ** 2;

export interface Line {
  /** Without the newline; valid until the next line is asked for. */
  readonly bytes: Buffer;
  /** Where it starts in the file. */
  readonly offset: number;
  /** False: the file ends without a newline after these bytes. */
  readonly complete: boolean;
}

/** The lines of a file from `from` to `until` (default: its end), in constant memory. Reads synchronously. Throws what `fs` throws. */
export function* readLines(path: string, from = 0, until = Infinity): Generator<Line, void, undefined> {
  const fd = openSync(path, 'r');
  try {
    let buffer = Buffer.allocUnsafe(256 * 1024);
    let held = 0; // bytes of an unfinished line at the start of buffer
    let position = from;
    for (;;) {
      if (held === buffer.length) buffer = grow(buffer, path);
      const want = Math.min(buffer.length - held, until - position);
      const got = want > 0 ? readSync(fd, buffer, held, want, position) : 0;
      if (got === 0) break;
      const base = position - held; // file offset of buffer[0]
      position += got;
      const end = held + got;
      let start = 0;
      for (let newline = buffer.indexOf(10, held); newline >= 0 && newline < end; newline = buffer.indexOf(10, start)) {
        yield { bytes: buffer.subarray(start, newline), offset: base + start, complete: true };
        start = newline + 1;
      }
      buffer.copyWithin(0, start, end);
      held = end - start;
    }
    if (held > 0) yield { bytes: buffer.subarray(0, held), offset: position - held, complete: false };
  } finally {
    closeSync(fd);
  }
}

function grow(buffer: Buffer<ArrayBuffer>, path: string): Buffer<ArrayBuffer> {
  if (buffer.length * 2 > MAX_LINE) throw new Error(`${path}: a line is longer than ${MAX_LINE} bytes`);
  const bigger = Buffer.allocUnsafe(buffer.length * 2);
  buffer.copy(bigger);
  return bigger;
}

/** Where the last `count` complete lines of a file begin, reading backwards; and how many there are, at most `count`. */
export function lastLines(path: string, count: number): { readonly offset: number; readonly found: number } {
  const fd = openSync(path, 'r');
  try {
    const block = Buffer.allocUnsafe(64 * 1024);
    let at = fstatSync(fd).size;
    let newlines = 0;
    while (at > 0) {
      const from = Math.max(0, at - block.length);
      const got = readSync(fd, block, 0, at - from, from);
      for (let i = got - 1; i >= 0; i--) {
        if (block[i] === 10 && newlines++ === count) return { offset: from + i + 1, found: count };
      }
      at = from;
    }
    return { offset: 0, found: newlines };
  } finally {
    closeSync(fd);
  }
}
/** The last complete line of a file and the offset behind its newline; null: it has none. */
export function lastLine(path: string): { readonly bytes: Buffer; readonly end: number } | null {
  const { offset, found } = lastLines(path, 1);
  if (found === 0) return null;
  for (const line of readLines(path, offset)) return { bytes: Buffer.from(line.bytes), end: offset + line.bytes.length + 1 };
  return null;
}
