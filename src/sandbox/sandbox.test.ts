import { spawn as spawnRaw } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../lib/clock.ts';
import { sandboxConfig } from './config.ts';
import { type Exit, type Sandbox, type ServerProcess, createSandbox } from './index.ts';

const linux = process.platform === 'linux';
const open: Sandbox[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((s) => s.close()));
});
function sandbox(config: object = {}, env: Record<string, string> = { PATH: process.env['PATH'] ?? '' }): Sandbox {
  const made = createSandbox({ config: sandboxConfig.parse({ grace_ms: 300, ...config }), clock: systemClock, env });
  open.push(made);
  return made;
}
interface Run { server: ServerProcess; lines: string[]; stderr: string[]; exit: Promise<Exit>; line: (n: number) => Promise<string> }
function run(box: Sandbox, script: string, env: Record<string, string> = {}): Run {
  const stderr: string[] = [];
  const lines: string[] = [];
  const server = box.spawn({ name: 'x', command: [process.execPath, '-e', script], cwd: tmpdir(), env, onStderr: (l) => stderr.push(l) });
  server.onLine((l) => lines.push(l.toString('utf8')));
  const exit = new Promise<Exit>((resolve) => server.onExit(resolve));
  const line = async (n: number): Promise<string> => {
    for (let i = 0; i < 500 && lines.length <= n; i++) await sleep(10);
    const found = lines[n];
    if (found === undefined) throw new Error(`no line ${n}; stderr: ${stderr.join('\n')}`);
    return found;
  };
  return { server, lines, stderr, exit, line };
}
/** Gone, or a zombie that waits for its own parent (a container without an init never reaps those that were adopted). */
function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (!linux) return true;
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
async function goneSoon(pid: number): Promise<boolean> {
  for (let i = 0; i < 300; i++) {
    if (!alive(pid)) return true;
    await sleep(10);
  }
  return false;
}
const ECHO = `process.stdin.on('data', (d) => process.stdout.write(d))`;
const FOREVER = `setInterval(() => {}, 1000)`;

test('lines go in and out, stop closes stdin first', async () => {
  const r = run(sandbox(), ECHO);
  r.server.write('one');
  r.server.write(Buffer.from('two'));
  expect(await r.line(1)).toBe('two');
  await r.server.stop();
  expect(await r.exit).toMatchObject({ code: 0, signal: null, cause: 'stopped by the gateway' });
  expect(alive(r.server.pid ?? 0)).toBe(false);
});

test('lines split over chunks, CRLF, empty lines and many in one chunk', async () => {
  const r = run(sandbox(), `process.stdout.write('a\\r\\n\\n\\nb\\nc'); setTimeout(() => process.stdout.write('d\\n'), 50); ${FOREVER}`);
  await r.line(2);
  expect(r.lines).toEqual(['a', 'b', 'cd']);
});

test('the environment is cleared: nothing of the gateway’s but PATH, HOME, TMPDIR', async () => {
  process.env['CANARY_SECRET'] = 'canary-value'; // stands in the gateway's environment, as a secret would
  const r = run(sandbox({}, { PATH: process.env['PATH'] ?? '', HOME: '/home/x', TMPDIR: '/tmp', CANARY_SECRET: 'canary-value', NODE_OPTIONS: '--no-warnings' }), `console.log(JSON.stringify(process.env)); ${FOREVER}`, { GIVEN: 'yes' });
  const env = JSON.parse(await r.line(0));
  delete process.env['CANARY_SECRET'];
  expect(Object.keys(env).filter((k) => k !== '__CF_USER_TEXT_ENCODING').sort()).toEqual(['GIVEN', 'HOME', 'PATH', 'SALLYPORT_RUN', 'TMPDIR']);
});

test('no shell: metacharacters are text', async () => {
  const box = sandbox();
  const server = box.spawn({ name: 'x', command: [process.execPath, '-e', 'console.log(process.argv[1])', '$(id); `id` | x'], cwd: tmpdir(), env: {}, onStderr: () => undefined });
  const line = await new Promise<string>((resolve) => server.onLine((l) => resolve(l.toString())));
  expect(line).toBe('$(id); `id` | x');
});

