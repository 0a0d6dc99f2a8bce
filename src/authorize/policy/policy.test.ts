import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { Json } from '../../call/json.ts';
import { systemClock } from '../../lib/clock.ts';
import { openStore, type Store } from '../../store/index.ts';
import { authorizeConfig } from '../config.ts';
import { createEngine, judgeFolder, type Judged, judgeTexts, openPolicy, policyFilesPage, policyVersions, readFolder, runTests } from './index.ts';
import { watchFolder } from './watch.ts';

const home = mkdtempSync(join(tmpdir(), 'policy-'));
afterAll(() => rmSync(home, { recursive: true }));
let dir = '';
let made = 0;
beforeEach(() => {
  dir = join(home, String((made += 1)));
  mkdirSync(dir);
});
const put = (name: string, text: string): void => writeFileSync(join(dir, name), text);
const inline = authorizeConfig.parse({});
const judge = (files: Record<string, string>, authorize: object = {}, requireTests = false): Promise<Judged> =>
  judgeTexts(Object.entries(files).map(([path, text]) => ({ path, text })), { inline: authorizeConfig.parse(authorize), folder: 'p', requireTests });
const reasons = (judged: Judged): readonly string[] => (judged.ok ? [] : judged.reasons);

describe('the folder', () => {
  const paths = (): unknown => {
    const read = readFolder(dir);
    return read.ok ? read.texts.map(({ path }) => path) : read.faults.map(({ file, wrong }) => `${file.replace(dir, '')} ${wrong}`);
  };
  it('takes YAML of the folder and of one level below, in the order of the paths; not hidden files, nor others', () => {
    for (const name of ['b.yaml', 'a.yml', '.hidden.yaml', 'notes.md', 'x.yaml~', '.b.yaml.swp']) put(name, 'rules: []');
    for (const sub of ['team', '.git']) mkdirSync(join(dir, sub));
    put('team/c.yaml', 'rules: []');
    put('.git/d.yaml', 'rules: []');
    expect(paths()).toEqual(['a.yml', 'b.yaml', 'team/c.yaml']);
  });
  it('follows links within (Kubernetes), refuses links out of it, files and folders alike', () => {
    mkdirSync(join(dir, '..data'));
    put('..data/a.yaml', 'rules: []');
    symlinkSync('..data/a.yaml', join(dir, 'a.yaml'));
    expect(paths()).toEqual(['a.yaml']);
    symlinkSync('/etc/passwd', join(dir, 'b.yaml'));
    expect(paths()).toEqual(['/b.yaml is a link out of the policy folder']);
    rmSync(join(dir, 'b.yaml'));
    symlinkSync(`${dir}-beside`, join(dir, 'c.yaml'));
    writeFileSync(`${dir}-beside`, 'rules: []');
    expect(paths()).toEqual(['/c.yaml is a link out of the policy folder']);
    rmSync(join(dir, 'c.yaml'));
    symlinkSync(tmpdir(), join(dir, 'denies')); // with it every deny rule in it would be gone unheard
    expect(paths()).toEqual(['/denies is a link out of the policy folder']);
    rmSync(join(dir, 'denies'));
  });
  it.each([
    ['two levels down', () => { mkdirSync(join(dir, 'a/b'), { recursive: true }); }, ['/a/b is nested too deeply: sub-folders may be one level deep']],
    ['a folder named like a file', () => { mkdirSync(join(dir, 'a/b.yaml'), { recursive: true }); }, ['/a/b.yaml is nested too deeply: sub-folders may be one level deep']],
    ['too many', () => { for (let i = 0; i < 201; i++) put(`${i}.yaml`, ''); }, [' holds more than 200 YAML files']],
    ['too much', () => { for (let i = 0; i < 5; i++) put(`${i}.yaml`, '#'.repeat(1_000_000)); }, [' holds more than 4194304 characters of YAML']],
    ['one too large', () => put('a.yaml', '#'.repeat(1_048_577)), ['/a.yaml is larger than 1048576 bytes']],
    ['not text', () => writeFileSync(join(dir, 'a.yaml'), Buffer.from([0xff, 0xfe])), ['/a.yaml is not UTF-8 text']],
    ['a dangling link', () => symlinkSync('nowhere.yaml', join(dir, 'a.yaml')), ['/a.yaml does not exist']],
  ])('refuses what it cannot take whole: %s', (_, prepare, wrong) => {
    prepare();
    expect(paths()).toEqual(wrong);
  });
});

