import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFixture, type RunningFixture } from '../kit/fixture/http.ts';
import { cli, launch, records, type Launched } from '../kit/gateway.ts';
import { until } from '../kit/scene.ts';

let fixture: RunningFixture;
beforeAll(async () => { fixture = await startFixture({}); });
afterAll(() => fixture.close());

const newDir = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'policy-'));
  mkdirSync(join(dir, 'policy'));
  return dir;
};
const configFor = (authorize: object = {}): Record<string, unknown> => ({
  authorize: { policy: 'policy', ...authorize },
  dispatch: { servers: { bank: { url: fixture.url, allow_loopback: true } } },
  resolve: { tools: { bank__echo: { class: 'read' } } },
  limit: { rates: { tools: { '*': '1000000/minute' }, callers: { '*': '1000000/minute' } } },
});
const rules = (...ids: readonly string[]): string => `rules:\n${ids.map((id) => `  - { id: ${id}, effect: allow, tools: [bank__echo] }\n`).join('')}`;
const tests = (...ids: readonly string[]): string => `tests:\n  - name: who calls, echoes\n    call: { server: bank, tool: echo, class: read }\n    expect: { effect: allow, rules: [${ids.join(', ')}] }\n`;
const write = (dir: string, name: string, text: string): void => writeFileSync(join(dir, 'policy', name), text);
const count = (text: string, part: string): number => text.split(part).length - 1;
const call = (gateway: Launched, n: number) => gateway.tool('caller', 'bank__echo', { text: String(n) });
const ready = async (gateway: Launched): Promise<unknown> => (await fetch(`${gateway.url}/ready`)).json();
const versions = async (gateway: Launched): Promise<{ version: string; live: boolean; pinned: boolean; by: string }[]> => JSON.parse((await cli(['policy', 'list', '--json', '--data', gateway.data])).out) as never;
const liveVersion = async (gateway: Launched): Promise<string | undefined> => (await versions(gateway)).find(({ live }) => live)?.version;
/** What decides calls now, as the newest record says. */
const deciding = async (gateway: Launched): Promise<unknown> => {
  await call(gateway, 0);
  return (await records(gateway.data, '--event', 'call.finished')).at(-1)?.['policy_ids'];
};

