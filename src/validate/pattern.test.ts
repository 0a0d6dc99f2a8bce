import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FORMATS } from './formats.ts';
import { linearPattern } from './pattern.ts';

const free = (): void => undefined;

describe('patterns mean what they mean in JavaScript', () => {
  const atom = fc.constantFrom('a', 'b', '.', '\\s', '\\S', '\\d', '\\w', '\\W', '\\n', '\\.', '\\/', '\\x61', '\\u0062', '\\u{1F600}', '[ab]', '[^a]', '[\\s\\S]', '[\\S]', '[^\\s]', '[a\\-b]', '[\\]a]', '[^]', '\\p{Lu}', '$', '^', '\\b', '\\cJ', '\\0', '\\t', ' ', 'é', '[[]', '\\ud83d\\ude00');
  const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
    pattern: fc.oneof(
      { maxDepth: 3 },
      atom,
      fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => a + b),
      fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `(${a}|${b})`),
      fc.tuple(fc.constantFrom('(?:', '(', '(?<n>'), tie('pattern'), fc.constantFrom('*', '+', '?', '{2}', '{1,2}', '')).map(([open, p, times]) => `${open}${p})${times}`),
    ),
  }));
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'A', '1', '.', '/', '-', ' ', '\n', '\r', '\t', '\u00a0', '\u2028', 'é', ']', '[', '\0', '\\'), maxLength: 5 });
  test('on random patterns and texts', () => {
    fc.assert(
      fc.property(pattern, fc.array(text, { minLength: 3, maxLength: 8 }), (p, texts) => {
        let own: RegExp;
        try {
          own = new RegExp(p, 'u');
        } catch {
          return; // two groups of one name
        }
        const linear = linearPattern(p, free);
        for (const t of texts) expect([p, t, linear.test(t)]).toEqual([p, t, own.test(t)]);
      }),
      { numRuns: 1500 },
    );
  });
  test.each([['^[\\w-.]+$', 'a-.', true], ['^\\@\\-$', '@-', true], ['^a{,2}$', 'a{,2}', true], [']', ']', true]])('%s, which only the older syntax takes', (p, t, fits) => expect(linearPattern(p, free).test(t)).toBe(fits));
  // Not in the random texts: V8 itself says no to /(a|[^a])(?:$)(?:$)?/u on an emoji, which is wrong.
  test.each([['^.$', true], ['^[^a]$', true], ['^..$', false], ['(a|[^a])(?:$){1,2}', true]])('%s on one letter of two halves', (p, fits) => expect(linearPattern(p, free).test('😀')).toBe(fits));
  test('the work is told before it is done', () => {
    const told: number[] = [];
    linearPattern('^a+$', (work) => told.push(work)).test('aaaa');
    expect(told[0]).toBeGreaterThan(10);
  });
  test('each has a text of its own', () => expect(String(linearPattern('a', free))).not.toBe(String(linearPattern('b', free))));
});

describe('formats', () => {
  test.each([
    ['date-time', '2026-02-28T23:59:60Z', true], ['date-time', '2024-02-29t00:00:00.123+01:00', true], ['date-time', '2026-02-29T00:00:00Z', false], ['date-time', '2026-02-28 00:00:00Z', false], ['date-time', '2026-02-28T00:00:00', false],
    ['date', '2026-12-31', true], ['date', '2026-13-01', false], ['date', '2026-04-31', false], ['date', '1900-02-29', false], ['date', '2026-12-31\n', false],
    ['time', '12:00:00Z', true], ['time', '24:00:00Z', false],
    ['uri', 'https://a.b/c?d=e#f', true], ['uri', 'urn:x', true], ['uri', '/a', false], ['uri', 'http://a b', false], ['uri', 'javascript:alert("1")', false],
    ['email', 'a.b+c@example.org', true], ['email', 'a@b', true], ['email', 'a@@b', false], ['email', 'a b@c', false], ['email', 'a@-b', false],
    ['uuid', '01890a5d-ac96-774b-bcce-b302099a8057', true], ['uuid', '01890a5dac96774bbcceb302099a8057', false],
    ['ipv4', '127.0.0.1', true], ['ipv4', '127.0.0.01', false], ['ipv4', '256.0.0.1', false], ['ipv4', '1.2.3', false],
    ['ipv6', '::1', true], ['ipv6', '2001:db8::ffff:1.2.3.4', true], ['ipv6', '::1%eth0', false], ['ipv6', '1.2.3.4', false], ['ipv6', ':::', false], ['ipv6', ']:80/', false],
  ])('%s %j: %s', (format, text, fits) => expect(FORMATS[format]?.(text)).toBe(fits));
  test('are quick on long texts', () => {
    const before = performance.now();
    for (const check of Object.values(FORMATS)) for (const c of ['a', '1', '-', '.', ':', '@', 'a.', '1:']) check(c.repeat(200_000));
    expect(performance.now() - before).toBeLessThan(1_000);
  });
});
