import { execFile, spawn } from 'node:child_process';
import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { callOf, linesOf, newFolder, openIn, recordsOf, resultOf, runCall, segmentsOf } from '../../test/kit/audit/calls.ts';
import type { Known } from '../call/call.ts';
import { BrokenChain, verifyAudit } from './index.ts';
import type { AuditRecord } from './index.ts';
import { isLocked } from './lock.ts';
import { recover } from './recover.ts';

const child = join(import.meta.dirname, '../../test/kit/audit/child.ts');
const lastPath = (dir: string): string => join(dir, segmentsOf(dir).at(-1) ?? '');
/** A folder with some finished calls and one that is open, closed as if by a crash: the intent has no outcome. */
async function crashed(config = {}): Promise<{ dir: string; open: string }> {
  const dir = newFolder();
  const audit = await openIn(dir, { config });
  const call = callOf('write', '{"open":true}');
  await audit.journal.run(call);
  for (let i = 0; i < 8; i++) await runCall(audit, callOf('read'));
  await audit.close();
  return { dir, open: call.id };
}
const reopen = async (dir: string): Promise<void> => (await openIn(dir)).close();

describe('a start after kill -9', () => {
  it('has every acknowledged record, closes every open call, and a chain that verifies', { timeout: 60_000 }, async () => {
    const dir = newFolder();
    const intended = new Set<string>();
    const finished = new Set<string>();
    for (let round = 0; round < 6; round++) {
      const writer = spawn(process.execPath, [child, 'loop', dir], { stdio: ['ignore', 'pipe', 'inherit'] });
      let said = '';
      writer.stdout.on('data', (piece: Buffer) => (said += piece.toString()));
      await new Promise((resolve) => writer.stdout.once('data', resolve));
      await new Promise((resolve) => setTimeout(resolve, 30 + Math.random() * 250));
      writer.kill('SIGKILL');
      await new Promise((resolve) => writer.once('close', resolve));
      for (const line of said.split('\n').slice(0, -1)) {
        const word = JSON.parse(line) as { intended?: string; finished?: string };
        if (word.intended !== undefined) intended.add(word.intended);
        if (word.finished !== undefined) finished.add(word.finished);
      }
      expect(isLocked(dir)).toBe(false);
    }
    await reopen(dir);
    expect(segmentsOf(dir).length).toBeGreaterThan(1);
    expect(verifyAudit(dir)).toMatchObject({ ok: true });
    const ends = new Map<string, string[]>();
    for (const { event, correlation_id: id } of recordsOf(dir)) {
      if (id !== null && event === 'call.intended') ends.set(id, []);
      else if (id !== null) ends.get(id)?.push(event);
    }
    for (const id of intended) expect(ends.has(id)).toBe(true);
    for (const id of finished) expect(ends.get(id)).toEqual(['call.finished']);
    for (const one of ends.values()) expect(one.length).toBe(1);
    expect([...ends.values()].flat().filter((one) => one === 'call.outcome_unknown').length).toBeGreaterThan(0);
    expect(intended.size).toBeGreaterThan(50);
  });

  it('tells what is known of a call nobody saw the end of', async () => {
    const { dir, open } = await crashed();
    await reopen(dir);
    const intent = recordsOf(dir).find((one) => one.correlation_id === open);
    expect(recordsOf(dir).at(-1)).toMatchObject({
      event: 'call.outcome_unknown', correlation_id: open, effect: 'unknown', success: null, caller_id: 'key:k1', tool: 'write_file', tool_risk: 'write',
      policy_ids: ['defaults.read'], input_hash: intent?.input_hash, downstream_resource: 'files/write_file', tool_input: null, output_hash: null,
    });
    const count = linesOf(dir).length;
    await reopen(dir); // once is enough
    expect(linesOf(dir).length).toBe(count);
  });

  it('finds a call that was opened many segments ago by reading the last one only', async () => {
    const { dir, open } = await crashed({ segment_max_bytes: 4096 });
    const names = segmentsOf(dir);
    expect(names.length).toBeGreaterThan(3);
    expect(readFileSync(join(dir, names.at(-1) ?? ''), 'utf8')).toContain(open);
    writeFileSync(join(dir, names[0] ?? ''), 'not read at start\n');
    await reopen(dir);
    const last = JSON.parse(linesOf(dir).at(-1) ?? '') as AuditRecord;
    expect(last).toMatchObject({ event: 'call.outcome_unknown', correlation_id: open, caller_id: 'key:k1', tool: 'write_file' });
  });

  it.each([
    ['half a record', (dir: string) => appendFileSync(lastPath(dir), '{"timestamp":"2026-')],
    ['zeros after a power loss', (dir: string) => appendFileSync(lastPath(dir), Buffer.concat([Buffer.alloc(100), Buffer.from('"}\n'), Buffer.alloc(20)]))],
    ['a segment that was just created', (dir: string) => writeFileSync(join(dir, 'audit-000000000999.jsonl'), '')],
    ['half the head of a segment', (dir: string) => writeFileSync(join(dir, 'audit-000000000999.jsonl'), '{"timestamp"')],
  ])('cuts %s and says so', async (_, tear) => {
    const { dir } = await crashed();
    const whole = linesOf(dir).length;
    tear(dir);
    const { cut } = recover(dir);
    await reopen(dir);
    const after = recordsOf(dir).slice(whole);
    expect(after.map((one) => one.event)).toEqual([...(cut > 0 ? ['audit.recovered'] : []), 'call.outcome_unknown']);
    if (cut > 0) expect(after[0]?.tool_input).toEqual({ bytes_cut: expect.any(Number) });
    expect(verifyAudit(dir)).toMatchObject({ ok: true });
  });
  it('cuts a half checkpoint', async () => {
    const { dir } = await crashed();
    appendFileSync(join(dir, 'checkpoints.jsonl'), '{"seq":');
    expect(verifyAudit(dir).ok).toBe(true);
    await reopen(dir);
    expect(verifyAudit(dir)).toMatchObject({ ok: true });
  });
});

