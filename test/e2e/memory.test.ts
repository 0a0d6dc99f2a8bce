import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request, type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFixture, type RunningFixture } from '../kit/fixture/http.ts';
import { launch, META, type Launched } from '../kit/gateway.ts';
import { OPEN, openTalk, until, type Talk } from '../kit/scene.ts';

/**
 * Sessions and streams cost little and give back what they cost; readers that do not read cost no more than their buffer (CWE-770).
 * What the gateway holds is counted after a full collection, which a signal asks for; what the process takes is read from /proc.
 */
const MIB = 1_048_576;
const SESSIONS = 1_000;
const STREAMS = 1_000;
const CYCLES = 3;
const BUFFER = 262_144;
/** 4 KiB forgotten of each session and stream would be as much, bytes. */
const LEFT = 8 * MIB;
const callers = Array.from({ length: 25 }, (_, n) => ({ id: `caller-${n}`, key: `k${randomBytes(24).toString('hex')}` }));
const keyOf = (n: number): string => callers[n % callers.length]?.key as string;
const isLinux = existsSync('/proc/self/status');
const dir = mkdtempSync(join(tmpdir(), 'sallyport-memory-'));
const memoryFile = join(dir, 'memory.json');
const PROBE = new URL('../kit/memory/child.ts', import.meta.url);
const NOT_HERE = 'there is no /proc to read the memory of another process from';

let modern: RunningFixture;
let legacy: RunningFixture;
let flood: Awaited<ReturnType<typeof startFlood>>;
let gateway: Launched;
beforeAll(async () => {
  if (!isLinux) return;
  [modern, legacy, flood] = await Promise.all([startFixture({ eras: ['modern'] }), startFixture({ eras: ['legacy'] }), startFlood()]);
  const at = (url: string, era: string): object => ({ url, allow_loopback: true, era });
  gateway = await launch({
    config: {
      ...OPEN,
      limit: { ...OPEN.limit, concurrency: { default: 10_000, streams: 10_000, streams_per_caller: 1_000 } },
      authenticate: { api_keys: callers.map(({ id, key }) => ({ id, sha256: createHash('sha256').update(key).digest('hex') })) },
      receive: { max_in_flight: 10_000, max_buffered_bytes: BUFFER },
      dispatch: { servers: { modern: at(modern.url, 'modern'), legacy: at(legacy.url, 'legacy'), flood: at(flood.url, 'modern') } },
    },
    env: { NODE_OPTIONS: `--expose-gc --import=${PROBE.href}`, MEMORY_FILE: memoryFile },
  });
  await until('all servers answer', 20_000, async () => (await Promise.all(['modern__echo', 'legacy__echo', 'flood__flood'].map((tool) => gateway.tool(keyOf(0), tool, { once: true })))).every(({ status }) => status === 200 || status === 400));
}, 60_000);
afterAll(async () => {
  await gateway?.stop('SIGKILL');
  gateway?.clean();
  await Promise.all([modern?.close(), legacy?.close(), flood?.close()]);
  rmSync(dir, { recursive: true, force: true });
});

/** Resident memory of the gateway, bytes. */
const resident = (): number => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1]) * 1024;
/** What the gateway holds when all that nobody holds has been collected: objects and buffers, bytes. */
async function held(): Promise<number> {
  rmSync(memoryFile, { force: true });
  process.kill(gateway.pid, 'SIGUSR2');
  await until('it has counted', 30_000, () => existsSync(memoryFile));
  const { heapUsed, external } = JSON.parse(readFileSync(memoryFile, 'utf8')) as { readonly heapUsed: number; readonly external: number };
  return heapUsed + external;
}
/** The same, once what was closed has been given up, too: at most `enough`, or whatever it is after a while. */
async function settled(enough: number): Promise<number> {
  let now = await held();
  for (const end = performance.now() + 20_000; now > enough && performance.now() < end; now = await held()) await sleep(250);
  return now;
}
const shownMiB = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;

