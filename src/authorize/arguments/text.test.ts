import { describe, expect, test } from 'vitest';
import { type ArgumentsConfig, argumentsSchema, compileArguments } from './index.ts';

type Short = 'match' | 'no' | 'error';
function one(constraint: object, value: unknown): Short {
  const args = { x: value } as { readonly x: string };
  const verdict = compileArguments(argumentsSchema.parse({ x: constraint }) as ArgumentsConfig)({ value: args, text: JSON.stringify(args) });
  return verdict === 'match' ? 'match' : verdict === 'no_match' ? 'no' : 'error';
}
type Row = readonly [object, string, Short];
const rows = (constraint: object, verdict: Short, ...values: readonly string[]): Row[] => values.map((value) => [constraint, value, verdict]);
const table = (...all: readonly Row[][]): void => {
  test.each(all.flat())('%j of %j: %s', (constraint, value, verdict) => expect(one(constraint, value)).toBe(verdict));
};

describe('texts', () => {
  table(
    rows({ equals: 'main' }, 'match', 'main'),
    rows({ equals: 'main' }, 'no', 'dev', 'main2', ''),
    rows({ equals: 'main' }, 'error', 'Main', 'mаin', 'máin', 'ma\u200bin', ' main', 'main ', 'main\n', 'main\0', '\u202emain', 'ｍain', '%6dain', '\\u006dain', '&#109;ain', 'ma\u00adin', 'foo\u3000bar', 'x\u00a0y', 'foo\u0301', 'bаr'),
    rows({ equals: 'é' }, 'match', 'é'),
    rows({ equals: 'é' }, 'error', 'e\u0301', 'e'),
    rows({ not_in: ['admin', 'root'] }, 'match', 'bob', 'administrator'),
    rows({ not_in: ['admin', 'root'] }, 'no', 'admin'),
    rows({ not_in: ['admin', 'root'] }, 'error', 'ADMIN', 'аdmin', 'admin ', '%61dmin', 'b\u200bob'),
    rows({ min_length: 2, max_length: 3 }, 'match', 'ab', 'abc', '😀😀', '😀😀😀'),
    rows({ min_length: 2, max_length: 3 }, 'no', 'a', 'abcd', '😀', '😀😀😀😀'),
    rows({ max_length: 3 }, 'match', '', 'a\nb'),
    rows({ pattern: '[a-z]+' }, 'match', 'abc'),
    rows({ pattern: '[a-z]+' }, 'no', 'abc1', '1abc', 'abc\n', 'x\nabc', ''),
    rows({ pattern: 'a|ab' }, 'match', 'ab'),
    rows({ pattern: '^a$' }, 'no', 'a\n', 'b\na'),
    rows({ pattern: '(?s).*' }, 'error', 'a\u202eb', 'a\0', 'e\u0301'),
    rows({ pattern: '(?s).*' }, 'match', 'a\r\n\tb', 'é'),
    rows({ glob: ['proj-*', 'x/**'] }, 'match', 'proj-', 'proj-a', 'x/a', 'x/a/b'),
    rows({ glob: ['proj-*', 'x/**'] }, 'no', 'proj-a/b', 'aproj-', 'x', 'x/', 'y'),
    rows({ glob: ['proj-*', 'x/**'] }, 'error', 'PROJ-a', 'prоj-a', 'proj-\u200b', 'proj-a／b'),
    rows({ glob: 'a/**/b/*/c' }, 'match', 'a/x/b/y/c', 'a/x/y/b/z/c', 'a/b/b/b/c'),
    rows({ glob: 'a/**/b/*/c' }, 'no', 'a/b/y/c', 'a/x/b/c', 'a/x/b/y/c/d', 'a//b/y/c', 'z/x/b/y/c'),
    rows({ glob: '**/b/**/c/**' }, 'match', 'a/b/x/c/y', 'b/b/c/c/c'),
    rows({ glob: '**/b/**/c/**' }, 'no', 'b/x/c/y', 'a/b/c/y', 'a/b/x/c'),
    rows({ enum: ['a', 'b'], max_length: 1 }, 'match', 'a'),
    rows({ glob: 'a*', max_length: 3 }, 'no', 'abcd', 'Abcd'),
  );
  test.each([5, true, null, ['main'], { a: 'main' }, []])('%j is no text', (value) => {
    expect(one({ equals: 'main' }, value)).toBe('error');
    expect(one({ max_length: 9, not_in: ['x'] }, value)).toBe('error');
  });
  test('bounds that meet leave one value', () => {
    expect(one({ min_length: 2, max_length: 2 }, 'ab')).toBe('match');
    expect(one({ min_items: 1, max_items: 1 }, ['ab'])).toBe('match');
    expect(one({ amount: { min: 5, max: 5 } }, '5')).toBe('match');
    expect(one({ min: 5, max: 5 }, 5)).toBe('match');
  });
});

