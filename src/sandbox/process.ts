import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { Clock } from '../lib/clock.ts';
import { MARK, signalGroup, sweep } from './group.ts';
import type { SandboxConfig } from './config.ts';
import { createLineCutter } from './lines.ts';
import { createStderr } from './stderr.ts';
import type { Watchdog } from './watchdog.ts';

/** What to run. */
export interface ServerSpec {
  readonly name: string;
  /** Program and arguments; no shell ever sees them. */
  readonly command: readonly string[];
  readonly cwd: string;
  /** All that the server sees besides PATH, HOME, TMPDIR and its mark. */
  readonly env: Readonly<Record<string, string>>;
  /** One line of its stderr, cleaned. */
  readonly onStderr: (line: string) => void;
}
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why the gateway ended it, or why it could not be started; null: it ended by itself. */
  readonly cause: string | null;
}

/** One running server and everything it started. */
export interface ServerProcess {
  /** null: it could not be started; `onExit` says why. */
  readonly pid: number | null;
  /** Sends one line. False: the server does not read as fast as we write; the line is queued all the same, see `queuedBytes`. */
  readonly write: (line: Buffer | string) => boolean;
  /** Bytes that wait for the server to read them. */
  readonly queuedBytes: () => number;
  /** One listener; without the line end, never empty. */
  readonly onLine: (listener: (line: Buffer) => void) => void;
  /** One listener; called once, after the last line. */
  readonly onExit: (listener: (exit: Exit) => void) => void;
  /** The end of its stderr, cleaned. */
  readonly stderrTail: () => string;
  /** Kills the whole tree at once; `cause` comes back in `onExit`. */
  readonly kill: (cause: string) => void;
  /** Closes stdin, waits, SIGTERM, waits, SIGKILL; resolves when the tree is gone. */
  readonly stop: () => Promise<void>;
}

export interface Surroundings {
  readonly config: SandboxConfig;
  readonly clock: Clock;
  /** PATH, HOME, TMPDIR. */
  readonly base: Readonly<Record<string, string>>;
  readonly watchdog: Watchdog;
  /** Names this run among all processes. */
  readonly mark: string;
}

/** How long output may still come after the server has ended: what it left in the pipe, not what an escaped child writes. */
const DRAIN_MS = 500;
/** A process in uninterruptible sleep cannot be waited for. */
const GIVE_UP_MS = 5_000;

/** Starts a server as leader of its own process group. Never throws. */
export function startProcess(spec: ServerSpec, around: Surroundings): ServerProcess {
  const started = trySpawn(spec, around);
  if ('failed' in started) return notStarted(started.failed);
  return new Running(started.child, spec, around).door;
}

function trySpawn(spec: ServerSpec, around: Surroundings): { child: ChildProcessWithoutNullStreams } | { failed: string } {
  const [program, ...args] = spec.command;
  if (program === undefined) return { failed: 'no command' };
  try {
    const child = spawn(program, args, {
      cwd: spec.cwd,
      // Cleared environment: none of the gateway's secrets, and nothing that would change how a runtime loads code (CWE-526, CWE-426).
      env: { ...around.base, ...spec.env, [MARK]: around.mark },
      shell: false, // CWE-78
      detached: true, // leader of its own group, so that the tree can be signalled as one
      windowsHide: true,
      stdio: ['pipe', 'pipe', 'pipe'], // and no other descriptor: Node opens all others close-on-exec (CWE-403)
    });
    return { child };
  } catch (thrown) {
    return { failed: thrown instanceof Error ? thrown.message : 'cannot start' };
  }
}

function notStarted(cause: string): ServerProcess {
  return {
    pid: null,
    write: () => false,
    queuedBytes: () => 0,
    onLine: () => undefined,
    onExit: (listener) => setImmediate(listener, { code: null, signal: null, cause: `cannot start: ${cause}` }),
    stderrTail: () => '',
    kill: () => undefined,
    stop: () => Promise.resolve(),
  };
}

class Running {
  readonly door: ServerProcess;
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly around: Surroundings;
  private readonly ended: Promise<void>;
  private tellEnded: () => void = () => undefined;
  private lineListener: (line: Buffer) => void = () => undefined;
  private exitListener: (exit: Exit) => void = () => undefined;
  private cause: string | null = null;
  private gone: Pick<Exit, 'code' | 'signal'> | null = null;
  private told = false;
  private drain: NodeJS.Timeout | undefined;
  private stopping: Promise<void> | null = null;

