import fc from 'fast-check';
import path from 'node:path/posix';
import { describe, expect, test } from 'vitest';
import type { Json, JsonObject } from '../../call/json.ts';
import { type ArgumentsConfig, type ArgumentsVerdict, argumentsSchema, compileArguments, explainArguments } from './index.ts';

const compile = (config: unknown): ((text: string) => ArgumentsVerdict) => {
  const judge = compileArguments(argumentsSchema.parse(config) as ArgumentsConfig);
  return (text) => judge({ value: JSON.parse(text) as JsonObject, text });
};
const judging = (constraint: object): ((value: Json) => ArgumentsVerdict) => {
  const judge = compile({ x: constraint });
  return (value) => judge(JSON.stringify({ x: value }));
};

/** Spells a text in another way that some program or person takes for the same. */
const disguise = fc.constantFrom<((text: string) => string)[]>(
  (t) => t, (t) => t.toUpperCase(), (t) => t.replace('a', '\u0430'), (t) => t.replace('o', '\u03bf'), (t) => `${t}\u200b`, (t) => `\u202e${t}`, (t) => ` ${t}`, (t) => `${t}\n`, (t) => `${t}\0.md`, (t) => t.normalize('NFD'), (t) => t.replace('a', '%61'),
  (t) => t.replace('a', '\\u0061'), (t) => encodeURIComponent(t), (t) => t.replaceAll('/', '%2f'), (t) => t.replaceAll('/', '\\'), (t) => t.replaceAll('/', '／'), (t) => t.replaceAll('/', '//'), (t) => `${t}/../../etc/passwd`, (t) => `${t}/．．／x`, (t) => t.replace('.', '。'), (t) => `${t}.`, (t) => `${t}@evil.com`, (t) => t.replace('//', '//evil.com@'),
  (t) => t.replace('//', '//evil.com\\@'), (t) => `${t}?`, (t) => `${t}#`, (t) => `${t};x`, (t) => t.replace('a', 'ａ'), (t) => t.slice(1), (t) => `x${t}`, (t) => t.replaceAll('.', '\u2024'),
);
const disguised = (...plain: readonly string[]): fc.Arbitrary<string> => fc.tuple(fc.constantFrom(...plain), fc.array(disguise, { maxLength: 3 })).map(([text, ways]) => ways.reduce((t, way) => way(t), text));
const anyText = (...plain: readonly string[]): fc.Arbitrary<string> => fc.oneof({ weight: 5, arbitrary: disguised(...plain) }, { weight: 1, arbitrary: fc.string({ unit: 'binary' }) });

