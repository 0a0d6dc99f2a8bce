import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileDuring } from './during.ts';

const at = (config: Parameters<typeof compileDuring>[0], when: string): boolean => compileDuring(config)(Date.parse(when));

describe('a window', () => {
  const office = { from: '08:00', to: '18:00', weekdays: ['mon', 'tue', 'wed', 'thu', 'fri'], timezone: 'Europe/Berlin' } as const;
  test.each([
    ['2026-11-20T07:00:00Z', true], ['2026-11-20T06:59:59.999Z', false], ['2026-11-20T16:59:59.999Z', true], ['2026-11-20T17:00:00Z', false], ['2026-11-21T12:00:00Z', false], ['2026-11-22T23:30:00Z', false], ['2026-07-03T06:00:00Z', true], ['2026-07-03T05:59:00Z', false],
  ])('office hours at %s: %s', (when, holds) => expect(at({ ...office, weekdays: [...office.weekdays] }, when)).toBe(holds));
  test.each([
    ['2026-11-20T21:59:00Z', false], ['2026-11-20T22:00:00Z', true], ['2026-11-21T05:59:00Z', true], ['2026-11-21T06:00:00Z', false], ['2026-11-21T22:30:00Z', false], ['2026-11-20T03:00:00Z', false],
  ])('Friday night, over midnight, at %s: %s', (when, holds) => expect(at({ from: '22:00', to: '06:00', weekdays: ['fri'] }, when)).toBe(holds));
  test('all of a day', () => expect([at({ weekdays: ['sun'], timezone: 'Pacific/Auckland' }, '2026-11-21T11:00:00Z'), at({ weekdays: ['sun'], timezone: 'Pacific/Auckland' }, '2026-11-21T10:59:00Z')]).toEqual([true, false]));
  test('from and until, the end left out', () => {
    const config = { not_before: '2026-01-01T00:00:00+01:00', not_after: '2026-02-01T00:00:00Z' };
    expect(['2025-12-31T22:59:59Z', '2025-12-31T23:00:00Z', '2026-01-31T23:59:59Z', '2026-02-01T00:00:00Z'].map((when) => at(config, when))).toEqual([false, true, true, false]);
  });
  test('a clock that gives no number is in no window', () => {
    for (const config of [{ not_after: '2099-01-01T00:00:00Z' }, { weekdays: ['mon' as const] }, { from: '00:00', to: '23:59' }]) expect(() => compileDuring(config)(Number.NaN)).toThrow('no time'); // an error denies, also where the rule is a deny
  });
  test('a zone that does not exist', () => expect(() => compileDuring({ timezone: 'Europe/Atlantis' })).toThrow(RangeError));
});

describe('days on which the clocks change', () => {
  const night = { from: '02:00', to: '03:00', timezone: 'Europe/Berlin' };
  test('the hour that is left out does not happen', () => {
    const start = Date.parse('2026-03-28T23:00:00Z');
    const holds = compileDuring(night);
    expect(Array.from({ length: 23 * 60 }, (_, minute) => holds(start + minute * 60_000)).filter(Boolean)).toHaveLength(0);
  });
  test('the hour that comes twice holds twice', () => {
    const start = Date.parse('2026-10-24T22:00:00Z');
    const holds = compileDuring(night);
    expect(Array.from({ length: 25 * 60 }, (_, minute) => holds(start + minute * 60_000)).filter(Boolean)).toHaveLength(120);
  });
  test('half and quarter hours', () => {
    expect(at({ from: '01:30', to: '02:00', timezone: 'Australia/Lord_Howe' }, '2026-07-01T15:00:00Z')).toBe(true);
    expect(at({ from: '05:45', to: '05:46', timezone: 'Asia/Kathmandu' }, '2026-07-01T00:00:00Z')).toBe(true);
  });
});

test('is what the wall shows, in any zone, at any moment', () => {
  const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe', 'America/St_Johns', 'Pacific/Kiritimati'] as const;
  fc.assert(fc.property(fc.constantFrom(...zones), fc.integer({ min: Date.parse('1990-01-01'), max: Date.parse('2040-01-01') }), (timezone, now) => {
    const wall = new Intl.DateTimeFormat('en-GB', { timeZone: timezone, hourCycle: 'h23', hour: '2-digit', minute: '2-digit', weekday: 'short' }).formatToParts(now);
    const part = (type: string): string => wall.find((p) => p.type === type)?.value ?? '';
    const time = `${part('hour')}:${part('minute')}`;
    const next = new Date(Date.parse(`2000-01-01T${time}:00Z`) + 60_000).toISOString().slice(11, 16);
    const weekday = part('weekday').toLowerCase();
    const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
    expect(compileDuring({ from: time, to: next, timezone, weekdays: days.filter((day) => day === weekday) })(now)).toBe(true);
    expect(compileDuring({ from: next, to: time, timezone })(now)).toBe(false);
    expect(compileDuring({ timezone, weekdays: days.filter((day) => day !== weekday) })(now)).toBe(false);
  }), { numRuns: 200 });
});