interface Stream { readonly heard: () => string; readonly res: IncomingMessage; readonly close: () => void }
async function open(path: string, method: 'GET' | 'POST', headers: Record<string, string>, body: object | null): Promise<Stream> {
  const req: ClientRequest = request(gateway.url + path, { method, agent: false, headers: { accept: 'application/json, text/event-stream', ...(body === null ? {} : { 'content-type': 'application/json' }), ...headers } });
  req.on('error', () => undefined);
  const answered = once(req, 'response') as Promise<[IncomingMessage]>;
  req.end(body === null ? undefined : JSON.stringify(body));
  const [res] = await answered;
  res.on('error', () => undefined);
  let heard = '';
  if (res.statusCode !== 200) throw new Error(`${method} ${path}: ${res.statusCode}`);
  return { heard: () => heard, res: res.on('data', (chunk: Buffer) => (heard = (heard + chunk.toString()).slice(-2_000))), close: () => req.destroy() };
}
const modernHeaders = (key: string, method: string, name?: string): Record<string, string> => ({ 'x-api-key': key, 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, ...(name === undefined ? {} : { 'mcp-name': name }) });
const listen = (n: number, server: string): Promise<Stream> =>
  open(`/s/${server}/mcp`, 'POST', modernHeaders(keyOf(n), 'subscriptions/listen'), { jsonrpc: '2.0', id: 1, method: 'subscriptions/listen', params: { notifications: { toolsListChanged: true }, _meta: META } });

/** So many at a time: the point is what stands open in the end, not the rush. */
async function many<T>(count: number, make: (n: number) => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  for (let from = 0; from < count; from += 50) made.push(...(await Promise.all(Array.from({ length: Math.min(50, count - from) }, (_, n) => make(from + n)))));
  return made;
}

/** Opens everything, hears something on every stream, closes everything. Returns what it cost while it was open. */
async function cycle(sessions: number, streams: number): Promise<{ readonly perSession: number; readonly perStream: number }> {
  const servers = ['modern', 'legacy'] as const; // to a legacy client the first is of the other era, to a modern one the second
  const empty = await held();
  const talks: { readonly talk: Talk; readonly server: string; readonly n: number }[] = await many(sessions, async (n) => {
    const server = servers[n % 2] as string;
    return { talk: await openTalk(gateway, keyOf(n >> 1), `/s/${server}/mcp`), server, n };
  });
  const withSessions = await held();
  const gets = await many(streams / 2, (n) => open(`/s/${talks[n]?.server}/mcp`, 'GET', { ...talks[n]?.talk.headers }, null));
  const listens = await many(streams / 2, (n) => listen(n, servers[n % 2] as string));
  const all = [...gets, ...listens];
  const withStreams = await held();
  for (const server of servers) await gateway.tool(keyOf(0), `${server}__test_trigger_tool_change`, {});
  await until('every stream hears of the change', 30_000, () => all.every((stream) => stream.heard().includes('list_changed'))).catch((fault: unknown) => {
    throw new Error(`${String(fault)}: ${all.filter((stream) => !stream.heard().includes('list_changed')).length} of ${all.length} did not; first of them ${all.findIndex((stream) => !stream.heard().includes('list_changed'))}`);
  });
  for (const stream of all) stream.close();
  await many(sessions, async (n) => {
    const one = talks[n];
    const answer = await fetch(`${gateway.url}/s/${one?.server}/mcp`, { method: 'DELETE', headers: { ...one?.talk.headers } });
    await answer.arrayBuffer();
    if (!answer.ok) throw new Error(`DELETE: ${answer.status}`);
  });
  return { perSession: (withSessions - empty) / Math.max(1, sessions), perStream: (withStreams - withSessions) / Math.max(1, streams) };
}

describe(`${SESSIONS} sessions and ${STREAMS} open streams, half of them between the eras`, () => {
  it('give back what they cost, time after time', async (ctx) => {
    if (!isLinux) ctx.skip(NOT_HERE);
    await cycle(200, 200); // compiled, cached, grown once
    const start = await settled(0);
    const after: number[] = [];
    for (let n = 1; n <= CYCLES; n++) {
      const { perSession, perStream } = await cycle(SESSIONS, STREAMS);
      after.push(await settled(start + LEFT));
      console.log(`memory: cycle ${n}: ${shownMiB(start)} held at the start, ${(perSession / 1024).toFixed(1)} KiB for a session, ${(perStream / 1024).toFixed(1)} KiB for an idle stream, ${shownMiB(after.at(-1) ?? 0)} held after closing, ${shownMiB(resident())} resident`);
      expect(perSession, 'bytes for a session').toBeLessThan(32 * 1024);
      expect(perStream, 'bytes for an idle stream').toBeLessThan(64 * 1024);
    }
    for (const now of after) expect(now - start, 'bytes that stay').toBeLessThan(LEFT);
    expect((after.at(-1) ?? Infinity) - (after[0] ?? 0), 'growth from the first time to the last').toBeLessThan(LEFT / 4);
  }, 400_000);
});