describe('the files together', () => {
  it('tell all faults of all files at once, in order, each with its place', async () => {
    expect(reasons(await judge({
      'a.yaml': 'rules:\n  - { id: a, effect: alow }\n  - { id: b, effect: deny, tols: [x] }\n',
      'b.tests.yaml': 'tests:\n  - name: x\n    call: { server: s, tool: t, class: read }\n',
      'c.yaml': 'rules:\n  - { id: c, effect: deny, when: "1 +" }\n  - { id: c, effect: deny }\n',
      'd.yaml': '',
      'e.yaml': 'tests: []\nrules: []\n',
    })).map((each) => each.replace(/: [^:]*$/, ''))).toEqual([
      expect.stringMatching(/^p\/a\.yaml:2:22 rules\[0\]\.effect: must be one of allow, deny/),
      expect.stringMatching(/^p\/a\.yaml:3:28 rules\[1\]\.tols: unknown key; did you mean `tools`\?/),
      expect.stringMatching(/^p\/b\.tests\.yaml:2:5 tests\[0\]: needs `expect`/),
      expect.stringMatching(/^p\/c\.yaml:2:\d+ rules\[0\]\.when: /),
      expect.stringMatching(/^p\/c\.yaml:3:11 rules\[1\]\.id: the id `c` is taken by a rule at p\/c\.yaml:2:11/),
      expect.stringMatching(/^p\/d\.yaml:1:1 rules: is missing/),
      expect.stringMatching(/^p\/e\.yaml:1:1 tests: unknown key/),
    ]);
  });
  it('an id of the configuration is taken too', async () => {
    expect(reasons(await judge({ 'a.yaml': 'rules: [{ id: a, effect: deny }]\n' }, { rules: [{ id: 'a', effect: 'deny', users: ['x'] }] }))[0]).toContain('is taken by a rule in the configuration (`authorize.rules`)');
  });
  it('the version is that of what the rules say: not of comments, tests, order or files', async () => {
    const version = async (files: Record<string, string>, authorize: object = {}): Promise<string> => (await judge(files, authorize)).report?.version ?? '';
    const one = await version({ 'a.yaml': 'rules: [{ id: a, effect: deny, users: [x] }, { id: b, effect: deny, users: [y] }]' });
    expect(one).toMatch(/^[0-9a-f]{16}$/);
    expect(await version({ 'x.yaml': '# c\nrules: [{ id: b, effect: deny, users: [y] }]', 'y.yaml': 'rules: [{ users: [x], effect: deny, id: a }]', 'z.tests.yaml': 'tests: []' }, { require_tests: false, policy: 'q' })).toBe(one);
    expect(await version({ 'x.yaml': 'rules: [{ id: b, effect: deny, users: [y] }]' }, { rules: [{ id: 'a', effect: 'deny', users: ['x'] }] })).toBe(one);
    expect(await version({ 'a.yaml': 'rules: [{ id: a, effect: deny, users: [x] }, { id: b, effect: deny, users: [z] }]' })).not.toBe(one);
    expect(await version({ 'a.yaml': 'rules: [{ id: a, effect: deny, users: [x] }, { id: b, effect: deny, users: [y] }]' }, { confirm_classes: [] })).not.toBe(one);
  });
});

