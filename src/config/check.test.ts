import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { secretRef } from '../secrets/index.ts';
import { type Rules, checkText } from './check.ts';
import { formatFault } from './fault.ts';

// A small gateway of our own, so that these cases do not change when a room does.
const server = z.strictObject({
  url: z.url().optional(),
  command: z.array(z.string()).optional(),
  headers: z.record(z.string(), z.union([z.string(), z.strictObject({ secret: secretRef })])).default({}),
}).superRefine((value, ctx) => {
  if ((value.url === undefined) === (value.command === undefined)) ctx.addIssue({ code: 'custom', message: 'a server has either a `url` or a `command`' });
});
const schema = z.strictObject({
  receive: z.strictObject({ port: z.int().min(1).max(65_535).default(8080), enabled: z.boolean().default(true) }).prefault({}),
  authenticate: z.strictObject({
    keys: z.array(z.strictObject({ id: z.string().min(1), secret: secretRef, kind: z.enum(['bot', 'person']).default('bot') })).default([]),
  }).prefault({}),
  limit: z.strictObject({ timeout_ms: z.int().min(1).default(30_000), max_bytes: z.int().default(1024), idle_ms: z.int().min(5).max(500), ratio: z.number().gt(0).default(1) }).prefault({ idle_ms: 100 }),
  dispatch: z.strictObject({ servers: z.record(z.string().regex(/^[a-z-]+$/, { error: 'must be lower-case letters' }), server).default({}) }).prefault({}),
  shape: z.discriminatedUnion('kind', [z.strictObject({ kind: z.literal('round'), radius: z.number() }), z.strictObject({ kind: z.literal('flat') })]).optional(),
  either: z.union([z.string(), z.array(z.string())]).optional(),
});
const rules = (more: Partial<Rules<typeof schema>> = {}): Rules<typeof schema> => ({ schema, cross: [], secrets: { baseDir: '/nowhere', env: { GOOD: 'a-real-v4lue', BAD: 'changeme' } }, ...more });
const faults = (text: string, more: Partial<Rules<typeof schema>> = {}): string[] => {
  const checked = checkText(text, 'f', rules(more));
  return checked.ok ? [] : checked.faults.map(formatFault);
};