describe('reload', () => {
  it('under load: files written one by one; no call sees a mix, none is dropped', async () => {
    const dir = newDir();
    const put = async (v: string): Promise<void> => {
      write(dir, 'a.yaml', rules(`${v}-a`));
      await sleep(150); // the folder holds half of each now
      write(dir, 'b.yaml', rules(`${v}-b`));
    };
    await put('v1');
    const gateway = await launch({ dir, config: configFor({ require_tests: false }), keys: { caller: [] } });
    try {
      const done = new AbortController();
      const bad: string[] = [];
      let calls = 0;
      const work = Array.from({ length: 8 }, async () => {
        while (!done.signal.aborted) {
          const reply = await call(gateway, (calls += 1)).catch((error: unknown) => ({ status: 0, text: String(error) }));
          if (reply.status !== 200) bad.push(`${reply.status} ${reply.text}`);
          await sleep(2);
        }
      });
      for (const [n, v] of ['v2', 'v1', 'v2'].entries()) {
        await put(v);
        await until(`${v} in force`, 10_000, () => count(gateway.err(), 'policy in force') === n + 2);
        await sleep(100);
      }
      done.abort();
      await Promise.all(work);
      expect(bad).toEqual([]);
      expect(await versions(gateway)).toHaveLength(2);
      const seen = (await records(gateway.data, '--event', 'call.finished')).map((record) => `${String(record['policy_version'])} ${JSON.stringify(record['policy_ids'])}`);
      expect(seen.length).toBe(calls);
      expect([...new Set(seen.map((each) => each.replace(/^\S+ /, '')))].toSorted()).toEqual(['["rule:v1-a","rule:v1-b"]', '["rule:v2-a","rule:v2-b"]']);
      expect(new Set(seen).size).toBe(2);
      expect(calls).toBeGreaterThan(200);
    } finally {
      await gateway.stop();
      gateway.clean();
    }
  });

  it('what is not sound or fails its tests stays out, once told; what is mended goes live; SIGHUP looks again', async () => {
    const dir = newDir();
    write(dir, 'bank.yaml', rules('one'));
    write(dir, 'bank.tests.yaml', tests('one'));
    const gateway = await launch({ dir, config: configFor(), keys: { caller: [] } });
    try {
      expect(await deciding(gateway)).toEqual(['rule:one']);
      expect(await ready(gateway)).toEqual({ ready: true, causes: [] });
      const stays = async (n: number, why: RegExp): Promise<void> => {
        await until(`rejection ${n}: ${why}`, 10_000, async () => (await records(gateway.data, '--event', 'policy.rejected')).length === n);
        expect((await records(gateway.data, '--event', 'policy.rejected')).at(-1)?.['error']).toMatch(why);
        expect(gateway.err()).toMatch(why);
        expect(await ready(gateway)).toEqual({ ready: true, causes: [], notes: ['policy: new version rejected'] });
        expect(await deciding(gateway)).toEqual(['rule:one']);
      };
      write(dir, 'bank.yaml', 'rules:\n  - id: two\n    effect: alow\n');
      await stays(1, /bank\.yaml:3:13 rules\[0\]\.effect: must be one of allow, deny/);
      write(dir, 'bank.yaml', rules('two'));
      await stays(2, /bank\.tests\.yaml:2 test `who calls, echoes` fails: expected rules \[rule:one\]; got rules \[rule:two\]/);
      write(dir, 'bank.yaml', rules('one', 'one'));
      await stays(3, /bank\.yaml:3:11 rules\[1\]\.id: the id `one` is taken by a rule at .*bank\.yaml:2:11/);
      write(dir, 'bank.yaml', rules('one').replace('bank__echo', 'bnk__echo'));
      await stays(4, /bank\.yaml:2:\d+ rules\[0\]\.tools\[0\]: can match no tool/);
      write(dir, 'more.yaml', 'rules:\n  - { id: extra, effect: deny, users: [nobody] }\n');
      write(dir, 'bank.yaml', rules('one'));
      await stays(5, /more\.yaml:2 rule extra \(deny\) decides in no test that passes/);
      rmSync(join(dir, 'policy', 'more.yaml'));
      renameSync(join(dir, 'policy'), join(dir, 'gone'));
      await stays(6, /policy:1:1 \(file\): does not exist/);
      // The same content again is not told again.
      const told = count(gateway.err(), 'policy rejected');
      gateway.child.kill('SIGHUP');
      await sleep(600);
      expect(count(gateway.err(), 'policy rejected')).toBe(told);
      renameSync(join(dir, 'gone'), join(dir, 'policy'));
      await until('back', 10_000, async () => !('notes' in (await ready(gateway) as object)));

      write(dir, 'bank.yaml', rules('two'));
      write(dir, 'bank.tests.yaml', tests('two'));
      gateway.child.kill('SIGHUP');
      expect(await until('in force', 10_000, () => count(gateway.err(), 'policy in force') === 2)).toBeLessThan(1_500);
      expect(await deciding(gateway)).toEqual(['rule:two']);
      const loaded = await records(gateway.data, '--event', 'policy.loaded');
      expect(loaded).toMatchObject([{ tool_input: { by: 'start', tests: 1 } }, { policy_version: await liveVersion(gateway), tool_input: { by: 'reload', rules: 1, before: loaded[0]?.['policy_version'] } }]);
    } finally {
      await gateway.stop();
      gateway.clean();
    }
  });
});

