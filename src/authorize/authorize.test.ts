import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { Resolved } from '../call/call.ts';
import type { Principal } from '../call/principal.ts';
import { REFUSALS } from '../call/refusals.ts';
import { RISKS, type Risk, type Target, type Tool } from '../call/target.ts';
import { authorizeConfig, type AuthorizeConfig } from './config.ts';
import { type Authorize, createAuthorize as createWith, type Judged, type Place } from './index.ts';

const START = Date.parse('2026-11-20T12:00:00Z'); // a Friday
/** A room whose clock stands still unless the test turns its hands. */
const createAuthorize = (config: AuthorizeConfig, places: Readonly<Record<string, Place>> = {}, clock: { at: number } = { at: START }): Authorize =>
  createWith(config, { clock: { now: () => clock.at, monotonic: () => clock.at }, placeOf: (server) => places[server] ?? { environment: null, region: null, tenant: null } });
const judged = (text: string): Judged => ({ value: JSON.parse(text), text });

interface Case {
  readonly name: string;
  readonly id?: string;
  readonly caller?: string;
  readonly team?: string;
  readonly environment?: string;
  readonly user?: string;
  readonly groups?: readonly string[];
  readonly roles?: readonly string[];
  readonly tenant?: string;
  readonly agent?: string;
  readonly client?: string;
  readonly workspace?: string;
  readonly scopes?: readonly string[];
  readonly allowedTools?: readonly string[];
  readonly deniedTools?: readonly string[];
  readonly confirmTools?: readonly string[];
  readonly server?: null;
  readonly method?: string;
  readonly tool?: string;
  readonly class: Risk;
  readonly allow?: readonly string[];
  readonly ask?: boolean;
  readonly deny?: string;
  readonly rules?: readonly string[];
  readonly want?: readonly string[];
  /** Duties by kind, in order. */
  readonly duties?: readonly string[];
  /** What rules on trial would say. */
  readonly shadows?: readonly string[];
  /** Arguments as JSON text; without it the list asks. */
  readonly args?: string | undefined;
  /** For prompts and resources. */
  readonly target?: string;
  readonly at?: string;
  readonly note?: string;
}
interface Suite {
  readonly suite: string;
  readonly policy: unknown;
  readonly places?: Readonly<Record<string, Place>>;
  readonly cases: readonly Case[];
}

const principalOf = (c: Partial<Case>): Principal => ({
  id: c.id ?? 'key:1', kind: 'api_key', caller: c.caller ?? 'ops', team: c.team ?? null, user: c.user ?? null, workspace: c.workspace ?? null, environment: c.environment ?? null, agent: c.agent ?? null, client: c.client ?? null,
  scopes: c.scopes ?? [], tenant: c.tenant ?? null, groups: c.groups ?? [], roles: c.roles ?? [], allowedTools: c.allowedTools ?? null, deniedTools: c.deniedTools ?? [], confirmTools: c.confirmTools ?? [], tokenAudience: null, expiresAt: null,
});
function targetOf(c: Partial<Case>): Target {
  const server = c.server === null ? null : 'github';
  const method = c.method ?? 'tools/call';
  const risk = c.class ?? 'read';
  if (method !== 'tools/call') return { id: `${server ?? 'gateway'}:${method}`, server, method, name: c.target ?? null, risk, tool: null, lane: 'own', timeoutMs: 1 };
  const tool: Tool = { server: 'github', name: c.tool ?? 'tool', id: `github__${c.tool ?? 'tool'}`, risk, digest: '', definition: '{}', inputSchema: {} };
  return { id: tool.id, server, method, name: tool.name, risk, tool, lane: 'own', timeoutMs: 1 };
}
const suites = parse(readFileSync(new URL('./cases.yaml', import.meta.url), 'utf8')) as readonly Suite[];

