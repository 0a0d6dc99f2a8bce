import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFixture, type RunningFixture } from '../kit/fixture/http.ts';
import { cli, launch, records, type Launched } from '../kit/gateway.ts';

/** One gateway, one record of real calls; then each tool over it. */
let fixture: RunningFixture;
let gateway: Launched;
const dir = mkdtempSync(join(tmpdir(), 'policy-tools-'));
const SECRET = 'ghp_0123456789abcdefghijABCDEFGHIJ012345';
const folder = (name: string, rules: string, tests = 'tests: []\n'): string => {
  mkdirSync(join(dir, name), { recursive: true });
  writeFileSync(join(dir, name, 'bank.yaml'), rules);
  writeFileSync(join(dir, name, 'bank.tests.yaml'), tests);
  return join(dir, name);
};
const file = (name: string, text: string): string => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};
const RULES = `rules:
  - { id: finance-echo, why: finance reads, effect: allow, groups: [finance], tools: [bank__echo] }
  - { id: never-nine, effect: deny, tools: [bank__echo], arguments: { text: { equals: "nine" } } }
`;
const policy = (...args: string[]) => cli(['policy', ...args]);
const simulate = async (rules: string, ...args: string[]) => {
  const { code, out, err } = await policy('simulate', folder('new', rules), '--data', gateway.data, '--json', ...args);
  return { code, err, result: code === 2 ? null : JSON.parse(out) as Record<string, unknown> & { by_flip: Record<string, number>; samples: Record<string, { correlation_id: string }[]> } };
};

beforeAll(async () => {
  fixture = await startFixture({});
  folder('policy', RULES);
  gateway = await launch({
    dir,
    config: {
      authorize: { policy: 'policy', require_tests: false }, dispatch: { servers: { bank: { url: fixture.url, allow_loopback: true, environment: 'production' } } }, resolve: { tools: { bank__echo: { class: 'read' } } },
    },
    keys: { ada: ['--group', 'finance'], bob: ['--group', 'sales'], eve: ['--group', 'finance', '--deny', 'bank__echo'] },
  });
  for (const [key, text] of [['ada', 'one'], ['ada', 'two'], ['ada', 'nine'], ['bob', 'one'], ['eve', 'one'], ['ada', SECRET]] as const) await gateway.tool(key, 'bank__echo', { text });
  await gateway.stop();
}, 60_000);
afterAll(async () => {
  await fixture.close();
  rmSync(dir, { recursive: true, force: true });
});

describe('policy simulate', () => {
  it('the same policy: nothing flips, exit code 0; what the credential refused and what was redacted are counted apart', async () => {
    const { code, result, err } = await simulate(RULES);
    expect([code, err]).toEqual([0, '']);
    expect(result).toMatchObject({ calls: 5, same: 4, flipped: 0, undecidable: 1, lacking: { 'rule:never-nine: arguments': 1 }, left_out: { credential: 1, unreadable: 0 } });
  });
  it('flips: for whom, how many, with ids that are in the record', async () => {
    const { code, result } = await simulate('rules:\n  - { id: sales-echo, effect: allow, groups: [sales], tools: [bank__echo] }\n  - { id: never-nine, effect: deny, tools: [bank__echo], arguments: { text: { equals: "nine" } } }\n');
    expect(code).toBe(1);
    expect(result).toMatchObject({ flipped: 3, same: 1, undecidable: 1, by_flip: { 'allow to deny': 2, 'deny to allow': 1 }, counts: [{ flip: 'allow to deny', caller: 'key:ada', tool: 'bank/echo', count: 2 }, { flip: 'deny to allow', caller: 'key:bob', count: 1 }] });
    const ids = (await records(gateway.data)).map((record) => record['correlation_id']);
    expect(ids).toContain(result?.samples['deny to allow']?.[0]?.correlation_id);
  });
  it('duties: more; in words, and no argument on the screen', async () => {
    const next = RULES.replace('tools: [bank__echo] }', 'tools: [bank__echo], needs: { approval: { groups: [board], quorum: 2 } } }');
    const { code, result } = await simulate(next);
    expect(code).toBe(1);
    expect(result?.by_flip).toMatchObject({ 'more duties': 2, 'allow to deny': 0 });
    const { out } = await policy('simulate', folder('new', next), '--data', gateway.data, '--since', '1h');
    expect(out).toMatch(/MORE DUTIES: 2 call\(s\)\n +2 {2}key:ada +bank\/echo\n[^]*allow -> allow, needs approval by 2 people of board|allow \[rule:finance-echo\] -> allow, needs approval by 2 people of board/);
    expect(out).not.toContain(SECRET);
    expect(out).toContain('Not recorded');
  });
  it('a redacted argument leaves a call open, and the rules that look at it are named', async () => {
    const { result } = await simulate('rules:\n  - { id: other, effect: deny, groups: [nobody], tools: [bank__echo], arguments: { text: { equals: "x" } } }\n');
    expect(result).toMatchObject({ lacking: { 'rule:never-nine: arguments': 1 } });
  });
  it('where a server stands: undecidable without --config, decided with it', async () => {
    const rules = `${RULES}  - { id: not-in-production, effect: deny, environments: [production], tools: [bank__echo] }\n`;
    expect((await simulate(rules)).result).toMatchObject({ by_flip: { 'allow to deny': 0 }, lacking: { 'rule:not-in-production: place': 4 } });
    expect((await simulate(rules, '--config', join(dir, 'sallyport.yaml'))).result).toMatchObject({ by_flip: { 'allow to deny': 2 } });
  });
  it('nothing since then: nothing flips', async () => {
    expect(await simulate('rules: []\n', '--since', '2100-01-01')).toMatchObject({ code: 0, result: { calls: 0 } });
  });
  it.each([
    ['no data', () => [dir], /--data/], ['a folder that is none', () => [join(dir, 'nowhere'), '--data', gateway.data], /neither a folder nor a version/],
    ['data that are none', () => [dir, '--data', join(dir, 'policy')], /there is no record/], ['a time that is none', () => [dir, '--data', gateway.data, '--since', 'soon'], /not a time/],
    ['a policy with a fault', () => [folder('broken', 'rules: [{ id: a }]\n'), '--data', gateway.data], /bank\.yaml:1:\d+ rules\[0\]\.effect/],
  ])('wrong use: %s', async (_, args, why) => {
    expect(await policy('simulate', ...args())).toMatchObject({ code: 2, err: expect.stringMatching(why) as unknown });
  });
});

