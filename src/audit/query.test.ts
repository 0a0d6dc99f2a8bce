import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { callOf, linesOf, newFolder, openIn, principal, recordsOf, refusalOf, runCall, segmentsOf } from '../../test/kit/audit/calls.ts';
import type { Known } from '../call/call.ts';
import type { Clock } from '../lib/clock.ts';
import { exportAudit, queryAudit, tailAudit } from './index.ts';
import type { AuditFilter, Write } from './index.ts';

let dir = '';
const wanted = callOf('write');
beforeAll(async () => {
  dir = newFolder();
  let now = Date.UTC(2026, 0, 1);
  const clock: Clock = { now: () => (now += 1000), monotonic: () => 0 };
  const audit = await openIn(dir, { config: { segment_max_bytes: 8192 }, clock });
  for (let i = 0; i < 10; i++) await runCall(audit, callOf('read'));
  await runCall(audit, wanted);
  await runCall(audit, callOf('read', '{}', { principal: { ...principal, id: 'key:k2' } }));
  const decision = { effect: 'deny', ruleIds: [], policyVersion: 'v1', reason: 'authorize.no_rule', wantScopes: [] } as const;
  await audit.finish({ ...callOf('read'), decision } as unknown as Known, refusalOf('authorize.no_rule'));
  await audit.note('key.created', { caller_id: 'key:k2' });
  await audit.close();
  appendFileSync(join(dir, segmentsOf(dir).at(-1) ?? ''), '{"torn":');
});
const events = (filter: AuditFilter): string[] => [...queryAudit(dir, filter)].map((one) => one.event);
const collect = (): { lines: string[]; write: Write } => {
  const lines: string[] = [];
  return { lines, write: (line) => void lines.push(line.toString()) };
};

describe('query', () => {
  it('finds by each field and by several', () => {
    expect(events({ correlationId: wanted.id })).toEqual(['call.intended', 'call.finished']);
    expect(events({ caller: 'key:k2' })).toEqual(['call.intended', 'call.finished', 'key.created']);
    expect(events({ caller: 'key:k2', event: 'call.*' })).toEqual(['call.intended', 'call.finished']);
    expect(events({ tool: 'write_file' })).toHaveLength(2);
    expect(events({ server: 'files' })).toHaveLength(25);
    expect(events({ server: 'file' })).toEqual([]);
    expect(events({ decision: 'deny' })).toEqual(['call.refused']);
    expect(events({ event: 'key.created' })).toEqual(['key.created']);
    expect(events({ event: 'call.finished', limit: 3 })).toHaveLength(3);
    expect(events({}).length).toBe(recordsOf(dir).length);
  });
  it('finds by time, from since up to before until', () => {
    const all = recordsOf(dir);
    const since = Date.parse(all[4]?.timestamp ?? '');
    const until = Date.parse(all[7]?.timestamp ?? '');
    expect([...queryAudit(dir, { since, until })].map((one) => one.seq)).toEqual([5, 6, 7]);
  });
  it('is not misled by values inside what a caller sent', async () => {
    const other = newFolder();
    const audit = await openIn(other);
    await runCall(audit, callOf('read', '{"caller_id":"key:k9"}'));
    await audit.close();
    expect([...queryAudit(other, { caller: 'key:k9' })]).toEqual([]);
  });
});

describe('export', () => {
  it('writes the lines byte for byte and waits for the writer', async () => {
    const lines: string[] = [];
    let busy = false;
    const count = await exportAudit(dir, {}, async (line) => {
      expect(busy).toBe(false);
      busy = true;
      await new Promise((resolve) => setImmediate(resolve));
      lines.push(line.toString());
      busy = false;
    });
    expect(lines.join('')).toBe(linesOf(dir).map((line) => `${line}\n`).join(''));
    expect(count).toBe(lines.length);
  });
});

describe('tail', () => {
  it('writes the newest records, across segments', async () => {
    for (const count of [0, 1, 4, 15, 1000]) {
      const { lines, write } = collect();
      await tailAudit(dir, { lines: count }, write);
      expect(lines).toEqual(linesOf(dir).map((line) => `${line}\n`).slice(count === 0 ? Infinity : -count));
    }
  });
  it('follows what is written, across rotations, until it is stopped', async () => {
    const live = newFolder();
    const audit = await openIn(live, { config: { segment_max_bytes: 4096 } });
    const stop = new AbortController();
    const { lines, write } = collect();
    const following = tailAudit(live, { lines: 0, follow: true, signal: stop.signal }, write);
    for (let i = 0; i < 20; i++) await runCall(audit, callOf('write'));
    for (let waited = 0; lines.length < linesOf(live).length - 1 && waited < 3000; waited += 20) await new Promise((resolve) => setTimeout(resolve, 20));
    stop.abort();
    await following;
    await audit.close();
    expect(lines).toEqual(linesOf(live).slice(1).map((line) => `${line}\n`));
  });
});
