import { describe, expect, it } from 'vitest';
import { distance, nearest } from './nearest.ts';
import { inUnitOf } from './units.ts';

describe('inUnitOf', () => {
  it.each([
    ['timeout_ms', '30s', undefined, 30_000],
    ['timeout_ms', '1.5 min', undefined, 90_000],
    ['timeout_ms', '2h', undefined, 7_200_000],
    ['timeout_ms', 30, 'timeout_s', 30_000],
    ['timeout_ms', '30', 'timeout_seconds', 30_000],
    ['timeout_ms', '250', undefined, 250],
    ['ttl_days', '48h', undefined, 2],
    ['max_bytes', '10MiB', undefined, 10_485_760],
    ['max_bytes', '1 kb', undefined, 1_000],
    ['max_bytes', 4, 'max_mib', 4_194_304],
    ['timeout_ms', '10MiB', undefined, null],
    ['max_bytes', '30s', undefined, null],
    ['port', '30s', undefined, null],
    ['timeout_ms', 'soon', undefined, null],
    ['timeout_ms', '-1s', undefined, null],
    ['timeout_ms', true, undefined, null],
    ['timeout_ms', '9'.repeat(15), undefined, 999_999_999_999_999],
    ['timeout_ms', `${'9'.repeat(15)}d`, undefined, null],
  ])('%s %j from %s', (key, value, from, wanted) => expect(inUnitOf(key, value, from)).toBe(wanted));
});

describe('nearest', () => {
  const KNOWN = ['timeout_ms', 'max_bytes', 'servers', 'id', 'url', 'denied_tools', 'allowed_tools'];
  it.each([
    ['servres', 'servers'], ['timeoutMs', 'timeout_ms'], ['timeout', 'timeout_ms'], ['timeout_s', 'timeout_ms'], ['MAX-BYTES', 'max_bytes'], ['urll', 'url'], ['Id', 'id'],
    ['denyed_tools', 'denied_tools'], ['zebra', null], ['xy', null], ['', null], ['x'.repeat(10_000), null],
  ])('%s', (word, wanted) => expect(nearest(word, KNOWN)).toBe(wanted));
  it('counts a swap as one', () => expect([distance('ab', 'ba'), distance('', 'abc'), distance('abc', 'abc'), distance('kitten', 'sitting')]).toEqual([1, 3, 0, 3]));
});