describe('policy explain', () => {
  const ask = (caller: object, call: object | string, ...args: string[]) => policy('explain', '--policy', join(dir, 'policy'), '--caller', JSON.stringify(caller), '--call', typeof call === 'string' ? call : JSON.stringify(call), ...args);
  const call = { server: 'bank', tool: 'echo', class: 'read', arguments: { text: SECRET } };
  it('an allow and a deny, in words', async () => {
    expect((await ask({ name: 'ada', groups: ['finance'] }, call)).out).toMatch(/^ALLOWED {2}key:ada calls bank__echo \(class read\)[^]*rule:finance-echo \(allow\): finance reads[^]*never-nine \(deny\) misses\n +arguments: the arguments must be as the rule says: text /);
    const { out, code } = await ask({ name: 'bob', groups: ['sales'] }, call);
    expect(code).toBe(0);
    expect(out).toMatch(/^DENIED[^]*\[authorize\.scope\][^]*any one of the scopes bank:read[^]*rule:finance-echo \(allow\) misses\n +who: groups must be finance; it is sales/);
    expect(out).not.toContain(SECRET);
  });
  it('as JSON; numbers are read by their own digits; a condition and a trial are told', async () => {
    const rules = folder('exact', 'rules:\n  - { id: exact, effect: deny, arguments: { n: { max: "9007199254740992" } }, tools: [bank__echo] }\n  - { id: at-noon, effect: allow, shadow: true, tools: [bank__echo] }\n  - { id: cond, effect: allow, tools: [bank__echo], when: "caller.team == \'x\'", during: { from: "08:00", to: "09:00" } }\n');
    const { out } = await policy('explain', '--policy', rules, '--caller', '{}', '--call', '{"server":"bank","tool":"echo","class":"write","arguments":{"n":9007199254740993}}', '--at', '2026-03-02T12:00:00Z', '--json');
    expect(JSON.parse(out)).toMatchObject({
      effect: 'deny', code: 'authorize.rule', shadows: [{ rule: 'rule:at-noon', would: 'allow' }], class: 'write', at: '2026-03-02T12:00:00.000Z',
      // Read as a double it would be the very maximum, and no doubt.
      matched: [{ rule: 'rule:exact', doubt: expect.stringMatching(/^n: /) as unknown }], nearly: [{ rule: 'rule:cond', missing: [{ half: 'when', words: 'the time must be within 08:00 to 09:00 UTC; it is 2026-03-02T12:00:00.000Z' }, { half: 'condition' }] }],
    });
  });
  it('a recorded call, by the version that decided it', async () => {
    const all = await records(gateway.data, '--event', 'call.refused');
    const id = String(all.find((record) => record['caller_id'] === 'key:bob')?.['correlation_id']);
    expect(await policy('explain', '--correlation', id, '--data', gateway.data)).toMatchObject({ code: 0, out: expect.stringMatching(/^DENIED {2}key:bob calls bank__echo[^]*groups must be finance; it is sales/) as unknown });
    const redacted = (await records(gateway.data, '--event', 'call.intended')).at(-1)?.['correlation_id'];
    expect((await policy('explain', '--correlation', String(redacted), '--data', gateway.data)).out).toContain('Note: the arguments were redacted or cut');
    const eve = String(all.find((record) => record['caller_id'] === 'key:eve')?.['correlation_id']);
    expect(await policy('explain', '--correlation', eve, '--data', gateway.data)).toMatchObject({ code: 2, err: expect.stringContaining('the credential’s own lists') as unknown });
  });
  it.each<readonly [string, readonly string[], RegExp]>([
    ['no policy', ['--caller', '{}', '--call', '{"server":"a","tool":"b","class":"read"}'], /which policy/], ['no call', ['--policy', dir], /--correlation/],
    ['no class', ['--policy', join(dir, 'policy'), '--caller', '{}', '--call', '{"server":"a","tool":"b"}'], /class/], ['a key that is none', ['--policy', join(dir, 'policy'), '--caller', '{"nmae":"x"}', '--call', '{}'], /nmae/],
    ['no JSON', ['--policy', join(dir, 'policy'), '--caller', `{${SECRET}`, '--call', '{}'], /^--caller is no JSON\n$/], ['no such call', ['--correlation', 'x', '--data', join(dir, 'data')], /no record of/],
  ])('wrong use: %s', async (_, args, why) => {
    expect(await policy('explain', ...args)).toMatchObject({ code: 2, err: expect.stringMatching(why) as unknown });
  });
});