  constructor(child: ChildProcessWithoutNullStreams, spec: ServerSpec, around: Surroundings) {
    this.child = child;
    this.around = around;
    this.ended = new Promise((resolve) => {
      this.tellEnded = resolve;
    });
    const stderr = createStderr({ keepBytes: around.config.stderr_bytes, linesPerSecond: around.config.stderr_lines_per_second }, around.clock, spec.onStderr);
    this.listen(stderr.push);
    if (child.pid !== undefined) around.watchdog.add(child.pid, around.mark);
    this.door = {
      pid: child.pid ?? null,
      write: (line) => this.write(line),
      queuedBytes: () => child.stdin.writableLength,
      onLine: (listener) => {
        this.lineListener = listener;
      },
      onExit: (listener) => {
        this.exitListener = listener;
      },
      stderrTail: stderr.tail,
      kill: (cause) => this.kill(cause),
      stop: () => (this.stopping ??= this.stop()),
    };
  }

  private listen(onStderr: (chunk: Buffer) => void): void {
    const { child } = this;
    const { max_line_bytes: max } = this.around.config;
    const cut = createLineCutter(max, (line) => {
      if (this.cause === null) this.lineListener(line); // nothing more is believed of a server that is being killed
    });
    child.stdout.on('data', (chunk: Buffer) => {
      if (this.cause === null && !cut(chunk)) this.kill(`wrote a line of more than ${max} bytes`);
    });
    child.stderr.on('data', onStderr);
    child.stdout.on('error', () => undefined);
    child.stderr.on('error', () => undefined);
    child.stdin.on('error', () => { // EPIPE: it closed its stdin and can be asked nothing more
      if (this.gone === null && this.stopping === null) setTimeout(() => this.gone ?? this.kill('closed its stdin'), DRAIN_MS).unref();
    });
    child.on('error', (error) => {
      if (child.pid === undefined) this.leaderGone({ code: null, signal: null }, `cannot start: ${error.message}`);
    });
    child.on('exit', (code, signal) => this.leaderGone({ code, signal }, null));
    child.on('close', () => this.tell());
  }

  private write(line: Buffer | string): boolean {
    if (this.child.stdin.destroyed || this.child.stdin.writableEnded) return false;
    return this.child.stdin.write(typeof line === 'string' ? `${line}\n` : Buffer.concat([line, NEWLINE]));
  }

  private kill(cause: string): void {
    if (this.gone !== null) return;
    this.cause ??= cause;
    if (this.child.pid !== undefined) signalGroup(this.child.pid, 'SIGKILL');
  }

  /** The server has ended; what it started goes with it. */
  private leaderGone(how: Pick<Exit, 'code' | 'signal'>, cause: string | null): void {
    if (this.gone !== null) return;
    this.gone = how;
    this.cause ??= cause;
    const { pid } = this.child;
    if (pid === undefined) {
      this.tell();
      return this.tellEnded();
    }
    signalGroup(pid, 'SIGKILL'); // at once: the id of an empty group may be given to somebody else
    this.drain = setTimeout(() => this.tell(), DRAIN_MS);
    void sweep(this.around.mark).then(() => {
      this.around.watchdog.remove(pid);
      this.tellEnded();
    });
  }

  private tell(): void {
    if (this.told || this.gone === null) return;
    this.told = true;
    clearTimeout(this.drain);
    this.child.stdout.destroy(); // an escaped child may still hold the other end
    this.child.stderr.destroy();
    this.child.stdin.destroy();
    this.exitListener({ ...this.gone, cause: this.cause });
  }

  private async stop(): Promise<void> {
    const { pid, stdin } = this.child;
    if (pid === undefined) return;
    const { grace_ms: grace } = this.around.config;
    this.cause ??= this.gone === null ? 'stopped by the gateway' : null;
    stdin.end();
    if (await within(this.ended, grace)) return;
    if (this.gone === null) signalGroup(pid, 'SIGTERM');
    if (await within(this.ended, grace)) return;
    if (this.gone === null) signalGroup(pid, 'SIGKILL');
    await within(this.ended, GIVE_UP_MS);
  }
}

const NEWLINE = Buffer.from('\n');

/** True when `work` ended in time. */
async function within(work: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
