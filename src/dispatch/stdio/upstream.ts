import type { Era } from '../../call/call.ts';
import type { Clock } from '../../lib/clock.ts';
import type { LiteralOrSecret } from '../config.ts';
import type { Kind, Pipe } from '../pipe/conversation.ts';
import type { PipeLog } from '../pipe/talk.ts';
import { createPipeUpstream } from '../pipe/upstream.ts';
import { type Upstream, UpstreamFault } from '../upstream.ts';

/** A running process, as sandbox/ hands it out. */
export interface StdioProcess {
  readonly write: (line: string) => boolean;
  readonly queuedBytes: () => number;
  readonly kill: (cause: string) => void;
  readonly onLine: (listener: (line: Buffer) => void) => void;
  readonly onExit: (listener: (exit: Exit) => void) => void;
  readonly stderrTail: () => string;
  readonly stop: () => Promise<void>;
}
interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly cause: string | null;
}
export interface StdioDeps {
  /** sandbox's `spawn`: never throws, owns the process with all its descendants. */
  readonly spawn: (spec: { readonly name: string; readonly command: readonly string[]; readonly cwd: string; readonly env: Readonly<Record<string, string>>; readonly onStderr: (line: string) => void }) => StdioProcess;
  /** The value behind a reference; rejects when there is none. */
  readonly secret: (ref: string) => Promise<string>;
  /** The working folder: what the config says made absolute, or a folder of the server's own. May create it. */
  readonly cwd: (name: string, given: string | undefined) => string | Promise<string>;
  readonly clock: Clock;
  readonly log: PipeLog;
  /** `dispatch.max_processes`. */
  readonly maxProcesses: number;
}
/** The part of a server's section that matters here. */
export interface StdioConfig {
  readonly command?: readonly string[] | undefined;
  readonly cwd?: string | undefined;
  readonly env: Readonly<Record<string, LiteralOrSecret>>;
  readonly era: Era | 'auto';
  readonly processes: 'shared' | 'per_caller';
}

/** A caller's process that nobody used for so long is ended, ms. */
const IDLE_MS = 5 * 60_000;

/**
 * A stdio server. `shared`: one process for all callers, which is told that nobody can be asked. `per_caller`: besides the gateway's own,
 * one for each principal and what its client declared.
 */
export const createStdioUpstream = (name: string, config: StdioConfig, deps: StdioDeps): Upstream => createPipeUpstream(name, stdioKind(name, config, deps), deps);

/** What `createStdioUpstream` makes one of. */
export const stdioKind = (name: string, config: StdioConfig, deps: StdioDeps): Kind => ({
  transport: 'stdio', era: config.era, perCaller: config.processes === 'per_caller', maxCallers: deps.maxProcesses, idleMs: IDLE_MS, checkMs: null,
  open: () => start(name, config, deps),
});

async function start(name: string, config: StdioConfig, deps: StdioDeps): Promise<Pipe> {
  const env = await environment(config.env, deps.secret);
  const cwd = await deps.cwd(name, config.cwd);
  const process = deps.spawn({ name, command: config.command ?? [], cwd, env, onStderr: (line) => deps.log('stderr', { server: name, line }) });
  const { write, queuedBytes, kill, onLine, stderrTail, stop } = process;
  return { write, queuedBytes, kill, onLine, stop, lastWords: stderrTail, revoke: () => false, onUnsent: () => undefined, onExit: (listener) => process.onExit((exit) => listener(describe(exit))) };
}

/** Secrets are read when a process starts: its environment is the one place they can go to. */
async function environment(given: StdioConfig['env'], secret: StdioDeps['secret']): Promise<Record<string, string>> {
  const env: Record<string, string> = {};
  for (const [key, value] of Object.entries(given)) env[key] = typeof value === 'string' ? value : value.prefix + await secretOf(key, value.secret, secret);
  return env;
}
async function secretOf(key: string, ref: string, secret: StdioDeps['secret']): Promise<string> {
  const value = await secret(ref).catch((thrown: unknown) => {
    throw new UpstreamFault({ code: 'dispatch.credential', note: (thrown instanceof Error ? thrown.message : String(thrown)).slice(0, 300), effect: 'none' });
  });
  if (value.includes('\0')) throw new UpstreamFault({ code: 'dispatch.credential', note: `the value for ${key} has a NUL`, effect: 'none' });
  return value;
}

const describe = (exit: Exit): string => exit.cause ?? (exit.signal !== null ? `ended by ${exit.signal}` : `ended with exit code ${exit.code}`);
