/**
 * `npm run bench [-- --quick]`: one upstream, reached directly, through nginx, through a bare node pass-through, and through Sallyport with every guard and
 * durable audit on, side by side in one run; then what a decision costs (bench/policy.ts), which is all that `--policy` measures. Prints tables
 * and writes bench/latest.json. Load and upstream share one core, the proxy has the other (where `taskset` exists). CPU is user + system time of the
 * proxy's processes per call.
 */
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { measurePolicy } from './policy.ts';
import { startSallyport } from './sallyport.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const run = promisify(execFile);
const quick = process.argv.includes('--quick');
const SECONDS = quick ? 2 : 5;
const ROUNDS = quick ? 1 : 3;
const RATE = 4_000;
/** Prints the rows of bench/policy.ts and puts them beside `others` into latest.json. */
function writeWithPolicy(others: object): void {
  process.stderr.write('decisions under 10 to 10,000 rules            \r');
  const policy = measurePolicy();
  process.stdout.write('\nOne decision, µs: of a caller never seen before; by rules alone; with argument constraints; with a condition in CEL. Loading all rules, ms\n');
  console.table(policy);
  writeFileSync(join(here, 'latest.json'), `${JSON.stringify({ ...others, ...policy }, null, 2)}\n`);
}
if (process.argv.includes('--policy')) {
  writeWithPolicy(JSON.parse(readFileSync(join(here, 'latest.json'), 'utf8')) as object);
  process.exit(0);
}
const has = (command: string): boolean => {
  try {
    execFileSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};
const pin = (core: number): string[] => (has('taskset') && cpus().length > 1 ? ['taskset', '-c', String(core)] : []);
const children: ChildProcess[] = [];
const strays: number[] = []; // what our children started
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  for (const pid of strays) process.kill(pid, 'SIGKILL');
});

/** Starts a process on a core and waits for its first line. */
export async function start(core: number, command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<{ pid: number; line: string; child: ChildProcess }> {
  const [program, ...args] = [...pin(core), ...command];
  const child = spawn(program as string, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  children.push(child);
  let text = '';
  const line = await new Promise<string>((done, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => { text += chunk.toString(); if (text.includes('\n')) done(text.split('\n')[0] as string); });
    child.once('exit', (code) => reject(new Error(`${command.join(' ')} ended with ${code}: ${text}`)));
  });
  return { pid: child.pid as number, line, child };
}

async function startNginx(upstream: number, dir: string): Promise<{ port: number; pids: number[] }> {
  const port = 20_000 + (process.pid % 10_000);
  const conf = join(dir, 'nginx.conf');
  writeFileSync(conf, `daemon off; master_process on; worker_processes 1; pid ${dir}/nginx.pid; error_log ${dir}/error.log;
events { worker_connections 1024; }
http { access_log off; client_body_temp_path ${dir}/b; proxy_temp_path ${dir}/p; fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
  upstream canned { server 127.0.0.1:${upstream}; keepalive 256; }
  server { listen 127.0.0.1:${port}; keepalive_requests 1000000000; location / { proxy_pass http://canned; proxy_http_version 1.1; proxy_set_header Connection ""; } } }`);
  const [program, ...args] = [...pin(1), 'nginx', '-c', conf];
  const child = spawn(program as string, args, { stdio: 'ignore' });
  children.push(child);
  await new Promise((done) => setTimeout(done, 500));
  return { port, pids: [child.pid as number, ...childrenOf(child.pid as number)] };
}
const childrenOf = (pid: number): number[] => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
/** User and system time in µs. */
const cpuOf = (pids: readonly number[]): number => pids.reduce((sum, pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return sum + (Number(fields[11]) + Number(fields[12])) * 10_000;
}, 0);
const rssOf = (pids: readonly number[]): number => pids.reduce((sum, pid) => sum + Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024, 0);

interface Load { calls: number; rps: number; p50: number; p99: number; failures: Record<string, number> }
interface Contender { readonly name: string; readonly port: number; readonly path: string; readonly headers: Record<string, string>; readonly pids: readonly number[]; readonly tool: string; readonly legacy?: true }
interface Row { cpu_us: number; rps: number; p50_ms: number; p99_ms: number; rss_mb: number }

async function load(c: Contender, seconds: number, rate: number): Promise<Load> {
  const version = c.legacy === true ? '2025-11-25' : '2026-07-28';
  const meta = c.legacy === true ? undefined : { 'io.modelcontextprotocol/protocolVersion': version, 'io.modelcontextprotocol/clientCapabilities': {}, 'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1.0.0' } };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: c.tool, arguments: { text: 'Move three crates from the western dock to hall nine before noon', count: 3, tags: ['dock', 'west'] }, _meta: meta } });
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-protocol-version': version, ...(c.legacy === true ? {} : { 'mcp-method': 'tools/call', 'mcp-name': c.tool }), ...c.headers };
  const [program, ...args] = [...pin(0), process.execPath, join(here, 'load.ts'), JSON.stringify({ port: c.port, path: c.path, headers, body, connections: 64, seconds, rate })];
  const { stdout } = await run(program as string, args);
  const result = JSON.parse(stdout) as Load;
  if (Object.keys(result.failures).length > 0 && rate === 0) throw new Error(`${c.name}: ${JSON.stringify(result.failures).slice(0, 600)}`);
  return result;
}