test.skipIf(!linux)('no descriptor of the gateway is inherited', async () => {
  const r = run(sandbox(), `const fs = require('fs'); console.log(JSON.stringify(fs.readdirSync('/proc/self/fd').flatMap((f) => { try { return [fs.readlinkSync('/proc/self/fd/' + f)] } catch { return [] } }))); ${FOREVER}`);
  const links: string[] = JSON.parse(await r.line(0));
  const ours = new Set(readdirSync('/proc/self/fd').flatMap((f) => { try { return [readlinkSync(`/proc/self/fd/${f}`)] } catch { return []; } }).filter((l) => l.startsWith('/') && !l.startsWith('/dev/') || l.startsWith('socket:')));
  expect(links.filter((l) => ours.has(l))).toEqual([]);
});

test('a server that ignores everything is killed', async () => {
  const r = run(sandbox(), `process.on('SIGTERM', () => {}); process.on('SIGHUP', () => {}); console.log('up'); ${FOREVER}`);
  await r.line(0);
  const from = performance.now();
  await r.server.stop();
  expect((await r.exit).signal).toBe('SIGKILL');
  expect(performance.now() - from).toBeLessThan(3_000);
  expect(alive(r.server.pid ?? 0)).toBe(false);
});

test('grandchildren die with the server, when it is stopped and when it crashes', async () => {
  const forks = `const c = require('child_process').spawn(process.execPath, ['-e', "process.on('SIGTERM',()=>{}); setInterval(()=>{},1000)"], { stdio: 'inherit' }); console.log(c.pid);`;
  const box = sandbox();
  const stopped = run(box, `${forks} ${FOREVER}`);
  const crashed = run(box, `${forks} setTimeout(() => process.exit(3), 300)`);
  const [a, b] = [Number(await stopped.line(0)), Number(await crashed.line(0))];
  expect(alive(a)).toBe(true);
  await stopped.server.stop();
  expect(await goneSoon(a)).toBe(true);
  expect(await crashed.exit).toMatchObject({ code: 3, cause: null });
  expect(await goneSoon(b)).toBe(true);
});

test('a grandchild that cleared its environment dies with the group', async () => {
  const r = run(sandbox(), `const c = require('child_process').spawn(process.execPath, ['-e', 'setInterval(()=>{},1000)'], { stdio: 'ignore', env: {} }); console.log(c.pid); setTimeout(() => process.exit(1), 200);`);
  const pid = Number(await r.line(0));
  await r.exit;
  expect(await goneSoon(pid)).toBe(true);
});

test.skipIf(!linux)('a grandchild that left the group is found by its mark', async () => {
  const r = run(sandbox(), `const c = require('child_process').spawn(process.execPath, ['-e', 'setInterval(()=>{},1000)'], { detached: true, stdio: 'ignore' }); c.unref(); console.log(c.pid); ${FOREVER}`);
  const pid = Number(await r.line(0));
  expect(alive(pid)).toBe(true);
  await r.server.stop();
  expect(alive(pid)).toBe(false);
});

test('a line over the cap ends the server with a clear cause', async () => {
  const r = run(sandbox({ max_line_bytes: 100_000 }), `process.stdout.write('x'.repeat(5e6)); ${FOREVER}`);
  expect((await r.exit).cause).toBe('wrote a line of more than 100000 bytes');
  expect(r.lines).toEqual([]);
});

test('stderr: cleaned, limited, its end is kept', async () => {
  const r = run(sandbox({ stderr_lines_per_second: 5, stderr_bytes: 2_000 }), `process.stderr.write('\\u001b[31mred\\u001b[0m\\u202e\\n'); for (let i = 0; i < 3000; i++) process.stderr.write('line ' + i + '\\n'); console.log('done'); ${FOREVER}`);
  await r.line(0);
  await sleep(100);
  expect(r.stderr[0]).toBe('red');
  expect(r.stderr.length).toBeLessThanOrEqual(12);
  expect(r.server.stderrTail()).toContain('line 2999');
  expect(r.server.stderrTail().length).toBeLessThanOrEqual(2_000);
});

test('a program that is not there is an exit with a cause', async () => {
  const box = sandbox();
  for (const command of [['/no/such/program'], [], ['node\0x']]) {
    const server = box.spawn({ name: 'x', command, cwd: tmpdir(), env: {}, onStderr: () => undefined });
    const exit = await new Promise<Exit>((resolve) => server.onExit(resolve));
    expect(exit.cause).toMatch(/^cannot start: /);
    expect(server.write('x')).toBe(false);
    await server.stop();
  }
});