describe('repositories and branches', () => {
  table(
    rows({ repository: ['org/*', 'me/one'] }, 'match', 'org/a', 'org/a.b-c_d', 'me/one', 'org/.github'),
    rows({ repository: ['org/*', 'me/one'] }, 'no', 'org', 'organ/a', 'org/a/b', 'me/two', 'x/org/a'),
    rows({ repository: ['org/*', 'me/one'] }, 'error', 'org/', 'org//a', '/org/a', 'org/a.git', 'org/a.GIT', 'Org/a', 'ORG/a', 'оrg/a', 'org/..', 'org/.', '../org/a', 'org/a b', 'org/a\n', 'org\\a', 'org%2fa', 'https://h/org/a', 'git@h:org/a', '-org/a', 'org/-a', 'org/a?b', ''),
    rows({ branch: ['feature/*', 'main'] }, 'match', 'feature/a', 'main', 'feature/ä'),
    rows({ branch: ['feature/*', 'main'] }, 'no', 'dev', 'feature/a/b', 'feature', 'mainly'),
    rows({ branch: ['feature/*', 'main'] }, 'error', 'refs/heads/main', 'heads/main', 'origin/main', 'remotes/origin/main', 'HEAD', 'head', 'FETCH_HEAD', 'Main', 'mаin', 'main~1', 'main^', 'main@{1}', '@', 'a..b', '-main', '/main', 'main/', 'main.', '.main', 'feature/.a', 'a//b', 'main.lock', 'ma in', 'main\n', 'a:b', 'a?b', 'a*', 'a[b', 'a\\b', '$(x)', '`x`', 'a;b', 'feature/a\u0430', '', 'a'.repeat(40), 'tags/v1'),
  );
});

