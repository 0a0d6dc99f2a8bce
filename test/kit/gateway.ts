import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
export const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {}, 'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' } };

/** The built-in entry of an official reference server. */
export const referenceServer = (name: string): string => fileURLToPath(new URL(`../../node_modules/@modelcontextprotocol/${name}/dist/index.js`, import.meta.url));

/** Runs a CLI verb; never rejects. */
export function cli(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd?: string): Promise<{ code: number; out: string; err: string }> {
  return new Promise((done) => {
    execFile(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env }, timeout: 30_000, maxBuffer: 64 << 20, ...(cwd === undefined ? {} : { cwd }) }, (error, out, err) => {
      done({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 128, out, err });
    });
  });
}

export interface LaunchOptions {
  /** The configuration file's content; `receive.port` is chosen by the system. */
  readonly config: Record<string, unknown>;
  /** Keys to make, by id: arguments of `key create`. */
  readonly keys?: Readonly<Record<string, readonly string[]>>;
  readonly env?: NodeJS.ProcessEnv;
  /** An existing folder of an earlier launch: its data and keys are used again. */
  readonly dir?: string;
  /** Put in front of the command, e.g. `prlimit --fsize=…`. */
  readonly through?: readonly string[];
  /** More arguments of `serve`, e.g. `--log-level debug`. */
  readonly args?: readonly string[];
}
export interface Launched {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly dir: string;
  readonly data: string;
  readonly keys: Readonly<Record<string, string>>;
  readonly child: ChildProcess;
  /** Lines it printed, one per call. */
  readonly out: () => string;
  readonly err: () => string;
  /** `POST path` with a JSON body. */
  readonly post: (path: string, body: unknown, headers?: Record<string, string>) => Promise<Reply>;
  /** `POST /tool` as `key`. */
  readonly tool: (key: string, tool: string, inputs: unknown) => Promise<Reply>;
  /** A request in the modern era as `key`. */
  readonly modern: (key: string, path: string, method: string, params: object, signal?: AbortSignal) => Promise<Reply>;
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>;
  /** Removes the folder. */
  readonly clean: () => void;
}
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
  readonly body: any;
}

/** Starts the real gateway as a process, from a real file, with real keys, and waits until it listens. */
export async function launch(options: LaunchOptions): Promise<Launched> {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'sallyport-'));
  const data = join(dir, 'data');
  const file = join(dir, 'sallyport.yaml');
  writeFileSync(file, stringify(options.config));
  const keys: Record<string, string> = {};
  for (const [id, args] of Object.entries(options.keys ?? {})) {
    const made = await cli(['key', 'create', id, '--data', data, ...args]);
    if (made.code !== 0) throw new Error(`key create ${id}: ${made.err}`);
    keys[id] = made.out.trim();
  }
  const [program, ...args] = [...(options.through ?? []), process.execPath, MAIN, 'serve', '--config', file, '--port', '0', '--data', data, ...(options.args ?? [])];
  const child = spawn(program as string, args, { env: { ...process.env, ...options.env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const url = await new Promise<string>((done, reject) => {
    const timer = setTimeout(() => reject(new Error(`no start in 20 s: ${err}`)), 20_000);
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
      const found = /listens on (\S+)/.exec(err);
      if (found === null) return;
      clearTimeout(timer);
      done(found[1] as string);
    });
    child.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`ended with ${code}: ${err}`));
    });
  });
  const post: Launched['post'] = async (path, body, headers = {}) => {
    const answer = await fetch(url + path, {
      method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    });
    return replyOf(answer);
  };
  return {
    url, port: Number(new URL(url).port), pid: child.pid as number, dir, data, keys, child, out: () => out, err: () => err, post,
    tool: (key, tool, inputs) => post('/tool', { tool, inputs }, { 'x-api-key': keys[key] ?? key }),
    modern: async (key, path, method, params, signal) => {
      const name = (params as { name?: string }).name ?? (params as { uri?: string }).uri;
      const answer = await fetch(url + path, {
        method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: { ...META, ...(params as { _meta?: object })._meta } } }), ...(signal === undefined ? {} : { signal }),
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'x-api-key': keys[key] ?? key, 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, ...(name === undefined ? {} : { 'mcp-name': name }) },
      });
      return replyOf(answer);
    },
    stop: (signal = 'SIGTERM') => new Promise((done) => {
      if (child.exitCode !== null || child.signalCode !== null) return done(child.exitCode);
      child.once('exit', (code) => done(code));
      child.kill(signal);
    }),
    clean: () => rmSync(dir, { recursive: true, force: true }),
  };
}

async function replyOf(answer: Response): Promise<Reply> {
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, body: bodyOf(text) };
}
/** JSON as it is, or the data of the last SSE event. */
function bodyOf(text: string): unknown {
  const last = text.startsWith('{') ? text : (text.split(/\r?\n\r?\n/).filter((block) => block.includes('data:')).at(-1) ?? '').split(/\r?\n/).filter((line) => line.startsWith('data:')).map((line) => line.slice(5)).join('');
  try {
    return JSON.parse(last);
  } catch {
    return null;
  }
}

/** All records of a data folder, oldest first. */
export async function records(data: string, ...args: string[]): Promise<Record<string, unknown>[]> {
  const { out } = await cli(['audit', 'export', '--data', data, ...args]);
  return out.split('\n').filter(Boolean).map((line) => JSON.parse(line) as Record<string, unknown>);
}
