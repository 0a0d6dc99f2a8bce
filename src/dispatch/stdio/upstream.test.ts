import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { closeAll, refusalOf, rig, root, server } from '../../../test/kit/stdio-rig.ts';
import { NOBODY } from '../envelope.ts';
import { requestLine } from '../pipe/line.ts';

afterEach(closeAll);

const bin = (name: string): string => join(root, 'node_modules/@modelcontextprotocol', name, 'dist/index.js');

test('server-filesystem: legacy by probe, list, call, error as text', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'sallyport-fs-'));
  writeFileSync(join(dir, 'a.txt'), 'hello there');
  const r = rig([process.execPath, bin('server-filesystem'), dir]);
  await r.up();
  expect(r.upstream.era()).toBe('legacy');
  expect(r.upstream.info()).toMatchObject({ version: '2025-11-25', serverInfo: { name: expect.any(String) } });
  const list = await r.ask('tools/list');
  expect(JSON.parse(list.result ?? '').tools.length).toBeGreaterThan(5);
  const read = await r.ask('tools/call', { name: 'read_text_file', arguments: { path: join(dir, 'a.txt') } });
  expect(read.result).toContain('hello there');
  const missing = await r.ask('no/such/method');
  expect(missing.result).toBeNull();
  expect(JSON.parse(missing.error ?? '').code).toBe(-32601);
  rmSync(dir, { recursive: true });
});

test('server-everything: progress reaches its own request only, cancellation, many at once', async () => {
  const r = rig([process.execPath, bin('server-everything'), 'stdio']);
  await r.up();
  const heard: string[][] = [[], [], []];
  const slow = (i: number, progressToken: boolean): Promise<unknown> => r.ask('tools/call', { name: 'trigger-long-running-operation', arguments: { duration: 1, steps: 2 } }, { progressToken, onNotification: (_m, p) => void heard[i]?.push(p) });
  const controller = new AbortController();
  const cancelled = refusalOf(r.ask('tools/call', { name: 'trigger-long-running-operation', arguments: { duration: 20, steps: 2 } }, { signal: controller.signal }));
  setTimeout(() => controller.abort(), 50);
  const echoes = Array.from({ length: 200 }, async (_, i) => {
    const { result } = await r.ask('tools/call', { name: 'echo', arguments: { message: `nonce-${i}-` } });
    expect(result).toContain(`nonce-${i}-`);
  });
  await Promise.all([slow(0, true), slow(1, true), slow(2, false), ...echoes]);
  expect(await cancelled).toMatchObject({ code: 'dispatch.cancelled', effect: 'unknown' });
  expect(heard.map((h) => h.length)).toEqual([2, 2, 0]);
  const tokens = heard.map((h) => new Set(h.map((p) => JSON.parse(p).progressToken)));
  expect(tokens[0]?.size).toBe(1);
  expect([...tokens[0] ?? []]).not.toEqual([...tokens[1] ?? []]);
});

test('a modern server on the official SDK is found by discover and gets the envelope', async () => {
  const script = `
    import { serveStdio } from '@modelcontextprotocol/server/stdio';
    import { McpServer } from '@modelcontextprotocol/server';
    import * as z from 'zod';
    serveStdio(() => {
      const s = new McpServer({ name: 'modern', version: '1' }, { instructions: 'be kind' });
      s.registerTool('echo', { inputSchema: z.object({ message: z.string() }) }, ({ message }) => ({ content: [{ type: 'text', text: message }] }));
      setTimeout(() => s.registerTool('late', { inputSchema: z.object({}) }, () => ({ content: [] })), 400);
      return s;
    });`;
  const r = rig([process.execPath, '--input-type=module', '-e', script]);
  const changes: number[] = [];
  r.upstream.onChanged(() => void changes.push(1));
  await r.up();
  expect(r.upstream.era()).toBe('modern');
  expect(r.upstream.info()).toMatchObject({ version: '2026-07-28', instructions: 'be kind', serverInfo: { name: 'modern' } });
  const { result } = await r.ask('tools/call', { name: 'echo', arguments: { message: 'from a modern one' } });
  expect(result).toContain('from a modern one');
  expect(changes.length).toBeGreaterThanOrEqual(1);
  for (let i = 0; i < 200 && changes.length < 2; i++) await sleep(10);
  expect(changes.length).toBeGreaterThanOrEqual(2); // heard over subscriptions/listen
});