describe('policy diff', () => {
  const config = (): string => join(dir, 'sallyport.yaml');
  it('the same: exit code 0', async () => {
    expect(await policy('diff', join(dir, 'policy'), join(dir, 'policy'), '--config', config(), '--data', gateway.data)).toMatchObject({ code: 0, out: expect.stringContaining('3 callers, 1 tools, no difference') as unknown });
  });
  it('keys and recorded tools; only what differs; a stored version against a folder', async () => {
    const next = folder('next', 'rules:\n  - { id: sales-echo, effect: allow, groups: [sales], tools: [bank__echo], needs: { reason: true } }\n');
    const version = (JSON.parse((await policy('list', '--json', '--data', gateway.data)).out) as { version: string }[])[0]?.version as string;
    const { code, out } = await policy('diff', version, next, '--config', config(), '--data', gateway.data, '--json');
    expect(code).toBe(1);
    expect((JSON.parse(out) as { changes: unknown }).changes).toEqual([
      { caller: 'key:ada', before: 'allow', after: 'deny', tools: ['bank__echo'] }, { caller: 'key:bob', before: 'deny', after: 'allow, needs a reason', tools: ['bank__echo'] },
    ]);
  });
  it('callers and tools of files; a condition that alone has changed shows', async () => {
    const callers = file('callers.yaml', 'callers:\n  - { name: ada, groups: [finance] }\n');
    const tools = file('tools.yaml', 'tools:\n  - { server: bank, tool: echo, class: read }\n  - { server: bank, tool: pay, class: write }\n');
    const next = folder('next', RULES.replace('equals: "nine"', 'equals: "ten"'));
    const { code, out } = await policy('diff', join(dir, 'policy'), next, '--callers', callers, '--tools', tools);
    expect(code).toBe(1);
    expect(out).toMatch(/1 callers, 2 tools, 1 difference\(s\)\nCALLER +BEFORE +AFTER +TOOLS\nkey:ada +allow \(conditions of rule:never-nine\) +allow \(conditions of rule:never-nine\) +bank__echo\n/);
  });
  it('callers and tools of the tests', async () => {
    const tested = folder('tested', RULES, 'tests:\n  - name: a\n    caller: { name: ada, groups: [finance] }\n    call: { server: bank, tool: echo, class: read }\n    expect: allow\n');
    expect(await policy('diff', tested, folder('empty', 'rules: []\n'))).toMatchObject({ code: 1, out: expect.stringMatching(/key:ada +allow +deny +bank__echo/) as unknown });
  });
  it.each<readonly [string, readonly string[], RegExp]>([
    ['nobody is known', ['policy', 'policy'], /no caller is known/], ['a version without --data', ['policy', 'ffffffffffffffff'], /can it be a version without --data/], ['a file of callers that is none', ['policy', 'policy', '--callers', 'policy/bank.yaml'], /callers/],
  ])('wrong use: %s', async (_, args, why) => {
    expect(await cli(['policy', 'diff', ...args], {}, dir)).toMatchObject({ code: 2, err: expect.stringMatching(why) as unknown });
  });
});