describe('a chain that cannot be continued stops the start', () => {
  it.each<[string, (dir: string) => void]>([
    ['a changed record', (dir) => writeFileSync(lastPath(dir), readFileSync(lastPath(dir), 'utf8').replace('"effect":"done"', '"effect":"none"'))],
    ['a NUL in an older record, which would cut off what follows', (dir) => writeFileSync(lastPath(dir), readFileSync(lastPath(dir), 'utf8').replace('"effect":"done"', '"effect":"\0one"'))],
    ['a tail cut beyond a checkpoint', (dir) => truncateSync(lastPath(dir), readFileSync(lastPath(dir)).length - 1)],
    ['all segments gone', (dir) => { for (const name of segmentsOf(dir)) rmSync(join(dir, name)); }],
    ['a signing key gone', (dir) => rmSync(join(dir, 'keys/checkpoint.key'))],
    ['a forged checkpoint', (dir) => writeFileSync(join(dir, 'checkpoints.jsonl'), `${readFileSync(join(dir, 'checkpoints.jsonl'), 'utf8').trimEnd().slice(0, -12)}AAAAAAAAA="}\n`)],
  ])('%s', async (_, spoil) => {
    const { dir } = await crashed();
    spoil(dir);
    const before = linesOf(dir);
    await expect(openIn(dir)).rejects.toThrow(BrokenChain);
    await expect(openIn(dir)).rejects.toThrow(/audit verify.*move the folder away/);
    expect(linesOf(dir)).toEqual(before);
    expect(isLocked(dir)).toBe(false);
  });
  it('a segment missing before the last', async () => {
    const { dir } = await crashed({ segment_max_bytes: 4096 });
    rmSync(join(dir, segmentsOf(dir).at(-2) ?? ''));
    await expect(openIn(dir)).rejects.toThrow(/does not follow/);
  });
});

describe('the lock', () => {
  it('keeps a second gateway out, of this process and of another', async () => {
    const dir = newFolder();
    const audit = await openIn(dir);
    expect(isLocked(dir)).toBe(true);
    await expect(openIn(dir)).rejects.toThrow(/another gateway/);
    await expect(promisify(execFile)(process.execPath, [child, 'count', dir])).rejects.toThrow(/another gateway/);
    expect(isLocked(dir)).toBe(true); // looking does not break it
    await audit.finish(Object.assign(callOf('read'), await audit.journal.run(callOf())) as unknown as Known, resultOf());
    await audit.close();
    expect(isLocked(dir)).toBe(false);
    await reopen(dir);
  });
});