test('a server that dies of the probe is started again and greeted the old way', async () => {
  const r = rig(server(`if (m.method === 'x') ok({ fine: true });`, `let first = true; const inner = on; on = function (m, l) { if (first && m.method !== 'initialize') process.exit(1); first = false; inner(m, l); };`));
  await r.up();
  expect(r.upstream.era()).toBe('legacy');
  expect(await r.ask('x')).toEqual({ result: '{"fine":true}', error: null });
});

test('a server that stays silent on the probe is greeted the old way after two seconds', async () => {
  const r = rig(server('', `const inner = on; on = function (m, l) { if (m.method !== 'server/discover') inner(m, l); };`));
  await r.up();
  expect(r.upstream.era()).toBe('legacy');
});

test('a modern server that is slow to start is started again as modern', async () => {
  const flag = mkdtempSync(join(tmpdir(), 'sallyport-slow-'));
  const modern = `const inner = on; on = function (m, l) { if (m.method !== 'server/discover') return send({ id: m.id, error: { code: -32601, message: 'x' } });
    const fs = require('fs'); const wait = fs.existsSync(${JSON.stringify(join(flag, 'x'))}) ? 0 : 2500; fs.writeFileSync(${JSON.stringify(join(flag, 'x'))}, '');
    const until = Date.now() + wait; while (Date.now() < until); send({ id: m.id, result: { supportedVersions: ['2026-07-28'], capabilities: {}, resultType: 'complete' } }); };`;
  const r = rig(server('', modern));
  await r.up();
  expect(r.upstream.era()).toBe('modern');
  rmSync(flag, { recursive: true });
});

test('the era pin is kept: legacy never sends discover', async () => {
  const r = rig(server(`if (m.method === 'seen') ok({ seen });`, `const seen = []; const inner = on; on = function (m, l) { seen.push(m.method); inner(m, l); };`), { era: 'legacy' });
  await r.up();
  expect((await r.ask('seen')).result).toBe('{"seen":["initialize","notifications/initialized","seen"]}');
});

test('crash in mid-call: everything that waits fails as unknown, then unavailable, then up again; nothing is sent twice', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'sallyport-crash-'));
  const r = rig(server(`require('fs').appendFileSync(${JSON.stringify(join(dir, 'seen'))}, m.method + '\\n'); if (m.method === 'die') process.exit(7); if (m.method === 'x') ok({ fine: 1 });`));
  await r.up();
  const waiting = refusalOf(r.ask('wait'));
  const died = await refusalOf(r.ask('die'));
  expect(died).toMatchObject({ code: 'dispatch.crashed', effect: 'unknown', note: 'ended with exit code 7' });
  expect(await waiting).toMatchObject({ code: 'dispatch.crashed', effect: 'unknown' });
  expect(r.upstream.state()).toEqual({ ok: false, cause: 'ended with exit code 7' });
  const from = performance.now();
  expect(await refusalOf(r.ask('x'))).toMatchObject({ code: 'dispatch.unavailable', effect: 'none' });
  expect(performance.now() - from).toBeLessThan(50);
  await r.up();
  expect((await r.ask('x')).result).toBe('{"fine":1}');
  expect(readFileSync(join(dir, 'seen'), 'utf8').split('\n').filter((l) => l === 'die' || l === 'wait')).toEqual(['wait', 'die']);
  rmSync(dir, { recursive: true });
});