describe.each(suites.map((s) => [s.suite, s] as const))('%s', (_, suite) => {
  const clock = { at: START };
  const room = createAuthorize(authorizeConfig.parse(suite.policy), suite.places, clock);
  test.each(suite.cases.map((c) => [c.name, c] as const))('%s', (__, c) => {
    clock.at = c.at === undefined ? START : Date.parse(c.at);
    const [principal, target] = [principalOf(c), targetOf(c)];
    const args = c.args === undefined ? undefined : judged(c.args);
    const decision = room.decide(principal, target, args);
    expect(decision.policyVersion).toBe(room.version);
    if (decision.effect === 'allow') {
      expect({ effect: 'allow', ruleIds: decision.ruleIds }).toEqual({ effect: 'allow', ruleIds: c.allow });
      if (c.ask !== undefined) expect(decision.obligations.some((o) => o.by === 'approve' && o.kind === 'approval')).toBe(c.ask);
      if (c.duties !== undefined) expect(decision.obligations.map((o) => o.id)).toEqual(c.duties);
    } else {
      expect({ reason: decision.reason, rules: decision.ruleIds }).toEqual({ reason: c.deny, rules: c.rules ?? decision.ruleIds });
      if (c.want !== undefined) expect(decision.wantScopes).toEqual(c.want);
    }
    if (c.shadows !== undefined) expect((decision.shadows ?? []).map((s) => `${s.would} ${s.ruleId}`)).toEqual(c.shadows);
    // Asking twice gives the same answer, and the explanation is of the same decision.
    expect(room.decide(principal, target, args)).toEqual(decision);
    const explained = room.explain(principal, target, args);
    expect(explained.decision).toEqual(decision);
    const matching = explained.rules.filter((rule) => rule.matches && !rule.shadow).map((rule) => rule.id);
    for (const id of decision.ruleIds) if (id.startsWith('rule:') && c.deny !== 'authorize.error') expect(matching).toContain(id);
    // The list asks the same question as the call, where nothing hangs on arguments.
    const call = { principal, target, message: { params: args === undefined ? {} : { arguments: args.value }, argumentsText: c.args ?? '{}' } };
    if (c.args === undefined && suite.suite.includes('argument')) return;
    const verdict = room.stage.run(call as unknown as Resolved);
    expect('go' in verdict ? verdict.go.decision : 'stop' in verdict ? verdict.stop.decision : null).toEqual(decision);
    if (c.note !== undefined) expect(verdict).toMatchObject({ stop: { note: expect.stringContaining(c.note) } });
  });
});

describe('denied cannot be told from unknown', () => {
  test('every reason reads like an unknown tool', () => {
    const unknown = REFUSALS.get('resolve.unknown_tool');
    const own = [...REFUSALS.entries()].filter(([code]) => code.startsWith('authorize.'));
    expect(own.length).toBeGreaterThan(4);
    for (const [, row] of own) expect({ ...row, operator: '' }).toEqual({ ...unknown, operator: '' });
  });
  test('no refusal adds a word of its own', () => {
    const room = createAuthorize(authorizeConfig.parse({}));
    const verdict = room.stage.run({ principal: principalOf({}), target: targetOf({ class: 'admin' }), message: { params: {}, argumentsText: '{}' } } as unknown as Resolved);
    expect(verdict).toHaveProperty('stop');
    expect((verdict as { stop: object }).stop).not.toHaveProperty('tell');
  });
});

describe('an error denies', () => {
  const room = createAuthorize(authorizeConfig.parse({ rules: [{ id: 'a', effect: 'allow', callers: ['*'] }, { id: 'b', effect: 'deny', teams: ['x*'] }] }));
  test.each([[null], [{}], [{ ...principalOf({}), scopes: null }], [{ ...principalOf({}), team: 7 }], [{ ...principalOf({}), deniedTools: undefined }]])('principal %o', (junk) => {
    expect(room.decide(junk as unknown as Principal, targetOf({}))).toEqual({ effect: 'deny', ruleIds: [], policyVersion: room.version, reason: 'authorize.error', wantScopes: [] });
  });
  test('a target that is none', () => expect(room.decide(principalOf({}), null as unknown as Target)).toMatchObject({ reason: 'authorize.error' }));
});

