import { exit, stdout } from 'node:process';
import { Command, CommanderError } from 'commander';
import { addAdmin } from './admin.ts';
import { addApprovals } from './approvals.ts';
import { addAudit } from './audit.ts';
import { addBreakGlass } from './break-glass.ts';
import { addCall, addTools } from './client.ts';
import { addCheck, addConfig, addDocs, addImport } from './config.ts';
import { addDemo } from './demo.ts';
import { addGrant } from './grant.ts';
import { addKey } from './key.ts';
import { addConnect } from './connect.ts';
import { Exit, example } from './exit.ts';
import { addPolicy } from './policy.ts';
import { addServe } from './serve.ts';
import { VERSION } from './version.ts';

/** Runs one command and maps its result to an exit code: 0 good, 1 the answer is no, 2 wrong use or invalid configuration. */
export async function runCli(argv: readonly string[]): Promise<number> {
  stdout.on('error', leaveQuietly);
  try {
    await buildProgram().parseAsync([...argv]);
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof Exit) {
      if (error.message !== '') console.error(error.message);
      return error.code;
    }
    throw error;
  }
}

/** `… | head` has read enough and closed the pipe: no fault. A command that listens for this itself has its own end. */
function leaveQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  if (stdout.listenerCount('error') === 1) exit(0);
}

/** All commands; exported so that a test can see that each has an example. */
export function buildProgram(): Command {
  const program = new Command('sallyport')
    .description('A gateway between AI agents and MCP servers: every call checked on its way in, every answer on its way out, and a record of both.')
    .version(VERSION)
    .showHelpAfterError('(add --help for usage and an example)')
    .addHelpText('after', example('npm start', 'sallyport serve --config sallyport.yaml'))
    .exitOverride();
  addServe(program);
  addDemo(program);
  addCheck(program);
  addConfig(program);
  addImport(program);
  addKey(program);
  addAdmin(program);
  addApprovals(program);
  addGrant(program);
  addBreakGlass(program);
  addPolicy(program);
  addTools(program);
  addCall(program);
  addConnect(program);
  addAudit(program);
  addDocs(program);
  program.command('version').description('Print the version').action(() => console.log(VERSION)).addHelpText('after', example('sallyport version'));
  return program;
}
