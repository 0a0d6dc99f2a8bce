import { copyFileSync, cpSync, mkdtempSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { callOf, linesOf, newFolder, openIn, runCall, segmentsOf } from '../../test/kit/audit/calls.ts';
import { sha256 } from '../lib/hash.ts';
import { readLastCheckpoint, verifyAudit } from './index.ts';

const root = join(import.meta.dirname, '../..');
let good = '';
beforeAll(async () => {
  good = newFolder();
  const audit = await openIn(good, { config: { segment_max_bytes: 8192, checkpoint_every_ms: 10 } });
  for (let i = 0; i < 20; i++) await runCall(audit, callOf('write', `{"n":${i}}`));
  await audit.close();
});
/** A copy of the good chain that a test may spoil. */
const copy = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'sallyport-tamper-'));
  cpSync(good, dir, { recursive: true });
  return dir;
};
const read = (dir: string, name: string): string[] => readFileSync(join(dir, name), 'utf8').split('\n').slice(0, -1);
const write = (dir: string, name: string, lines: readonly string[]): void => writeFileSync(join(dir, name), lines.map((line) => `${line}\n`).join(''));
const nth = (n: number): string => segmentsOf(good)[n] ?? '';
const seqAt = (name: string, line: number): number => (JSON.parse(read(good, name)[line - 1] ?? '') as { seq: number }).seq;
/** The line with another first hex digit behind `mark`. */
function flip(line: string, mark: string): string {
  const at = line.indexOf(mark) + mark.length;
  return `${line.slice(0, at)}${line[at] === '0' ? '1' : '0'}${line.slice(at + 1)}`;
}
/** The records from `from` on with new hashes, as an attacker without the key would make them. */
function rehash(lines: string[], from: number): string[] {
  let prev = /"hash":"([0-9a-f]{64})"\}$/.exec(lines[from - 1] ?? '')?.[1] ?? '';
  return lines.map((line, i) => {
    if (i < from) return line;
    const body = `${line.slice(0, line.lastIndexOf(',"prev_hash":"'))},"prev_hash":"${prev}"`;
    prev = sha256(body);
    return `${body},"hash":"${prev}"}`;
  });
}

