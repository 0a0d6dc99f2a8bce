import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFixture, type RunningFixture } from '../kit/fixture/http.ts';
import { launch, META, type Launched, type Reply } from '../kit/gateway.ts';
import { OPEN, openTalk, stdioFixture, stdioLog, until, type Talk } from '../kit/scene.ts';

/** Answers that cross between clients (CVE-2026-25536), sessions used by others (Microsoft mcp-gateway #88, agentgateway #2397). */
const CALLERS = 500;
const callers = Array.from({ length: CALLERS }, (_, n) => ({ id: `caller-${n}`, key: `k${randomBytes(24).toString('hex')}` }));
const [A, B] = [callers[0]?.key as string, callers[1]?.key as string];
const dir = mkdtempSync(join(tmpdir(), 'sallyport-isolation-'));
const log = join(dir, 'stdio.log');

let fixture: RunningFixture;
let gateway: Launched;
beforeAll(async () => {
  fixture = await startFixture({ jitterMs: 60 });
  gateway = await launch({
    config: {
      ...OPEN,
      authenticate: { api_keys: callers.map(({ id, key }) => ({ id, sha256: createHash('sha256').update(key).digest('hex') })) },
      receive: { max_in_flight: 10_000 },
      dispatch: { servers: { http: { url: fixture.url, allow_loopback: true, client_capabilities: ['elicitation'] }, stdio: stdioFixture(log, 60) } },
    },
  });
  await until('all servers answer', 10_000, async () => (await Promise.all(['http', 'stdio'].map((s) => gateway.tool(A, `${s}__echo`, {})))).every(({ status }) => status === 200));
});
afterAll(async () => {
  await gateway.stop('SIGKILL');
  gateway.clean();
  await fixture.close();
  rmSync(dir, { recursive: true });
});

/** Everything a client can tell, without what differs between any two answers. */
const shown = ({ status, headers, text }: Reply): string => {
  const id = headers.get('x-correlation-id') ?? 'none';
  const stable = [...headers].filter(([name]) => name !== 'date' && name !== 'x-correlation-id');
  return JSON.stringify([status, stable, text.replaceAll(id, 'CORRELATION')]);
};

describe(`${CALLERS} callers at once, all with the same JSON-RPC id`, () => {
  const doors: Record<string, (key: string, text: string) => Promise<Reply>> = {
    'HTTP, mirrored, modern': (key, text) => gateway.modern(key, '/s/http/mcp', 'tools/call', { name: 'echo', arguments: { text }, _meta: { progressToken: 1 } }),
    'HTTP, mirrored, legacy': async (key, text) => (await openTalk(gateway, key, '/s/http/mcp')).call(1, 'echo', { text }),
    'HTTP, own lane': (key, text) => gateway.modern(key, '/mcp', 'tools/call', { name: 'http__echo', arguments: { text } }),
    'stdio, one process for all': (key, text) => gateway.modern(key, '/s/stdio/mcp', 'tools/call', { name: 'echo', arguments: { text }, _meta: { progressToken: 1 } }),
    'stdio, legacy': async (key, text) => (await openTalk(gateway, key, '/s/stdio/mcp')).call(1, 'echo', { text }),
    REST: (key, text) => gateway.tool(key, 'stdio__echo', { text }),
  };
  it.each(Object.keys(doors))('%s: everybody gets their own answer and nobody else’s', async (door) => {
    const nonces = callers.map(() => randomBytes(12).toString('hex'));
    const replies = await Promise.all(callers.map(({ key }, n) => doors[door]?.(key, nonces[n] as string)));
    const wrong = replies.filter((reply, n) => reply?.status !== 200 || JSON.stringify(reply.text.match(/[0-9a-f]{24}/g)) !== JSON.stringify([nonces[n]]));
    expect(wrong.map((reply) => `${reply?.status} ${reply?.text}`)).toEqual([]);
    if (!door.startsWith('REST')) expect(new Set(replies.map((reply) => reply?.body.id))).toEqual(new Set([1]));
  });
});

describe('a session id in foreign hands', () => {
  const initialize = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: { text: 'stolen' } } };
  const act = async (method: string, path: string, key: string, session: string): Promise<string> => {
    const answer = await fetch(gateway.url + path, {
      method, headers: { 'content-type': 'application/json', accept: method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream', 'x-api-key': key, 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' },
      ...(method === 'POST' ? { body: JSON.stringify(initialize) } : {}), signal: AbortSignal.timeout(3_000),
    });
    return shown({ status: answer.status, headers: answer.headers, text: await answer.text(), body: null });
  };
  it.each(['/s/http/mcp', '/s/stdio/mcp', '/mcp'])('at %s: is answered, byte for byte, like one that never was', async (path) => {
    const mine = await openTalk(gateway, A, path);
    const never = randomBytes(32).toString('base64url');
    const elsewhere = path === '/mcp' ? '/s/http/mcp' : '/mcp';
    for (const method of ['POST', 'GET', 'DELETE']) {
      const unknown = await act(method, path, B, never);
      expect(unknown).toMatch(/^\[404/);
      expect(await act(method, path, B, mine.id), method).toBe(unknown);
      expect(await act(method, elsewhere, A, mine.id), `${method} by its owner elsewhere`).toBe(await act(method, elsewhere, A, never));
    }
    expect(JSON.stringify([fixture.ran, stdioLog(log)])).not.toContain('stolen');
    expect((await mine.send({ id: 5, method: 'ping' })).status, 'it lives on').toBe(200);
  });
});

describe('cancellation', () => {
  const cancelled = (): number => fixture.ran.filter(([tool]) => tool === 'slow cancelled').length + stdioLog(log).filter(([tool]) => tool === 'slow cancelled').length;
  const runs = (ms: number): boolean => [...fixture.ran, ...stdioLog(log)].some(([tool, args]) => tool === 'slow' && (args as { ms: number }).ms === ms);
  const cancel = (talk: Talk, headers: Record<string, string> = {}): Promise<Reply> => talk.send({ method: 'notifications/cancelled', params: { requestId: 7 } }, headers);

  it.each([['http', 2_600], ['stdio', 1_300]])('%s: B cannot cancel A’s call; A can', async (server, ms) => { // http: longer than a cancelled call is waited for
    const [mine, theirs] = await Promise.all([openTalk(gateway, A, `/s/${server}/mcp`), openTalk(gateway, B, `/s/${server}/mcp`)]);
    const before = cancelled();
    const first = mine.call(7, 'slow', { ms });
    await until('it runs', 5_000, () => runs(ms));
    await cancel(theirs);
    await cancel(theirs, { 'mcp-session-id': mine.id });
    await gateway.post(`/s/${server}/mcp`, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7, _meta: META } }, { 'x-api-key': B, 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'notifications/cancelled' });
    const same = theirs.call(7, 'slow', { ms: ms + 1 }); // the very id, and now there is something of theirs to cancel
    await until('theirs runs', 5_000, () => runs(ms + 1));
    await cancel(theirs);
    await until('their own was cancelled', 3_000, () => cancelled() === before + 1);
    expect((await first).body.result.content[0].text).toBe('late');
    await same;
    const second = mine.call(7, 'slow', { ms: ms + 30_000 });
    await until('the next runs', 5_000, () => runs(ms + 30_000));
    await cancel(mine);
    await until('it was cancelled', 3_000, () => cancelled() === before + 2);
    await second;
  });
});