describe('paths', () => {
  const under = { path: { under: '/srv/data' } };
  table(
    rows(under, 'match', '/srv/data', '/srv/data/a', '/srv/data/a/b.c', '/srv/data/.hidden', '/srv/data/ä', '/srv/data/a b', '/srv/data/console.md', '/srv/data/comma'),
    rows(under, 'no', '/srv/database', '/srv', '/', '/etc/passwd', 'srv/data/a', '/srv/data2/a'),
    rows(
      under, 'error', '', '/srv/data/', '/srv/data/../x', '/srv/data/..', '/srv/data/./x', '/srv/data//x', '//srv/data/x', '../srv', '.', '..', './a', '/srv/data/x.', '/srv/data/x ', '/srv/data/x./y', '/srv/data /y', '/srv/data/ y', '/srv/data/...', '\\srv\\data', '/srv/data\\..\\x', '/srv/data/%2e%2e/x', '/srv/data/a%00',
      '/srv/data/a\0b', '/srv/data/\u202ex', '/srv/data/ａ', '/srv/data/e\u0301', '/srv/data/\u0430b', '~/x', '/srv/data/~x', '/srv/data/PROGRA~1', 'C:/srv/data/x', 'C:\\srv', '/srv/data/x:y', '/srv/data/x::$DATA', '/srv/data/con', '/srv/data/NUL.txt', '/srv/data/com1', '/srv/data/COM9.txt', '/srv/data/aux/x', '/srv/data/LPT¹', '/srv/data/$HOME', '/srv/data/`x`', '/srv/data/*', '/srv/data/a?', '/srv/data/a|b', '/srv/data/a>b', '/srv/data/a;b', '/srv/data/a&b', '/srv/data/"a"', '/srv/data/!x', 'file:///srv/data/x', '-rf', '/SRV/data/x', '/srv/Data/x', '/srv/dаta/x', '/srv/data/a\nb', '/srv/data/\u2215x\u200b',
      '/srv/data/．．／etc', '/srv/data/a∕b', '/srv/data/¥x', '/srv/data/CONIN$', '/srv/data/\u00a0x',
    ),
    rows({ path: { under: ['/a/', 'b'] } }, 'match', '/a/x', 'b', 'b/c'),
    rows({ path: { under: '.' } }, 'match', 'a', 'a/b'),
    rows({ path: { under: '.' } }, 'no', '/a'),
    rows({ path: { under: '.' } }, 'error', '../a', 'a/../../b', '.'),
    rows({ path: { under: '/' } }, 'match', '/', '/a'),
    rows({ path: { under: '/' } }, 'no', 'a'),
    rows({ path: 'src/**' }, 'match', 'src/a', 'src/a/b'),
    rows({ path: 'src/**' }, 'no', 'src', '/src/a', 'xsrc/a'),
    rows({ path: 'src/**' }, 'error', 'src/../a', 'SRC/a'),
    rows({ path: { under: '/a', glob: '/a/*/c' } }, 'match', '/a/b/c'),
    rows({ path: { under: '/a', glob: '/a/*/c' } }, 'no', '/a/b', '/b/b/c'),
    rows({ extension: ['.md', '.tar.gz'] }, 'match', 'a.md', '/x/y.b.md', 'a.tar.gz'),
    rows({ extension: ['.md', '.tar.gz'] }, 'no', 'a.txt', 'md', 'a.md.exe', 'a.gz', 'x.md/y'),
    rows({ extension: ['.md', '.tar.gz'] }, 'error', 'a.MD', '.md', 'x/.md', 'a.md.', 'a.md ', 'a.exe\0.md', 'a.md::$DATA', 'a.mԁ', 'a.exe%00.md', '../a.md'),
    rows({ path: { under: '/srv' }, extension: '.md' }, 'match', '/srv/a.md'),
    rows({ path: { under: '/srv' }, extension: '.md' }, 'no', '/srv/a.txt', '/etc/a.md'),
  );
});