test('a crash loop is slowed down', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'sallyport-loop-'));
  const r = rig([process.execPath, '-e', `require('fs').appendFileSync(${JSON.stringify(join(dir, 'n'))}, 'x'); console.error('no such setting'); process.exit(1)`]);
  await sleep(2_000);
  const starts = readFileSync(join(dir, 'n'), 'utf8').length;
  expect(starts).toBeGreaterThanOrEqual(2);
  expect(starts).toBeLessThanOrEqual(5);
  expect(r.logged.find((l) => l.startsWith('server ended'))).toContain('no such setting');
  rmSync(dir, { recursive: true });
});

test('time-out: unknown, the server is told, the late answer is dropped', async () => {
  const r = rig(server(`if (m.method === 'slow') setTimeout(() => ok({ late: true }), 400); if (m.method === 'notifications/cancelled') cancelled.push(m.params); if (m.method === 'x') ok({ cancelled });`, 'const cancelled = [];'));
  await r.up();
  expect(await refusalOf(r.ask('slow', {}, { timeoutMs: 150 }))).toMatchObject({ code: 'dispatch.timeout', effect: 'unknown' });
  await sleep(500);
  const { cancelled } = JSON.parse((await r.ask('x')).result ?? '');
  expect(cancelled).toEqual([{ requestId: expect.any(Number), reason: 'timeout' }]);
  expect(r.logged.some((l) => l.startsWith('dropped an answer'))).toBe(true);
});

test('progress starts the time-out again, but not for ever', async () => {
  const r = rig(server(`if (m.method === 'p') { let n = 0; const t = setInterval(() => { send({ method: 'notifications/progress', params: { progressToken: m.params._meta.progressToken, progress: ++n } }); if (n === (m.params.n ?? 1e9)) { clearInterval(t); ok({ n }); } }, 40); }`));
  await r.up();
  let heard = 0;
  const wanted = { progressToken: true, timeoutMs: 120, onNotification: () => void heard++ };
  expect((await r.ask('p', { n: 10 }, wanted)).result).toBe('{"n":10}');
  expect(heard).toBe(10);
  const from = performance.now();
  expect(await refusalOf(r.ask('p', {}, wanted))).toMatchObject({ code: 'dispatch.timeout' });
  expect(performance.now() - from).toBeGreaterThan(1_000);
  expect(performance.now() - from).toBeLessThan(2_000);
});

test('a request given up before it was sent has no effect', async () => {
  const r = rig(server(`ok({ m })`));
  await r.up();
  expect(await refusalOf(r.ask('x', {}, { signal: AbortSignal.abort() }))).toMatchObject({ code: 'dispatch.cancelled', effect: 'none' });
});

test('hostile answers reach nobody else: swapped ids as text, foreign tokens, twice, both members, for nobody', async () => {
  const r = rig(server(`
    if (m.method === 'quiet') return;
    if (m.method === 'attack') {
      for (let id = 0; id < 50; id++) if (id !== m.id) { raw('{"jsonrpc":"2.0","id":"' + id + '","result":{"stolen":1}}\\n'); send({ method: 'notifications/progress', params: { progressToken: id, progress: 1 } }); }
      send({ method: 'notifications/message', params: { level: 'info', data: 'of another caller' } });
      send({ method: 'notifications/progress', params: { progress: 1 } });
      ok({ mine: 1 }); ok({ mine: 2 });
      return;
    }
    if (m.method === 'both') return send({ id: m.id, result: {}, error: { code: 1, message: 'x' } });
    if (m.method === 'none') return send({ id: m.id });
    if (m.method === 'text') return send({ id: m.id, result: 'text' });
    if (m.method === 'twice') return raw('{"jsonrpc":"2.0","id":' + m.id + ',"result":{"a":1},"result":{"b":2}}\\n{"jsonrpc":"2.0","id":' + m.id + ',"result":{"c":3}}\\n');
    ok({});`));
  await r.up();
  const heard: string[] = [];
  const victim = refusalOf(r.ask('quiet', {}, { timeoutMs: 600, progressToken: false, onNotification: (_m, p) => void heard.push(p) }));
  expect((await r.ask('attack', {}, { onNotification: (_m, p) => void heard.push(p) })).result).toBe('{"mine":1}');
  expect((await r.ask('twice')).result).toBe('{"c":3}'); // the line that says two things says nothing
  for (const method of ['both', 'none', 'text']) expect(await refusalOf(r.ask(method)), method).toMatchObject({ code: 'dispatch.bad_answer', effect: 'unknown' });
  expect((await victim).code).toBe('dispatch.timeout');
  expect(heard).toEqual([]);
});