describe('tests', () => {
  const RULES = `rules:
  - { id: pay, effect: allow, groups: [finance], tools: [bank__pay], environments: [production], arguments: { amount: { max: 1000 }, vendor: { enum: [acme] } }, needs: { approval: { groups: [treasury], quorum: 2 }, reason: true, change_ticket: true, confirmation: true, dry_run: dry }, limits: { rate: 5/hour } }
  - { id: night, effect: deny, servers: [bank], classes: [write], during: { from: "20:00", to: "07:00" } }
  - { id: trial, effect: deny, shadow: true, servers: [bank] }
`;
  const CALL = 'caller: { groups: [finance] }, call: { server: bank, tool: pay, class: write, environment: production, arguments: { amount: 5, vendor: acme } }';
  const run = (tests: string): Promise<Judged> => judge({ 'a.yaml': RULES, 'a.tests.yaml': `tests:\n${tests}` });
  const failures = async (tests: string): Promise<readonly unknown[]> => ((await run(tests)).report?.failures ?? []).map(({ line, name, expected, got }) => [line, name, expected, got]);

  it('what is so passes, every key of expect', async () => {
    expect(await failures(`  - { name: all, ${CALL}, expect: { effect: allow, rules: [pay], needs: [dry_run, approval, reason, ticket, confirmation], groups: [treasury], quorum: 2, rate: 5/hour, shadows: { trial: deny } } }\n`)).toEqual([]);
    expect(await failures('  - { name: deny, call: { server: bank, tool: pay, class: write }, expect: { effect: deny, code: authorize.scope, rules: ["default:write"] } }\n')).toEqual([]);
    expect(await failures('  - { name: a resource, caller: { scopes: ["bank:read"] }, call: { server: bank, method: resources/read, name: "file:///a", class: read }, expect: allow }\n')).toEqual([]);
  });
  it.each([
    ['effect: deny', 'effect deny', 'effect allow'],
    ['effect: allow, rules: [pay, night]', 'rules [rule:night, rule:pay]', 'rules [rule:pay]'],
    ['effect: allow, rules: []', 'rules []', 'rules [rule:pay]'],
    ['effect: allow, needs: []', 'needs []', 'needs [approval, confirmation, dry_run, reason, ticket]'],
    ['effect: allow, needs: [approval]', 'needs [approval]', 'needs [approval, confirmation, dry_run, reason, ticket]'],
    ['effect: allow, groups: [sales], quorum: 1', 'groups [sales], quorum 1', 'groups [treasury], quorum 2'],
    ['effect: allow, rate: 6/hour', 'rate [6/hour]', 'rate [5/hour]'],
    ['effect: allow, shadows: {}', 'shadows []', 'shadows [rule:trial would deny]'],
    ['effect: deny, code: authorize.rule', 'effect deny, code authorize.rule', 'effect allow, code none'],
  ])('what is not so fails: %s', async (expected, want, got) => {
    expect(await failures(`  - { name: x, ${CALL}, expect: { ${expected} } }\n`)).toEqual([[2, 'x', want, got]]);
  });
  it('the terms of duties count: expiry and escalation in any spelling, ticket, dry run, what a rate is counted for', async () => {
    const rules = 'rules: [{ id: pay, effect: allow, tools: [bank__pay], needs: { approval: { groups: [a], escalate_to: [b], escalate_after: 30m, expires: 4h }, change_ticket: "X[0-9]", dry_run: dry }, limits: { rate: 5/hour, per: rule } }]';
    const said = async (expected: string): Promise<readonly unknown[]> => {
      const { report } = await judge({ 'a.yaml': rules, 'a.tests.yaml': `tests: [{ name: x, call: { server: bank, tool: pay, class: write }, expect: { effect: allow, ${expected} } }]` });
      return (report?.failures ?? []).map(({ expected: want, got }) => [want, got]);
    };
    expect(await said('expires: 240m, escalate_to: [b], escalate_after: 1800s, ticket: "X[0-9]", dry_run: dry, per: rule')).toEqual([]);
    for (const [expected, want, got] of [
      ['expires: 5h', 'expires 18000s', 'expires 14400s'], ['escalate_to: []', 'escalate_to []', 'escalate_to [b]'], ['escalate_after: 1s', 'escalate_after 1s', 'escalate_after 1800s'],
      ['ticket: any', 'ticket [any]', 'ticket [X[0-9]]'], ['dry_run: try', 'dry_run [try]', 'dry_run [dry]'], ['per: caller', 'per [caller]', 'per [rule]'],
    ] as const) expect(await said(expected)).toEqual([[want, got]]);
  });
  it('time, place, exact numbers and text of arguments count', async () => {
    expect(await failures(`  - name: t
    caller: { groups: [finance] }
    call: { server: bank, tool: pay, class: write, environment: production, arguments: { amount: 1000, vendor: acme } }
    expect: deny
    cases:
      - { name: night, call: { at: "2026-03-02T23:00:00Z" } }
      - { name: day, call: { at: "2026-03-02T08:00:00+01:00" }, expect: allow }
      - { name: elsewhere, call: { environment: staging } }
      - { name: a hair more, call: { arguments_json: '{"amount": 1000.00000000000000001, "vendor": "acme"}' } }
      - { name: exactly, call: { arguments_json: '{"amount": 1000.0, "vendor": "acme"}' }, expect: allow }
      - { name: without, call: { arguments: {} } }
      - { name: others, caller: { groups: [] } }
      - { call: { at: "2026-03-02T23:00:00Z" }, expect: allow }
`)).toEqual([[14, 't: case 8', 'effect allow', 'effect deny']]);
  });
  it('say what nearly matched', async () => {
    const { report } = await run(`  - { name: x, ${CALL.replace('amount: 5', 'amount: 5000')}, expect: allow }\n  - { name: y, ${CALL.replace('[finance]', '[sales]')}, expect: allow }\n`);
    expect(report?.failures.map(({ matched, nearly }) => ({ matched, nearly }))).toEqual([
      { matched: ['default:write'], nearly: [expect.stringMatching(/^rule:pay \(allow\), but for arguments: amount /), 'rule:night (deny), but for during'] },
      { matched: ['default:write'], nearly: ['rule:pay (allow), but for groups', 'rule:night (deny), but for during'] },
    ]);
  });
  it.each([
    ['no class', 'call: { server: s, tool: t }, expect: deny', /needs its `class`/],
    ['no server', 'call: { tool: t, class: read }, expect: deny', /needs `server`/],
    ['neither tool nor method', 'call: { server: s, class: read }, expect: deny', /either `tool` or `method`/],
    ['no expectation', 'call: { server: s, tool: t, class: read }', /needs `expect`/],
    ['a deny with duties', 'call: { server: s, tool: t, class: read }, expect: { effect: deny, quorum: 1 }', /a deny has no duties/],
    ['an allow with a code', 'call: { server: s, tool: t, class: read }, expect: { effect: allow, code: authorize.rule }', /an allow has no code/],
    ['arguments twice', 'call: { server: s, tool: t, class: read, arguments: {}, arguments_json: "{}" }, expect: deny', /keep one of them/],
    ['arguments that are none', 'call: { server: s, tool: t, class: read, arguments_json: "{" }, expect: deny', /no JSON object/],
    ['arguments with a key twice', `call: { server: s, tool: t, class: read, arguments_json: '{"a":1,"A":2}' }, expect: deny`, /no JSON object/],
    ['a time without zone', 'call: { server: s, tool: t, class: read, at: "2026-03-02" }, expect: deny', /at: write it as/],
    ['a mistyped fact', 'caller: { group: [x] }, call: { server: s, tool: t, class: read }, expect: deny', /did you mean `groups`/],
  ])('are judged themselves: %s', async (_, test, wrong) => {
    const judged = await run(`  - { name: x, ${test} }\n`);
    expect([judged.report, reasons(judged).length, reasons(judged)[0]]).toEqual([null, 1, expect.stringMatching(wrong)]);
  });
  it('every rule in force must decide in one that passes, deny rules too; rules on trial need not', async () => {
    const files = (expected: string) => ({ 'a.yaml': RULES, 'a.tests.yaml': `tests:\n  - { name: x, ${CALL}, expect: ${expected} }\n` });
    expect(reasons(await judge(files('allow'), {}, true))).toEqual(['p/a.yaml:3 rule night (deny) decides in no test that passes']);
    expect(reasons(await judge(files('allow'), {}, false))).toEqual([]);
    expect(reasons(await judge(files('allow'), { rules: [{ id: 'own', effect: 'deny', users: ['x'] }] }, true))).toContain('authorize.rules rule own (deny) decides in no test that passes');
    expect(reasons(await judge(files('deny'), {}, true))).toHaveLength(3); // a failing test touches nothing
    expect(reasons(await judge({ 'a.yaml': RULES }, {}, true))[0]).toContain('p holds no test');
  });
  it('a thousand rules and a thousand tests take seconds at most', async () => {
    const ids = Array.from({ length: 1_000 }, (_, i) => i);
    const files = { 'a.yaml': `rules:\n${ids.map((i) => `  - { id: r${i}, effect: allow, groups: [g${i}], tools: [bank__t${i}] }\n`).join('')}`, 'a.tests.yaml': `tests:\n${ids.map((i) => `  - { name: t, caller: { groups: [g${i}] }, call: { server: bank, tool: t${i}, class: write }, expect: allow }\n`).join('')}` };
    const start = performance.now();
    expect((await judge(files, {}, true)).ok).toBe(true);
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

describe('going live', () => {
  let store: Store;
  const events: [string, Json][] = [];
  const open = (options: { readonly note?: () => Promise<void> } = {}) => openPolicy({
    config: authorizeConfig.parse({ policy: 'x', require_tests: false }), folder: dir, store, clock: systemClock, log: () => undefined,
    note: options.note ?? ((event, fields) => { events.push([event, fields.tool_input ?? null]); return Promise.resolve(); }),
  });
  const rules = (id: string): string => `rules: [{ id: ${id}, effect: deny, users: [x] }]\n`;
  beforeEach(async () => {
    events.length = 0;
    store = await openStore({ folder: `${dir}-data`, busy_timeout_ms: 1_000 }, { clock: systemClock });
    return () => store.close();
  });
  const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => { for (let i = 0; i < 500 && !(await holds()); i++) await sleep(10); expect(await holds()).toBe(true); };

  it('what cannot be recorded does not go live, at start and later', async () => {
    put('a.yaml', rules('a'));
    await expect(open({ note: () => Promise.reject(new Error('disk full')) })).rejects.toThrow('disk full');
    let full = false;
    const policy = await open({ note: () => (full ? Promise.reject(new Error('disk full')) : Promise.resolve()) });
    const swapped: string[] = [];
    policy.onLive((config) => swapped.push(...config.rules.map(({ id }) => id)));
    policy.watch();
    const before = policy.version();
    full = true;
    put('a.yaml', rules('b'));
    policy.reload();
    await sleep(800);
    expect([swapped, policy.version()]).toEqual([[], before]);
    expect(policy.notes()).toEqual(['policy: cannot be followed']);
    full = false;
    policy.reload();
    await until(() => swapped.length > 0);
    expect([swapped, policy.notes()]).toEqual([['b'], []]);
    await policy.close();
  });
  it('a listener that cannot take it leaves the old one in force', async () => {
    put('a.yaml', rules('a'));
    const policy = await open();
    policy.onLive(() => { throw new Error('no'); });
    policy.watch();
    const before = policy.version();
    put('a.yaml', rules('b'));
    policy.reload();
    await until(() => policy.notes().length > 0);
    expect(policy.version()).toBe(before);
    expect(await policyVersions(store).live()).toBe(before);
    await policy.close();
  });
  it('a hundred versions are kept, and the pinned one beyond them', async () => {
    const versions = policyVersions(store);
    const keep = (version: string, at: number) => versions.keep({ version, hash: '', by: 'reload', rules: 0, tests: 0, inline, texts: [] }, new Date(at).toISOString());
    await keep('pinned', 0);
    await versions.pin({ version: 'pinned', at: '' });
    for (let i = 1; i <= 105; i++) await keep(`v${i}`, i);
    const left = (await versions.list()).map(({ version }) => version);
    expect(left).toHaveLength(101);
    expect([left[0], left.at(-2), left.at(-1)]).toEqual(['v105', 'v6', 'pinned']);
    await keep('v50', 1_000);
    expect((await versions.list()).map(({ version }) => version)[0]).toBe('v50');
  });
  it('a kept version that was changed in the store is not what was pinned', async () => {
    put('a.yaml', rules('a'));
    const policy = await open();
    const versions = policyVersions(store);
    const kept = await versions.get(policy.version());
    if (kept === null) throw new Error('not kept');
    await versions.keep({ ...kept, texts: [{ path: 'a.yaml', text: 'rules: []\n' }] }, kept.at);
    await versions.pin({ version: kept.version, at: '' });
    policy.watch();
    await until(() => events.some(([event]) => event === 'policy.rejected'));
    expect(policy.config().rules.map(({ id }) => id)).toEqual(['a']);
    await policy.close();
  });
  it('the same policy in another text is kept and recorded, and swaps nothing', async () => {
    put('a.yaml', rules('a'));
    const policy = await open();
    const swapped: unknown[] = [];
    policy.onLive((config) => swapped.push(config));
    policy.watch();
    put('a.yaml', `# a comment\n${rules('a')}`);
    policy.reload();
    await until(() => events.length === 2);
    expect(swapped).toEqual([]);
    expect((await policyVersions(store).get(policy.version()))?.texts[0]?.text).toContain('# a comment');
    await policy.close();
  });
});

describe('the watch', () => {
  it('waits until nothing has changed for 300 ms, and reports each state once', async () => {
    let [now, print] = [0, 'a'];
    const seen: string[] = [];
    const watch = watchFolder(() => print, 'a', { now: () => now, monotonic: () => now }, (each) => seen.push(`${each} ${now}`));
    watch.poke();
    await sleep(30);
    expect(seen).toEqual([]); // not quiet yet by its clock
    for (; now < 1_000; now += 100) {
      print = `w${now}`; // still being written to
      await sleep(110);
    }
    expect(seen).toEqual([]);
    now += 300;
    await sleep(150);
    expect(seen).toEqual(['w900 1300']);
    watch.close();
  });
});

describe('the page', () => {
  it('is what docs/reference/policy-files.md holds; `npm run docs` writes it', () => {
    expect(readFileSync(new URL('../../../docs/reference/policy-files.md', import.meta.url), 'utf8') === policyFilesPage()).toBe(true);
  });
  it('shows an example that goes live, and a failure as it is printed', async () => {
    const [, rules = '', tests = ''] = [...policyFilesPage().matchAll(/```yaml\n([^]*?)```/g)].map(([, text]) => text);
    expect(reasons(await judge({ 'payments.yaml': rules, 'payments.tests.yaml': tests }, {}, true))).toEqual([]);
    const failed = (await judgeTexts([{ path: 'payments.yaml', text: rules }, { path: 'payments.tests.yaml', text: tests.replace('expect: deny', 'expect: allow') }], { inline, folder: 'policy', requireTests: false })).report?.failures[0];
    expect(policyFilesPage()).toContain(`${failed?.file}:${failed?.line} FAIL ${failed?.name}\n  expected: ${failed?.expected}\n  got:      ${failed?.got}\n  decided:  ${failed?.matched.join()}\n  nearly:   ${failed?.nearly[0]}\n`);
  });
});

it('the door gives what explain, simulate and diff need', async () => {
  const judged = await judgeFolder({ ok: true, texts: [] }, { inline, folder: '.', requireTests: false });
  if (!judged.ok) throw new Error('not sound');
  expect(createEngine(judged.policy.config).version).toBe((await runTests(judged.policy)).version);
});