describe('URLs', () => {
  const api = { url: { hosts: ['api.example.com', '*.cdn.example.com', 'bücher.de'] } };
  table(
    rows(api, 'match', 'https://api.example.com', 'https://api.example.com/', 'https://API.example.com/a/b?c=d&e=%2F', 'HTTPS://api.example.com/', 'https://x.cdn.example.com/', 'https://xn--bcher-kva.de/', 'https://api.example.com/a%20b', 'https://api.example.com/%C3%A9'),
    rows(api, 'no', 'http://api.example.com/', 'https://example.com/', 'https://evil-api.example.com/', 'https://api.example.com.evil.com/', 'https://a.b.cdn.example.com/', 'https://cdn.example.com/', 'https://api.example.com:8443/', 'ftp://api.example.com/', 'https://xn--pi-6kc.example.com/'),
    rows(
      api, 'error', '', 'api.example.com', '//api.example.com/', 'https:api.example.com', 'https:/api.example.com', 'https:///api.example.com', 'https://user@api.example.com/', 'https://api.example.com@evil.com/', 'https://u:p@api.example.com/', 'https://api.example.com./', 'https://api.example.com:443/', 'https://api.example.com:/', 'https://api.example.com:0443/', 'https://api.example.com/a/../b', 'https://api.example.com/./', 'https://api.example.com//a', 'https://api.example.com/%2e%2e/a', 'https://api.example.com/%2E', 'https://api.example.com/a%2fb', 'https://api.example.com/a%5cb', 'https://api.example.com/a%252fb', 'https://api.example.com/%61', 'https://api.example.com/a;b', 'https://api.example.com/a%3bb', 'https://api.example.com/%c0%af', 'https://api.example.com/%e2%80%ae', 'https://api.example.com/%ef%bc%8f', 'https://api.example.com/%00', 'https://api.example.com/%', 'https://api.example.com\\@evil.com/', 'https://api.example.com/\\a', 'https://api.example.com/a\tb', 'https://api.exa\nmple.com/', ' https://api.example.com/', 'https://api.example.com/ ', 'https://api.example.com/#a', 'https://api.example.com#@evil.com/', 'https://api.example.com?a', 'https://api.example.com?@evil.com', 'https://аpi.example.com/', 'https://bücher.de/', 'https://api。example.com/', 'https://ａpi.example.com/', 'https://api%2eexample.com/', 'https://127.0.0.1/', 'https://0x7f.1/', 'https://2130706433/', 'https://0177.0.0.1/', 'https://[::1]/', 'https://[::ffff:127.0.0.1]/', 'https://api..example.com/', 'https://-api.example.com/', 'https://api.example.com/"', 'javascript:alert(1)', 'data:,x', 'https://api.example.com/?a=<', 'https://api.example.com/%6g',
    ),
    rows({ url: { hosts: ['**'] } }, 'match', 'https://a/', 'https://a.b.c/'),
    rows({ url: { hosts: ['**'] } }, 'error', 'https://169.254.169.254/', 'https://[fd00::1]/', 'https://1.2.3.4.5/'),
    rows({ url: { hosts: ['**.a.com'] } }, 'match', 'https://x.a.com/', 'https://y.x.a.com/'),
    rows({ url: { hosts: ['**.a.com'] } }, 'no', 'https://a.com/', 'https://xa.com/'),
    rows({ url: { cidr: ['10.0.0.0/8', '2001:db8::/32'] } }, 'match', 'https://10.1.2.3/', 'https://[2001:db8::1]/'),
    rows({ url: { cidr: ['10.0.0.0/8', '2001:db8::/32'] } }, 'no', 'https://11.1.2.3/', 'https://[2001:db9::1]/', 'https://a.com/'),
    rows({ url: { cidr: ['10.0.0.0/8', '2001:db8::/32'] } }, 'error', 'https://0xa.1/', 'https://10.1/', 'https://010.1.2.3/', 'https://[::ffff:a01:203]/', 'https://[2001:DB8:0::1]/'),
    rows({ url: { hosts: ['a.com'], schemes: ['http', 'wss'], ports: [80, 8443] } }, 'match', 'http://a.com/', 'wss://a.com:8443/'),
    rows({ url: { hosts: ['a.com'], schemes: ['http', 'wss'], ports: [80, 8443] } }, 'no', 'wss://a.com/', 'http://a.com:81/', 'https://a.com:8443/'),
    rows({ url: { hosts: ['a.com'], path_under: ['/v1', '/x/'] } }, 'match', 'https://a.com/v1', 'https://a.com/v1/b', 'https://a.com/x/', 'https://a.com/x'),
    rows({ url: { hosts: ['a.com'], path_under: ['/v1', '/x/'] } }, 'no', 'https://a.com/', 'https://a.com/v10', 'https://a.com/xy'),
    rows({ url: { hosts: ['a.com'], path_under: ['/v1', '/x/'] } }, 'error', 'https://a.com/V1/b', 'https://a.com/v1/../y'),
    rows({ url: { hosts: ['a.com'], path_under: '/' } }, 'match', 'https://a.com', 'https://a.com/z'),
  );
});

