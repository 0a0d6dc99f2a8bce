import { type ChildProcess, spawn } from 'node:child_process';
import { MARK } from './group.ts';

/**
 * Outlives a gateway that was killed with SIGKILL. It reads `+ <pgid> <mark>` and `- <pgid>`; when its stdin ends, the gateway is
 * gone, and it kills every group still on its list and, on Linux, what escaped from them. A shell, because it costs 0.2 MB of memory of its
 * own where a Node process costs 10 (both measured). The text is constant, and what it reads are numbers and hex digits we made.
 */
const SCRIPT = `
trap '' HUP INT TERM
all=
while read -r op group mark; do
  case $op in
    +) all="$all $group:$mark" ;;
    -) rest=; for x in $all; do [ "\${x%%:*}" = "$group" ] || rest="$rest $x"; done; all=$rest ;;
  esac
done
for x in $all; do kill -s KILL -- "-\${x%%:*}" 2>/dev/null; done
for x in $all; do
  for f in $(grep -lsz "^${MARK}=\${x#*:}\\$" /proc/[0-9]*/environ 2>/dev/null); do
    f=\${f#/proc/}; kill -s KILL "\${f%/environ}" 2>/dev/null
  done
done
exit 0
`;

export interface Watchdog {
  /** From now on the group dies with the gateway. */
  readonly add: (group: number, mark: string) => void;
  readonly remove: (group: number) => void;
  readonly close: () => void;
}

/** Starts the watchdog with the first group, and again when it dies. `onLost` hears that there is none on this machine. */
export function createWatchdog(path: string | undefined, onLost: (cause: string) => void): Watchdog {
  const groups = new Map<number, string>();
  let dog: ChildProcess | null = null;
  let closed = false;
  let deaths = 0;
  const tell = (line: string): void => {
    dog?.stdin?.write(line);
  };
  const start = (): void => {
    const child = spawn('/bin/sh', ['-c', SCRIPT], {
      cwd: '/',
      env: { PATH: path ?? '/usr/bin:/bin' },
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true, // its own session: Ctrl-C in the terminal must not take it along
    });
    dog = child;
    child.unref();
    child.stdin.on('error', () => undefined);
    if ('unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref();
    const lost = (cause: string): void => {
      if (dog !== child) return;
      dog = null;
      if (closed) return;
      if (++deaths > 3 || child.pid === undefined) return onLost(cause);
      start();
    };
    child.on('error', (error) => lost(error.message));
    child.on('exit', (code, signal) => lost(`ended with ${signal ?? code}`));
    for (const [group, mark] of groups) tell(`+ ${group} ${mark}\n`);
  };
  return {
    add: (group, mark) => {
      groups.set(group, mark);
      if (dog === null && deaths <= 3) start();
      else tell(`+ ${group} ${mark}\n`);
    },
    remove: (group) => {
      if (groups.delete(group)) tell(`- ${group}\n`);
    },
    close: () => {
      closed = true;
      dog?.stdin?.end();
    },
  };
}