describe('readers that do not read', () => {
  const READERS = 50;
  it.each(['modern', 'legacy'])('%s clients of a server that never stops talking cost no more than their buffers', async (era) => {
    const talks = era === 'legacy' ? await many(READERS, (n) => openTalk(gateway, keyOf(n), '/s/flood/mcp')) : [];
    const start = resident();
    const before = flood.wrote();
    const readers = await many(READERS, async (n) => {
      const params = { name: 'flood', arguments: {}, _meta: { progressToken: `t${n}`, ...(era === 'modern' ? META : {}) } };
      const stream = await open('/s/flood/mcp', 'POST', era === 'modern' ? modernHeaders(keyOf(n), 'tools/call', 'flood') : { ...talks[n]?.headers }, { jsonrpc: '2.0', id: 1, method: 'tools/call', params });
      stream.res.pause();
      return stream;
    });
    // Every call has had its say, as far as it was let.
    await until('the server cannot get rid of more', 60_000, async () => {
      const so = flood.wrote();
      await sleep(1_000);
      return flood.wrote() === so;
    });
    const grown = resident() - start;
    console.log(`memory: ${READERS} ${era} readers that do not read: ${shownMiB(flood.wrote() - before)} said, ${shownMiB(grown)} kept, ${shownMiB(grown / READERS)} each`);
    expect(flood.wrote() - before, 'bytes said, or this proves nothing').toBeGreaterThan(READERS * BUFFER);
    expect(grown, 'bytes kept').toBeLessThan(READERS * BUFFER * 2 + 48 * MIB);
    for (const reader of readers) reader.close();
    // In the legacy era to hang up is not to cancel: the client says so.
    for (const talk of talks) await talk.send({ method: 'notifications/cancelled', params: { requestId: 1 } });
    const end = performance.now() + 20_000;
    while (performance.now() < end && flood.talking() > 0) await sleep(50);
    expect(flood.talking(), 'calls that still run at the server').toBe(0);
    const well = await gateway.tool(keyOf(0), 'modern__echo', { text: 'still well' });
    expect(well.status).toBe(200);
  }, 180_000);
});

/** A server of 2026-07-28 whose tool reports progress without end, as fast as it is read, up to 16 MiB for each call. */
async function startFlood(): Promise<{ readonly url: string; readonly wrote: () => number; readonly talking: () => number; readonly close: () => void }> {
  let wrote = 0;
  let talking = 0;
  const talk = (res: ServerResponse, token: string): void => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    talking++;
    let progress = 0;
    res.on('close', () => talking--);
    const more = (): void => {
      while (!res.destroyed && progress < 4_000) {
        const event = `event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: token, progress: ++progress, message: 'x'.repeat(4_000) } })}\n\n`;
        wrote += event.length;
        if (!res.write(event)) return void res.once('drain', more);
      }
    };
    more();
  };
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
      const { id, method, params } = JSON.parse(Buffer.concat(chunks).toString() || '{}') as { id?: unknown; method?: string; params?: { arguments?: { once?: boolean }; _meta?: { progressToken?: string } } };
      const say = (result: object): void => void res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, result: { resultType: 'complete', ttlMs: 0, cacheScope: 'private', ...result } }));
      if (method === 'server/discover') return say({ supportedVersions: ['2026-07-28'], capabilities: { tools: {} } });
      if (method === 'tools/list') return say({ tools: [{ name: 'flood', inputSchema: { type: 'object', properties: { once: { type: 'boolean' } } } }] });
      if (method !== 'tools/call') return void res.writeHead(202).end();
      const token = params?._meta?.progressToken;
      if (params?.arguments?.once === true || token === undefined) return say({ content: [] });
      talk(res, token);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, wrote: () => wrote, talking: () => talking, close: () => { server.closeAllConnections(); server.close(); } };
}
