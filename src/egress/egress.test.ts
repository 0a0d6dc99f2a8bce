import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcp, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { admits, kindOf } from './address.ts';
import { egressConfig } from './config.ts';
import { createConnector, type Resolve } from './connect.ts';
import { createEgress, type Destination, type Egress, EgressRefused } from './index.ts';
import { judgeUrl } from './url.ts';

const NONE = { loopback: false, private: false };
const BOTH = { loopback: true, private: true };
const cleanup: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const done of cleanup.splice(0).reverse()) await done();
});
/** Every address a socket of this process tries to reach. */
const attempts: string[] = [];
const watch = (message: unknown): void => {
  (message as { socket: Socket }).socket.on('connectionAttempt', (ip: string) => attempts.push(ip));
};
beforeEach(() => {
  attempts.length = 0;
  subscribe('net.client.socket', watch);
  cleanup.push(() => void unsubscribe('net.client.socket', watch));
});
function egress(resolve?: Resolve, config: object = {}): Egress {
  const made = createEgress(egressConfig.parse(config), resolve === undefined ? {} : { resolve });
  cleanup.push(() => made.close());
  return made;
}
const to = (url: string, more: Partial<Destination> = {}): Destination => ({ name: 'x', url, allow_private: false, allow_loopback: false, connections: 4, ...more });
async function serve(handler: (req: IncomingMessage, res: ServerResponse) => void): Promise<{ port: number; connections: () => number }> {
  let connections = 0;
  const server = createServer(handler);
  server.on('connection', () => void connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup.push(() => new Promise((resolve) => { server.closeAllConnections(); server.close(resolve); }));
  return { port: (server.address() as AddressInfo).port, connections: () => connections };
}
const answers = (...rounds: string[][]): Resolve & { calls: number } => {
  const resolve: Resolve & { calls: number } = Object.assign((_name: string, done: Parameters<Resolve>[1]) => {
    const round = rounds[Math.min(resolve.calls++, rounds.length - 1)] ?? [];
    setImmediate(done, null, round.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
  }, { calls: 0 });
  return resolve;
};
/** Goes through the door with one GET; the error, or the status. */
async function through(door: Egress, destination: Destination): Promise<unknown> {
  try {
    const response = await door.dispatcher(destination).request({ path: '/', method: 'GET' });
    await response.body.dump();
    return response.statusCode;
  } catch (thrown) {
    return thrown;
  }
}

test.each([
  ['8.8.8.8', 'public'], ['11.0.0.1', 'public'], ['100.63.255.255', 'public'], ['172.32.0.1', 'public'], ['2606:4700:4700::1111', 'public'], ['[2001:4860:4860::8888]', 'public'],
  ['::ffff:8.8.8.8', 'public'], ['0:0:0:0:0:ffff:8.8.8.8', 'public'], ['64:ff9b::8.8.8.8', 'public'], ['::8.8.8.8', 'never'], ['2606:4700::8.8.8.8', 'never'],
  ['127.0.0.1', 'loopback'], ['127.255.0.9', 'loopback'], ['::1', 'loopback'], ['::ffff:127.0.0.1', 'loopback'], ['64:ff9b::7f00:1', 'loopback'],
  ['10.0.0.1', 'private'], ['172.16.0.1', 'private'], ['192.168.0.1', 'private'], ['100.64.0.1', 'private'], ['fd12::1', 'private'], ['::ffff:10.0.0.1', 'private'], ['64:ff9b::a00:1', 'private'],
  ['0.0.0.0', 'never'], ['::', 'never'], ['::ffff:0:0', 'never'], ['169.254.169.254', 'never'], ['::ffff:169.254.169.254', 'never'], ['64:ff9b::a9fe:a9fe', 'never'],
  ['100.100.100.200', 'never'], ['::ffff:100.100.100.200', 'never'], ['168.63.129.16', 'never'], ['::ffff:168.63.129.16', 'never'], ['192.0.0.192', 'never'],
  ['fd00:ec2::254', 'never'], ['fd20:ce::254', 'never'], ['fe80::1', 'never'], ['fe80::1%eth0', 'never'], ['fec0::1', 'never'], ['ff02::1', 'never'],
  ['::127.0.0.1', 'never'], ['::7f00:1', 'never'], ['2002:7f00:1::', 'never'], ['2001:0:4136:e378:0:0:80ff:fffe', 'never'], ['64:ff9b:1::7f00:1', 'never'],
  ['2606:4700::5efe:7f00:1', 'loopback'], ['2606:4700::200:5efe:a9fe:a9fe', 'never'], ['2001:db8::1', 'never'], ['3fff::1', 'never'], ['5f00::1', 'never'], ['4000::1', 'never'], ['100::1', 'never'],
  ['224.0.0.1', 'never'], ['255.255.255.255', 'never'], ['240.0.0.1', 'never'], ['192.0.2.1', 'never'], ['198.18.0.1', 'never'], ['203.0.113.1', 'never'],
  ['', 'never'], ['localhost', 'never'], ['0x7f.1', 'never'], ['127.1', 'never'], ['0177.0.0.1', 'never'], ['2130706433', 'never'], ['1.2.3.4 ', 'never'], ['1.2.3.4\0', 'never'],
])('%s is %s', (address, kind) => {
  expect(kindOf(address)).toBe(kind);
});

test('a declaration opens its own kind and never metadata', () => {
  expect(admits({ loopback: true, private: false }, '10.0.0.1')).toBe(false);
  expect(admits({ loopback: false, private: true }, '127.0.0.1')).toBe(false);
  expect(admits(BOTH, '10.0.0.1') && admits(BOTH, '::1')).toBe(true);
  for (const address of ['169.254.169.254', 'fd00:ec2::254', '100.100.100.200', '168.63.129.16', '0.0.0.0', 'fe80::1']) expect(admits(BOTH, address), address).toBe(false);
});

test('URLs: https, or http where something near is declared; no userinfo; names only in plain form', () => {
  expect(judgeUrl('https://api.example.com/x', NONE).host).toBe('api.example.com');
  expect(judgeUrl('http://localhost:1/', { loopback: true, private: false }).port).toBe('1');
  for (const url of ['http://api.example.com/', 'https://u:p@api.example.com/', 'https://u@api.example.com/', 'ftp://a.b/', 'file:///etc/passwd', '//a.b/', 'https://127.0.0.1../', 'https://a..b/', 'https://[::1%25lo]/', 'https://a,b/']) {
    expect(() => judgeUrl(url, NONE), url).toThrow(EgressRefused);
  }
  expect(() => judgeUrl('http://8.8.8.8/', BOTH)).toThrow('https is required');
  expect(() => judgeUrl('https://secret:word@x.test/', NONE)).not.toThrow(/secret|word/);
});

interface Row { readonly id: string; readonly url?: string; readonly expect: string; readonly cls: string }
const corpus = new URL('../../../shared/corpora/ssrf/ssrf_cases.jsonl', import.meta.url);
test.skipIf(!existsSync(corpus))('the SSRF corpus: no connection is tried for any blocked row, every control is allowed (skipped when ../shared/corpora is absent)', async () => {
  const rows = readFileSync(corpus, 'utf8').trim().split('\n').map((l) => JSON.parse(l) as Row);
  // Names of blocked rows lead inside, as the corpus says; those with many answers hide one bad among good ones.
  const door = egress(answers(['93.184.216.34', '127.0.0.1']));
  let blocked = 0;
  let allowed = 0;
  for (const row of rows) {
    if (row.url === undefined) continue;
    if (row.expect === 'block') {
      const urls = new Set([row.url, row.url.replace(/^(\s*)http:/, '$1https:')]);
      for (const url of urls) {
        expect(await through(door, to(url)), `${row.id} ${url}`).toBeInstanceOf(EgressRefused);
        await expect(door.fetchJson(url, AbortSignal.timeout(5_000)), row.id).rejects.toBeInstanceOf(EgressRefused);
      }
      blocked++;
    } else if (row.expect === 'allow') {
      const { hostname } = judgeUrl(row.url, NONE);
      expect(/^[\d.]+$|^\[/.test(hostname) ? kindOf(hostname) : 'public', row.id).toBe('public');
      allowed++;
    }
  }
  expect(attempts).toEqual([]);
  expect([blocked, allowed].every((n) => n > 15)).toBe(true);
}, 60_000);

test('what is near is reached only when it is declared, by literal and by name', async () => {
  const { port, connections } = await serve((_req, res) => res.end('ok'));
  const door = egress();
  expect(await through(door, to(`http://127.0.0.1:${port}/`, { allow_loopback: true }))).toBe(200);
  expect(await through(door, to(`http://localhost:${port}/`, { allow_loopback: true }))).toBe(200);
  const before = connections();
  expect(await through(door, to(`https://127.0.0.1:${port}/`))).toBeInstanceOf(EgressRefused);
  expect(await through(door, to(`https://localhost:${port}/`))).toBeInstanceOf(EgressRefused);
  expect(await through(door, to(`http://127.0.0.1:${port}/`, { allow_private: true }))).toBeInstanceOf(EgressRefused);
  expect(await through(door, to(`http://localhost:${port}/`, { allow_private: true }))).toBeInstanceOf(EgressRefused);
  expect(await through(egress(answers(['::ffff:127.0.0.1'])), to(`http://name.test:${port}/`, { allow_private: true }))).toBeInstanceOf(EgressRefused);
  expect(connections()).toBe(before);
});

test('rebinding: one look-up per connection, its answer is what is dialled, the next connection is judged anew', async () => {
  const { port, connections } = await serve((_req, res) => res.setHeader('connection', 'close').end('ok'));
  const resolve = answers(['127.0.0.1'], ['169.254.169.254'], ['127.0.0.1', '10.0.0.1']);
  const dispatcher = egress(resolve).dispatcher(to(`http://rebind.test:${port}/`, { allow_loopback: true }));
  const once = async (): Promise<number> => {
    const response = await dispatcher.request({ path: '/', method: 'GET' });
    await response.body.dump();
    return response.statusCode;
  };
  expect(await once()).toBe(200);
  expect(resolve.calls).toBe(1);
  expect(attempts).toEqual(['127.0.0.1']);
  await sleep(20);
  await expect(once()).rejects.toBeInstanceOf(EgressRefused);
  await expect(once()).rejects.toBeInstanceOf(EgressRefused); // one bad answer among good ones
  expect(resolve.calls).toBe(3);
  expect(attempts).toEqual(['127.0.0.1']);
  expect(connections()).toBe(1);
});

test('the connector itself refuses literals, for which Node asks no resolver', async () => {
  for (const hostname of ['127.0.0.1', '::1', '[::1]', '169.254.169.254', '::ffff:10.0.0.1']) {
    const dial = createConnector(NONE, answers(['93.184.216.34']), 1_000);
    const error = await new Promise((resolve) => dial({ hostname, protocol: 'https:', port: '443' }, (...[e]) => resolve(e)));
    expect(error, hostname).toBeInstanceOf(EgressRefused);
  }
  expect(attempts).toEqual([]);
});

test('no address, too many addresses, a failing and a hanging resolver', async () => {
  const url = 'https://x.test/';
  expect(await through(egress(answers([])), to(url))).toBeInstanceOf(EgressRefused);
  expect(await through(egress(answers(Array.from({ length: 65 }, (_, i) => `93.184.216.${i}`))), to(url))).toBeInstanceOf(EgressRefused);
  expect(await through(egress((_n, done) => done(new Error('ENOTFOUND'), [])), to(url))).toMatchObject({ message: 'ENOTFOUND' });
  const from = performance.now();
  expect(await through(egress(() => undefined, { connect_timeout_ms: 200 }), to(url))).toBeInstanceOf(Error);
  expect(performance.now() - from).toBeLessThan(3_000);
  expect(attempts).toEqual([]);
});

test('plain http goes nowhere public, even when a name leads there', async () => {
  expect(() => judgeUrl('http://93.184.216.34/', BOTH)).toThrow(EgressRefused);
  for (const address of ['93.184.216.34', '2606:4700:4700::1111', '::ffff:93.184.216.34']) {
    expect(await through(egress(answers([address])), to('http://near.test/', { allow_loopback: true, allow_private: true }))).toBeInstanceOf(EgressRefused);
  }
  expect(attempts).toEqual([]);
});

test('a dispatcher reaches its own origin only', async () => {
  const a = await serve((req, res) => res.end(req.headers.host));
  const b = await serve((_req, res) => res.end('b'));
  const dispatcher = egress().dispatcher(to(`http://127.0.0.1:${a.port}/mcp`, { allow_loopback: true }));
  const response = await dispatcher.request({ origin: `http://127.0.0.1:${b.port}`, path: '/', method: 'GET' });
  await response.body.dump();
  expect(b.connections()).toBe(0);
});

test('redirects are not followed, by calls or by fetchJson', async () => {
  const inner = await serve((_req, res) => res.end('{"secret":1}'));
  const outer = await serve((_req, res) => res.writeHead(307, { location: `http://127.0.0.1:${inner.port}/` }).end());
  const door = egress(undefined, { fetch_allow_loopback: true });
  expect(await through(door, to(`http://127.0.0.1:${outer.port}/`, { allow_loopback: true }))).toBe(307);
  await expect(door.fetchJson(`http://127.0.0.1:${outer.port}/`, AbortSignal.timeout(5_000))).rejects.toBeInstanceOf(EgressRefused);
  expect(inner.connections()).toBe(0);
});

test('fetchJson: reads a document; refuses size, encoding, status, what is no JSON; stops at the signal and at its own time', async () => {
  const { port } = await serve((req, res) => {
    const path = req.url ?? '';
    if (path === '/big') res.end(JSON.stringify('x'.repeat(2_000_000)));
    else if (path === '/gzip') res.setHeader('content-encoding', 'gzip').end('x');
    else if (path === '/404') res.writeHead(404).end('{}');
    else if (path === '/text') res.end('secret text');
    else if (path === '/drip') setInterval(() => res.write(' '), 20).unref();
    else res.end(JSON.stringify({ path, accept: req.headers['accept-encoding'] }));
  });
  const door = egress(undefined, { fetch_timeout_ms: 400 });
  const get = (path: string, signal = AbortSignal.timeout(5_000), more = {}): Promise<unknown> => door.fetchJson(`http://127.0.0.1:${port}${path}`, signal, { allowLoopback: true, ...more });
  expect(await get('/a?b=1')).toEqual({ path: '/a?b=1', accept: 'identity' });
  await expect(get('/big')).rejects.toThrow('1048576 bytes');
  await expect(get('/gzip')).rejects.toThrow('encoded');
  await expect(get('/404')).rejects.toThrow('status 404');
  await expect(get('/text')).rejects.toThrow(/^not JSON$/);
  await expect(get('/drip')).rejects.toThrow();
  await expect(get('/a', AbortSignal.abort())).rejects.toThrow();
  await expect(door.fetchJson(`http://127.0.0.1:${port}/a`, AbortSignal.timeout(5_000))).rejects.toBeInstanceOf(EgressRefused);
});

test('connections are kept and shared; one that was refused does not stop the next', async () => {
  const { port, connections } = await serve((_req, res) => res.end('ok'));
  const dispatcher = egress().dispatcher(to(`http://127.0.0.1:${port}/`, { allow_loopback: true, connections: 2 }));
  for (let i = 0; i < 20; i++) await (await dispatcher.request({ path: '/', method: 'GET' })).body.dump();
  expect(connections()).toBeLessThanOrEqual(2);
  const flip = egress(answers(['10.0.0.1'], ['127.0.0.1'])).dispatcher(to(`http://flip.test:${port}/`, { allow_loopback: true }));
  await expect(flip.request({ path: '/', method: 'GET' })).rejects.toBeInstanceOf(EgressRefused);
  expect((await flip.request({ path: '/', method: 'GET' })).statusCode).toBe(200);
});

test('a peer that does not answer the TLS greeting is given up in time', async () => {
  const silent = createTcp((socket) => socket.on('error', () => undefined).resume());
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  cleanup.push(() => new Promise((resolve) => silent.close(resolve)));
  const port = (silent.address() as AddressInfo).port;
  const from = performance.now();
  expect(await through(egress(undefined, { connect_timeout_ms: 300 }), to(`https://127.0.0.1:${port}/`, { allow_loopback: true }))).toBeInstanceOf(Error);
  expect(performance.now() - from).toBeLessThan(3_000);
});