describe('properties', () => {
  const name = fc.constantFrom('ops', 'dev', 'key:1');
  const lists = fc.record(
    {
      callers: fc.array(fc.constantFrom('ops', 'd*', 'key:*'), { minLength: 1, maxLength: 2 }), scopes: fc.array(fc.constantFrom('s', 't'), { minLength: 1, maxLength: 2 }),
      servers: fc.array(fc.constantFrom('github', 'git*', 'fs'), { minLength: 1, maxLength: 2 }), tools: fc.array(fc.constantFrom('github__a', 'github__*', '*b', 'fs__*'), { minLength: 1, maxLength: 2 }),
      classes: fc.array(fc.constantFrom(...RISKS), { minLength: 1, maxLength: 3 }),
    },
    { requiredKeys: [] },
  );
  const rules = fc.array(fc.tuple(fc.constantFrom('allow', 'deny'), lists), { maxLength: 70 });
  const aimed = fc.record({ tool: fc.constantFrom('a', 'ab', 'c'), class: fc.constantFrom(...RISKS) });
  const policy = (list: readonly (readonly [string, object])[]) => authorizeConfig.parse({ rules: list.map(([effect, rest], i) => ({ id: `r${i}`, effect, ...rest })) });

  test('an allow always names a rule, and taking all allow rules away never allows more', () => {
    fc.assert(
      fc.property(rules, name, fc.subarray(['s', 't', 'github:read', 'github:write']), aimed, (list, caller, scopes, at) => {
        const [principal, target] = [principalOf({ caller, scopes }), targetOf(at)];
        const decision = createAuthorize(policy(list)).decide(principal, target);
        expect(decision.ruleIds.length).toBeGreaterThan(0);
        const bare = createAuthorize(policy(list.filter(([effect]) => effect === 'deny'))).decide(principal, target);
        if (decision.effect === 'deny') expect(bare.effect).toBe('deny');
      }),
      { numRuns: 300 },
    );
  });
  test('one more deny rule never allows more, and a credential’s list never allows more', () => {
    fc.assert(
      fc.property(rules, lists, name, fc.subarray(['s', 't', 'github:read']), aimed, (list, more, caller, scopes, at) => {
        const target = targetOf(at);
        const before = createAuthorize(policy(list)).decide(principalOf({ caller, scopes }), target);
        if (before.effect === 'allow') return;
        expect(createAuthorize(policy([...list, ['deny', more]])).decide(principalOf({ caller, scopes }), target).effect).toBe('deny');
        expect(createAuthorize(policy(list)).decide(principalOf({ caller, scopes, allowedTools: ['*'], deniedTools: [] }), target).effect).toBe('deny');
      }),
      { numRuns: 300 },
    );
  });
});