/** The headers of a legacy session, opened as a client does. */
async function openSession(port: number, path: string, key: string): Promise<Record<string, string>> {
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'x-api-key': key };
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'bench', version: '1.0.0' } };
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params }) });
  const session = answer.headers.get('mcp-session-id');
  if (session === null) throw new Error(`no session: ${answer.status} ${await answer.text()}`);
  return { 'x-api-key': key, 'mcp-session-id': session };
}

const dir = mkdtempSync(join(tmpdir(), 'bench-'));
const upstream = await start(0, [process.execPath, join(here, 'upstream.ts')]);
const upstreamPort = Number(upstream.line);
const bare = await start(1, [process.execPath, join(here, 'bare.ts'), upstream.line]);
const gateway = await startSallyport(dir, upstreamPort, (command, env) => start(1, command, env));
strays.push(...gateway.pids);
const contenders: Contender[] = [
  { name: 'direct', port: upstreamPort, path: '/mcp', headers: {}, pids: [upstream.pid], tool: 'echo' },
  { name: 'bare', port: Number(bare.line), path: '/mcp', headers: {}, pids: [bare.pid], tool: 'echo' },
  { name: 'same_era', port: gateway.port, path: '/s/write/mcp', headers: { 'x-api-key': gateway.key }, pids: gateway.pids, tool: 'echo' },
  { name: 'same_era_read', port: gateway.port, path: '/s/read/mcp', headers: { 'x-api-key': gateway.key }, pids: gateway.pids, tool: 'echo' },
  { name: 'modern_to_legacy', port: gateway.port, path: '/s/old/mcp', headers: { 'x-api-key': gateway.key }, pids: gateway.pids, tool: 'echo' },
  { name: 'legacy_to_modern', port: gateway.port, path: '/s/write/mcp', headers: await openSession(gateway.port, '/s/write/mcp', gateway.key), pids: gateway.pids, tool: 'echo', legacy: true },
];
if (has('nginx')) {
  const nginx = await startNginx(upstreamPort, dir);
  strays.push(...nginx.pids.slice(1));
  contenders.splice(1, 0, { name: 'nginx', port: nginx.port, path: '/mcp', headers: {}, pids: nginx.pids, tool: 'echo' });
} else process.stdout.write('nginx is not installed: its column is left out (Debian: apt-get install nginx-light)\n');

const rows = new Map<string, Row[]>();
for (const c of contenders) await load(c, quick ? 5 : 10, 0); // the compiler works during the first 50,000 calls
for (let round = 0; round < ROUNDS; round++) {
  for (const c of contenders) {
    process.stderr.write(`round ${round + 1}/${ROUNDS} ${c.name}            \r`);
    const before = cpuOf(c.pids);
    const full = await load(c, SECONDS, 0);
    const cpu = (cpuOf(c.pids) - before) / full.calls;
    const paced = await load(c, SECONDS, RATE);
    rows.set(c.name, [...(rows.get(c.name) ?? []), { cpu_us: cpu, rps: full.rps, p50_ms: paced.p50, p99_ms: paced.p99, rss_mb: rssOf(c.pids) }]);
  }
}
const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const round = (value: number, digits: number): number => Number(value.toFixed(digits));
const summary: Record<string, Record<string, number>> = {};
for (const [name, list] of rows) {
  const of = (key: keyof Row): number => median(list.map((row) => row[key]));
  summary[name] = { cpu_us: round(of('cpu_us'), 1), rps: round(of('rps'), 0), p50_ms: round(of('p50_ms'), 2), p99_ms: round(of('p99_ms'), 2), rss_mb: round(of('rss_mb'), 0) };
}
for (const [, row] of Object.entries(summary)) {
  if (summary['bare']) row['vs_bare'] = round((row['cpu_us'] ?? 0) / (summary['bare']['cpu_us'] ?? 1), 2);
  if (summary['same_era']) row['vs_same_era'] = round((row['cpu_us'] ?? 0) / (summary['same_era']['cpu_us'] ?? 1), 2);
  if (summary['nginx']) row['vs_nginx'] = round((row['cpu_us'] ?? 0) / (summary['nginx']['cpu_us'] ?? 1), 2);
}
process.stdout.write(`\n64 connections, 1 KB answer, ${ROUNDS} rounds of ${SECONDS} s, medians; p50 and p99 at ${RATE} calls a second\n`);
console.table(summary);
writeWithPolicy(summary);
rmSync(dir, { recursive: true, force: true });
process.exit(0);
