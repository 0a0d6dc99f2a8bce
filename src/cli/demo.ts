import type { Command } from 'commander';
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAdminKeys } from '../admin/index.ts';
import { noteAdminAct } from '../audit/index.ts';
import { createKeyStore, type KeySpec } from '../authenticate/index.ts';
import { systemClock } from '../lib/clock.ts';
import type { SpawnServer } from '../sandbox/index.ts';
import { openStore } from '../store/index.ts';
import { demoConfig } from './demo-config.ts';
import { example, Exit } from './exit.ts';
import { drainAfter, loadOrExit, portNumber, signalled, startGateway } from './serve.ts';

/** The three roles of the demo. Their keys are made on the first start and shown that once. */
const ROLES: readonly (KeySpec & { readonly what: string })[] = [
  { id: 'research', what: 'may read', scopes: ['files:read', 'memory:read', 'everything:read', 'everything-http:read'], team: 'research', workspace: 'demo', environment: 'demo' },
  { id: 'operator', what: 'may read, and write files and notes', scopes: ['files:read', 'files:write', 'memory:read', 'memory:write', 'everything:read', 'everything-http:read'], team: 'operations', workspace: 'demo', environment: 'demo' },
  { id: 'auditor', what: 'may read the notes; reads the record with `npx sallyport audit`', scopes: ['memory:read'], team: 'audit', workspace: 'demo', environment: 'demo' },
];

/** The person who decides; not one of the callers above. */
const APPROVER = { name: 'approver', user: 'a.second.person@example.org', groups: ['approvers'] } as const;

/** `demo`: the gateway in front of real servers that nobody here wrote, with everything kept in one folder. */
export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('Run the gateway with a scene of real MCP servers, three keys and a first call to paste. A second start keeps the data')
    .option('--port <number>', 'where the gateway listens', portNumber, 8080)
    .option('--data <folder>', 'where everything is kept', join('.sallyport', 'demo'))
    .addHelpText('after', example('npm start', 'sallyport demo --port 9090 --data /tmp/demo'))
    .action(async (options: { port: number; data: string }) => {
      const data = resolve(options.data);
      const file = setScene(data, options.port);
      const config = loadOrExit(file);
      const keys = await makeKeys(data);
      const told = signalled();
      const gateway = await startGateway(config, file, data, 'warn', true);
      console.log('starting the servers …');
      const everything = await startEverything(gateway.spawn, options.port + 1, data);
      const { url, admin } = await gateway.listen().catch(async (error: unknown) => {
        await gateway.drain(0);
        throw new Exit(2, `cannot listen on port ${options.port}: ${error instanceof Error ? error.message : String(error)}. Try --port 9090`);
      });
      console.log(welcome(url, admin?.url ?? '', file, data, keys));
      await drainAfter(told, gateway, 5_000);
      await everything.stop();
    });
}

function setScene(data: string, port: number): string {
  const workspace = join(data, 'workspace');
  mkdirSync(data, { recursive: true, mode: 0o700 });
  if (!existsSync(workspace)) cpSync(fileURLToPath(new URL('../../examples/demo/workspace', import.meta.url)), workspace, { recursive: true });
  const file = join(data, 'sallyport.yaml');
  writeFileSync(file, demoConfig(port, port + 1, workspace, join(data, 'memory.jsonl'), entryOf), { mode: 0o600 });
  return file;
}

/** The start file of one of the official reference servers. */
function entryOf(name: string): string {
  const require = createRequire(import.meta.url);
  try {
    const manifest = require.resolve(`@modelcontextprotocol/${name}/package.json`);
    const bin = (require(manifest) as { bin: Record<string, string> }).bin;
    return join(manifest, '..', Object.values(bin)[0] ?? '');
  } catch {
    throw new Exit(2, `the demo needs the package @modelcontextprotocol/${name}: npm install @modelcontextprotocol/${name}`);
  }
}

/** The reference server over HTTP, kept to loopback: by itself it would listen on every interface. Resolves when it listens, or after ten seconds. */
async function startEverything(spawn: SpawnServer, port: number, data: string): Promise<{ readonly stop: () => Promise<void> }> {
  const loopback = fileURLToPath(new URL('../../examples/demo/loopback.mjs', import.meta.url));
  return new Promise((done) => {
    const server = spawn({
      name: 'everything-http', command: [process.execPath, '--import', loopback, entryOf('server-everything'), 'streamableHttp'],
      cwd: data, env: { PORT: String(port) }, onStderr: (line) => { if (line.includes('listening')) done(server); },
    });
    server.onExit(() => done(server));
    setTimeout(() => done(server), 10_000).unref();
  });
}

async function makeKeys(data: string): Promise<ReadonlyMap<string, string> | null> {
  const store = await openStore({ folder: data, busy_timeout_ms: 5_000 }, { clock: systemClock });
  const keys = await createKeyStore(store, systemClock);
  try {
    if ((await keys.list()).length > 0) return null;
    const made = new Map<string, string>();
    for (const { what: _what, ...role } of ROLES) {
      made.set(role.id, (await keys.create(role)).key);
      await noteAdminAct(store, systemClock, { event: 'key.created', caller_id: role.id });
    }
    made.set(APPROVER.name, (await createAdminKeys(store, systemClock).create(APPROVER, 90 * 86_400_000)).key);
    await noteAdminAct(store, systemClock, { event: 'admin.created', caller_id: `admin:${APPROVER.name}` });
    return made;
  } finally {
    await keys.close();
    await store.close();
  }
}

function welcome(url: string, adminUrl: string, file: string, data: string, keys: ReadonlyMap<string, string> | null): string {
  const shown = ROLES.map((role) => `  ${role.id.padEnd(9)} ${keys?.get(role.id) ?? ''}\n            ${role.what}`).join('\n');
  const approver = keys === null ? '' : `\n  ${APPROVER.name.padEnd(9)} ${keys.get(APPROVER.name) ?? ''}\n            no agent: decides what needs a person, with \`npx sallyport approvals\``;
  const key = keys?.get('research') ?? 'YOUR-KEY';
  return `
Sallyport is up.

  all servers   ${url}/mcp
  one server    ${url}/s/files/mcp   (also: everything, everything-http, memory)
  plain JSON    ${url}/tool
  configuration ${file}
  record        ${data}/audit        (npx sallyport audit tail --data ${data})

${keys === null ? 'Keys were shown on the first start. Lost one? npx sallyport key rotate research --data ' + data : 'API keys, shown this once:'}
${keys === null ? '' : shown}${approver}

A first call:

  curl -s ${url}/tool -H 'X-API-Key: ${key}' -H 'Content-Type: application/json' \\
    -d '{"tool":"files__read_text_file","inputs":{"path":"reports/2026-11-week-46.md"}}'

A call that a second person must approve, and that person's part (the file holds the approver's key, mode 600):

  curl -s ${url}/tool -H 'X-API-Key: ${keys?.get('operator') ?? 'YOUR-KEY'}' -H 'Content-Type: application/json' \\
    -d '{"tool":"files__move_file","inputs":{"source":"${data}/workspace/reports/2026-11-week-46.md","destination":"${data}/workspace/reports/week-46.md"},"reason":"a shorter name"}'
  npx sallyport approvals list --url ${adminUrl} --key-file approver.key

For MCP clients that take a JSON configuration (Claude Code, Cursor, VS Code: adapt the outer name):

  {"mcpServers":{"sallyport":{"type":"http","url":"${url}/mcp","headers":{"X-API-Key":"${key}"}}}}

One line per call follows: time, who, tool, decision, why, ms. Ctrl-C drains.
`;
}
