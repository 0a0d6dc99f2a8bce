import type { Clock } from '../../lib/clock.ts';

export interface Watch {
  /** Reports once more, changed or not, when all is quiet: for SIGHUP. */
  readonly poke: () => void;
  readonly close: () => void;
}

/** By polling: notices of the file system are lost on network folders and where Kubernetes swaps links. */
const LOOK_MS = 1_000;
const AGAIN_MS = 100;
/** An editor writes a file in several steps, `git checkout` several files. */
const QUIET_MS = 300;

/** Calls `settled` when what `fingerprint` says has changed and then stayed the same for 300 ms. `seen`: what was there when it was last read. */
export function watchFolder(fingerprint: () => string, seen: string, clock: Clock, settled: (print: string) => void): Watch {
  let reported: string | null = seen;
  let last = seen;
  let since = clock.monotonic();
  let timer: NodeJS.Timeout;
  const look = (): void => {
    const now = fingerprint();
    if (now !== last) [last, since] = [now, clock.monotonic()];
    const quiet = clock.monotonic() - since >= QUIET_MS;
    if (last !== reported && quiet) {
      reported = last;
      settled(last);
    }
    next(last === reported ? LOOK_MS : AGAIN_MS);
  };
  const next = (ms: number): void => {
    timer = setTimeout(look, ms);
    timer.unref();
  };
  next(LOOK_MS);
  return {
    poke: () => {
      clearTimeout(timer);
      reported = null;
      next(0);
    },
    close: () => clearTimeout(timer),
  };
}