describe('properties of conditions and trials', () => {
  const lists = fc.record(
    {
      callers: fc.constantFrom(['ops'], ['d*']), groups: fc.constantFrom(['g'], ['g', 'h']), classes: fc.subarray([...RISKS], { minLength: 1 }), tools: fc.constantFrom(['github__a*'], ['github__a', 'github__c']),
      environments: fc.constantFrom(['prod'], ['dev']), when: fc.constantFrom('caller.team == "t"', 'args.n < 5', 'int(caller.team) > 1', 'has(args.x) || caller.team == "t"'), arguments: fc.constantFrom({ n: { max: 3 } }, { x: { enum: ['a'] }, n: { any: true } }),
      during: fc.constantFrom({ weekdays: ['fri'] }, { weekdays: ['sat'] }), needs: fc.constantFrom('none', { approval: true }, { reason: true }),
    },
    { requiredKeys: [] },
  );
  const rules = fc.array(fc.tuple(fc.constantFrom('allow', 'deny'), lists), { maxLength: 12 });
  const asked = fc.record({
    caller: fc.constantFrom('ops', 'dev', 'x'), groups: fc.subarray(['g', 'h']), team: fc.constantFrom('t', '7', 'u'), scopes: fc.subarray(['github:read', 'github:write']), environment: fc.constantFrom('prod', 'dev'),
    tool: fc.constantFrom('a', 'ab', 'c'), class: fc.constantFrom(...RISKS), args: fc.option(fc.constantFrom('{}', '{"n":1}', '{"n":4,"x":"a"}', '{"n":"1","x":null}', '{"x":"b","n":2}'), { nil: undefined }),
  });
  const ruleOf = ([effect, rest]: readonly [string, object], id: string, more: object = {}): object => {
    const { needs, ...others } = rest as { needs?: unknown };
    return { id, effect, ...others, ...(effect === 'allow' && needs !== undefined && { needs }), ...more };
  };
  const policy = (list: readonly (readonly [string, object])[], more: readonly object[] = []) => createAuthorize(authorizeConfig.parse({ rules: [...list.map((rule, i) => ruleOf(rule, `r${i}`)), ...more] }));
  const decideFor = (room: Authorize, c: Partial<Case>) => room.decide(principalOf(c), targetOf(c), c.args === undefined ? undefined : judged(c.args));
  const said = ({ policyVersion: _version, shadows: _shadows, ...rest }: ReturnType<Authorize['decide']>): object => rest;

  test('one more deny, whatever its conditions, never allows more', () => {
    fc.assert(fc.property(rules, lists, asked, (list, more, c) => {
      if (decideFor(policy(list), c).effect === 'deny') expect(decideFor(policy(list, [ruleOf(['deny', more], 'more')]), c).effect).toBe('deny');
    }), { numRuns: 120 });
  });
  test('a rule on trial changes nothing that is decided, asked or told', () => {
    fc.assert(fc.property(rules, fc.tuple(fc.constantFrom('allow', 'deny'), lists), asked, (list, trial, c) => {
      const [before, after] = [policy(list), policy(list, [ruleOf(trial, 'trial', { shadow: true })])];
      expect(said(decideFor(after, c))).toEqual(said(decideFor(before, c)));
      const args = c.args === undefined ? { params: {}, argumentsText: '{}' } : { params: { arguments: JSON.parse(c.args) }, argumentsText: c.args };
      const told = (room: Authorize) => {
        const verdict = room.stage.run({ principal: principalOf(c), target: targetOf(c), message: args } as unknown as Resolved);
        return 'stop' in verdict ? { ...verdict.stop, decision: null } : 'go';
      };
      expect(told(after)).toEqual(told(before));
    }), { numRuns: 120 });
  });
  test('a rule in error denies what it could have matched, and nothing else', () => {
    fc.assert(fc.property(rules, fc.tuple(fc.constantFrom('allow', 'deny'), lists), asked, (list, [effect, rest], c) => {
      const { when: _when, arguments: _arguments, during: _during, ...halves } = rest as Record<string, unknown>;
      const wrong = ruleOf([effect, halves], 'wrong', { when: 'int("x") > 1' });
      const [before, after] = [policy(list), policy(list, [wrong])];
      const could = after.explain(principalOf(c), targetOf(c)).rules.find((rule) => rule.id === 'rule:wrong')?.parts.every((part) => part.half === 'condition' || part.holds === true);
      const decision = decideFor(after, c);
      if (could !== true) expect(said(decision)).toEqual(said(decideFor(before, c)));
      else expect(decision.effect).toBe('deny');
      if (could === true && decision.effect === 'deny' && !['authorize.rule'].includes(decision.reason)) expect(decision).toMatchObject({ reason: 'authorize.error', ruleIds: expect.arrayContaining(['rule:wrong']) });
    }), { numRuns: 120 });
  });
  test('what the list hides no call gets, and what is remembered is what is decided', () => {
    fc.assert(fc.property(rules, asked, (list, c) => {
      const room = policy(list);
      const { args: _args, ...listed } = c;
      if (decideFor(room, { ...c, args: c.args ?? '{}' }).effect === 'allow') expect(decideFor(room, listed).effect).toBe('allow');
      expect(said(decideFor(room, c))).toEqual(said(decideFor(policy(list), c)));
    }), { numRuns: 120 });
  });
});

