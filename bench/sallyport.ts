import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
type Start = (command: readonly string[], env?: NodeJS.ProcessEnv) => Promise<{ pid: number; line: string }>;

/**
 * Starts the gateway as an operator would, every guard at work: a key from the store, scopes and rules, the tool's schema, limits that are counted but not
 * reached, inspection, and a record before and after each call. `write` waits for the disk twice a call, `read` for the operating system.
 */
export async function startSallyport(dir: string, upstreamPort: number, start: Start): Promise<{ port: number; key: string; pids: number[] }> {
  const server = { url: `http://127.0.0.1:${upstreamPort}/mcp`, allow_loopback: true, era: 'modern' };
  const file = join(dir, 'sallyport.yaml');
  const data = join(dir, 'data');
  const many = '1000000/second';
  writeFileSync(file, stringify({
    dispatch: { servers: { write: server, read: server, old: { ...server, era: 'legacy' } } },
    resolve: { tools: { write__echo: { class: 'write' }, read__echo: { class: 'read' }, old__echo: { class: 'write' } } },
    authorize: { rules: [
      ...Array.from({ length: 100 }, (_, i) => ({ id: `other-${i}`, why: 'Rules for other tools', effect: 'allow', scopes: [`other${i}:write`], tools: [`write__other_${i}`] })),
      { id: 'bench', why: 'The tool that is measured', effect: 'allow', scopes: ['write:write'], tools: ['write__echo', 'old__echo'], require_confirmation: false },
    ] },
    limit: { rates: { tools: { '*': many }, callers: { '*': many } }, concurrency: { default: 10_000 } },
  }));
  const key = execFileSync(process.execPath, [MAIN, 'key', 'create', 'bench', '--data', data, '--scope', 'write:write', '--scope', 'read:read'], { stdio: ['ignore', 'pipe', 'ignore'] }).toString().trim();
  const log = join(dir, 'gateway.log');
  writeFileSync(log, '');
  const { pid } = await start(['sh', '-c', `exec "$0" "$@" > /dev/null 2> "${log}" & echo started; wait`, process.execPath, ...(process.env['BENCH_NODE_FLAGS']?.split(' ') ?? []), MAIN, 'serve', '--config', file, '--port', '0', '--data', data]);
  for (let i = 0; i < 100; i++) {
    const found = /listens on http:\/\/[^:]+:(\d+)/.exec(readFileSync(log, 'utf8'));
    if (found !== null) {
      const child = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
      return { port: Number(found[1]), key, pids: [child] };
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`the gateway did not start: ${readFileSync(log, 'utf8')}`);
}
