import { StringDecoder } from 'node:string_decoder';
import type { Clock } from '../lib/clock.ts';
import { stripControls } from '../lib/visible.ts';

/** A longer line is logged in its first part only. */
const LINE_CHARS = 2_000;

export interface Stderr {
  readonly push: (chunk: Buffer) => void;
  /** The last of it, without characters that act on a terminal. */
  readonly tail: () => string;
}

/**
 * Keeps the end of a server's stderr and hands it on line by line, stripped of what would draw on a terminal or forge a log line
 * (CWE-150, CWE-117) and at most so many lines a second: a server that floods must not fill the log (CWE-779).
 */
export function createStderr(limits: { readonly keepBytes: number; readonly linesPerSecond: number }, clock: Clock, onLine: (line: string) => void): Stderr {
  const decoder = new StringDecoder('utf8');
  let kept = '';
  let line = '';
  let windowStart = clock.monotonic();
  let inWindow = 0;
  let dropped = 0;
  const emit = (text: string): void => {
    const clean = stripControls(text.slice(0, LINE_CHARS));
    if (clean.trim() === '') return;
    const now = clock.monotonic();
    if (now - windowStart >= 1_000) {
      windowStart = now;
      inWindow = 0;
    }
    if (inWindow >= limits.linesPerSecond) {
      dropped++;
      return;
    }
    if (dropped > 0) onLine(`(${dropped} lines left out)`);
    dropped = 0;
    inWindow++;
    onLine(clean);
  };
  const push = (chunk: Buffer): void => {
    const text = decoder.write(chunk);
    kept = (kept + text).slice(-limits.keepBytes);
    const parts = text.split(/\r\n|\n|\r/);
    const last = parts.pop() ?? '';
    for (const [i, part] of parts.entries()) emit(i === 0 ? line + part : part);
    // Only as much is held of a line without end as will be shown.
    line = (parts.length === 0 ? line + last : last).slice(0, LINE_CHARS);
  };
  return { push, tail: () => kept.split(/\r\n|\n|\r/).map(stripControls).join('\n') };
}
