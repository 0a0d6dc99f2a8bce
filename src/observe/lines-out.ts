import { write, writeSync } from 'node:fs';
import process from 'node:process';

/** A descriptor that lines go to without anybody waiting for them. */
export interface LinesOut {
  readonly write: (line: string) => void;
  /** Tries once to get rid of what is buffered, for the end of the process. What is being written at that moment may appear twice: better than not at all. */
  readonly flushSync: () => void;
}

const AGAIN_MS = 50;

/**
 * Writes in the background, one write at a time. A reader that stops reading, a full disk or a closed pipe costs lines (what is over
 * `maxBytes` is dropped and counted) but never stops the gateway or its end, and never fills its memory (CWE-400).
 */
export function createLinesOut(fd: number, maxBytes: number): LinesOut {
  let waiting: Buffer[] = [];
  let bytes = 0;
  let dropped = 0;
  let current: Buffer | null = null;
  const next = (): void => {
    if (current === null) {
      if (waiting.length === 0) return;
      current = waiting.length === 1 ? (waiting[0] ?? null) : Buffer.concat(waiting, bytes);
      waiting = [];
      bytes = 0;
    }
    if (current === null) return;
    write(fd, current, (error, written) => {
      if (error?.code === 'EAGAIN') {
        setTimeout(next, AGAIN_MS).unref();
        return;
      }
      current = error !== null || current === null || written >= current.length ? null : current.subarray(written);
      next();
    });
  };
  const push = (line: string): void => {
    const chunk = Buffer.from(dropped === 0 ? line : `{"level":"warn","message":"${dropped} log lines were lost"}\n${line}`);
    if (bytes + chunk.length > maxBytes) {
      dropped++;
      return;
    }
    dropped = 0;
    waiting.push(chunk);
    bytes += chunk.length;
    if (current === null) next();
  };
  const flushSync = (): void => {
    const rest = Buffer.concat(current === null ? waiting : [current, ...waiting]);
    current = null;
    waiting = [];
    bytes = 0;
    try {
      if (rest.length > 0) writeSync(fd, rest);
    } catch {
      // nobody reads, or no space: there is nowhere left to say so
    }
  };
  process.on('exit', flushSync);
  return { write: push, flushSync };
}
