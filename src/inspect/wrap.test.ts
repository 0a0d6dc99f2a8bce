import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { strip } from './hidden.ts';
import { wrapText } from './wrap.ts';

const NONCE = 'n0nceN0nceN0nce1';
const piece = fc.constantFrom('<<<', '>>>', 'untrusted-data', 'UNTRUSTED-DATA', 'end-of-', 'un\u200btrusted-data', 'untrusted\u2010data', 'untrusted\u00ad-data', '\u001b[8m', '\n', ' ', 'untrusted', '-data', '-', 'data', '\u202e', 'n0nce', '\udb40\udc41');

describe('wrapText', () => {
  it('cannot be closed or opened by what it wraps', () => {
    fc.assert(fc.property(fc.array(fc.oneof(piece, fc.string({ maxLength: 5 })), { maxLength: 30 }), (parts) => {
      const wrapped = wrapText(parts.join(''), 'files', NONCE);
      expect(wrapped.match(/untrusted-data/gi)).toHaveLength(2);
      expect(wrapped.split(NONCE)).toHaveLength(3);
      expect(wrapped.endsWith(`\n<<<end-of-untrusted-data ${NONCE}>>>`)).toBe(true);
    }), { numRuns: 500 });
  });

  it('writes the server’s name so that it cannot break out', () => {
    expect(wrapText('x', 'a"\n<<<', NONCE).split('\n')).toHaveLength(4);
  });
});

describe('strip', () => {
  it('leaves what people write alone', () => {
    for (const text of ['plain', '🏴󠁧󠁢󠁥󠁮󠁧󠁿 🏳️‍🌈 👩‍👩‍👧 👍🏽 ❤️', 'می‌خواهم کتاب‌ها', 'שלום \u200fworld\u200f', 'क्‍ष', 'Zürich, Владивосток, 東京', 'a\r\nb\tc']) expect(strip(text), text).toBe(text);
  });

  it('takes out what nobody sees', () => {
    const hidden: [string, string][] = [
      ['a\u{E0041}\u{E0042}b', 'ab'], ['🏴\u{E0049}\u{E0067}\u{E007F}', '🏴'], ['o\u200bk\u2060', 'ok'], ['x\u200d\u200dy', 'xy'], ['\u202eabc\u202c', 'abc'], ['\u001b[31mred\u001b[0m', 'red'],
      ['\u001b]8;;https://x/\u0007link\u001b]8;;\u0007', 'link'], ['\u009b8mx', 'x'], ['secret\rshown', 'secret\nshown'], ['a\u0000\bb', 'ab'], ['😀\u{E0131}\u{E0132}', '😀'], ['\ue044\ue069\ue073\ue072', ''],
    ];
    for (const [text, seen] of hidden) expect(strip(text), JSON.stringify(text)).toBe(seen);
  });

  it('is idempotent', () => {
    fc.assert(fc.property(fc.array(fc.oneof(piece, fc.constantFrom('\u001b', '[', '8', 'm', '\u009b', ']', '\u0007', '\u200d', '👩', '\ufe0f', '\r')), { maxLength: 20 }), (parts) => {
      const once = strip(parts.join(''));
      expect(strip(once)).toBe(once);
    }), { numRuns: 1_000 });
  });
});
