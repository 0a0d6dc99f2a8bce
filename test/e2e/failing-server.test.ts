import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFixture, type RunningFixture } from '../kit/fixture/http.ts';
import { launch, records, type Launched, type Reply } from '../kit/gateway.ts';
import { isAlive, OPEN, openTalk, stdioFixture, stdioLog, until } from '../kit/scene.ts';

const dir = mkdtempSync(join(tmpdir(), 'sallyport-failing-'));
const log = join(dir, 'stdio.log');
const processes = (): number[] => stdioLog(log).filter(([what]) => what === 'pid').map(([, pid]) => pid as number);
const didRun = (tool: string): number => stdioLog(log).filter(([what]) => what === tool).length;
/** Code and effect of the last outcome on record for a tool: what an operator would look up. */
const lastEnd = async (gateway: Launched, reply: Reply): Promise<unknown[]> => {
  const found = await records(gateway.data, '--id', reply.headers.get('x-correlation-id') as string);
  return found.filter((r) => r['event'] === 'call.finished').map((r) => [r['reason_code'], r['effect']]);
};

let fixture: RunningFixture;
let failing: RunningFixture;
let gateway: Launched;
beforeAll(async () => {
  fixture = await startFixture();
  failing = await startFixture();
  gateway = await launch({
    config: {
      ...OPEN,
      dispatch: {
        servers: { http: { url: fixture.url, allow_loopback: true }, patient: { url: fixture.url, allow_loopback: true }, failing: { url: failing.url, allow_loopback: true }, stdio: stdioFixture(log) },
        timeouts: { tools: { http__slow: { timeout_ms: 400 }, stdio__slow: { timeout_ms: 400 } } },
      },
      inspect: { max_bytes: 20_000 },
    },
    keys: { caller: [] },
  });
  await until('all servers answer', 10_000, async () => (await Promise.all(['http', 'failing', 'stdio'].map((s) => gateway.tool('caller', `${s}__echo`, {})))).every(({ status }) => status === 200));
});
afterAll(async () => {
  await gateway.stop('SIGKILL');
  gateway.clean();
  await fixture.close();
  rmSync(dir, { recursive: true });
});

describe('a stdio server that crashes in mid-call', () => {
  it('fails what was under way as unknown, sends nothing twice, and works again after its restart', async () => {
    const other = gateway.tool('caller', 'stdio__test_tool_with_logging', {}); // 150 ms: under way when the server dies
    const crash = await gateway.tool('caller', 'stdio__crash', {});
    expect([crash.status, crash.body.result.code]).toEqual([502, 'dispatch.crashed']);
    expect(crash.body.result.message).toMatch(/not known whether the call took effect/);
    expect(await lastEnd(gateway, crash)).toEqual([['dispatch.crashed', 'unknown']]);
    expect((await other).body.result.code).toBe('dispatch.crashed');
    const early = await gateway.tool('caller', 'stdio__echo', {});
    if (early.status !== 200) expect([early.body.result.code, await lastEnd(gateway, early)]).toEqual(['dispatch.unavailable', [['dispatch.unavailable', 'none']]]);
    await until('it works again', 10_000, async () => (await gateway.tool('caller', 'stdio__echo', { text: 'again' })).status === 200);
    expect(didRun('crash')).toBe(1);
  });
});

describe('a slow tool', () => {
  const slow = { ms: 30_000 };
  it.each(['http', 'stdio'])('%s, own lane: its own time-out, effect unknown, the server is told', async (server) => {
    const before = fixture.ran.length;
    const start = performance.now();
    const late = await gateway.tool('caller', `${server}__slow`, slow);
    expect(performance.now() - start).toBeLessThan(3_000);
    expect([late.status, late.body.result.code]).toEqual([504, 'dispatch.timeout']);
    expect(await lastEnd(gateway, late)).toEqual([['dispatch.timeout', 'unknown']]);
    await until('the server was told', 2_000, () => (server === 'stdio' ? didRun('slow cancelled') > 0 : fixture.ran.slice(before).some(([tool]) => tool === 'slow cancelled')));
  });
  it('mirrored, both eras: the same', async () => {
    const talk = await openTalk(gateway, 'caller', '/s/http/mcp');
    for (const ask of [() => gateway.modern('caller', '/s/http/mcp', 'tools/call', { name: 'slow', arguments: slow }), () => talk.call(1, 'slow', slow)]) {
      const before = fixture.ran.length;
      const late = await ask();
      expect(late.body.result._meta['sallyport/refusal'].code).toBe('dispatch.timeout');
      expect(late.body.result.isError).toBe(true);
      expect(await lastEnd(gateway, late)).toEqual([['dispatch.timeout', 'unknown']]);
      await until('the server was told', 2_000, () => fixture.ran.slice(before).some(([tool]) => tool === 'slow cancelled'));
    }
  });
});

