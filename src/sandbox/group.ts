import { readdir, readFile } from 'node:fs/promises';
import process from 'node:process';

/** Names every process of one run, wherever it hides: inherited by all descendants that do not clear their environment. */
export const MARK = 'SALLYPORT_RUN';

/** Signals every process of the group; silent when none is left. A server's pid is its group's id, because it was started as leader. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH: all gone. EPERM: what is left changed its user; it is not ours any more to signal.
  }
}

/** A process that forks faster than it is found is given up after so many rounds; its group was killed as a whole before. */
const ROUNDS = 5;

/**
 * Kills descendants that left the process group (`setsid`, double fork): a server must not live on after it was stopped. Found by
 * their mark in /proc, so on Linux only, and only those that kept their environment; the rest is for a sandbox with its own PID
 * namespace (README). Resolves with how many were killed.
 */
export async function sweep(mark: string): Promise<number> {
  const needle = Buffer.from(`${MARK}=${mark}\0`);
  let killed = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const found = await marked(needle);
    for (const pid of found) {
      try {
        process.kill(pid, 'SIGKILL');
        killed++;
      } catch {
        // gone meanwhile
      }
    }
    if (found.length === 0) break;
  }
  return killed;
}

async function marked(needle: Buffer): Promise<number[]> {
  const found: number[] = [];
  const names = await readdir('/proc').catch(() => [] as string[]);
  for (const name of names) {
    const first = name.charCodeAt(0);
    if (first < 48 || first > 57) continue;
    const environ = await readFile(`/proc/${name}/environ`).catch(() => null); // gone, or another user's
    if (environ?.includes(needle) === true) found.push(Number(name));
  }
  return found;
}