describe('addresses and mail', () => {
  const net = { cidr: ['10.0.0.0/8', '192.168.1.7', '2001:db8::/32', '::1'] };
  table(
    rows(net, 'match', '10.0.0.1', '10.255.255.255', '192.168.1.7', '2001:db8::1', '::1'),
    rows(net, 'no', '11.0.0.1', '192.168.1.8', '2001:db9::1', '::', 'fe80::1'),
    rows(net, 'error', '', '010.0.0.1', '10.0.0.01', '0xa.0.0.1', '0x0a000001', '167772161', '10.1', '10.0.1', '10.0.0.1 ', '10.0.0.1\n', '10.0.0.1/8', '10.0.0.256', '::ffff:10.0.0.1', '::ffff:a00:1', '::10.0.0.1', '::a00:1', '64:ff9b::a00:1', '2002:a00:1::', '2001:0:a00:1::', '2001:DB8::1', '2001:db8:0:0:0:0:0:1', '2001:0db8::1', '[2001:db8::1]', 'fe80::1%eth0', '٠.0.0.1', '１0.0.0.1', 'localhost', '1'.repeat(100)),
    rows({ cidr: ['0.0.0.0/0'] }, 'match', '1.2.3.4'),
    rows({ cidr: ['0.0.0.0/0'] }, 'no', '2001:db8::1'),
    rows({ email: { domains: ['example.com', '*.b.org'] } }, 'match', 'a@example.com', "o'b.c+d_e-f@EXAMPLE.com", 'a@x.b.org'),
    rows({ email: { domains: ['example.com', '*.b.org'] } }, 'no', 'a@evil.com', 'a@example.com.evil.com', 'a@b.org', 'a@sub.example.com'),
    rows({ email: { domains: ['example.com', '*.b.org'] } }, 'error', '', 'example.com', '@example.com', 'a@', 'a@b@example.com', '"a@evil.com"@example.com', 'A <a@example.com>', 'a@example.com,b@evil.com', 'a@evil.com,b@example.com', 'a@example.com.', 'a@example.com\n', 'a@example.com\r\nBcc: x@evil.com', 'a%evil.com@example.com', 'evil.com!a@example.com', 'a@exаmple.com', 'a@[10.0.0.1]', 'a@10.0.0.1', 'a..b@example.com', '.a@example.com', 'a.@example.com', 'a (x)@example.com', 'a b@example.com', `${'a'.repeat(250)}@example.com`, 'a@example.com;b@evil.com', 'a@\u212a.b.org'),
  );
});

