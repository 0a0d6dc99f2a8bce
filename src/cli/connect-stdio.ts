import type { Readable, Writable } from 'node:stream';
import { MAX_LINE } from './connect-line.ts';

/** The lines of a stream, without their ends; null stands for one that was too long. Read no faster than they are taken. */
export async function* linesOf(input: Readable, maxBytes = MAX_LINE): AsyncGenerator<Buffer | null> {
  let held: Buffer[] = [];
  let size = 0;
  for await (const piece of input) {
    let rest: Buffer = typeof piece === 'string' ? Buffer.from(piece) : (piece as Buffer); // a stream without an encoding gives buffers
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      held.push(rest.subarray(0, end));
      yield size + end > maxBytes ? null : whole(held);
      held = [];
      size = 0;
      rest = rest.subarray(end + 1);
    }
    size += rest.length;
    if (size > maxBytes) held = []; // counted on, so that its end is found, but not kept
    else if (rest.length > 0) held.push(rest);
  }
  if (size > 0) yield size > maxBytes ? null : whole(held);
}

function whole(pieces: readonly Buffer[]): Buffer {
  const line = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
  return line.at(-1) === 13 ? line.subarray(0, -1) : line;
}

/** Where messages go, one line each. */
export interface Out {
  /** Resolves when more may be written: who writes waits, and so reads no faster from the gateway than the client reads from us. */
  readonly line: (text: string) => Promise<void>;
  /** The client no longer reads. */
  readonly gone: Promise<void>;
}

export function createOut(stream: Writable): Out {
  let isGone = false;
  let drained: Promise<void> | null = null;
  const gone = new Promise<void>((resolve) => {
    const end = (): void => {
      isGone = true;
      resolve();
    };
    stream.once('close', end).on('error', end); // EPIPE: nobody to tell
  });
  const drain = (): Promise<void> => (drained ??= Promise.race([gone, new Promise<void>((resolve) => stream.once('drain', resolve))]).then(() => void (drained = null)));
  return {
    gone,
    line: (text) => (isGone || stream.write(`${text}\n`) ? DONE : drain()),
  };
}
const DONE = Promise.resolve();
