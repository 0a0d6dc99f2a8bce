import { execFile, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { callOf, newFolder, openIn, recordsOf, refusalOf, resultOf, runCall, segmentsOf } from '../../test/kit/audit/calls.ts';
import type { Known } from '../call/call.ts';
import { verifyAudit } from './index.ts';

const child = join(import.meta.dirname, '../../test/kit/audit/child.ts');
const run = promisify(execFile);
const until = async (test: () => boolean, ms = 5000): Promise<void> => {
  for (let waited = 0; !test() && waited < ms; waited += 20) await sleep(20);
  expect(test()).toBe(true);
};

describe('order of durability', () => {
  it('goes on only when the intent stands in the file, and answers only when the outcome does', async () => {
    const dir = newFolder();
    const audit = await openIn(dir);
    for (const risk of ['read', 'write'] as const) {
      const call = callOf(risk);
      const verdict = await audit.journal.run(call);
      const intent = recordsOf(dir).at(-1);
      expect(intent).toMatchObject({ event: 'call.intended', correlation_id: call.id });
      expect(verdict).toEqual({ go: { journalSeq: intent?.seq } });
      await audit.finish(call as Known, resultOf());
      expect(recordsOf(dir).at(-1)).toMatchObject({ event: 'call.finished', correlation_id: call.id });
    }
    await audit.close();
  });
  it('has files nobody else can read', async () => {
    const dir = newFolder();
    mkdirSync(dir, { recursive: true, mode: 0o755 });
    await (await openIn(dir)).close();
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    for (const name of [...segmentsOf(dir), 'writer.lock', 'checkpoints.jsonl', 'keys/checkpoint.key', 'keys/checkpoint.pub']) expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600);
  });
  it('writes 1,000 records that wait for the disk with few system calls', async () => {
    const { stdout } = await run(process.execPath, [child, 'count', newFolder()]);
    expect((JSON.parse(stdout) as { writes: number }).writes).toBeLessThan(200); // the count holds what Node itself writes to wake its threads
  });
  it('never closes a call twice and numbers concurrent appends without a gap', async () => {
    const dir = newFolder();
    const audit = await openIn(dir, { config: { segment_max_bytes: 20_000 } });
    await Promise.all(Array.from({ length: 500 }, (_, i) => runCall(audit, callOf(i % 2 === 0 ? 'read' : 'write'))));
    await audit.close();
    expect(verifyAudit(dir)).toMatchObject({ ok: true });
    expect(recordsOf(dir).filter((one) => one.event === 'call.finished').length).toBe(500);
  });
});

