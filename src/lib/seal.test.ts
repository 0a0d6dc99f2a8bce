import fc from 'fast-check';
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createSeal } from './seal.ts';

describe('seal', () => {
  const seal = createSeal(randomBytes(32));

  it('gives back what was closed, under the same binding and before its end', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }).filter((s) => s.isWellFormed()), fc.string(), (text, bound) => {
      const sealed = seal.close(text, bound, 1_000);
      expect(seal.open(sealed, bound, 999)).toBe(text);
      expect(sealed).toMatch(/^s1\.[A-Za-z0-9_-]+$/);
    }));
  });
  it('is over at its end', () => expect(seal.open(seal.close('x', 'b', 1_000), 'b', 1_000)).toBeNull());
  it('opens under no other binding and no other key', () => {
    expect(seal.open(seal.close('x', 'alice', 1_000), 'mallory', 0)).toBeNull();
    expect(createSeal(randomBytes(32)).open(seal.close('x', 'alice', 1_000), 'alice', 0)).toBeNull();
  });
  it('opens nothing that was changed in any place', () => {
    const sealed = seal.close('secret', 'b', 1_000);
    for (let i = 0; i < sealed.length; i++) {
      const changed = sealed.slice(0, i) + (sealed[i] === 'A' ? 'B' : 'A') + sealed.slice(i + 1);
      expect(seal.open(changed, 'b', 0), changed).toBeNull();
    }
  });
  it('has one spelling only', () => {
    const sealed = seal.close('secret', 'b', 1_000);
    for (const other of [`${sealed}=`, `${sealed} `, sealed.replace('.', '. '), sealed.slice(0, 8), '', 's1.']) expect(seal.open(other, 'b', 0)).toBeNull();
  });
  it('never repeats itself, and shows nothing of what is inside', () => {
    const all = new Set(Array.from({ length: 200 }, () => seal.close('the same text', 'b', 1_000)));
    expect(all.size).toBe(200);
    expect([...all].some((sealed) => Buffer.from(sealed.slice(3), 'base64url').includes('same'))).toBe(false);
  });
  it('refuses a key of another length', () => expect(() => createSeal(randomBytes(16))).toThrow('32 bytes'));
});