test('a server that does not read: write says so, the queue is visible, stop still ends it', async () => {
  const r = run(sandbox(), `console.log('up'); ${FOREVER}`);
  await r.line(0);
  let accepted = true;
  for (let i = 0; i < 50 && accepted; i++) accepted = r.server.write('x'.repeat(100_000));
  expect(accepted).toBe(false);
  expect(r.server.queuedBytes()).toBeGreaterThan(0);
  await r.server.stop();
  expect(alive(r.server.pid ?? 0)).toBe(false);
});

test('a server that closes its stdin is ended', async () => {
  const r = run(sandbox(), `process.stdin.destroy(); require('fs').closeSync(0); console.log('up'); ${FOREVER}`);
  await r.line(0);
  await sleep(50);
  r.server.write('x');
  expect((await r.exit).cause).toBe('closed its stdin');
});

test('100 quick restarts leave no process behind', async () => {
  const box = sandbox();
  const pids: number[] = [];
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 10 }, async () => {
      const server = box.spawn({ name: 'x', command: ['/bin/sh', '-c', 'sleep 60 & echo up; read -r x'], cwd: '/', env: {}, onStderr: () => undefined });
      pids.push(server.pid ?? 0);
      await new Promise<void>((resolve) => server.onLine(() => resolve()));
      await server.stop();
    }));
  }
  expect(pids.filter((pid) => alive(pid))).toEqual([]);
  const ours = linux ? readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(/\s+/).filter((p) => pids.includes(Number(p))) : [];
  expect(ours).toEqual([]); // reaped: not even zombies
});

/** A gateway-like process: a server that ignores the end of its stdin, with a grandchild, and on Linux one that left the group. */
function gateway(dir: string, end: string): string {
  const server = `
    const { spawn } = require('child_process');
    process.on('SIGTERM', () => {}); process.on('SIGHUP', () => {});
    const a = spawn(process.execPath, ['-e', 'setInterval(()=>{},1000)'], { stdio: 'ignore' });
    const b = spawn(process.execPath, ['-e', 'setInterval(()=>{},1000)'], { stdio: 'ignore', detached: ${linux} });
    console.log([process.pid, a.pid, b.pid].join(' '));
    setInterval(() => {}, 1000);`;
  return `
    import { createSandbox } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
    import { sandboxConfig } from ${JSON.stringify(new URL('./config.ts', import.meta.url).href)};
    import { systemClock } from ${JSON.stringify(new URL('../lib/clock.ts', import.meta.url).href)};
    import { writeFileSync, renameSync } from 'node:fs';
    const box = createSandbox({ config: sandboxConfig.parse({}), clock: systemClock, env: process.env, onLost: (c) => console.error('lost', c) });
    const s = box.spawn({ name: 'x', command: [process.execPath, '-e', ${JSON.stringify(server)}], cwd: '/', env: {}, onStderr: () => {} });
    s.onLine((l) => { writeFileSync(${JSON.stringify(join(dir, 'pids.tmp'))}, l); renameSync(${JSON.stringify(join(dir, 'pids.tmp'))}, ${JSON.stringify(join(dir, 'pids'))}); ${end} });
    setInterval(() => {}, 1000);`;
}
test.each([
  ['kill -9', '', 'SIGKILL'], ['SIGTERM without a handler', '', 'SIGTERM'], ['SIGHUP', '', 'SIGHUP'],
  ['process.exit', 'process.exit(0);', null], ['an uncaught exception', 'setTimeout(() => { throw new Error("x"); }, 10);', null],
] as const)('a gateway that ends by %s leaves no orphan', async (_name, end, signal) => {
  const dir = mkdtempSync(join(tmpdir(), 'sallyport-'));
  const parent = spawnRaw(process.execPath, ['--input-type=module', '-e', gateway(dir, end)], { stdio: 'ignore', cwd: process.cwd() });
  const over = once(parent, 'exit');
  for (let i = 0; i < 1_000 && !existsSync(join(dir, 'pids')); i++) await sleep(10);
  const pids = readFileSync(join(dir, 'pids'), 'utf8').split(' ').map(Number);
  expect(pids.length).toBe(3);
  if (signal !== null) {
    expect(pids.map(alive)).toEqual([true, true, true]);
    parent.kill(signal);
  }
  await over;
  expect(await Promise.all(pids.map(goneSoon))).toEqual([true, true, true]);
  rmSync(dir, { recursive: true });
});
