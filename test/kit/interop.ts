import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './scene.ts';

/** Servers written with the official SDKs of other languages, built when a test first needs them. */
export const LANGUAGES = ['python', 'go', 'rust'] as const;
export type Language = (typeof LANGUAGES)[number];

const SOURCES = fileURLToPath(new URL('../interop/', import.meta.url));
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/sallyport-interop/', import.meta.url));
/** The longest a first build may take, ms; with all packages to fetch it is about 20 s for Python and Go, 40 s for Rust, on two cores. */
export const BUILD_MS = 480_000;

/** The command that runs it over stdio; with a port added, over Streamable HTTP. Or why it cannot be built here: the test is skipped with that. */
export type Built = { readonly command: readonly string[]; readonly legacyPath: string } | { readonly missing: string };

interface Toolchain {
  readonly tool: string;
  /** Asks the toolchain whether it is there. */
  readonly probe: readonly string[];
  /** Needs the registry: without it the test is skipped. */
  readonly fetch: readonly (readonly string[])[];
  /** Needs nothing but what was fetched: when it fails, so does the test. */
  readonly build: readonly (readonly string[])[];
  readonly command: (folder: string) => readonly string[];
  /** Where its HTTP server keeps the sessions of older revisions. */
  readonly legacyPath: string;
}
const TOOLCHAINS: Readonly<Record<Language, Toolchain>> = {
  python: {
    tool: 'python3', probe: ['-c', 'import sys, venv, ensurepip; assert sys.version_info >= (3, 10)'],
    fetch: [['python3', '-m', 'venv', 'venv'], ['venv/bin/python', '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', 'requirements.txt']],
    build: [['venv/bin/python', '-m', 'py_compile', 'server.py']],
    command: (folder) => [join(folder, 'venv/bin/python'), join(folder, 'server.py')],
    legacyPath: '/mcp',
  },
  go: {
    tool: 'go', probe: ['version'],
    fetch: [['go', 'mod', 'download']],
    build: [['go', 'build', '-mod=readonly', '-buildvcs=false', '-o', 'server', '.']],
    command: (folder) => [join(folder, 'server')],
    legacyPath: '/legacy',
  },
  rust: {
    tool: 'cargo', probe: ['--version'],
    fetch: [['cargo', 'fetch', '--quiet']],
    build: [['cargo', 'build', '--quiet', '--offline', '--target-dir', 'target']],
    command: (folder) => [join(folder, 'target/debug/interop')],
    legacyPath: '/mcp',
  },
};

/** Builds the server of a language, once for each state of its sources. Throws when what was fetched does not build. */
export async function builtServer(language: Language): Promise<Built> {
  const { tool, probe, fetch, build, command, legacyPath } = TOOLCHAINS[language];
  const folder = join(CACHE, `${language}-${digestOf(join(SOURCES, language))}`);
  const done = join(folder, 'built');
  if (existsSync(done)) return { command: command(folder), legacyPath };
  const here = await run([tool, ...probe], '.', 30_000);
  if (here !== null) return { missing: `${tool} is not installed, or too old: ${here}` };
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  cpSync(join(SOURCES, language), folder, { recursive: true });
  for (const step of fetch) {
    const fault = await run(step, folder, BUILD_MS / 2);
    if (fault !== null) return { missing: `its packages cannot be fetched: ${step.join(' ')}: ${fault}` };
  }
  for (const step of build) {
    const fault = await run(step, folder, BUILD_MS / 2);
    if (fault !== null) throw new Error(`${language}: ${step.join(' ')}: ${fault}`);
  }
  writeFileSync(done, '');
  return { command: command(folder), legacyPath };
}

function digestOf(folder: string): string {
  const hash = createHash('sha256');
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const file of files.toSorted()) hash.update(file.slice(folder.length)).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex').slice(0, 16);
}

/** null: it went well; otherwise the end of what it complained. */
function run([program = '', ...args]: readonly string[], cwd: string, timeout: number): Promise<string | null> {
  return new Promise((done) => {
    const at = program.includes('/') ? join(cwd, program) : program;
    // No other toolchain is fetched than the one that is there.
    execFile(at, args, { cwd, timeout, env: { ...process.env, GOTOOLCHAIN: 'local' }, maxBuffer: 64 << 20 }, (error, _out, err) => {
      done(error === null ? null : (err.trim() || error.message).slice(-500));
    });
  });
}

/** Runs a built server over Streamable HTTP on loopback. */
export async function startInterop(command: readonly string[]): Promise<{ readonly origin: string; readonly close: () => Promise<void> }> {
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as AddressInfo;
  free.close();
  await once(free, 'close');
  const [program = '', ...args] = command;
  const child: ChildProcess = spawn(program, [...args, String(port)], { stdio: ['ignore', 'ignore', 'pipe'], cwd: dirname(program) });
  let err = '';
  child.stderr?.on('data', (chunk: Buffer) => (err = (err + chunk.toString()).slice(-2_000)));
  const origin = `http://127.0.0.1:${port}`;
  await until(`${program} serves ${origin}`, 30_000, async () => {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}: ${err}`);
    return fetch(origin).then(() => true, () => false);
  });
  return {
    origin,
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}