test('what hangs on arguments or time is decided anew for the same caller and tool', () => {
  const clock = { at: START };
  const room = createAuthorize(authorizeConfig.parse({ confirm_classes: [], rules: [
    { id: 'small', effect: 'allow', callers: ['ops'], tools: ['github__pay'], when: 'args.n < 5' }, { id: 'friday', effect: 'allow', callers: ['dev'], tools: ['github__pay'], during: { weekdays: ['fri'] } },
    { id: 'trial', effect: 'deny', shadow: true, callers: ['x'], tools: ['github__pay'], during: { weekdays: ['fri'] } }, { id: 'x', effect: 'allow', callers: ['x'], classes: ['write'] },
  ] }), {}, clock);
  const target = targetOf({ tool: 'pay', class: 'write' });
  const [ops, dev, x] = ['ops', 'dev', 'x'].map((caller) => principalOf({ caller }));
  if (ops === undefined || dev === undefined || x === undefined) throw new Error('three');
  const amounts = [1, 9, 1, 9].map((n) => room.decide(ops, target, judged(`{"n":${n}}`)).effect);
  expect(amounts).toEqual(['allow', 'deny', 'allow', 'deny']);
  expect([room.decide(dev, target).effect, room.decide(x, target).shadows?.length]).toEqual(['allow', 1]);
  clock.at += 86_400_000;
  expect([room.decide(dev, target).effect, room.decide(x, target).shadows?.length]).toEqual(['deny', undefined]);
});

test('a condition in error behind arguments that are not there yet does not hide what other rules allow', () => {
  const room = createAuthorize(authorizeConfig.parse({ confirm_classes: [], rules: [
    { id: 'wrong', effect: 'allow', tools: ['github__a'], arguments: { n: { max: 3 } }, when: 'int(caller.team) > 1' }, { id: 'all', effect: 'allow', classes: ['write'] },
  ] }));
  const [principal, target] = [principalOf({ team: 'x' }), targetOf({ tool: 'a', class: 'write' })];
  expect(room.decide(principal, target)).toMatchObject({ ruleIds: ['rule:all'] });
  expect(room.decide(principal, target, judged('{"n":9}'))).toMatchObject({ ruleIds: ['rule:all'] });
  expect(room.decide(principal, target, judged('{"n":1}'))).toMatchObject({ reason: 'authorize.error', ruleIds: ['rule:wrong'] });
});

test('a bug in one rule denies its own calls, by its own name', () => {
  const room = createAuthorize(authorizeConfig.parse({ confirm_classes: [], rules: [
    { id: 'paths', effect: 'deny', tools: ['github__a'], arguments: { path: { enum: ['x'] } } }, { id: 'all', effect: 'allow', classes: ['write'] },
  ] }));
  const trap = (): never => { throw new Error('boom'); };
  const args: Judged = { value: new Proxy({}, { get: trap, has: trap, ownKeys: trap, getOwnPropertyDescriptor: trap }), text: '{}' };
  expect(room.decide(principalOf({}), targetOf({ tool: 'a', class: 'write' }), args)).toMatchObject({ reason: 'authorize.error', ruleIds: ['rule:paths'] });
  expect(room.decide(principalOf({}), targetOf({ tool: 'b', class: 'write' }), args)).toMatchObject({ effect: 'allow' });
});

test('a server called `gateway` does not share decisions with the gateway', () => {
  const room = createAuthorize(authorizeConfig.parse({ rules: [{ id: 'no', effect: 'deny', servers: ['gateway'] }] }));
  const [own, theirs] = [targetOf({ server: null, method: 'tools/list', class: 'discovery' }), { ...targetOf({ method: 'tools/list', class: 'discovery' }), id: 'gateway:tools/list', server: 'gateway' }];
  expect(room.decide(principalOf({}), own).effect).toBe('allow');
  expect(room.decide(principalOf({}), theirs).effect).toBe('deny');
});