describe('verify', () => {
  it('finds nothing wrong with a good chain over several segments', () => {
    expect(segmentsOf(good).length).toBeGreaterThan(3);
    const report = verifyAudit(good);
    expect(report).toMatchObject({ ok: true, bad: null, live: false, segments: segmentsOf(good).length, records: linesOf(good).length });
    expect(report.signedTo).toBe(report.last.seq);
  });

  const middle = 1; // segment 1, line 4 is neither first nor last of anything
  const spoil: [what: string, change: (lines: string[]) => string[], line: number, says: RegExp][] = [
    ['a flipped byte', (l) => l.with(3, (l[3] ?? '').replace('"effect":"done"', '"effect":"none"').replace('"n":', '"m":')), 4, /was changed/],
    ['a flipped prev_hash', (l) => l.with(3, flip(l[3] ?? '', '"prev_hash":"')), 4, /was changed/],
    ['a flipped hash', (l) => l.with(3, flip(l[3] ?? '', ',"hash":"')), 4, /was changed/],
    ['a deleted record', (l) => l.toSpliced(3, 1), 4, /missing: seq/],
    ['an inserted record', (l) => l.toSpliced(3, 0, '{"timestamp":"now"}'), 4, /not a record/],
    ['a duplicated record', (l) => l.toSpliced(4, 0, l[3] ?? ''), 5, /stands again/],
    ['two records exchanged', (l) => l.with(3, l[4] ?? '').with(4, l[3] ?? ''), 4, /missing: seq/],
    ['one record with a new hash', (l) => l.with(3, rehash(l.with(3, (l[3] ?? '').replace('research', 'someone').replace('"team":"search"', '"team":"x"').replace('k1', 'k2')), 3)[3] ?? ''), 5, /prev_hash does not name/],
    ['a cut head', (l) => l.slice(1), 1, /missing: seq/],
    ['a line end of Windows', (l) => l.with(3, `${l[3]}\r`), 4, /not a record/],
  ];
  it.each(spoil)('names the place of %s', (_, change, line, says) => {
    const dir = copy();
    const name = nth(middle);
    write(dir, name, change(read(dir, name)));
    const report = verifyAudit(dir);
    expect(report.ok).toBe(false);
    expect(report.bad).toMatchObject({ segment: name, line, what: expect.stringMatching(says) });
    expect(report.bad?.seq).toBe(seqAt(name, Math.min(line, read(good, name).length)));
  });

  it('finds a cut tail of a segment in the middle', () => {
    const dir = copy();
    write(dir, nth(1), read(dir, nth(1)).slice(0, -1));
    expect(verifyAudit(dir).bad).toMatchObject({ segment: nth(2), line: null, what: expect.stringMatching(/missing before this segment/) });
  });
  it('finds the tail of the whole chain cut off by its checkpoint', () => {
    const dir = copy();
    const last = segmentsOf(good).at(-1) ?? '';
    write(dir, last, read(dir, last).slice(0, -1));
    expect(verifyAudit(dir).bad).toMatchObject({ segment: last, what: expect.stringMatching(/tail was cut/) });
    rmSync(join(dir, last));
    expect(verifyAudit(dir).bad?.what).toMatch(/tail was cut/);
  });
  it('finds a first, middle and only segment missing', () => {
    for (const n of [0, 2]) {
      const dir = copy();
      rmSync(join(dir, nth(n)));
      expect(verifyAudit(dir).bad).toMatchObject({ segment: nth(n + 1), what: expect.stringMatching(/missing before/) });
    }
    const dir = copy();
    for (const name of segmentsOf(dir)) rmSync(join(dir, name));
    expect(verifyAudit(dir).bad?.what).toBe('all segments are missing');
  });
  it('finds two segments exchanged', () => {
    const dir = copy();
    renameSync(join(dir, nth(1)), join(dir, 'x'));
    renameSync(join(dir, nth(2)), join(dir, nth(1)));
    renameSync(join(dir, 'x'), join(dir, nth(2)));
    expect(verifyAudit(dir).bad).toMatchObject({ segment: nth(1), line: 1 });
  });
  it('finds a segment of another chain', async () => {
    const other = newFolder();
    const audit = await openIn(other, { config: { segment_max_bytes: 8192 } });
    for (let i = 0; i < 20; i++) await runCall(audit, callOf('write', `{"n":${i}}`));
    await audit.close();
    const dir = copy();
    copyFileSync(join(other, segmentsOf(other)[2] ?? ''), join(dir, nth(2)));
    expect(verifyAudit(dir).bad).toMatchObject({ segment: nth(2), line: 1 });
  });
  it('finds a chain hashed anew without the key', () => {
    const dir = copy();
    const name = segmentsOf(dir).at(-1) ?? '';
    const lines = read(dir, name);
    write(dir, name, rehash(lines.with(1, (lines[1] ?? '').replace('"caller_id":"key:k1"', '"caller_id":"key:k9"')), 1));
    expect(verifyAudit(dir).bad).toMatchObject({ segment: name, what: expect.stringMatching(/rewritten/) });
  });
  it('finds forged, foreign and missing checkpoints', () => {
    const forged = copy();
    const lines = read(forged, 'checkpoints.jsonl');
    write(forged, 'checkpoints.jsonl', lines.with(0, flip(lines[0] ?? '', '"hash":"')));
    expect(verifyAudit(forged).bad).toMatchObject({ segment: 'checkpoints.jsonl', line: 1, what: expect.stringMatching(/signature/) });
    const missing = copy();
    rmSync(join(missing, 'checkpoints.jsonl'));
    expect(verifyAudit(missing).bad?.what).toMatch(/checkpoints are missing/);
    const keyless = copy();
    rmSync(join(keyless, 'keys'), { recursive: true });
    expect(verifyAudit(keyless).bad?.what).toMatch(/public key/);
  });
  it('finds a folder that was rolled back or rebuilt, by a checkpoint kept elsewhere', async () => {
    const kept = join(mkdtempSync(join(tmpdir(), 'sallyport-kept-')), 'checkpoint');
    const dir = copy();
    const audit = await openIn(dir);
    await runCall(audit);
    await audit.close();
    writeFileSync(kept, `${readLastCheckpoint(dir)}\n`);
    expect(verifyAudit(dir, { checkpoint: kept })).toMatchObject({ ok: true });
    expect(verifyAudit(good, { checkpoint: kept }).bad?.what).toMatch(/tail was cut/);
    const rebuilt = newFolder();
    await (await openIn(rebuilt)).close();
    expect(verifyAudit(rebuilt, { checkpoint: kept }).bad?.what).toMatch(/another key/);
  });
  it('reports a torn tail when nobody writes, and a file cut in mid-line', () => {
    const dir = copy();
    const last = segmentsOf(dir).at(-1) ?? '';
    truncateSync(join(dir, last), readFileSync(join(dir, last)).length - 10);
    expect(verifyAudit(dir).bad).toMatchObject({ segment: last, line: read(good, last).length, what: expect.stringMatching(/torn tail/) });
  });
  it('raises no false alarm while a gateway writes', async () => {
    const dir = newFolder();
    const audit = await openIn(dir, { config: { segment_max_bytes: 4096, checkpoint_every_ms: 10 } });
    const stop = new AbortController();
    const writing = Promise.all(Array.from({ length: 4 }, async () => { while (!stop.signal.aborted) await runCall(audit, callOf('write')); }));
    const script = 'import { verifyAudit } from "./src/audit/index.ts"; for (let i = 0; i < 30; i++) { const r = verifyAudit(process.argv[1]); if (!r.ok || !r.live) { console.log(JSON.stringify(r)); process.exit(1); } }';
    const { execFile } = await import('node:child_process');
    const said = await new Promise<string>((resolve) => execFile(process.execPath, ['--input-type=module', '-e', script, dir], { cwd: root }, (failed, out, err) => resolve(failed === null ? 'good' : out + err)));
    stop.abort();
    await writing;
    await audit.close();
    expect(said).toBe('good');
    expect(verifyAudit(dir)).toMatchObject({ ok: true, live: false });
  });
});