describe('rollback', () => {
  it('a kept version is pinned over the folder and over a restart, until it is released', async () => {
    const dir = newDir();
    write(dir, 'bank.yaml', rules('one'));
    write(dir, 'bank.tests.yaml', tests('one'));
    let gateway = await launch({ dir, config: configFor(), keys: { caller: [] } });
    const key = gateway.keys['caller'] as string;
    const decides = async (): Promise<unknown> => {
      await gateway.tool(key, 'bank__echo', { text: 'x' });
      return (await records(gateway.data, '--event', 'call.finished')).at(-1)?.['policy_ids'];
    };
    const policy = (...args: string[]) => cli(['policy', ...args, '--data', gateway.data]);
    try {
      const first = await liveVersion(gateway) as string;
      write(dir, 'bank.yaml', rules('two'));
      write(dir, 'bank.tests.yaml', tests('two'));
      await until('two', 10_000, async () => (await versions(gateway)).length === 2);
      expect(await decides()).toEqual(['rule:two']);

      expect(await policy('rollback', 'ffffffffffffffff')).toMatchObject({ code: 2, err: expect.stringContaining('there is no version ffffffffffffffff') as unknown });
      expect((await policy('rollback')).code).toBe(2);
      expect((await policy('rollback', '--release'))).toMatchObject({ code: 1 });

      expect(await policy('rollback', first)).toMatchObject({ code: 0 });
      await until('one again', 5_000, async () => (await liveVersion(gateway)) === first);
      expect(await decides()).toEqual(['rule:one']);
      expect(await ready(gateway)).toEqual({ ready: true, causes: [], notes: ['policy: pinned'] });
      expect((await policy('list')).out).toMatch(new RegExp(`^\\* {2}${first} .*rollback .*pinned$`, 'm'));
      expect(await records(gateway.data, '--event', 'policy.rolled_back')).toMatchObject([{ policy_version: first, tool_input: { by: 'rollback', pinned: true } }]);

      write(dir, 'bank.yaml', rules('three'));
      write(dir, 'bank.tests.yaml', tests('three'));
      await until('told', 10_000, () => gateway.err().includes('the pinned version stays'));
      expect(await decides()).toEqual(['rule:one']);

      await gateway.stop();
      write(dir, 'broken.yaml', 'rules: [');
      gateway = await launch({ dir, config: configFor() });
      expect(await decides()).toEqual(['rule:one']);
      expect(await ready(gateway)).toMatchObject({ ready: true, notes: ['policy: pinned'] });

      // Released while the folder is broken: what runs goes on, and is not pinned any more.
      expect(await policy('rollback', '--release')).toMatchObject({ code: 0 });
      await until('rejected', 5_000, async () => JSON.stringify(await ready(gateway)).includes('"notes":["policy: new version rejected"]'));
      expect(await decides()).toEqual(['rule:one']);
      rmSync(join(dir, 'policy', 'broken.yaml'));
      await until('three', 10_000, async () => (await versions(gateway)).length === 3);
      expect(await decides()).toEqual(['rule:three']);
      expect(await ready(gateway)).toEqual({ ready: true, causes: [] });
    } finally {
      await gateway.stop();
      gateway.clean();
    }
  });
});

describe('start', () => {
  const refused = async (prepare: (dir: string) => void, authorize: object = {}): Promise<string> => {
    const dir = newDir();
    try {
      prepare(dir);
      return await launch({ dir, config: configFor(authorize) }).then((gateway) => gateway.stop().then(() => 'started'), String);
    } finally {
      rmSync(dir, { recursive: true });
    }
  };
  it.each<readonly [string, (dir: string) => void, RegExp]>([
    ['a folder that is missing', (dir) => rmSync(join(dir, 'policy'), { recursive: true }), /ended with 2: [^]*policy:1:1 \(file\): does not exist/],
    ['a file in its place', (dir) => { rmSync(join(dir, 'policy'), { recursive: true }); writeFileSync(join(dir, 'policy'), ''); }, /ended with 2: [^]*is not a folder/],
    ['a test that fails', (dir) => { write(dir, 'a.yaml', rules('one')); write(dir, 'a.tests.yaml', tests('two')); }, /ended with 2: [^]*a\.tests\.yaml:2 test `who calls, echoes` fails/],
    ['rules without tests', (dir) => write(dir, 'a.yaml', rules('one')), /ended with 2: [^]*policy holds no test/],
    ['a rule that no test touches', (dir) => { write(dir, 'a.yaml', `${rules('one')}  - { id: two, effect: deny, users: [x] }\n`); write(dir, 'a.tests.yaml', tests('one')); }, /ended with 2: [^]*a\.yaml:3 rule two \(deny\) decides in no test/],
    ['a link out of the folder', (dir) => { writeFileSync(join(dir, 'else.yaml'), rules('one')); symlinkSync(join(dir, 'else.yaml'), join(dir, 'policy', 'a.yaml')); }, /ended with 2: [^]*is a link out of the policy folder/],
  ])('%s: exit code 2', async (_, prepare, why) => {
    expect(await refused(prepare)).toMatch(why);
  });
  it('a pin whose version is gone: exit code 2, with the way out', async () => {
    const dir = newDir();
    write(dir, 'a.yaml', rules('one'));
    const gateway = await launch({ dir, config: configFor({ require_tests: false }) });
    const version = await liveVersion(gateway) as string;
    await cli(['policy', 'rollback', version, '--data', gateway.data]);
    await gateway.stop();
    const { DatabaseSync } = await import('node:sqlite');
    const db = new DatabaseSync(join(gateway.data, 'store.sqlite'));
    db.exec("DELETE FROM records WHERE kind = 'policy_version'");
    db.close();
    await expect(launch({ dir, config: configFor({ require_tests: false }) })).rejects.toThrow(/ended with 2: [^]*is not kept, or cannot be read[^]*--release/);
    expect((await cli(['policy', 'rollback', '--release', '--data', gateway.data])).code).toBe(0);
    const again = await launch({ dir, config: configFor({ require_tests: false }) });
    await again.stop();
    again.clean();
  });
});