const strace = await run('strace', ['-f', '-o', '/dev/null', 'true']).then(() => true, () => false);
/** The audit under strace: what it asks of the kernel, in order, and with faults in it. */
async function traced(mode: string, dir: string, ...options: string[]): Promise<{ said: string; calls: string[] }> {
  const file = join(mkdtempSync(join(tmpdir(), 'sallyport-strace-')), 'trace');
  const { stdout } = await run('strace', ['-f', '-y', '-o', file, ...options, process.execPath, child, mode, dir]);
  return { said: stdout, calls: readFileSync(file, 'utf8').split('\n') };
}
describe.skipIf(!strace)('as the kernel sees it (needs strace)', () => {
  it('a risky call goes on after fdatasync, a read after the write; the read is on disk soon after', async () => {
    const { calls } = await traced('order', newFolder(), '-e', 'trace=pwrite64,fdatasync,write');
    const steps = calls.flatMap((line) => {
      const step = /(pwrite64|fdatasync)\(\d+<[^>]*audit-0/.exec(line)?.[1] ?? (/fdatasync resumed/.test(line) ? 'synced' : /write\(1<.*?"(\w+)\\n"/.exec(line)?.[1]);
      return step === undefined ? [] : [step === 'fdatasync' && line.includes('= 0') ? 'fdatasync,synced' : step];
    }).join().split('begin,')[1]?.replaceAll('fdatasync,', '');
    expect(steps).toMatch(/^pwrite64,read,synced,pwrite64,synced,write,pwrite64,synced,finished/);
  });
  it('a failed fdatasync refuses those who wait and everything after (fsyncgate)', async () => {
    // Threads are counted one by one: the first group sync of the thread pool fails.
    const { said } = await traced('eio', newFolder(), '-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO:when=1');
    expect(JSON.parse(said)).toEqual({ late: 'journal.unavailable', again: 'journal.unavailable', ready: expect.stringMatching(/fdatasync failed, restart the gateway: EIO/) });
  });
  it('a failed write refuses its batch, leaves no trace of it, and heals', async () => {
    const dir = newFolder();
    const { said } = await traced('eio', dir, '-e', 'trace=pwrite64', '-e', 'inject=pwrite64:error=EIO:when=3');
    expect(JSON.parse(said)).toEqual({ late: 'journal.unavailable', again: 'go', ready: null });
    expect(recordsOf(dir).map((one) => one.event)).toEqual(['audit.segment_opened', 'audit.resumed', 'call.intended']);
    expect(verifyAudit(dir)).toMatchObject({ ok: true });
  });
});
it('writes nothing more after a failed fdatasync', async () => {
  const { stdout } = await run(process.execPath, [child, 'poison', newFolder()]);
  expect(JSON.parse(stdout)).toEqual({ ready: expect.stringMatching(/fdatasync failed/), late: 'journal.unavailable' });
});
it('stops when its segment is deleted or replaced', async () => {
  for (const act of [(path: string) => rmSync(path), (path: string) => { copyFileSync(path, `${path}.x`); renameSync(`${path}.x`, path); }]) {
    const dir = newFolder();
    const audit = await openIn(dir);
    act(join(dir, 'audit-000000000001.jsonl'));
    expect(audit.ready()).toMatch(/removed or replaced/);
    expect(await audit.journal.run(callOf())).toMatchObject({ stop: { code: 'journal.unavailable' } });
    await expect(audit.finish(callOf() as Known, refusalOf('limit.rate'))).rejects.toThrow(/removed/);
    await audit.close();
  }
});
it('refuses after close', async () => {
  const audit = await openIn(newFolder());
  await audit.close();
  expect(await audit.journal.run(callOf())).toMatchObject({ stop: { code: 'journal.unavailable' } });
});

const mounts: string[] = [];
/** A real file system of 512 KiB; null where we may not mount one. */
function smallDisk(): string | null {
  const at = mkdtempSync(join(tmpdir(), 'sallyport-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', at], { stdio: 'pipe' });
  } catch {
    return null;
  }
  mounts.push(at);
  return at;
}
afterAll(() => {
  for (const at of mounts) execFileSync('umount', ['-l', at]);
});
const disk = smallDisk();

describe.skipIf(disk === null)('a full disk (needs the right to mount a tmpfs)', () => {
  it('refuses calls, keeps the chain whole, names the cause, and heals by itself', async () => {
    const dir = join(disk ?? '', 'audit');
    const audit = await openIn(dir);
    const ballast = join(disk ?? '', 'ballast');
    writeFileSync(ballast, Buffer.alloc(300 * 1024));
    const running = callOf('write');
    expect(await audit.journal.run(running)).toMatchObject({ go: {} });
    // Calls in batches of 7, so that the batch that fails is a short write and not a clean miss.
    let verdicts = await Promise.all(Array.from({ length: 7 }, () => audit.journal.run(callOf('read', `{"a":"${'a'.repeat(777)}"}`))));
    while (verdicts.every((one) => 'go' in one)) verdicts = await Promise.all(Array.from({ length: 7 }, () => audit.journal.run(callOf('read', `{"a":"${'a'.repeat(777)}"}`))));
    expect(verdicts).toEqual(Array.from({ length: 7 }, () => ({ stop: { code: 'journal.unavailable', note: expect.stringContaining('ENOSPC') } })));
    expect(audit.ready()).toContain('ENOSPC');
    while (await audit.note('gateway.filled', {}).then(() => true, () => false)); // smaller ones still fit
    await expect(audit.finish(running as Known, resultOf())).rejects.toThrow(/ENOSPC/);
    expect(verifyAudit(dir)).toMatchObject({ ok: true, live: true });

    rmSync(ballast);
    await until(() => audit.ready() === null);
    await until(() => recordsOf(dir).some((one) => one.event === 'call.outcome_unknown' && one.correlation_id === running.id));
    const resumed = recordsOf(dir).find((one) => one.event === 'audit.resumed');
    expect(resumed?.tool_input).toMatchObject({ records_refused: expect.any(Number) });
    await runCall(audit);
    await audit.close();
    expect(verifyAudit(dir)).toMatchObject({ ok: true, live: false });
  });
  it('survives a disk that is full at the moment of rotation', async () => {
    const dir = join(smallDisk() ?? '', 'audit');
    const audit = await openIn(dir, { config: { segment_max_bytes: 200 * 1024 } });
    let good = 0;
    while ('go' in await audit.journal.run(callOf('read', `{"a":"${'a'.repeat(4000)}"}`))) good += 1;
    const kept = segmentsOf(dir).length;
    expect(kept).toBeGreaterThan(1);
    expect(verifyAudit(dir)).toMatchObject({ ok: true });
    await audit.close();
    expect(recordsOf(dir).filter((one) => one.event === 'call.intended').length).toBe(good);
  });
});

it('takes a limit of the file size (RLIMIT_FSIZE) like a full disk', async () => {
  const dir = newFolder();
  const limited = spawn('sh', ['-c', `trap '' XFSZ; ulimit -f 40; exec "${process.execPath}" "${child}" fill "${dir}"`], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  limited.stdout.on('data', (piece: Buffer) => (said += piece.toString()));
  await new Promise((resolve) => limited.on('exit', resolve));
  expect(JSON.parse(said)).toMatchObject({ code: 'journal.unavailable', note: expect.stringContaining('EFBIG'), ready: expect.stringContaining('EFBIG') });
  const { good } = JSON.parse(said) as { good: number };
  expect(readFileSync(join(dir, 'audit-000000000001.jsonl'), 'utf8').endsWith('\n')).toBe(true);
  expect(recordsOf(dir).length).toBe(good + 1);
});
