/** What one reader is still to be told: the same news at most once a second, and the latest of what could not be said. */
export interface Mailbox {
  /** Says it now, or keeps it: when the same was said within the last second, or when nobody reads at present. Of one key the latest is kept. */
  readonly tell: (key: string, block: Buffer) => void;
  /** Takes back what is kept under this key. */
  readonly forget: (key: string) => void;
  /** Somebody reads again: what was kept goes out. */
  readonly drain: () => void;
  readonly close: () => void;
}

/** The same news is told again after so long, ms: a server that says it a thousand times a second must not write to every reader as often (CWE-770). */
const REST_MS = 1_000;
/** So many different things may be said within a second, and as many may wait; then the oldest gives way. */
const MAX_KEYS = 128;

/** `send` says whether somebody took it. */
export function createMailbox(send: (block: Buffer) => boolean): Mailbox {
  const waiting = new Map<string, Buffer>();
  const resting = new Map<string, NodeJS.Timeout>();
  let isClosed = false;

  const keep = (key: string, block: Buffer): void => {
    waiting.delete(key); // to the end of the line
    waiting.set(key, block);
    if (waiting.size > MAX_KEYS) for (const oldest of waiting.keys()) return void waiting.delete(oldest);
  };
  const tell = (key: string, block: Buffer): void => {
    if (isClosed) return;
    if (resting.has(key) || resting.size >= MAX_KEYS || !send(block)) return keep(key, block);
    waiting.delete(key); // older than what was just said
    if (!isClosed) resting.set(key, setTimeout(rested, REST_MS, key).unref()); // `send` may have found the reader gone
  };
  const drain = (): void => {
    for (const [key, block] of Array.from(waiting)) {
      if (resting.has(key)) continue;
      waiting.delete(key);
      tell(key, block);
    }
  };
  const rested = (key: string): void => {
    resting.delete(key);
    drain();
  };

  return {
    tell, drain,
    forget: (key) => void waiting.delete(key),
    close: () => {
      isClosed = true;
      for (const timer of resting.values()) clearTimeout(timer);
      resting.clear();
      waiting.clear();
    },
  };
}
