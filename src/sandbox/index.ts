import process from 'node:process';
import type { Clock } from '../lib/clock.ts';
import { randomToken } from '../lib/ids.ts';
import type { SandboxConfig } from './config.ts';
import { signalGroup } from './group.ts';
import { type ServerProcess, type ServerSpec, startProcess } from './process.ts';
import { createWatchdog } from './watchdog.ts';

export { dangerousCommand, dangerousVariable } from './danger.ts';
export type { Exit, ServerProcess, ServerSpec } from './process.ts';

/** Starts a server and owns it with all its descendants. Never throws: a server that cannot start says so in `onExit`. */
export type SpawnServer = (spec: ServerSpec) => ServerProcess;

/** The only hand that starts processes. */
export interface Sandbox {
  readonly spawn: SpawnServer;
  /** Stops every server that still runs; resolves when none is left. */
  readonly close: () => Promise<void>;
}

/** What a server inherits: enough to find programs, a home and a place for temporary files. */
const INHERITED = process.platform === 'win32' ? ['PATH', 'SystemRoot', 'USERPROFILE', 'TEMP', 'TMP'] : ['PATH', 'HOME', 'TMPDIR'];

/**
 * `env`: the gateway's environment, of which only PATH, HOME and TMPDIR are passed on. `onLost` hears when there is no watchdog, so
 * that servers which ignore the end of their stdin would outlive a gateway killed with SIGKILL.
 */
export function createSandbox(deps: {
  readonly config: SandboxConfig;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly onLost?: (cause: string) => void;
}): Sandbox {
  const base: Record<string, string> = {};
  for (const name of INHERITED) {
    const value = deps.env[name];
    if (value !== undefined) base[name] = value;
  }
  const watchdog = createWatchdog(base['PATH'], deps.onLost ?? (() => undefined));
  const live = new Set<ServerProcess>();
  // A normal exit, process.exit and an uncaught exception come by here; signals that end the process at once are the watchdog's.
  const killAll = (): void => {
    for (const server of live) if (server.pid !== null) signalGroup(server.pid, 'SIGKILL');
  };
  process.on('exit', killAll);
  const spawn: SpawnServer = (spec) => {
    const server = startProcess(spec, { config: deps.config, clock: deps.clock, base, watchdog, mark: randomToken(16) });
    live.add(server);
    const onExit: ServerProcess['onExit'] = (listener) => server.onExit((exit) => {
      live.delete(server);
      listener(exit);
    });
    onExit(() => undefined);
    return { ...server, onExit };
  };
  return {
    spawn,
    close: async () => {
      await Promise.all([...live].map((server) => server.stop()));
      watchdog.close();
      process.off('exit', killAll);
    },
  };
}
