import { WEEKDAYS, type RuleConfig } from './rule-config.ts';

type During = NonNullable<RuleConfig['during']>;
const DAY_MIN = 1_440;

/**
 * Compiles a time window. The times are what the clocks on the wall show in the zone: on the day that has no 02:30 a window from 02:00
 * to 03:00 does not happen, on the day that has it twice it happens twice. Throws RangeError for a time zone that does not exist.
 */
export function compileDuring(config: During): (now: number) => boolean {
  const { weekdays, from, to } = config;
  const earliest = config.not_before === undefined ? -Infinity : Date.parse(config.not_before);
  const latest = config.not_after === undefined ? Infinity : Date.parse(config.not_after);
  const inSpan = (now: number): boolean => {
    // A deny rule would not match at a time that is none: an error, which denies.
    if (!Number.isFinite(now)) throw new Error('the clock tells no time');
    return now >= earliest && now < latest;
  };
  if (from === undefined && weekdays === undefined && config.timezone === undefined) return inSpan;
  const local = localMinutes(config.timezone ?? 'UTC');
  const days = new Set((weekdays ?? WEEKDAYS).map((day) => WEEKDAYS.indexOf(day)));
  const [start, end] = [minutesOf(from ?? '00:00'), to === undefined ? DAY_MIN : minutesOf(to)];
  return (now) => {
    if (!inSpan(now)) return false;
    const minutes = local(now);
    const [day, minute] = [Math.floor(minutes / DAY_MIN), ((minutes % DAY_MIN) + DAY_MIN) % DAY_MIN];
    if (start < end) return minute >= start && minute < end && days.has(weekdayOf(day));
    if (minute >= start) return days.has(weekdayOf(day));
    return minute < end && days.has(weekdayOf(day - 1)); // after midnight: it began yesterday
  };
}

/** Minutes since 1970-01-01T00:00 on the local wall. Offsets change on quarters of an hour only, so one look-up serves a quarter. */
function localMinutes(timeZone: string): (now: number) => number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' });
  let known = Number.NaN;
  let offset = 0;
  return (now) => {
    const quarter = Math.floor(now / 900_000);
    if (quarter !== known) {
      const parts = new Map(format.formatToParts(quarter * 900_000).map(({ type, value }) => [type, Number(value)]));
      const at = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? Number.NaN;
      offset = Date.UTC(at('year'), at('month') - 1, at('day'), at('hour'), at('minute')) / 60_000 - quarter * 15;
      known = quarter;
    }
    return Math.floor(now / 60_000) + offset;
  };
}
const minutesOf = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
/** 0: Monday. Day 0 of the epoch was a Thursday. */
const weekdayOf = (day: number): number => (((day + 3) % 7) + 7) % 7;