test('the version names the policy', () => {
  const one = createAuthorize(authorizeConfig.parse({}));
  expect(one.version).toMatch(/^[0-9a-f]{16}$/);
  expect(createAuthorize(authorizeConfig.parse({})).version).toBe(one.version);
  expect(createAuthorize(authorizeConfig.parse({ confirm_classes: [] })).version).not.toBe(one.version);
});

test('a decision costs microseconds with a thousand rules', () => {
  const rules = Array.from({ length: 1000 }, (_, i) => ({ id: `r${i}`, effect: i % 20 === 0 ? 'deny' : 'allow', callers: [`c${i % 50}`], servers: [i % 3 ? 'github' : 'other'] }));
  const room = createAuthorize(authorizeConfig.parse({ rules }));
  const principals = Array.from({ length: 20 }, (_, i) => principalOf({ caller: `c${i}`, id: `key:${i}` }));
  const targets = Array.from({ length: 200 }, (_, i) => targetOf({ tool: `t${i}` }));
  const round = (): number => {
    const before = performance.now();
    for (let i = 0; i < 20_000; i++) room.decide(principals[i % 20] ?? principalOf({}), targets[i % 200] ?? targetOf({}));
    return (performance.now() - before) / 20; // µs per decision
  };
  round();
  expect(Math.min(round(), round(), round())).toBeLessThan(20); // about 1 µs on an idle core
});

test('rules with conditions cost those calls that they may match, and no others', () => {
  const rules = Array.from({ length: 1000 }, (_, i) => ({
    id: `r${i}`, effect: i % 20 === 0 ? 'deny' : 'allow', callers: [`c${i % 50}`], servers: [i % 3 ? 'github' : 'other'], ...(i % 50 === 7 && { tools: ['github__t7'], when: 'caller.team == "x"', arguments: { n: { max: 5 } } }),
  }));
  const room = createAuthorize(authorizeConfig.parse({ rules }));
  const principals = Array.from({ length: 20 }, (_, i) => principalOf({ caller: `c${i}`, id: `key:${i}`, team: 'x' }));
  const targets = Array.from({ length: 200 }, (_, i) => targetOf({ tool: `t${i}` }));
  const args = judged('{"n":4}');
  const cost = (caller: (i: number) => number, tool: (i: number) => number): number => {
    const best = [0, 1, 2].map(() => {
      const before = performance.now();
      for (let i = 0; i < 2_000; i++) room.decide(principals[caller(i)] ?? principalOf({}), targets[tool(i)] ?? targetOf({}), args);
      return (performance.now() - before) / 2;
    });
    return Math.min(...best);
  };
  const [plain, conditional] = [cost((i) => i % 7, (i) => (i % 7) + 8), cost(() => 7, () => 7)];
  console.info(`authorize: ${plain.toFixed(2)} µs without conditions, ${conditional.toFixed(1)} µs with those of 20 rules`); // eslint-disable-line no-console
  expect(plain).toBeLessThan(20); // well below 1 µs on an idle core
  expect(conditional).toBeLessThan(2_000);
});

describe('the configuration', () => {
  test.each([
    ['an unknown key', { rules: [{ id: 'a', effect: 'allow', caller: ['x'] }] }],
    ['a typo in the effect', { rules: [{ id: 'a', effect: 'denny' }] }],
    ['the same id twice', { rules: [{ id: 'a', effect: 'allow' }, { id: 'a', effect: 'deny' }] }],
    ['an empty list', { rules: [{ id: 'a', effect: 'deny', servers: [] }] }],
    ['a deny that asks', { rules: [{ id: 'a', effect: 'deny', require_confirmation: true }] }],
    ['two tool entries that are equally specific', { tools: { 'a__*': { scopes: ['x'] }, '*a__': { scopes: ['y'] } } }],
    ['a tool entry without scopes', { tools: { a__b: { scopes: [] } } }],
  ])('%s is refused', (_, section) => expect(authorizeConfig.safeParse(section).success).toBe(false));
});
