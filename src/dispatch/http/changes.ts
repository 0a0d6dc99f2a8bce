import type { Change } from '../upstream.ts';

/** Of a flood of the same change one is heard, ms: each may have the catalog read and every client told (CWE-400). */
const WAIT_MS = 100;

/** Passes on what changed at a server. */
export interface Changes {
  readonly add: (listener: (change: Change) => void) => void;
  readonly heard: (change: Change) => void;
  /** At once. */
  readonly connected: () => void;
  readonly close: () => void;
}

export function createChanges(): Changes {
  const listeners: ((change: Change) => void)[] = [];
  const waiting = new Map<Change, NodeJS.Timeout>();
  const tell = (change: Change): void => {
    waiting.delete(change);
    for (const listener of listeners) listener(change);
  };
  return {
    add: (listener) => void listeners.push(listener),
    heard: (change) => {
      if (!waiting.has(change)) waiting.set(change, setTimeout(() => tell(change), WAIT_MS).unref());
    },
    connected: () => tell('connected'),
    close: () => waiting.forEach((timer) => clearTimeout(timer)),
  };
}
