import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Every command in README and docs runs: the sh blocks in the order they stand, beside a demo that was started as the README says. */
const root = fileURLToPath(new URL('../..', import.meta.url));
const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'docs/architecture.md', 'docs/limits.md', 'docs/policy.md', ...readdirSync(join(root, 'docs/guide')).map((f) => `docs/guide/${f}`), 'docs/reference/audit-format.md'];
const PORT = 18_000 + (process.pid % 2_000) * 3;
/** Started by the test itself, or the very thing that runs this test. */
const SCRIPTS = new Map([['npm start', 'start'], ['npm test', 'test'], ['npm run check', 'check'], ['npm run test:fast', 'test:fast'], ['npm run bench', 'bench'], ['npm run conformance', 'conformance']]);

interface Block { readonly page: string; readonly lang: string; readonly text: string }
const blocks: Block[] = pages.flatMap((page) => [...readFileSync(join(root, page), 'utf8').matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map((m) => ({ page, lang: m[1] as string, text: m[2] as string })));
const commandsOf = (text: string): string[] => text.replaceAll('\\\n', ' ').split('\n').map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));

let demo: ChildProcess;
let banner = '';
const cwd = mkdtempSync(join(tmpdir(), 'docs-'));
const env: Record<string, string | undefined> = { ...process.env };
const run = (command: string): Promise<{ code: number; out: string }> => new Promise((done) => {
  const real = command.replaceAll('npx sallyport', `"${process.execPath}" "${join(root, 'src/main.ts')}"`).replaceAll(':8080', `:${PORT}`);
  const withUrl = real.replace(/main\.ts" (tools list|call)/, `$& --url http://127.0.0.1:${PORT}`);
  execFile('bash', ['-c', withUrl], { cwd, env, timeout: 30_000 }, (error, out, err) => done({ code: error === null ? 0 : Number(error.code ?? 128), out: out + err }));
});

beforeAll(async () => {
  demo = spawn('npm', ['start', '--', '--port', String(PORT), '--data', join(cwd, '.sallyport', 'demo')], { cwd: root, env: process.env, detached: true });
  await new Promise<void>((done, reject) => {
    demo.stdout?.on('data', (chunk: Buffer) => { banner += chunk.toString(); if (banner.includes('One line per call')) done(); });
    demo.stderr?.on('data', (chunk: Buffer) => { banner += chunk.toString(); });
    demo.once('exit', (code) => reject(new Error(`npm start ended with ${code}: ${banner}`)));
  });
  env['SALLYPORT_KEY'] = /operator\s+(sp_\S+)/.exec(banner)?.[1];
  writeFileSync(join(cwd, 'approver.key'), /approver\s+(spa_\S+)/.exec(banner)?.[1] ?? '', { mode: 0o600 });
  Object.assign(env, { SALLYPORT_ADMIN_URL: `http://127.0.0.1:${PORT + 2}`, SALLYPORT_ADMIN_KEY_FILE: join(cwd, 'approver.key') });
  for (const { lang, text } of blocks) {
    const name = lang === 'yaml' ? /^# (\S+\.yaml)\n/.exec(text)?.[1] : undefined;
    if (name === undefined) continue;
    mkdirSync(dirname(join(cwd, name)), { recursive: true });
    writeFileSync(join(cwd, name), text);
  }
  symlinkSync(join(cwd, '.sallyport', 'demo', 'audit'), join(cwd, '.sallyport', 'audit'));
  symlinkSync(join(root, 'policies'), join(cwd, 'policies')); // commands stand as if typed in the checkout
}, 60_000);
afterAll(async () => {
  const ended = new Promise<void>((done) => demo.once('exit', () => done()));
  process.kill(-(demo.pid as number), 'SIGINT'); // Ctrl-C reaches the whole group
  await ended;
  rmSync(cwd, { recursive: true, force: true });
});

describe('the documentation', () => {
  it('npm start prints a first call that works as it stands, and one line for it', async () => {
    const call = /curl -s [\s\S]*?\}\}'/.exec(banner)?.[0] ?? '';
    const { code, out } = await run(call);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ status: 'ok', metadata: { caller: 'research', tool: 'files__read_text_file' } });
    expect(out).toContain('three crates moved');
    expect(banner).toMatch(/research\s+files__read_text_file/);
  });

  for (const { page, lang, text } of blocks.filter((block) => block.lang === 'sh')) {
    for (const command of commandsOf(text)) {
      it(`${page}: ${command.slice(0, 90)} (${lang})`, async () => {
        const script = SCRIPTS.get(command);
        if (script !== undefined) {
          const scripts = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }).scripts;
          expect(scripts).toHaveProperty([script]);
          return;
        }
        const exported = /^export (\w+)=(\S+)$/.exec(command);
        if (exported !== null) {
          env[exported[1] as string] ??= exported[2];
          return;
        }
        env['GITHUB_TOKEN'] ??= 'docs-test-token-0123456789';
        if (command.includes(' serve ')) return servesUntilTold(command);
        const { code, out } = await run(command);
        expect(out, command).not.toBe('');
        expect(code, out).toBe(0);
      });
    }
  }

  it('every relative link leads somewhere', () => {
    const broken = pages.flatMap((page) => [...readFileSync(join(root, page), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
      .map((m) => [page, join(root, page, '..', m[1] as string)] as const).filter(([, path]) => !existsSync(path)));
    expect(broken).toEqual([]);
  });
});

async function servesUntilTold(command: string): Promise<void> {
  const args = command.replace('npx sallyport ', '').split(' ');
  const child = spawn(process.execPath, [join(root, 'src/main.ts'), ...args, '--port', '0', '--data', join(cwd, `served-${args.join('').replace(/\W/g, '')}`)], { cwd, env: { ...env } as NodeJS.ProcessEnv });
  let err = '';
  let told = false;
  const code = await new Promise<number | null>((done) => {
    child.stderr.on('data', (chunk: Buffer) => { err += chunk.toString(); if (/listens on/.test(err) && !told) { told = true; child.kill('SIGTERM'); } });
    child.once('exit', done);
  });
  expect(err).toContain('listens on');
  expect(code).toBe(0);
}
