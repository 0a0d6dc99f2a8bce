import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startFixture } from '../kit/fixture/http.ts';
import { cli, launch, records } from '../kit/gateway.ts';
import { isReady, OPEN, until } from '../kit/scene.ts';

/** A small file system of its own; null when this machine does not let us mount one. */
function mountSmall(path: string): (() => void) | null {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=0700', 'tmpfs', path], { stdio: 'ignore' });
    return () => execFileSync('umount', ['-l', path]);
  } catch {
    return null;
  }
}
/** Writes until nothing more fits. */
function fill(path: string): void {
  const fd = openSync(path, 'w');
  try {
    for (let size = 65_536; size >= 1;) {
      try {
        if (writeSync(fd, Buffer.alloc(size)) < size) size >>= 1;
      } catch {
        size >>= 1;
      }
    }
  } finally {
    closeSync(fd);
  }
}

it('a full disk: nothing runs, /ready says why, and all is well once there is space again', async (ctx) => {
  const dir = mkdtempSync(join(tmpdir(), 'sallyport-full-'));
  const data = join(dir, 'data');
  mkdirSync(data);
  const unmount = mountSmall(data);
  if (unmount === null) {
    rmSync(dir, { recursive: true });
    return ctx.skip('this machine does not allow mounting a tmpfs (needs root)');
  }
  const fixture = await startFixture();
  const config = { ...OPEN, dispatch: { servers: { fixture: { url: fixture.url, allow_loopback: true } } }, resolve: { tools: { fixture__echo: { class: 'read' } } } };
  const gateway = await launch({ config, dir, keys: { caller: [] } });
  const echo = async (text: string): Promise<string> => {
    const { status, body } = await gateway.tool('caller', 'fixture__echo', { text });
    return status === 200 ? 'ok' : `${status} ${body.result.code}`;
  };
  const didRun = (text: string): boolean => fixture.ran.some(([, args]) => (args as { text?: string }).text === text);
  try {
    expect(await echo('before')).toBe('ok');
    const running = gateway.tool('caller', 'fixture__slow', { ms: 1_500 });
    running.catch(() => undefined); // looked at below
    await until('the slow call runs', 5_000, () => fixture.ran.some(([tool]) => tool === 'slow'));
    fill(join(data, 'filler'));

    // The last page of the journal may have room for a record or two; then there is none, not even for the record of a refusal.
    for (let n = 0; (await echo(`filling ${n}`)) === 'ok'; n++) expect(n).toBeLessThan(50);
    const ranBefore = fixture.ran.length;
    const refused = await Promise.all(Array.from({ length: 20 }, (_, n) => echo(`full ${n}`)));
    expect(refused.filter((told) => !/^503 (?:journal|audit)\.unavailable$/.test(told))).toEqual([]);
    const legacy = await gateway.post('/s/fixture/mcp', { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } } }, { 'x-api-key': gateway.keys['caller'] as string });
    expect(legacy.status).toBe(503);
    const stranger = await gateway.tool('sp_no-such-key', 'fixture__echo', {});
    expect([stranger.status, stranger.body.result.code], 'a refusal that cannot be recorded is withheld too').toEqual([503, 'journal.unavailable']);
    const late = await running;
    expect([late.status, late.body.result.code], 'an outcome that cannot be recorded is withheld').toEqual([503, 'audit.unavailable']);
    expect(fixture.ran.length).toBe(ranBefore);
    await until('not ready', 5_000, async () => (await echo('still full')) !== 'ok' && !(await isReady(gateway)));
    const ready = await fetch(`${gateway.url}/ready`);
    expect([ready.status, await ready.json()]).toEqual([503, { ready: false, causes: ['audit'] }]);
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);

    rmSync(join(data, 'filler'));
    await until('ready again by itself', 5_000, () => isReady(gateway));
    expect(await echo('after')).toBe('ok');
    expect(await gateway.stop()).toBe(0);
    expect(await cli(['audit', 'verify', '--data', data])).toMatchObject({ code: 0 });
    const all = await records(data);
    const resumed = all.filter((r) => r['event'] === 'audit.resumed');
    expect(resumed.reduce((sum, r) => sum + (r['tool_input'] as { records_refused: number }).records_refused, 0)).toBeGreaterThanOrEqual(23);
    expect(all.filter((r) => r['event'] === 'call.outcome_unknown').map((r) => [r['tool'], r['effect']])).toContainEqual(['slow', 'unknown']);
    expect(all.filter((r) => r['event'] === 'call.intended').map((r) => r['tool_input'])).toEqual(expect.arrayContaining(fixture.ran.map(([, args]) => args)));
    expect(didRun('after')).toBe(true);
  } finally {
    await gateway.stop('SIGKILL');
    await fixture.close();
    unmount();
    gateway.clean();
  }
});
