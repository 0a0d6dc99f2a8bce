import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Known, Outcome } from '../call/call.ts';
import { createLog, formatCallLine } from './index.ts';
import { createLinesOut } from './lines-out.ts';

function lines(level = 'info', pretty = false): { log: ReturnType<typeof createLog>; out: string[]; last: () => Record<string, unknown> } {
  const out: string[] = [];
  const log = createLog({ level, pretty, stream: { write: (line) => out.push(line) } });
  return { log, out, last: () => JSON.parse(out.at(-1) ?? '{}') };
}

test('JSON lines; a fault is a warning; levels', () => {
  const { log, out, last } = lines();
  log('server connected', { server: 'fs' });
  expect(last()).toMatchObject({ level: 'info', message: 'server connected', server: 'fs', time: expect.stringMatching(/^\d{4}-.*Z$/) });
  expect(last()).not.toHaveProperty('pid');
  log('server not reachable', { cause: 'x' });
  expect(last()['level']).toBe('warn');
  log.debug('unseen');
  expect(out.length).toBe(2);
  const warn = lines('warn');
  warn.log('unseen');
  warn.log.error('seen');
  expect(warn.out.length).toBe(1);
  const odd = lines('nonsense');
  odd.log('seen');
  expect(odd.out.length).toBe(1);
});

test('secrets by name are never written, at any depth', () => {
  const { log, out } = lines();
  log('x', {
    authorization: 'canary', Authorization: 'canary', token: 'canary', access_token: 'canary', client_secret: 'canary', password: 'canary', cookie: 'canary', 'x-api-key': 'canary',
    headers: { authorization: ['canary'], deep: { secret: { a: 'canary' } } }, list: [{ apiKey: 'canary' }], 'mcp-session-id': 'canary', privateKey: 'canary', credentials: { user: 'canary' },
    token_audience: 'kept',
  });
  expect(out.join()).not.toContain('canary');
  expect(out.join()).toContain('"token_audience":"kept"');
});

test('no field can draw on a terminal or forge a line; sizes are bounded', () => {
  for (const pretty of [false, true]) {
    const { log, out } = lines('info', pretty);
    const circle: Record<string, unknown> = { a: 1 };
    circle['self'] = circle;
    log('m\u001b[31m\nINFO forged', { line: 'a\u009b2J\u202e\n01:00:00 forged', ['k\u001b']: 1, big: 'x'.repeat(100_000), circle, error: new Error('bad\u0007'), bytes: Buffer.alloc(10), n: 10n });
    expect(out.length).toBe(1);
    expect(out[0]).not.toMatch(/(?!\n)[\p{Cc}\u202e]/u);
    expect(out[0]?.indexOf('\n')).toBe((out[0]?.length ?? 0) - 1);
    expect(out[0]?.length).toBeLessThan(6_000);
  }
});

test('time stamps, level and message cannot be taken over by fields', () => {
  const { log, out } = lines('info', true);
  log('real', { server: 'x' });
  expect(out[0]).toMatch(/^\d\d:\d\d:\d\d info {2}real server=x\n$/);
});

const known = (more: object = {}): Known => ({
  receivedAt: 0, name: 'read', message: { method: 'tools/call' }, principal: { caller: 'research' }, target: { id: 'fs__read', risk: 'read' },
  decision: { effect: 'allow', ruleIds: ['class-read'] }, ...more,
}) as unknown as Known;
const done = { effect: 'done', result: { success: true } } as unknown as Outcome;

test('one line per call: who, tool, class, decision, why, ms', () => {
  expect(formatCallLine(known(), done, 3.21, false)).toMatch(/^\d\d:\d\d:\d\d research {7}fs__read {29}read {8}allowed {2}class-read {15} {3}3\.2 ms$/);
  expect(formatCallLine(known(), { effect: 'none', refusal: { code: 'authorize.scope', note: 'canary' } }, 0.4, false)).toMatch(/refused {2}authorize\.scope .* 0\.4 ms$/);
  expect(formatCallLine(known(), { effect: 'none', refusal: { code: 'authorize.scope', note: 'canary' } }, 0.4, false)).not.toContain('canary');
  expect(formatCallLine(known(), { effect: 'unknown', refusal: { code: 'dispatch.timeout' } }, 30_000, false)).toMatch(/failed {3}dispatch\.timeout .* 30000 ms$/);
  expect(formatCallLine(known({ principal: undefined, target: undefined, name: null, decision: undefined }), { effect: 'none', refusal: { code: 'authenticate.missing' } }, 1, false)).toContain(' tools/call ');
});

test('colour only when asked for, and names cannot bring their own', () => {
  expect(formatCallLine(known(), done, 1, false)).not.toContain('\u001b');
  expect(formatCallLine(known(), done, 1, true)).toContain('\u001b[32mallowed\u001b[0m');
  const hostile = formatCallLine(known({ target: undefined, name: '\u001b[2J\r\n\u202efs', principal: { caller: 'a\u009b31m' } }), done, 1, false);
  expect(hostile).not.toMatch(/[\p{Cc}\u202e]/u);
  expect(formatCallLine(known({ target: undefined, name: 'x'.repeat(1e6) }), done, 1, false).length).toBeLessThan(140);
});

test('lines are written in the background, in order; what is too much is dropped and counted', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'sallyport-log-'));
  const fd = openSync(join(dir, 'log'), 'w');
  const out = createLinesOut(fd, 1_000);
  for (let i = 0; i < 100; i++) out.write(`line ${i} ${'x'.repeat(20)}\n`);
  await sleep(50);
  out.write('after\n');
  await sleep(50);
  const lines = readFileSync(join(dir, 'log'), 'utf8').trim().split('\n');
  expect(lines[0]).toMatch(/^line 0 /);
  expect(lines.at(-1)).toBe('after');
  expect(lines.at(-2)).toMatch(/"(\d+) log lines were lost"/);
  closeSync(fd);
  rmSync(dir, { recursive: true });
});

test.skipIf(!existsSync('/dev/full'))('a full disk costs lines and nothing else', async () => {
  const fd = openSync('/dev/full', 'w');
  const out = createLinesOut(fd, 1_000);
  out.write('lost\n');
  await sleep(50);
  out.write('lost too\n');
  out.flushSync();
  closeSync(fd);
});
