import { expect, test } from 'vitest';
import { stripControls, visible } from './visible.ts';

test('characters that act become visible, others stay', () => {
  expect(visible('fs__read')).toBe('fs__read');
  expect(visible('a\u001b[31mb\nc')).toBe('a\\u{1b}[31mb\\u{a}c');
  expect(visible('x\u202ey\u200bz\u009b1m\u2028')).toBe('x\\u{202e}y\\u{200b}z\\u{9b}1m\\u{2028}');
  expect(visible('Zürich 東京')).toBe('Zürich 東京');
});

test('escape sequences are taken out as a whole', () => {
  expect(stripControls('\u001b[1;31merror\u001b[0m: x')).toBe('error: x');
  expect(stripControls('\u001b]0;title\u0007after')).toBe('after');
  expect(stripControls('\u009b2Jtext\tmore\r')).toBe('text more');
  expect(stripControls('\u001b]0;never ends')).toBe('');
  expect(stripControls('plain')).toBe('plain');
});

test('a long hostile text takes linear time', () => {
  const text = '\u001b]'.repeat(200_000);
  const from = performance.now();
  stripControls(text);
  expect(performance.now() - from).toBeLessThan(1_500);
});