describe('rules that could never match, or say something else than they seem to, are refused when they are loaded', () => {
  const path = 'p.x';
  test.each<[object, RegExp]>([
    [{}, /demands nothing/], [{ optional: true }, /demands nothing/], [{ typo: 1 }, /typo/], [{ enum: [] }, /empty list/], [{ enum: ['a', 1] }, /different types/], [{ min: 1, pattern: 'a' }, /different types/], [{ any: true, max: 1 }, /different types/], [{ absent: true, equals: 'a' }, /different types/],
    [{ min: 2, max: 1 }, /`min` is above/], [{ min_length: 2, max_length: 1 }, /above/], [{ min_items: 2, max_items: 1 }, /above/], [{ amount: { max: 1, min: 2 } }, /above/], [{ amount: { max: -1 } }, /not an amount/], [{ amount: { max: 1.005 } }, /not an amount/], [{ amount: { max: 1, currency_at: 'c' } }, /needs `currency`/], [{ amount: { max: 1, currency: 'EUR', currency_at: 'x' } }, /beside/], [{ amount: { max: 1, currency: 'eur' } }, /capital/],
    [{ max: Number('9007199254740993') }, /quotes/], [{ max: 0.30000000000000004 }, /quotes/], [{ enum: [Number('9007199254740993')] }, /quotes/], [{ max: 'ten' }, /finite number/], [{ max: '1e999' }, /finite/], [{ max: Infinity }, /number/],
    [{ pattern: '(' }, /RE2/], [{ pattern: '(?=a)' }, /RE2/], [{ pattern: '(a)\\1' }, /RE2/], [{ pattern: 'a{1000}b{1000}c{1000}' }, /too large/], [{ equals: 'mаin' }, /scripts/], [{ enum: ['a\u200b'] }, /invisible/], [{ equals: 'e\u0301' }, /NFC/], [{ equals: 'a ' }, /space/], [{ equals: '%61' }, /escapes/], [{ equals: null }, /text, a number/],
    [{ glob: 'a**' }, /stands alone/], [{ glob: 'а*b' }, /scripts/], [{ repository: 'org/a.git' }, /\.git/], [{ repository: 'https://h/o' }, /plain repository/], [{ branch: 'refs/heads/*' }, /another spelling/], [{ path: '../a' }, /normal path/], [{ path: { under: '/a/../b' } }, /normal path/], [{ path: { under: 'C:/a' } }, /characters/], [{ path: {} }, /needs `under`/], [{ path: { under: '/a', oops: 1 } }, /oops/], [{ extension: 'md' }, /dot/],
    [{ url: {} }, /needs `hosts`/], [{ url: { hosts: ['https://a.com'] } }, /host is a name/], [{ url: { hosts: ['a.com.'] } }, /host is a name/], [{ url: { hosts: ['10.0.0.1'] } }, /host is a name/], [{ url: { hosts: ['a.com:80'] } }, /host is a name/], [{ url: { hosts: ['bü*.de'] } }, /punycode/], [{ url: { hosts: ['a.com'], path_under: 'v1' } }, /path_under/], [{ url: { hosts: ['a.com'], path_under: '/a/../b' } }, /path_under/], [{ url: { hosts: ['a.com'], schemes: ['file'] } }, /https/],
    [{ cidr: '10.0.0.1/8' }, /behind its prefix/], [{ cidr: '10.0.0.0/33' }, /prefix/], [{ cidr: '10.0.0.0/8/8' }, /prefix/], [{ cidr: '010.0.0.0/8' }, /plain spelling/], [{ cidr: '::ffff:10.0.0.0/104' }, /plain spelling|carries/], [{ cidr: 'x' }, /plain spelling/], [{ email: { domains: ['@a.com'] } }, /host is a name/],
    [{ any: true, empty: true }, /`empty`/], [{ max: 1, optional: true, unless_absent: true }, /contradict/],
  ])('%j', (constraint, message) => {
    const result = argumentsSchema.safeParse({ [path]: constraint });
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toMatch(message);
    expect(JSON.stringify(result.error?.issues[0]?.path)).toContain(path);
  });
  test.each<[object, RegExp]>([
    [{ '': { any: true } }, /not a path/], [{ 'a.': { any: true } }, /not a path/], [{ '[]': { any: true } }, /not a path/], [{ 'a[0]': { any: true } }, /not a path/], [{ 'a.*': { any: true } }, /not a path/], [{ 'a[]b': { any: true } }, /after a name/], [{ '"a': { any: true } }, /not a path/], [{ '"\\x"': { any: true } }, /JSON string/], [{ 'а': { any: true }, 'аb': { any: true } }, /scripts/], [{ 'a\u200bb': { any: true } }, /invisible/],
    [{ a: { max: 1 }, '"a"': { min: 0 } }, /named twice/], [{ a: { max: 1 }, 'a.b': { any: true } }, /judged as one value/], [{ a: { max: 1 }, 'a[]': { any: true } }, /judged as one value/], [{ 'a[]': { any: true }, 'a.b': { any: true } }, /no value is both/], [{ a: { max_items: 1 }, 'a.b': { any: true } }, /judged as one value/], [{ [Array.from({ length: 17 }, () => 'a').join('.')]: { any: true } }, /steps/], [{ closed: { any: true } }, /boolean/], [{ 'a[]': { amount: { max: 1, currency: 'EUR', currency_at: 'c' } } }, /beside/],
    [Object.fromEntries(Array.from({ length: 201 }, (_, i) => [`a${i}`, { any: true }])), /split/],
  ])('%.60j', (config, message) => expect(JSON.stringify(argumentsSchema.safeParse(config).error?.issues)).toMatch(message));
  test('by the compiler too', () => expect(() => compileArguments({ a: { min: 2, max: 1 } })).toThrow('a: `min` is above'));
});
