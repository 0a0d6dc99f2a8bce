import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { storeConfig } from './config.ts';
import { openStore, type Store } from './index.ts';

let folder: string;
let now = 1_000;
const clock = { now: () => now, monotonic: () => now };
const opened: Store[] = [];
const open = async (at = folder): Promise<Store> => {
  const store = await openStore(storeConfig.parse({ folder: at }), { clock });
  opened.push(store);
  return store;
};
const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (row: { readonly bytes: Uint8Array } | null): string | null => (row === null ? null : Buffer.from(row.bytes).toString());

beforeEach(() => { folder = join(mkdtempSync(join(tmpdir(), 'store-')), 'data'); now = 1_000; });
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  rmSync(join(folder, '..'), { recursive: true, force: true });
});

describe('records', () => {
  it('gives back what was put, also after a restart', async () => {
    const first = await open();
    await first.put('k', 'a', bytes('1'));
    await first.put('other', 'a', bytes('2'));
    await first.close();
    const again = await open();
    expect(text(await again.get('k', 'a'))).toBe('1');
    expect(await again.get('k', 'b')).toBeNull();
    expect((await again.list('k')).map((row) => row.id)).toEqual(['a']);
  });

  it('writes only if the version holds; a version is never used twice', async () => {
    const store = await open();
    const one = await store.put('k', 'a', bytes('1'), { ifVersion: 0 });
    expect(await store.put('k', 'a', bytes('x'), { ifVersion: 0 })).toBeNull();
    const two = await store.put('k', 'a', bytes('2'), { ifVersion: one ?? -1 });
    expect(two).toBeGreaterThan(one ?? 0);
    expect(await store.delete('k', 'a', one ?? -1)).toBe(false);
    expect(await store.delete('k', 'a', two ?? -1)).toBe(true);
    expect(await store.delete('k', 'a')).toBe(false);
    const three = await store.put('k', 'a', bytes('3'));
    expect(three).toBeGreaterThan(two ?? 0);
  });

  it('forgets what has expired', async () => {
    const store = await open();
    await store.put('k', 'a', bytes('1'), { expiresAt: 2_000 });
    expect(text(await store.get('k', 'a'))).toBe('1');
    now = 2_000;
    expect(await store.get('k', 'a')).toBeNull();
    expect(await store.list('k')).toEqual([]);
    expect(await store.put('k', 'a', bytes('2'), { ifVersion: 0 })).not.toBeNull();
  });

  it('lists page by page', async () => {
    const store = await open();
    for (const id of ['c', 'a', 'b']) await store.put('k', id, bytes(id));
    expect((await store.list('k', { limit: 2 })).map((row) => row.id)).toEqual(['a', 'b']);
    expect((await store.list('k', { after: 'b', limit: 2 })).map((row) => row.id)).toEqual(['c']);
  });
});

describe('logs', () => {
  it('number their lines without gaps', async () => {
    const store = await open();
    expect([await store.append('l', bytes('a')), await store.append('m', bytes('x')), await store.append('l', bytes('b'))]).toEqual([1, 1, 2]);
    expect((await store.read('l', 1)).map((entry) => text(entry))).toEqual(['b']);
  });
});

describe('several processes', () => {
  it('two writers that race never lose an update', async () => {
    const store = await open();
    await store.put('k', 'n', bytes('0'));
    const script = `
      import { openStore } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))};
      const store = await openStore({ folder: process.argv[1], busy_timeout_ms: 5000 }, { clock: { now: Date.now, monotonic: Date.now } });
      for (let done = 0; done < 100; ) {
        const row = await store.get('k', 'n');
        if (await store.put('k', 'n', Buffer.from(String(1 + Number(Buffer.from(row.bytes).toString()))), { ifVersion: row.version }) !== null) done += 1;
      }
      await store.close();`;
    const run = (): Promise<unknown> => promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, folder]);
    await Promise.all([run(), run()]);
    expect(text(await store.get('k', 'n'))).toBe('200');
  });

  it('changes() tells of writes by others and by oneself, and only of those', async () => {
    const [mine, other] = [await open(), await open()];
    const first = await mine.changes();
    expect(await mine.changes()).toBe(first);
    await other.put('k', 'a', bytes('1'));
    const second = await mine.changes();
    expect(second).not.toBe(first);
    await mine.put('k', 'b', bytes('1'));
    expect(await mine.changes()).not.toBe(second);
  });
});

describe('trust', () => {
  const modeOf = (path: string): number => statSync(path).mode & 0o777;

  it('makes the folder 0700 and every file 0600', async () => {
    const store = await open();
    await store.put('k', 'a', bytes('1'));
    expect(modeOf(folder)).toBe(0o700);
    for (const name of ['store.sqlite', 'store.sqlite-wal', 'store.sqlite-shm']) expect(modeOf(join(folder, name)), name).toBe(0o600);
  });

  it('refuses a folder or file that others may open, and leaves its mode alone', async () => {
    mkdirSync(folder, { mode: 0o700 });
    chmodSync(folder, 0o750);
    await expect(open()).rejects.toThrow(/chmod 700/);
    expect(modeOf(folder)).toBe(0o750);
    expect(existsSync(join(folder, 'store.sqlite'))).toBe(false);
    chmodSync(folder, 0o700);
    await (await open()).close();
    chmodSync(join(folder, 'store.sqlite'), 0o640);
    await expect(open()).rejects.toThrow(/chmod 600/);
  });

  it('refuses a link in place of the file', async () => {
    mkdirSync(folder, { mode: 0o700 });
    writeFileSync(join(folder, 'elsewhere'), '', { mode: 0o600 });
    symlinkSync(join(folder, 'elsewhere'), join(folder, 'store.sqlite'));
    await expect(open()).rejects.toThrow(/regular file/);
  });

  it('refuses a newer schema and another program’s database', async () => {
    await (await open()).close();
    const db = new DatabaseSync(join(folder, 'store.sqlite'));
    db.exec('PRAGMA user_version = 2');
    await expect(open()).rejects.toThrow(/schema 2/);
    db.exec('PRAGMA user_version = 1; PRAGMA application_id = 7');
    await expect(open()).rejects.toThrow(/another program/);
    db.close();
    rmSync(folder, { recursive: true });
    mkdirSync(folder, { mode: 0o700 });
    writeFileSync(join(folder, 'store.sqlite'), 'not a database, but long enough to be taken for one'.repeat(10), { mode: 0o600 });
    await expect(open()).rejects.toThrow(/cannot be used/);
  });

  it('rejects when the store is closed, and when its file was replaced', async () => {
    const store = await open();
    renameSync(join(folder, 'store.sqlite'), join(folder, 'old'));
    await expect(store.changes()).rejects.toThrow();
    await open();
    await expect(store.changes()).rejects.toThrow(/replaced/);
    await store.close();
    await expect(store.get('k', 'a')).rejects.toThrow();
  });
});
