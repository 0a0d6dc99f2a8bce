import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ownKey } from './own-key.ts';

describe('ownKey', () => {
  let dir: string;
  beforeEach(() => { dir = mkdtempSync(join(tmpdir(), 'own-key-')); });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('is made once, for its user alone, and is the same ever after', () => {
    const path = join(dir, 'keys', 'seal.key');
    const key = ownKey(path);
    expect(key).toHaveLength(32);
    expect(ownKey(path)).toEqual(key);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(dir, 'keys'))).toEqual(['seal.key']);
  });
  it('is no other folder\'s', () => expect(ownKey(join(dir, 'a'))).not.toEqual(ownKey(join(dir, 'b'))));
  it('a damaged one is an error that says what to do, never a new key', () => {
    writeFileSync(join(dir, 'seal.key'), 'short');
    expect(() => ownKey(join(dir, 'seal.key'))).toThrow('delete it');
  });
});