/** name, text, wanted faults: all of them, in order. */
const CASES: readonly (readonly [name: string, text: string, wanted: readonly string[]])[] = [
  ['an empty file', '', []],
  ['comments only', '# nothing\n---\n', []],
  ['a misspelt section', 'recieve: {port: 1}', ['f:1:1 recieve: unknown key; did you mean `receive`?: receive: {}']],
  ['a misspelt key, value kept', 'receive:\n  prot: 99', ['f:2:3 receive.prot: unknown key; did you mean `port`?: port: 99']],
  ['another spelling', 'limit: {idle_ms: 10, timeoutMs: 5}', ['f:1:22 limit.timeoutMs: unknown key; did you mean `timeout_ms`?: timeout_ms: 5']],
  ['a duration without a unit in the key', 'limit: {idle_ms: 10, timeout: 30s}', ['f:1:22 limit.timeout: unknown key; did you mean `timeout_ms`?: timeout_ms: 30000']],
  ['a bare number in an unknown unit', 'limit: {idle_ms: 10, timeout: 30}', ['f:1:22 limit.timeout: unknown key; did you mean `timeout_ms`?: timeout_ms: 30000']],
  ['another unit in the key', 'limit: {idle_ms: 10, timeout_s: 7}', ['f:1:22 limit.timeout_s: unknown key; did you mean `timeout_ms`?: timeout_ms: 7000']],
  ['a duration as text', 'limit: {idle_ms: 10, timeout_ms: "1m"}', ['f:1:34 limit.timeout_ms: must be a number, not text: timeout_ms: 60000']],
  ['a size as text', 'limit: {idle_ms: 10, max_bytes: 4KiB}', ['f:1:33 limit.max_bytes: must be a number, not text: max_bytes: 4096']],
  ['a fraction', 'receive: {port: 1.5}', ['f:1:17 receive.port: must be a whole number, not a fraction: port: 8080']],
  ['a YAML 1.1 boolean', 'receive: {enabled: yes}', ['f:1:20 receive.enabled: must be true or false, not text: enabled: true']],
  ['out of bounds', 'receive: {port: 70000}\nlimit: {idle_ms: 1, ratio: 0}', ['f:1:17 receive.port: must be at most 65535: port: 8080', 'f:2:18 limit.idle_ms: must be at least 5: idle_ms: 5', 'f:2:28 limit.ratio: must be more than 0: ratio: 1']],
  ['a missing key', 'limit: {}', ['f:1:1 limit.idle_ms: is missing: idle_ms: 100']],
  ['a missing key that is only misspelt', 'limit: {idel_ms: 9}', ['f:1:9 limit.idel_ms: unknown key; did you mean `idle_ms`?: idle_ms: 9']],
  ['an empty section', 'dispatch:', ['f:1:1 dispatch: must be a map of keys, not empty: dispatch: {}']],
  ['no map at all', '[1]', ['f:1:1 (file): must be a map of keys, not a list: {}']],
  ['a key of another room', 'servers: {}', ['f:1:1 servers: unknown key; it belongs under `dispatch`: # move it: dispatch.servers']],
  ['a key of nobody', 'zebra: 1', ['f:1:1 zebra: unknown key: # remove it; known here: receive, authenticate, limit, dispatch, shape, either']],
  ['a choice', 'authenticate: {keys: [{id: a, secret: env:GOOD, kind: robot}]}', ['f:1:55 authenticate.keys[0].kind: must be one of bot, person: kind: bot']],
  ['a name that is not allowed', 'dispatch: {servers: {GitHub: {url: "https://x.example"}}}', ['f:1:22 dispatch.servers.GitHub: must be lower-case letters: # rename it: github']],
  ['a room’s own rule', 'dispatch: {servers: {a: {}}}', ['f:1:22 dispatch.servers.a: a server has either a `url` or a `command`: a: { url: https://mcp.example.com/mcp }'].map((line) => line.replace(':22 ', ':25 '))],
  ['a text where a list belongs', 'dispatch: {servers: {a: {command: npx}}}', ['f:1:35 dispatch.servers.a.command: must be a list, not text: command: [ npx ]']],
  ['an unknown variant', 'shape: {kind: square}', ['f:1:15 shape.kind: must be one of round, flat: kind: round']],
  ['a missing variant', 'shape: {radius: 1}', ['f:1:1 shape.kind: must be one of round, flat: kind: round']],
  ['a fault inside a variant', 'shape: {kind: round, radius: x}', ['f:1:30 shape.radius: must be a number, not text: radius: 1000']],
  ['none of the types', 'either: 7', ['f:1:9 either: is of no type that is allowed here: either: example']],
  ['a variable that is not set', 'authenticate:\n  keys:\n    - id: a\n      secret: env:NOPE', ['f:4:15 authenticate.keys[0].secret: the environment variable NOPE is not set: export NOPE=…']],
  ['a sample secret', 'authenticate: {keys: [{id: a, secret: env:BAD}]}', ['f:1:39 authenticate.keys[0].secret: the environment variable BAD holds a well-known sample, not a secret: export BAD="$(openssl rand -base64 32)"']],
  ['a file that is missing', 'authenticate: {keys: [{id: a, secret: file:k}]}', ['f:1:39 authenticate.keys[0].secret: the file /nowhere/k does not exist: install -m 600 /dev/stdin /nowhere/k']],
  ['a secret in a header', 'dispatch: {servers: {a: {url: "https://x.example", headers: {X-Api: {secret: env:NOPE}}}}}', ['f:1:78 dispatch.servers.a.headers.X-Api.secret: the environment variable NOPE is not set: export NOPE=…']],
  ['a literal secret', 'authenticate: {keys: [{id: a, secret: hunter2-hunter2}]}', ['f:1:39 authenticate.keys[0].secret: must be a reference to a secret, `env:NAME` or `file:PATH`; the secret itself never stands in this file: secret: env:SECRET']],
  ['a duplicate key', 'receive: {port: 1}\nlimit: {idle_ms: 9}\nreceive: {port: 2}', ['f:3:1 receive: this key stands here twice, first on line 1: # remove one of the two']],
  ['a duplicate key, quoted', 'receive: {port: 1, "port": 2}', ['f:1:20 receive.port: this key stands here twice, first on line 1: # remove one of the two']],
  ['a tag', 'receive: {port: !port 80}', ['f:1:23 receive.port: this tag is not known: key: "text without a tag"']],
  ['a binary tag', 'either: !!binary aGk=', ['f:1:18 either: this tag is not known: key: "text without a tag"']],
  ['an alias of nothing', 'either: *gone', ['f:1:9 either: an alias (`*name`) has no anchor (`&name`) before it, or a text starts with `*`: key: "*"']],
  ['an alias of itself', 'either: &a [*a]', ['f:1:12 either[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: is nested deeper than 32 levels, or an alias contains itself: # write the value without the alias']],
  ['too many aliases', `either: &a x\nx: [${'*a,'.repeat(101)}]`, ['f:2:305 x[100]: the file follows more than 100 aliases: # write the values out']],
  ['another version', '%YAML 1.1\n---\nreceive: {}', ['f:1:1 (file): only YAML 1.2 is read: in 1.1 `no` is a boolean and 1:30 a number: %YAML 1.2']],
  ['two documents', 'receive: {}\n---\nreceive: {}', ['f:2:1 receive: the file holds more than one document: # keep one document; remove the `---` and what follows']],
  ['a merge key', 'receive: &r {port: 1}\nlimit: {<<: *r, idle_ms: 9}', ['f:2:1 limit: holds a key that is not known here: # remove it; known here: timeout_ms, max_bytes, idle_ms, ratio']],
  ['a reserved key', 'dispatch: {servers: {__proto__: {}}}', ['f:1:22 dispatch.servers: this key is reserved: # remove it']],
  ['a key that is a map', '? {a: 1}\n: 2', ['f:1:3 (file): a key must be plain text: name: value']],
  ['a tab', 'receive:\n\tport: 1', ['f:1:1 receive: must be a map of keys, not empty: receive: {}', 'f:2:1 receive: a tab is used as indentation: parent: { child: value }']],
  ['an open bracket, and what is sure before it', 'recieve: {}\nlimit: {idle_ms: 9\ndispatch: {', ['f:1:1 recieve: unknown key; did you mean `receive`?: receive: {}',
    'f:3:1 dispatch: the indentation does not fit the lines before: parent: { child: value }',
    'f:3:12 dispatch: the indentation does not fit the lines before: parent: { child: value }']],
  ['faults of every kind at once', 'receive: {port: x, port: 1}\nauthenticate: {keys: [{id: "", secret: env:NOPE}]}\nlimit: {idle_ms: 1s}\nzebra: 1', [
    'f:1:17 receive.port: must be a number, not text: port: 8080',
    'f:1:20 receive.port: this key stands here twice, first on line 1: # remove one of the two',
    'f:2:28 authenticate.keys[0].id: must be at least 1 characters long: id: example',
    'f:2:40 authenticate.keys[0].secret: the environment variable NOPE is not set: export NOPE=…',
    'f:3:18 limit.idle_ms: must be a number, not text: idle_ms: 1000',
    'f:4:1 zebra: unknown key: # remove it; known here: receive, authenticate, limit, dispatch, shape, either',
  ]],
];