describe('policy test', () => {
  const policyTest = (cwd: string, ...args: string[]) => cli(['policy', 'test', ...args], {}, cwd);
  it('finds every folder with tests below this one; exit code 0, 1 for a failure, 2 for a fault, each with its place', async () => {
    const dir = newDir();
    mkdirSync(join(dir, 'deep', 'down'), { recursive: true });
    mkdirSync(join(dir, 'node_modules', 'x'), { recursive: true });
    writeFileSync(join(dir, 'node_modules', 'x', 'a.tests.yaml'), 'broken: [');
    write(dir, 'a.yaml', rules('one'));
    write(dir, 'a.tests.yaml', tests('one'));
    writeFileSync(join(dir, 'deep', 'down', 'b.yaml'), rules('two'));
    writeFileSync(join(dir, 'deep', 'down', 'b.tests.yaml'), tests('two'));
    expect(await policyTest(dir)).toMatchObject({ code: 0, out: expect.stringMatching(/^deep\/down: 1 of 1 test\(s\) pass; .*\npolicy: 1 of 1 /) as unknown });
    writeFileSync(join(dir, 'deep', 'down', 'b.tests.yaml'), tests('three'));
    expect(await policyTest(dir)).toMatchObject({ code: 1, err: expect.stringMatching(/deep\/down\/b\.tests\.yaml:2 FAIL who calls, echoes\n {2}expected: rules \[rule:three\]\n {2}got: {6}rules \[rule:two\]\n {2}decided: {2}rule:two/) as unknown });
    expect(await policyTest(dir, 'policy')).toMatchObject({ code: 0 });
    expect(await policyTest(dir, 'nowhere')).toMatchObject({ code: 2, err: expect.stringContaining('nowhere:1:1 (file): does not exist') as unknown });
    write(dir, 'a.yaml', 'rules: [');
    expect(await policyTest(dir, 'policy')).toMatchObject({ code: 2, err: expect.stringMatching(/policy\/a\.yaml:1:9/) as unknown });
    rmSync(join(dir, 'policy'), { recursive: true });
    rmSync(join(dir, 'deep'), { recursive: true });
    expect(await policyTest(dir)).toMatchObject({ code: 2 });
    rmSync(dir, { recursive: true });
  });
  it('with a configuration: its rules, its servers, its require_tests; `check` says the same', async () => {
    const dir = newDir();
    const file = join(dir, 'sallyport.yaml');
    const config = (more: string): void => writeFileSync(file, `authorize: { policy: policy, ${more} }\ndispatch: { servers: { bank: { url: "https://mcp.example.com/mcp" } } }\n`);
    write(dir, 'a.yaml', rules('one'));
    write(dir, 'a.tests.yaml', tests('one'));
    const both = async (): Promise<unknown[]> => [(await policyTest(dir, '--config', file)).code, (await cli(['check', file])).code];
    config('');
    expect(await both()).toEqual([0, 0]);
    config('rules: [{ id: own, effect: deny, users: [x] }]');
    expect(await both()).toEqual([1, 2]);
    config('rules: [{ id: own, effect: deny, users: [x] }], require_tests: false');
    expect(await both()).toEqual([0, 0]);
    config('rules: [{ id: one, effect: deny, users: [x] }]');
    expect(await both()).toEqual([2, 2]);
    config('');
    write(dir, 'a.yaml', rules('one').replace('bank__echo', 'bnk__echo'));
    expect(await both()).toEqual([2, 2]);
    rmSync(dir, { recursive: true });
  });
});
