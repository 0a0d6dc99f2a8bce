import { execFile } from 'node:child_process';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The two requirement sets of the official suite. */
export const REVISIONS = ['2025-11-25', '2026-07-28'] as const;
export type Revision = (typeof REVISIONS)[number];
/** `scenario / check` to its statuses, in the order they were reported. */
export type Checks = ReadonlyMap<string, string>;

const SUITE = fileURLToPath(new URL('../../node_modules/@modelcontextprotocol/conformance/dist/index.js', import.meta.url));

/** Runs the official suite against `url` and reads every single check it wrote. */
export async function runSuite(url: string, revision: Revision): Promise<Checks> {
  const out = await mkdtemp(join(tmpdir(), 'conformance-'));
  try {
    await new Promise<void>((done) => {
      // The suite exits with 1 when any check fails; what failed is in its files.
      execFile(process.execPath, [SUITE, 'server', '--url', url, '--requirements', revision, '-o', out], { timeout: 240_000, maxBuffer: 64 << 20 }, () => done());
    });
    const checks = new Map<string, string>();
    for (const folder of (await readdir(out)).sort()) {
      const scenario = folder.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '');
      const list = JSON.parse(await readFile(join(out, folder, 'checks.json'), 'utf8')) as { id: string; status: string }[];
      for (const { id, status } of list) {
        const key = `${scenario} / ${id}`;
        checks.set(key, checks.has(key) ? `${checks.get(key)} ${status}` : status);
      }
    }
    return checks;
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

/** Every check whose status differs, as readable lines. */
export function differences(direct: Checks, through: Checks): string[] {
  const keys = new Set([...direct.keys(), ...through.keys()]);
  return [...keys].filter((key) => direct.get(key) !== through.get(key)).map((key) => `${key}: direct ${direct.get(key) ?? 'absent'}, through ${through.get(key) ?? 'absent'}`);
}

export const count = (checks: Checks, status: string): number => [...checks.values()].join(' ').split(' ').filter((s) => s === status).length;

/** A relay that adds one header to every request: the suite itself knows no credentials. Host and all else pass unchanged. */
export async function injectCredential(target: string, header: string, value: string): Promise<{ url: string; close: () => void }> {
  const to = new URL(target);
  const server = createServer((req, res) => {
    const onward = httpRequest({ host: to.hostname, port: to.port, path: to.pathname, method: req.method, headers: [...req.rawHeaders, header, value], agent: false } as never, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.rawHeaders as never);
      res.flushHeaders();
      answer.pipe(res);
    });
    onward.on('error', () => res.destroy());
    res.on('close', () => onward.destroy());
    req.pipe(onward);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    close: () => { server.closeAllConnections(); server.close(); },
  };
}