describe('what is accepted is what was meant, byte for byte', () => {
  test('enum', () => {
    const set = ['main', 'org/road', 'Ärger'];
    const judge = judging({ enum: set });
    fc.assert(fc.property(anyText(...set), (text) => void expect(judge(text) === 'match').toBe(set.includes(text))), { numRuns: 2000 });
  });
  test('not_in: nothing that folds to an excluded text', () => {
    const judge = judging({ not_in: ['admin', 'road'] });
    const folded = (text: string): string => text.normalize('NFKC').replaceAll(/[\p{C}\s]/gu, '').replaceAll('\u0430', 'a').replaceAll('\u03bf', 'o').toLowerCase();
    fc.assert(fc.property(anyText('admin', 'road', 'other'), (text) => {
      if (judge(text) === 'match') expect(['admin', 'road']).not.toContain(folded(text));
    }), { numRuns: 2000 });
  });
  test('paths: below the folder for every program, however it decodes', () => {
    const judge = judging({ path: { under: '/srv/data' } });
    const readings: ((text: string) => string)[] = [(t) => t, (t) => t.replaceAll('\\', '/'), (t) => t.normalize('NFKC'), (t) => t.normalize('NFC'), (t) => t.split('\0')[0] ?? '', (t) => t.trim(), (t) => t.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))), (t) => t.replaceAll(/[. ]+(?=\/|$)/g, '')];
    fc.assert(fc.property(anyText('/srv/data/a/b.md', '/srv/data', '/srv/data/../x', '/etc/passwd', '/srv/database/a'), (text) => {
      if (judge(text) !== 'match') return;
      for (const read of readings) {
        const seen = path.normalize(read(text));
        expect(seen).toBe(text);
        expect(seen === '/srv/data' || seen.startsWith('/srv/data/')).toBe(true);
      }
    }), { numRuns: 3000 });
  });
  test('URLs: the same host for a WHATWG parser, a regular expression and one that splits', () => {
    const judge = judging({ url: { hosts: ['api.example.com', '*.a.org'], path_under: '/v1' } });
    fc.assert(fc.property(anyText('https://api.example.com/v1/a', 'https://x.a.org/v1', 'https://evil.com/v1/a', 'http://api.example.com/v1', 'https://10.0.0.1/v1'), (text) => {
      if (judge(text) !== 'match') return;
      const hosts = [new URL(text).hostname, text.split('/')[2]?.toLowerCase(), /^(?:([^:/?#]+):)?(?:\/\/([^/?#]*))?/.exec(text)?.[2]?.toLowerCase(), text.split(/[?#]/)[0]?.split('/')[2]?.split('@').at(-1)?.split(/[:\\]/)[0]?.toLowerCase()];
      expect(new Set(hosts).size).toBe(1);
      expect(hosts[0]).toMatch(/^(?:api\.example\.com|[a-z0-9_-]+\.a\.org)$/);
      expect(new URL(text).pathname).toMatch(/^\/v1(?:\/|$)/);
    }), { numRuns: 3000 });
  });
  test('addresses: dotted, octal, hexadecimal, whole and mapped spellings', () => {
    const judge = judging({ cidr: ['10.0.0.0/8'] });
    const octet = fc.integer({ min: 0, max: 255 });
    const spelling = fc.constantFrom<((o: readonly number[]) => string)[]>(
      (o) => o.join('.'), (o) => o.map((b) => `0${b.toString(8)}`).join('.'), (o) => o.map((b) => `0x${b.toString(16)}`).join('.'), (o) => String(o.reduce((sum, b) => sum * 256 + b, 0)), (o) => `0x${o.map((b) => b.toString(16).padStart(2, '0')).join('')}`, (o) => `::ffff:${o.join('.')}`, (o) => `::${o.join('.')}`, (o) => `${o[0]}.${o[3]}`, (o) => `${o.join('.')}.`, (o) => `[${o.join('.')}]`, (o) => o.map((b) => String(b).padStart(3, '0')).join('.'),
    );
    fc.assert(fc.property(fc.tuple(fc.constantFrom(10, 11, 8), octet, octet, octet), spelling, (octets, spell) => {
      const text = spell(octets);
      expect(judge(text) === 'match').toBe(octets[0] === 10 && text === octets.join('.'));
    }));
  });
});

describe('numbers are compared as they are written and as they are rounded', () => {
  const literal = fc.oneof(
    fc.tuple(fc.constantFrom('', '-'), fc.bigInt({ min: 0n, max: 10n ** 30n }), fc.constantFrom('', '.0', '.5', `.${'0'.repeat(20)}1`), fc.constantFrom('', 'e0', 'E+2', 'e-5', 'e400', 'e-400')).map((parts) => parts.join('')),
    fc.constantFrom('1000', '1e3', '1000.0000000000000001', '999.9999999999999999999', '1000.0', '10.0e2', '9007199254740993', '1e400', '-1e400', '0.1e4', '100000e-2'),
    fc.double({ noNaN: true, noDefaultInfinity: true, min: 990, max: 1010 }).map(String),
  );
  const SCALE = 500n;
  /** The literal times 10^500, exactly. */
  const scaled = (text: string): bigint => {
    const [, sign = '', whole = '', fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]\+?(-?\d+))?$/.exec(text) ?? [];
    const value = BigInt(whole + fraction) * 10n ** (SCALE + BigInt(exponent) - BigInt(fraction.length));
    return sign === '-' ? -value : value;
  };
  test.each(['1000', '0', '9007199254740992', '0.5'])('against %s', (bound) => {
    const [max, min, equals] = [{ max: bound }, { min: bound }, { min: bound, max: bound }].map((constraint) => compile({ x: constraint }));
    const limit = scaled(bound);
    fc.assert(fc.property(literal, (text) => {
      const [exact, rounded] = [scaled(text), Number(text)];
      const json = `{"x":${text}}`;
      const expected = (holds: boolean, roundedHolds: boolean): unknown => (!Number.isFinite(rounded) || holds !== roundedHolds ? 'error' : holds ? 'match' : 'no_match');
      const short = (verdict: ArgumentsVerdict | undefined): unknown => (typeof verdict === 'object' ? 'error' : verdict);
      expect(short(max?.(json))).toBe(expected(exact <= limit, rounded <= Number(bound)));
      expect(short(min?.(json))).toBe(expected(exact >= limit, rounded >= Number(bound)));
      expect(equals?.(json) === 'match').toBe(exact === limit && rounded === Number(bound));
    }), { numRuns: 2000 });
  });
  test('as text, never', () => {
    const judge = judging({ max: 1000 });
    fc.assert(fc.property(literal, (text) => void expect(judge(text)).toEqual({ error: 'x: is not a number' })));
  });
});

describe('whatever the arguments are', () => {
  const rules: readonly object[] = [
    { x: { max: 5 } }, { x: { enum: ['a', 'b'] } }, { x: { equals: true } }, { 'x[]': { enum: ['a'] } }, { 'x.y': { max: 3 }, 'x.z': { optional: true, equals: 'a' } }, { 'x[].y': { min: 1 }, closed: false }, { x: { path: '**' } }, { x: { amount: { max: 5, currency: 'EUR', currency_at: 'y' } } }, { x: { not_in: ['a'] }, y: { any: true } },
    { x: { any: true }, 'x.y': { glob: '*' } }, { x: { absent: true }, y: { unless_absent: true, max_items: 2 } }, { x: { min_items: 1 }, 'x[]': { integer: true, empty: true } },
  ];
  const leaf = fc.constantFrom<Json[]>(null, true, false, 0, 1, 5, 6, -1, 0.5, 'a', 'A', 'b', '5', '', 'EUR');
  const { value } = fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof({ maxDepth: 3 }, leaf, fc.array(tie('value'), { maxLength: 3 }), fc.dictionary(fc.constantFrom('x', 'y', 'z', 'X', 'toString'), tie('value'), { maxKeys: 3 }).map((o) => ({ ...o }))),
  }));
  const args = fc.dictionary(fc.constantFrom('x', 'y', 'X', 'constructor'), value, { maxKeys: 3 }).map((o) => ({ ...o }) as JsonObject);
  test('the judge never throws, and explains what it judged', () => {
    fc.assert(fc.property(fc.constantFrom(...rules), args, (rule, given) => {
      const config = argumentsSchema.parse(rule) as ArgumentsConfig;
      const judged = { value: given, text: JSON.stringify(given, null, 1) };
      const verdict = compileArguments(config)(judged);
      const explained = explainArguments(config, judged);
      const kind = (v: ArgumentsVerdict): string => (typeof v === 'object' ? 'error' : v);
      expect(kind(explained.verdict)).toBe(kind(verdict));
      expect(explained.findings.length > 0).toBe(verdict !== 'match');
    }), { numRuns: 3000 });
  });
  test('a value that is wrapped once more, in a list or an object, is never accepted', () => {
    const scalars: readonly object[] = [{ max: 5 }, { enum: ['a'] }, { equals: true }, { path: '**' }, { amount: { max: 5 } }, { pattern: '.*' }, { not_in: ['z'] }, { max_length: 9 }, { boolean: true }];
    fc.assert(fc.property(fc.constantFrom(...scalars), value, (constraint, inner) => {
      for (const wrapped of [[inner], { x: inner }, [[inner]], []]) expect(judging(constraint)(wrapped)).toHaveProperty('error');
    }));
  });
});