it('an HTTP server that is down: nothing was executed, the others go on', async () => {
  await failing.close();
  const calls = await Promise.all(Array.from({ length: 20 }, () => Promise.all([gateway.tool('caller', 'failing__echo', {}), gateway.tool('caller', 'http__echo', {}), gateway.tool('caller', 'stdio__echo', {})])));
  for (const [down, http, stdio] of calls) {
    expect([down.status, down.body.result.code]).toEqual([502, 'dispatch.unavailable']);
    expect([http.status, stdio.status]).toEqual([200, 200]);
  }
  expect(await lastEnd(gateway, calls[0]?.[0] as Reply)).toEqual([['dispatch.unavailable', 'none']]);
});

it('an oversized result is cut and stays valid, at every door', async () => {
  const big = { bytes: 300_000 };
  const talk = await openTalk(gateway, 'caller', '/s/http/mcp');
  const replies = await Promise.all([
    gateway.tool('caller', 'http__large', big), gateway.tool('caller', 'stdio__large', big), gateway.modern('caller', '/s/http/mcp', 'tools/call', { name: 'large', arguments: big }),
    gateway.modern('caller', '/mcp', 'tools/call', { name: 'stdio__large', arguments: big }), talk.call(1, 'large', big),
  ]);
  for (const { status, text, body } of replies) {
    expect(status).toBe(200);
    expect(text.length).toBeLessThan(21_000);
    const [first] = body.result.content;
    expect([first.type, body.result.isError ?? false]).toEqual(['text', false]);
    expect(first.text).toMatch(/^x{10000,}/);
    expect(first.text, 'says that it was cut').toMatch(/[^x]{10,}$/);
  }
});

it('SIGTERM lets a running call end, refuses new ones, and leaves no process', async () => {
  const open = await openTalk(gateway, 'caller', '/s/http/mcp'); // a connection that stays
  const running = gateway.tool('caller', 'patient__slow', { ms: 1_001 });
  const mirrored = gateway.modern('caller', '/s/patient/mcp', 'tools/call', { name: 'slow', arguments: { ms: 1_002 } });
  await until('both run', 2_000, () => [1_001, 1_002].every((ms) => fixture.ran.some(([, args]) => (args as { ms?: number }).ms === ms)));
  const ran = fixture.ran.length;
  const exit = gateway.stop('SIGTERM');
  await until('it drains', 2_000, () => gateway.err().includes('draining'));
  const late = await open.call(2, 'echo', { text: 'too late' }).then(({ status, body }) => [status, body.error.data.code], () => 'refused');
  expect([[503, 'receive.draining'], 'refused']).toContainEqual(late);
  expect((await running).status).toBe(200);
  expect((await mirrored).body.result.content[0].text).toBe('late');
  expect(await exit).toBe(0);
  expect(fixture.ran.length).toBe(ran);
  expect(processes().length).toBeGreaterThanOrEqual(4); // two lives of the server, each with a grandchild
  expect(processes().filter(isAlive)).toEqual([]);
});

it('kill -9 of the gateway leaves no process either', async () => {
  const before = processes().length;
  const slowBefore = didRun('slow');
  const again = await launch({ config: { ...OPEN, dispatch: { servers: { stdio: stdioFixture(log) } } }, keys: { caller: [] } });
  try {
    const running = again.tool('caller', 'stdio__slow', { ms: 60_000 }).catch(() => 'gone');
    await until('a call is under way', 10_000, () => didRun('slow') > slowBefore);
    const mine = processes().slice(before);
    expect(mine.filter(isAlive)).toHaveLength(2);
    await again.stop('SIGKILL');
    await until('all are gone', 5_000, () => !mine.some(isAlive));
    expect(await running).toBe('gone');
  } finally {
    await again.stop('SIGKILL');
    again.clean();
  }
});