test('requests of the server are refused, ping is answered', async () => {
  const r = rig(server(`
    if (m.method === 'go') { waiting = m; for (const method of ['ping', 'roots/list', 'sampling/createMessage', 'elicitation/create']) send({ id: 'q-' + method, method, params: {} }); return; }
    if (m.method === undefined) { got[m.id] = m.error ? m.error.code : m.result; if (Object.keys(got).length === 4) send({ id: waiting.id, result: got }); }`, 'const got = {}; let waiting;'));
  await r.up();
  expect(JSON.parse((await r.ask('go')).result ?? '')).toEqual({ 'q-ping': {}, 'q-roots/list': -32601, 'q-sampling/createMessage': -32601, 'q-elicitation/create': -32601 });
});

test('banners are ignored, a flood of them ends the server, the log stays small', async () => {
  const r = rig(server(`if (m.method === 'x') ok({ fine: 1 }); if (m.method === 'flood') for (let i = 0; i < 5000; i++) raw('garbage \\u0001 ' + i + '\\n');`, `raw('Server v1 ready\\n[1,2]\\n{"half":\\n\\u0000\\u00ff\\n');`));
  await r.up();
  expect((await r.ask('x')).result).toBe('{"fine":1}');
  expect(await refusalOf(r.ask('flood'))).toMatchObject({ code: 'dispatch.crashed', note: expect.stringContaining('1000 lines') });
  expect(r.logged.filter((l) => l.startsWith('a line of the server')).length).toBeLessThanOrEqual(20);
});

test('a line over the cap ends the server, one over the call’s limit fails the call only', async () => {
  const r = rig(server(`ok({ text: 'x'.repeat(m.params.n) });`), {}, { max_line_bytes: 300_000 });
  await r.up();
  expect(await refusalOf(r.ask('big', { n: 50_000 }, { maxBytes: 10_000 }))).toMatchObject({ code: 'dispatch.bad_answer', effect: 'unknown' });
  expect((await r.ask('big', { n: 50_000 })).result?.length).toBeGreaterThan(50_000);
  expect(await refusalOf(r.ask('big', { n: 500_000 }))).toMatchObject({ code: 'dispatch.crashed', note: expect.stringContaining('300000 bytes') });
});

test('at most a thousand wait, and a server that does not read holds no memory without end', async () => {
  const quiet = rig(server(''));
  await quiet.up();
  const waiting = Array.from({ length: 1_000 }, () => refusalOf(quiet.ask('x', {}, { timeoutMs: 60_000 })));
  expect(await refusalOf(quiet.ask('x'))).toMatchObject({ code: 'dispatch.unavailable', effect: 'none' });
  await quiet.upstream.close();
  expect((await Promise.all(waiting)).every((w) => w.code === 'dispatch.crashed' && w.effect === 'unknown')).toBe(true);
  const deaf = rig(server(`if (m.method === 'deaf') process.stdin.pause();`));
  await deaf.up();
  void refusalOf(deaf.ask('deaf'));
  await sleep(100);
  const big = 'x'.repeat(1_000_000);
  const all = await Promise.all(Array.from({ length: 40 }, () => refusalOf(deaf.ask('x', { big }, { timeoutMs: 300 }))));
  const refused = all.filter((f) => f.code === 'dispatch.unavailable');
  expect(refused.length).toBeGreaterThan(15);
  expect(refused.every((f) => f.effect === 'none')).toBe(true);
});