test.each<[string, object, string]>([
  ['text', { enum: ['a'] }, JSON.stringify('a'.repeat(1e6))], ['odd text', { not_in: ['a'] }, JSON.stringify('é'.repeat(3e5))], ['path', { path: '**/a/**/b/**' }, JSON.stringify('a/'.repeat(3e5) + 'a')], ['url', { url: { hosts: ['**'] } }, JSON.stringify(`https://a/${'a/'.repeat(3e5)}`)], ['pattern', { pattern: '(a|aa)+b' }, JSON.stringify('a'.repeat(3e5))], ['number', { max: 1 }, '9'.repeat(1e6)], ['email', { email: { domains: ['**'] } }, JSON.stringify(`${'a.'.repeat(3e5)}@b`)], ['branch', { branch: '**' }, JSON.stringify('a/'.repeat(3e5))], ['cidr', { cidr: '::/0' }, JSON.stringify(':'.repeat(1e6))], ['repository', { repository: '**' }, JSON.stringify('a-/'.repeat(3e5))],
])('a megabyte of %s costs a moment', (_, constraint, json) => {
  const judge = compile({ x: constraint });
  const text = `{"x":${json}}`;
  const from = performance.now();
  judge(text);
  expect(performance.now() - from).toBeLessThan(1500);
});
