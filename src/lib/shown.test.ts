import fc from 'fast-check';
import { expect, test } from 'vitest';
import { prettyJson } from './pretty-json.ts';
import { isDeceptive, shown } from './shown.ts';

test.each([
  ['plain text', 'plain text'], ['Grüße aus Köln, naïve — “so” …', 'Grüße aus Köln, naïve — “so” …'], ['привет, мир', 'привет, мир'], ['東京', '東京'],
  ['pаypal', 'pа\\u{430}ypal'], ['аррӏе', 'а\\u{430}р\\u{440}р\\u{440}ӏ\\u{4cf}е\\u{435}'], ['ｒｍ', 'ｒ\\u{ff52}ｍ\\u{ff4d}'], ['rm ‐rf', 'rm ‐\\u{2010}rf'],
  ['a\u200bb', 'a\\u{200b}b'], ['\u202egnp.exe', '\\u{202e}gnp.exe'], ['\u001b[2J', '\\u{1b}[2J'], ['a\nb', 'a\\u{a}b'], ['x\u00a0y', 'x\\u{a0}y'], ['x\u3164y', 'x\\u{3164}y'], ['\ud800', '\\u{d800}'], ['ok\ufe0f', 'ok\\u{fe0f}'], ['\u2800', '\\u{2800}'],
])('%j is shown as %j', (text, as) => {
  expect(shown(text)).toBe(as);
  expect(isDeceptive(text)).toBe(as !== text);
});

test('nothing that acts or hides comes through, whatever goes in', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void expect(shown(text)).not.toMatch(/[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/u)));
});

test('pretty JSON keeps digits, escapes quotes and shows strings', () => {
  expect(prettyJson('{"a":9007199254740993,"b":[1.10,true,null],"c":{},"d":[],"e":"x\\u001b\\"\\n","\\u202ek":"\\u0430b"}', shown)).toBe(
    '{\n  "a": 9007199254740993,\n  "b": [\n    1.10,\n    true,\n    null\n  ],\n  "c": {},\n  "d": [],\n  "e": "x\\u{1b}\\"\\u{a}",\n  "\\u{202e}k": "а\\u{430}b"\n}',
  );
  expect(() => prettyJson('{"a":', shown)).toThrow(SyntaxError);
});

test('pretty JSON means the same when nothing is hidden', () => {
  fc.assert(fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => void expect(JSON.parse(prettyJson(JSON.stringify(value), (text) => JSON.stringify(text.replaceAll(/\\(.)/g, '$1')).slice(1, -1)))).toEqual(JSON.parse(JSON.stringify(value)))), { numRuns: 50 });
});