test('results keep their text: big numbers, key order, spaces', async () => {
  const r = rig(server(`if (m.method === 'x') raw('{ "id" : ' + m.id + ' , "result" : { "b":12345678901234567890, "a" : 1.0 } , "jsonrpc":"2.0" }\\r\\n');`));
  await r.up();
  expect(await r.ask('x')).toEqual({ result: '{ "b":12345678901234567890, "a" : 1.0 }', error: null });
});

test('what is sent is what was judged: exact text, one line, no caller’s token or envelope', () => {
  const line = (params: string, era: 'modern' | 'legacy' = 'legacy', progress = false): string => requestLine(7, 'tools/call', params, era, { ...NOBODY, progressToken: progress });
  expect(line('{"a":12345678901234567890}')).toBe('{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"a":12345678901234567890}}');
  expect(line('{"_meta":{"progressToken":"victim","traceparent":"t"},"a":1}')).toContain('"params":{"_meta":{"traceparent":"t"},"a":1}');
  expect(line('{"a":1,"\\u005fmeta":{"progress\\u0054oken":1,"x":2}}', 'legacy', true)).not.toContain('"progress\\u0054oken"');
  expect(JSON.parse(line('{"a":1,"\\u005fmeta":{"progress\\u0054oken":1,"x":2}}', 'legacy', true)).params._meta).toEqual({ progressToken: 7, x: 2 });
  const modern = JSON.parse(line('{"_meta":{"io.modelcontextprotocol/clientCapabilities":{"sampling":{}},"io.modelcontextprotocol/logLevel":"debug","baggage":"b"}}', 'modern', true)).params._meta;
  expect(modern).toMatchObject({ progressToken: 7, baggage: 'b', 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} });
  expect(modern).not.toHaveProperty('io.modelcontextprotocol/logLevel');
  expect(JSON.parse(line('{"_meta":"text"}', 'modern')).params._meta).toHaveProperty('io.modelcontextprotocol/clientCapabilities');
  // A second message hidden behind a line break that is white space in JSON.
  const smuggled = line('{"a":\r\n{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}\n}');
  expect(smuggled).not.toMatch(/[\r\n]/);
  const separators = line('{"a":"x\u2028{\u2029}\u0085"}');
  expect(separators).not.toMatch(/[\u2028\u2029\u0085]/);
  expect(JSON.parse(separators).params.a).toBe('x\u2028{\u2029}\u0085');
});

test('secrets go into the environment when the process starts; a missing one is dispatch.credential', async () => {
  const script = server(`ok({ env: process.env.TOKEN, canary: process.env.CANARY ?? null });`);
  process.env['CANARY'] = 'canary';
  const good = rig(script, { env: { TOKEN: { secret: 'env:GOOD', prefix: 'Bearer ' } } });
  await good.up();
  delete process.env['CANARY'];
  expect((await good.ask('x')).result).toBe('{"env":"Bearer secret-value","canary":null}');
  expect(good.logged.join()).not.toContain('secret-value');
  const bad = rig(script, { env: { TOKEN: { secret: 'env:BAD', prefix: '' } } });
  await sleep(50);
  expect(await refusalOf(bad.ask('x'))).toMatchObject({ code: 'dispatch.credential', effect: 'none', note: 'env:BAD is not set' });
});

test('list changes are told once for a burst', async () => {
  const r = rig(server(`if (m.method === 'x') { for (let i = 0; i < 500; i++) send({ method: 'notifications/tools/list_changed' }); ok({}); }`));
  let told = 0;
  r.upstream.onChanged(() => void told++);
  await r.up();
  expect(told).toBe(1);
  await r.ask('x');
  await sleep(250);
  expect(told).toBe(2);
});