const python = ((): string | null => {
  try {
    return execFileSync('python3', ['--version'], { encoding: 'utf8' });
  } catch {
    return null;
  }
})();
describe.skipIf(python === null)('the verifier printed in docs/reference/audit-format.md (needs python3)', () => {
  const run = (dir: string): { code: number; out: string } => {
    const text = readFileSync(join(root, 'docs/reference/audit-format.md'), 'utf8');
    const program = /```python\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
    try {
      return { code: 0, out: execFileSync('python3', ['-c', program, dir], { encoding: 'utf8', stdio: 'pipe' }) };
    } catch (thrown) {
      const { status, stdout, stderr } = thrown as { status: number; stdout: string; stderr: string };
      return { code: status, out: stdout + stderr };
    }
  };
  it('agrees on a good chain and on a spoiled one', () => {
    expect(run(good)).toMatchObject({ code: 0, out: expect.stringContaining(`${linesOf(good).length} records`) });
    const dir = copy();
    const lines = read(dir, nth(1));
    write(dir, nth(1), lines.with(3, (lines[3] ?? '').replace('"effect":"done"', '"effect":"none"').replace('"n":', '"m":')));
    expect(run(dir)).toMatchObject({ code: 1, out: expect.stringContaining(`${nth(1)}:4`) });
    const gap = copy();
    rmSync(join(gap, nth(2)));
    expect(run(gap)).toMatchObject({ code: 1, out: expect.stringContaining(`${nth(3)}:1`) });
  });
});
