import type { Command } from 'commander';
import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { composeGateway, type Gateway } from '../compose.ts';
import { formatFault, loadConfig, type Config } from '../config/index.ts';
import { createLog, formatCallLine, formatEarlyLine } from '../observe/index.ts';
import { example, Exit } from './exit.ts';

/** Where state and audit are kept when `--data` is not given. */
export const DATA_DIR = '.sallyport';

/** `serve`: the gateway from one configuration file. */
export function addServe(program: Command): void {
  program
    .command('serve')
    .description('Run the gateway from one configuration file. Ctrl-C drains; SIGHUP reads authorize.policy again; an invalid file ends with exit code 2')
    .requiredOption('--config <file>', 'the configuration file')
    .option('--port <number>', 'listen on this port instead of receive.port', portNumber)
    .option('--data <folder>', 'state and audit', DATA_DIR)
    .option('--calls', 'print one readable line per call, as on a terminal', process.stdout.isTTY)
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
    .addHelpText('after', example('sallyport serve --config sallyport.yaml --data /var/lib/sallyport'))
    .action(async (options: { config: string; port?: number; data: string; calls?: boolean; logLevel: string }) => {
      const config = loadOrExit(options.config, options.port);
      const gateway = await startGateway(config, options.config, options.data, options.logLevel, options.calls === true);
      const told = signalled(gateway.reloadPolicy);
      const { url, admin } = await gateway.listen();
      if (admin !== null) console.error(`people decide at ${admin.url} (sallyport approvals --help)`);
      console.error(`sallyport listens on ${url}`);
      await drainAfter(told, gateway);
    });
}

/** Loads and checks a file; all faults are printed, and an invalid file never starts anything. */
export function loadOrExit(file: string, port?: number): Config {
  const loaded = loadConfig(file);
  if (!loaded.ok) throw new Exit(2, [...loaded.faults.map(formatFault), `${loaded.faults.length} fault(s); nothing was started.`].join('\n'));
  return port === undefined ? loaded.config : { ...loaded.config, receive: { ...loaded.config.receive, port } };
}

/** Builds the gateway; `calls` prints one readable line per call to stdout. */
export async function startGateway(config: Config, file: string, data: string, level: string, calls: boolean): Promise<Gateway> {
  const dataDir = resolve(data);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  try {
    return await composeGateway({
      config, dataDir, baseDir: dirname(resolve(file)), log: createLog({ level }),
      ...(calls ? { onCall: (known, outcome, ms) => console.log(formatCallLine(known, outcome, ms)), onRefused: (early) => console.log(formatEarlyLine(early)) } : {}),
    });
  } catch (error) {
    throw new Exit(2, `the gateway cannot start: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Resolves at Ctrl-C or SIGTERM; at SIGHUP too, unless that means `reload`. Called before anything listens, so that no signal ends the process without a drain. */
export function signalled(reload: (() => void) | null = null): Promise<void> {
  return new Promise((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done());
    process.on('SIGHUP', reload ?? done);
  });
}

/** Then lets running calls end. A second signal ends at once. */
export async function drainAfter(told: Promise<void>, gateway: Gateway, graceMs = 30_000): Promise<void> {
  await told;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  console.error('draining: running calls may end, new ones are refused (press Ctrl-C again to stop at once) …');
  await gateway.drain(graceMs);
}

export function portNumber(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Exit(2, `--port takes a number from 0 to 65535`);
  return port;
}