describe('golden cases', () => {
  it.each(CASES)('%s', (_, text, wanted) => expect(faults(text)).toEqual(wanted));
});

describe('mends', () => {
  it('are YAML of that key, a comment or a command', () => {
    for (const [name, text] of CASES) {
      const checked = checkText(text, 'f', rules());
      for (const { path, mend } of checked.ok ? [] : checked.faults) {
        if (/^(?:#|export |chmod |install |openssl |%)/.test(mend)) continue;
        expect(() => parse(mend) as unknown, `${name}: ${path}: ${mend}`).not.toThrow();
      }
    }
  });
  it('mend the fault when pasted', () => {
    expect(faults('limit: {idle_ms: 10, timeout_ms: 30000}')).toEqual([]);
    expect(faults('dispatch: {servers: {a: { url: https://mcp.example.com/mcp }}}')).toEqual([]);
  });
});

describe('secrets never show', () => {
  const SECRET = 'hunter2-Zq9';
  it.each([
    ['in place of a reference', `authenticate: {keys: [{id: a, secret: ${SECRET}}]}`],
    ['as a map', `authenticate: {keys: [{id: a, secret: {${SECRET}}}]}`],
    ['as a map, twice', `authenticate: {keys: [{id: a, secret: {${SECRET}, ${SECRET}}}]}`],
    ['as a list', `authenticate: {keys: [{id: a, secret: [${SECRET}]}]}`],
    ['without a space', `authenticate: {keys: [{id: a, secret:${SECRET}}]}`],
    ['without a space, twice', `authenticate: {keys: [{id: a, secret:${SECRET}, secret:${SECRET}}]}`],
    ['under a misspelt key', `authenticate: {keys: [{id: a, secrte: ${SECRET}}]}`],
    ['under an unknown key', `authenticate: {keys: [{id: a, password: ${SECRET}}]}`],
    ['under an unknown key, deep', `token: {a: [{b: ${SECRET}}]}`],
    ['in a header', `dispatch: {servers: {a: {url: 1, headers: {Authorization: [Bearer ${SECRET}]}}}}`],
    ['in a tag', `authenticate: {keys: [{id: a, secret: !${SECRET} x}]}`],
    ['in an alias', `authenticate: {keys: [{id: a, secret: *${SECRET}}]}`],
    ['after a quote', `authenticate: {keys: [{id: a, secret: "x" ${SECRET}}]}`],
    ['in an open quote', `authenticate:\n  keys:\n    - secret: "${SECRET}\n`],
    ['in an escape', `authenticate: {keys: [{id: a, secret: "\\q${SECRET}"}]}`],
    ['in a broken line', `authenticate:\n  keys:\n   - secret: ${SECRET}: ${SECRET}\n  ${SECRET}\n`],
    ['before a fault of form', `authenticate: {keys: [{id: a, secret:${SECRET} }}}}`],
    ['as a block header', `authenticate:\n  keys:\n   - secret: |${SECRET}\n`],
  ])('%s', (_, text) => {
    const told = faults(text);
    expect(told.length).toBeGreaterThan(0);
    expect(told.join('\n')).not.toContain('hunter2');
  });
  it('as a number under a misspelt key', () => {
    for (const key of ['secrte', 'sercet', 'token', 'pasword']) expect(faults(`authenticate: {keys: [{id: a, ${key}: 82719364}]}`).join('\n'), key).not.toContain('82719364');
  });
  it('as text where a number belongs', () => {
    const numeric = z.strictObject({ password_digits: z.int(), count: z.int() });
    const checked = checkText('password_digits: "82719364"\ncount: "5"', 'f', { schema: numeric, cross: [], secrets: null });
    expect(checked.ok ? [] : checked.faults.map(formatFault)).toEqual(['f:1:18 password_digits: must be a number, not text: password_digits: 1000', 'f:2:8 count: must be a number, not text: count: 5']);
  });
  it('not even when a room’s own sentence quotes the value', () => {
    const careless = z.strictObject({ token: secretRef.or(z.never()).superRefine((value, ctx) => ctx.addIssue(`bad ${value}`)), note: z.unknown().superRefine((_, ctx) => ctx.addIssue(`beside ${SECRET}`)) });
    const checked = checkText(`token: {x: ${SECRET}}\nnote: 1`, 'f', { schema: careless, cross: [], secrets: null });
    expect(JSON.stringify(checked)).toContain('beside');
    expect(JSON.stringify(checked)).not.toContain(SECRET);
  });
});

describe('the checked config', () => {
  it('holds every default and is frozen to its leaves', () => {
    const checked = checkText('authenticate: {keys: [{id: a, secret: env:GOOD}]}', 'f', rules());
    if (!checked.ok) throw new Error('must pass');
    expect(checked.config).toMatchObject({ receive: { port: 8080 }, limit: { timeout_ms: 30_000 }, authenticate: { keys: [{ id: 'a', secret: 'env:GOOD', kind: 'bot' }] } });
    for (const part of [checked.config, checked.config.receive, checked.config.authenticate.keys, checked.config.authenticate.keys[0]]) expect(Object.isFrozen(part)).toBe(true);
  });
  it('leaves secrets unread when asked to', () => expect(faults('authenticate: {keys: [{id: a, secret: env:NOPE}]}', { secrets: null })).toEqual([]));
});

describe('rules between rooms', () => {
  const cross = [{ needs: ['receive', 'limit'], find: (config: z.output<typeof schema>) => (config.receive.port === config.limit.idle_ms ? [{ path: ['receive', 'port'], wrong: 'is the idle time', mend: 'port: 8080' }] : []) }] as const;
  it('are told at their place', () => expect(faults('limit: {idle_ms: 99}\nreceive: {port: 99}', { cross })).toEqual(['f:2:17 receive.port: is the idle time: port: 8080']));
  it('are told beside faults of other rooms', () => expect(faults('limit: {idle_ms: 99}\nreceive: {port: 99}\nzebra: 1', { cross })).toHaveLength(2));
  it('are not asked of a room that is at fault', () => {
    const always = [{ needs: ['receive', 'limit'], find: () => [{ path: ['limit'], wrong: 'was asked', mend: 'limit: {}' }] }] as const;
    expect(faults('receive: {port: 99}', { cross: always }).join('\n')).toContain('was asked');
    expect(faults('receive: {port: x}', { cross: always }).join('\n')).not.toContain('was asked');
  });
  it('wait until the rooms they need are sound', () => expect(faults('limit: {idle_ms: 99}\nreceive: {port: 99, zebra: 1}', { cross })).toEqual(['f:2:21 receive.zebra: unknown key: # remove it; known here: port, enabled']));
});

describe('bounds', () => {
  it('one MiB of text', () => {
    expect(faults(`#${'x'.repeat(1_048_575)}`)).toEqual([]);
    expect(faults(`#${'x'.repeat(1_048_576)}`)[0]).toContain('larger than 1048576 bytes');
    expect(faults(`#${'ü'.repeat(524_288)}`)[0]).toContain('larger than 1048576 bytes');
  });
  it('500 faults, then a count', () => {
    const told = faults(Array.from({ length: 600 }, (_, i) => `zebra${i}: 1`).join('\n'));
    expect(told).toHaveLength(501);
    expect(told.at(-1)).toContain('and 100 more faults');
  });
  it('values behind aliases', () => {
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x,x]', ...Array.from('bcdefghi').map((c, i) => `${c}: &${c} [${`*${'abcdefgh'[i]},`.repeat(10)}]`)].join('\n');
    expect(faults(bomb)).toHaveLength(1);
  });
  it('values written out by few aliases', () => {
    const told = faults(`a: &a [${'x,'.repeat(3_000)}]\nb: [${'*a,'.repeat(90)}]`);
    expect(told).toHaveLength(1);
    expect(told[0]).toContain('more than 200000 values');
  });
  it('many keys cost linear time', () => {
    const started = performance.now();
    faults(`{${Array.from({ length: 20_000 }, (_, i) => `a${i}`).join(',')}}`);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
  it.each(['[', '{a: ', '- ', '? ', 'a: ', '&a ', '!a ', '"', '\t', '--- ', '*a '])('a run of %j throws nothing', (piece) => expect(() => faults(piece.repeat(5_000))).not.toThrow());
});

describe('a terminal', () => {
  it('is not drawn on by a key or a file name', () => {
    const checked = checkText('dispatch: {servers: {"\\u009b31m\\u202e": {}}}', 'f\u001b[2J\n', rules());
    const lines = checked.ok ? [] : checked.faults.map(formatFault);
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.join('')).not.toMatch(/[\p{Cc}\u202e]/u);
  });
});

describe('any input', () => {
  const piece = fc.oneof(
    fc.constantFrom(...CASES.map(([, text]) => text)),
    fc.constantFrom('\n', '  ', ': ', '- ', '{', '}', '[', ']', '"', "'", '|', '>', '&a ', '*a', '!t ', '!!int ', '%', '#', '\t', '\0', '\uFEFF', '\ud800', '__proto__: ', 'secret: ', 'servers: ', '? ', '...', '---\n'),
    fc.string({ unit: 'binary', maxLength: 20 }),
  );
  it('gives a config or faults with a place, and throws nothing', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('');
        const checked = checkText(text, 'f', rules());
        if (checked.ok) return;
        expect(checked.faults.length).toBeGreaterThan(0);
        for (const fault of checked.faults) {
          expect(fault.line).toBeGreaterThan(0);
          expect(fault.column).toBeGreaterThan(0);
          expect(formatFault(fault)).not.toMatch(/[\p{Cc}\u2028\u2029\u202e]/u);
        }
      }),
      { numRuns: 400 },
    );
  });
  it('JSON is read as it is', () => {
    const value = { receive: { port: 7 }, dispatch: { servers: { a: { command: ['x', '\u00e9"\\'] } } } };
    for (const indent of ['', '  ', '\t']) {
      const checked = checkText(JSON.stringify(value, null, indent), 'f', rules());
      expect(checked.ok && checked.config).toMatchObject(value);
    }
  });
});

it('no file of this room reads the library’s own sentences, which quote the text', () => {
  expect(readFileSync(new URL('yaml.ts', import.meta.url), 'utf8')).not.toMatch(/error\.message/);
});
