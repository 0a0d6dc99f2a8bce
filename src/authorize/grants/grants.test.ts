import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { Principal } from '../../call/principal.ts';
import type { Risk, Target, Tool } from '../../call/target.ts';
import { knowNames } from '../../lib/person.ts';
import { openStore } from '../../store/index.ts';
import { authorizeConfig } from '../config.ts';
import { type Authorize, createAuthorize, type Judged } from '../index.ts';
import { createGrants, type Done, type Grants, type Held, type Person } from './index.ts';

const START = Date.parse('2026-11-20T12:00:00Z');
const HOUR = 3_600_000;
const ANN: Person = { id: 'admin:ann', user: 'ann', groups: ['leads'] };
const BEN: Person = { id: 'admin:ben', user: 'ben', groups: ['leads'] };
const EVE: Person = { id: 'admin:eve', user: 'eve', groups: ['others'] };
const IDENTITIES = { ann: ['ann@example.org', 'key:ann-laptop', 'jwt:https://id.example#77'] };

interface Rig {
  readonly grants: Grants;
  readonly authorize: Authorize;
  readonly clock: { wall: number; steady: number };
  readonly folder: string;
  readonly notes: { event: string; caller_id: string | null; ids: readonly string[]; input: object }[];
  readonly people: Map<string, Person>;
  readonly pass: (ms: number) => void;
  /** A room of another process over the same store. */
  readonly another: () => Promise<Rig>;
  /** Fails the store, or the record, from now on; `''`: all is well again. */
  readonly broken: { what: '' | 'store' | 'record' };
}
const undo: (() => unknown)[] = [];
afterEach(async () => { for (const step of undo.splice(0).toReversed()) await step(); });

async function open(config: object = {}, folder = join(mkdtempSync(join(tmpdir(), 'grants-')), 'data'), clock = { wall: START, steady: 5.25 }): Promise<Rig> {
  const time = { now: () => clock.wall, monotonic: () => clock.steady };
  const real = await openStore({ folder, busy_timeout_ms: 5_000 }, { clock: time });
  const broken: Rig['broken'] = { what: '' };
  const store = { ...real, changes: () => (broken.what === 'store' ? Promise.reject(new Error('disk gone')) : real.changes()) };
  const policy = authorizeConfig.parse({ grants: { groups: ['leads'] }, ...config });
  const authorize = createAuthorize(policy, { clock: time });
  const notes: Rig['notes'] = [];
  const people = new Map([ANN, BEN, EVE].map((one) => [one.id, one]));
  const grants = await createGrants({
    config: () => policy, store, clock: time, log: () => undefined, namesOf: knowNames(IDENTITIES), personNow: (id) => Promise.resolve(people.get(id) ?? null),
    apply: (rules) => authorize.replace(rules, 'grants'), onChange: () => undefined,
    note: (event, { caller_id, policy_ids: ids, tool_input: input }) => (broken.what === 'record' ? Promise.reject(new Error('disk full')) : Promise.resolve(void notes.push({ event, caller_id, ids, input }))),
  });
  undo.push(() => rmSync(join(folder, '..'), { recursive: true, force: true }), () => real.close(), () => grants.stop());
  return { grants, authorize, clock, folder, notes, people, broken, pass: (ms) => void ((clock.wall += ms), (clock.steady += ms)), another: () => open(config, folder, clock) };
}
const who = (facts: Partial<Principal> = {}): Principal => ({
  id: 'key:bot', kind: 'api_key', caller: 'bot', user: 'bob', team: null, workspace: null, environment: null, agent: null, client: null, tenant: null, groups: ['dev'], roles: [],
  scopes: [], allowedTools: null, deniedTools: [], confirmTools: [], tokenAudience: null, expiresAt: null, ...facts,
} as Principal);
const tools = new Map<string, Tool>();
const at = (name = 'pay', risk: Risk = 'write'): Target => {
  const key = `${name} ${risk}`;
  const tool = tools.get(key) ?? ({ id: `bank__${name}`, server: 'bank', name, risk } as Tool);
  tools.set(key, tool);
  return { id: tool.id, server: 'bank', method: 'tools/call', name, risk, tool, lane: 'own', timeoutMs: null };
};
const args = (text = '{}'): Judged => ({ value: JSON.parse(text), text });
const PAY = { users: ['bob'], tools: ['bank__pay'], needs: 'none' };
const given = async <T extends Held>(done: Promise<Done<T>>): Promise<T> => {
  const result = await done;
  if (!result.ok) throw new Error(`${result.fault}: ${result.says}`);
  return result.record;
};
const give = (rig: Rig, rule: object = PAY, lastsMs = HOUR, person = ANN) => rig.grants.give(person, { rule: { ...rule }, lastsMs, why: 'CHG-1' });
const allowed = (rig: Rig, p = who(), target = at()): boolean => rig.authorize.decide(p, target, args()).effect === 'allow';
const faultOf = async (done: Promise<Done<Held>>): Promise<string> => done.then((result) => (result.ok ? 'ok' : result.fault));

describe('a grant', () => {
  it('allows what it names, whom it names, under its id, and leaves the policy version alone', async () => {
    const rig = await open();
    const { version } = rig.authorize;
    const before = rig.authorize.decide(who(), at(), args());
    expect(before).toMatchObject({ effect: 'deny', reason: 'authorize.scope' });
    const { id } = await given(give(rig));
    expect(rig.authorize.decide(who(), at(), args())).toEqual({ effect: 'allow', ruleIds: [`grant:${id}`], policyVersion: version, obligations: [] });
    expect(rig.authorize.decide(who(), at())).toMatchObject({ effect: 'allow' });
    expect(allowed(rig, who({ user: 'cid' }))).toBe(false);
    expect(allowed(rig, who(), at('refund'))).toBe(false);
    expect(rig.authorize.version).toBe(version);
    expect(rig.notes).toEqual([{ event: 'grant.given', caller_id: 'admin:ann', ids: [`grant:${id}`], input: expect.objectContaining({ by: 'ann', why: 'CHG-1', until: '2026-11-20T13:00:00.000Z' }) }]);
  });
  it('is named however many rules allow the call', async () => {
    const rig = await open({ rules: Array.from({ length: 12 }, (_, i) => ({ id: `r${i}`, effect: 'allow', tools: ['bank__*'] })) });
    const { id } = await given(give(rig));
    expect(rig.authorize.decide(who(), at(), args()).ruleIds.slice(0, 2)).toEqual([`grant:${id}`, 'rule:r0']);
  });
  it('carries arguments and needs; what the class asks stays unless it says so', async () => {
    const rig = await open();
    await given(give(rig, { users: ['bob'], tools: ['bank__pay'], arguments: { amount: { max: 100 } }, needs: { reason: true } }));
    const decide = (text: string) => rig.authorize.decide(who(), at(), args(text));
    expect(decide('{"amount":101}').effect).toBe('deny');
    const fine = decide('{"amount":100}');
    expect(fine.effect === 'allow' && fine.obligations.map(({ id }) => id)).toEqual(['approval', 'reason']);
  });
  it('never overrides the credential’s own lists, a deny, a rule in error, or scopes of a tool', async () => {
    const rig = await open({ rules: [{ id: 'no', effect: 'deny', tools: ['bank__close'] }, { id: 'err', effect: 'deny', tools: ['bank__odd'], when: 'args.x.y == 1' }], tools: { 'bank__scoped': { scopes: ['s'] } } });
    await given(give(rig, { users: ['bob'], servers: ['bank'], needs: 'none' }));
    expect(allowed(rig)).toBe(true);
    expect(allowed(rig, who({ deniedTools: ['bank__pay'] }))).toBe(false);
    expect(allowed(rig, who({ allowedTools: ['bank__other'] }))).toBe(false);
    for (const name of ['close', 'odd', 'scoped']) expect(allowed(rig, who(), at(name)), name).toBe(false);
  });

  it('ends at its end, recorded once, without any act', async () => {
    const rig = await open();
    const before = rig.authorize.decide(who(), at(), args());
    const { id } = await given(give(rig));
    rig.pass(HOUR - 1);
    expect(allowed(rig)).toBe(true);
    rig.pass(1);
    expect(rig.authorize.decide(who(), at(), args())).toEqual(before); // before anything looked at the store
    await sleep(300);
    expect(rig.authorize.decide(who(), at(), args())).toEqual(before);
    expect(rig.notes.filter(({ event }) => event === 'grant.ended')).toEqual([{ event: 'grant.ended', caller_id: null, ids: [`grant:${id}`], input: { why: 'its time is over' } }]);
  });
  it('a clock turned back neither brings it back nor makes it longer', async () => {
    const rig = await open();
    await given(give(rig));
    rig.clock.wall -= 30 * 86_400_000;
    expect(allowed(rig)).toBe(true);
    rig.clock.steady += HOUR; // the wall clock stands a month ago, an hour has passed
    expect(allowed(rig)).toBe(false);
    const other = await open();
    await given(give(other));
    other.clock.wall += HOUR;
    expect(allowed(other)).toBe(false);
    other.clock.wall -= HOUR;
    expect(allowed(other)).toBe(false);
    await other.grants.refresh();
    other.clock.steady = 0; // the machine starts anew, its clock a day behind
    other.clock.wall -= 86_400_000;
    expect(allowed(await other.another())).toBe(false);
  });
  it('a restart with the clock turned back does not make it longer than it was', async () => {
    const rig = await open();
    await given(give(rig, PAY, 2 * HOUR));
    rig.pass(HOUR);
    await rig.grants.refresh();
    rig.clock.wall -= 10 * HOUR;
    rig.clock.steady = 0;
    const next = await rig.another();
    expect(allowed(next)).toBe(true);
    next.clock.steady += HOUR;
    expect(allowed(next)).toBe(false);
  });
  it('survives a restart; is seen, and revoked, by another process within a second', async () => {
    const one = await open();
    const { id } = await given(give(one));
    const two = await one.another();
    expect(allowed(two)).toBe(true);
    expect(await two.grants.revoke(EVE, id)).toMatchObject({ ok: true, record: { ended: { by: { user: 'eve' } } } });
    expect(allowed(two)).toBe(false);
    const from = performance.now();
    while (allowed(one)) await sleep(5);
    expect(performance.now() - from).toBeLessThan(1_000);
    expect(two.notes.map(({ event, caller_id: by }) => [event, by])).toEqual([['grant.revoked', 'admin:eve']]);
    expect(await faultOf(one.grants.revoke(ANN, id))).toBe('over');
    expect(await faultOf(one.grants.revoke(ANN, '0190aaaa-0000-7000-8000-000000000000'))).toBe('unknown');
    expect(allowed(await one.another())).toBe(false);
    expect(two.grants.areLive([`grant:${id}`])).toBe(false);
    expect(two.grants.areLive(['rule:x'])).toBe(true);
  });
  it('ends with the credential that gave it', async () => {
    const rig = await open();
    await given(give(rig));
    rig.people.delete('admin:ann');
    await rig.grants.refresh();
    expect(allowed(rig)).toBe(false);
    rig.people.set('admin:ann', ANN);
    await rig.grants.refresh();
    expect(allowed(rig)).toBe(false);
  });
  it('none holds while the store cannot be read; none is given that cannot be recorded', async () => {
    const rig = await open();
    await given(give(rig));
    rig.broken.what = 'store';
    await rig.grants.refresh();
    expect(allowed(rig)).toBe(false);
    expect(rig.grants.notes()).toContain('grants: cannot be read');
    rig.broken.what = '';
    await rig.grants.refresh();
    expect(allowed(rig)).toBe(true);
    rig.broken.what = 'record';
    await expect(give(rig, { users: ['cid'], tools: ['bank__pay'] })).rejects.toThrow('disk full');
    expect(await rig.grants.list()).toHaveLength(1);
  });
});

describe('who gives what', () => {
  const wrong: readonly (readonly [string, object])[] = [
    ['nobody is named', { tools: ['bank__pay'] }], ['nothing is named', { users: ['bob'] }], ['everybody is named', { users: ['*'], tools: ['bank__pay'] }],
    ['everybody is named beside somebody', { users: ['bob'], groups: ['**'], tools: ['bank__pay'] }],
    ['a deny', { ...PAY, effect: 'deny' }], ['an id of its own', { ...PAY, id: 'x' }], ['a condition', { ...PAY, when: 'true' }], ['another time', { ...PAY, during: { not_after: '2030-01-01T00:00:00Z' } }],
    ['on trial', { ...PAY, shadow: true }], ['a pattern that is none', { ...PAY, needs: { change_ticket: '(' } }], ['a constraint that is none', { ...PAY, arguments: { amount: { most: 1 } } }], ['an empty list', { users: [], tools: ['bank__pay'] }],
  ];
  it.each(wrong)('not: %s', async (_name, rule) => {
    const rig = await open();
    expect(await faultOf(give(rig, rule))).toBe('wrong');
    expect(rig.notes).toEqual([]);
  });
  it('not for ever, not for too long, not without why, not by those who are not entitled', async () => {
    const rig = await open();
    for (const ms of [0, -1, NaN, Infinity, 7 * 86_400_000 + 1]) expect(await faultOf(give(rig, PAY, ms)), String(ms)).toBe('wrong');
    for (const why of ['', ' ', 'x'.repeat(1_001), 'a\u202eb']) expect(await faultOf(rig.grants.give(ANN, { rule: PAY, lastsMs: HOUR, why }))).toBe('wrong');
    expect(await faultOf(give(rig, PAY, HOUR, EVE))).toBe('not_entitled');
    expect(await faultOf(give(rig, PAY, HOUR, { ...ANN, user: ' ' }))).toBe('not_entitled');
    expect(await faultOf(give(await open({ grants: {} })))).toBe('not_entitled'); // nobody is named in the configuration
    expect(rig.notes).toEqual([]);
  });
  it('not to oneself, under whichever name', async () => {
    const rig = await open();
    for (const rule of [{ users: ['ANN'] }, { users: ['ann@example.org'] }, { callers: ['key:ann-laptop'] }, { users: ['bob', 'ann '] }, { callers: ['jwt:https://id.example#77'] }]) {
      expect(await faultOf(give(rig, { ...rule, tools: ['bank__pay'] })), JSON.stringify(rule)).toBe('self');
    }
  });
  it('and through a group or a glob it never holds for who gave it', async () => {
    const rig = await open();
    await given(give(rig, { groups: ['dev'], tools: ['bank__pay'], needs: 'none' }));
    await given(give(rig, { users: ['an*', 'bo*'], tools: ['bank__pay'], needs: 'none' }));
    expect(allowed(rig)).toBe(true);
    for (const facts of [{ user: 'ann' }, { user: 'Ann@Example.org' }, { id: 'key:ann-laptop', user: null }, { id: 'jwt:https://id.example#77', kind: 'jwt' as const, user: null }, { caller: 'ann', user: null }]) {
      expect(allowed(rig, who(facts)), JSON.stringify(facts)).toBe(false);
    }
  });
});

describe('break-glass', () => {
  const ROLE = { name: 'db', activators: ['leads'], servers: ['bank'], classes: ['write', 'destructive'], expires_ms: HOUR, lifts: ['approval', 'reason'] };
  const rules = [{ id: 'slow', effect: 'allow', tools: ['bank__*'], needs: { approval: { groups: ['x'], quorum: 2 }, reason: true, change_ticket: true }, limits: { rate: '5/hour' } }, { id: 'never', effect: 'deny', tools: ['bank__wipe'] }];
  const start = (rig: Rig, person = ANN, caller = 'bot') => rig.grants.activate(person, { role: 'db', caller, reason: 'INC-42' });
  const duties = (rig: Rig, p = who()): readonly string[] => {
    const decision = rig.authorize.decide(p, at(), args());
    return decision.effect === 'allow' ? decision.obligations.map(({ kind }) => kind) : ['deny'];
  };

  it('allows its caller, marked, lifts what the role says and no more; deny rules win; ends by itself', async () => {
    const rig = await open({ rules, break_glass: [ROLE] });
    const alarms: string[] = [];
    rig.grants.onAlarm(({ reason }) => void alarms.push(reason));
    expect(duties(rig)).toEqual(['approval', 'reason', 'ticket', 'rate']);
    const { id } = await given(start(rig));
    expect(alarms).toEqual(['INC-42']);
    expect(duties(rig)).toEqual(['ticket', 'rate']);
    expect(duties(rig, who({ confirmTools: ['bank__pay'] }))).toEqual(['approval', 'ticket', 'rate']); // what the credential asks for stays
    expect(rig.authorize.decide(who(), at('drop', 'destructive'), args()).ruleIds[0]).toBe(`break_glass:${id}`);
    expect(allowed(rig, who(), at('wipe', 'destructive'))).toBe(false);
    expect(duties(rig, who({ caller: 'other', id: 'key:other' }))).toEqual(['approval', 'reason', 'ticket', 'rate']);
    expect(rig.grants.notes()).toEqual(['grants: break glass in use', 'grants: break glass review open']);
    rig.pass(HOUR);
    expect(duties(rig)).toEqual(['approval', 'reason', 'ticket', 'rate']);
    await rig.grants.refresh();
    expect(rig.grants.notes()).toEqual(['grants: break glass review open']);
    expect(rig.notes.map(({ event }) => event)).toEqual(['break_glass.activated', 'break_glass.ended']);
  });
  it('is for the entitled, for one caller, with a reason, never longer than four hours, not twice at once', async () => {
    const rig = await open({ break_glass: [ROLE] });
    expect(await faultOf(start(rig, EVE))).toBe('not_entitled');
    expect(await faultOf(rig.grants.activate(ANN, { role: 'no', caller: 'bot', reason: 'x' }))).toBe('not_entitled');
    for (const [caller, reason] of [['*', 'x'], ['', 'x'], ['bot', ''], ['bot', 'a\nb']] as const) expect(await faultOf(rig.grants.activate(ANN, { role: 'db', caller, reason }))).toBe('wrong');
    expect(rig.notes).toEqual([]);
    await given(start(rig));
    expect(await faultOf(start(rig, BEN))).toBe('wrong');
    expect(authorizeConfig.safeParse({ break_glass: [{ ...ROLE, expires_ms: 4 * HOUR + 1 }] }).success).toBe(false);
    expect(authorizeConfig.safeParse({ break_glass: [ROLE, ROLE] }).success).toBe(false);
    expect(authorizeConfig.safeParse({ break_glass: [{ name: 'x', activators: ['leads'] }] }).success).toBe(false);
  });
  it('its review stays open, over a restart, until a second person closes it, once', async () => {
    const rig = await open({ break_glass: [ROLE] });
    const { id } = await given(start(rig, ANN, 'key:ben-bot'));
    const next = await rig.another();
    const close = (person: Person, finding = 'two updates, as told') => faultOf(next.grants.close(person, id, finding));
    expect(await close(ANN)).toBe('self');
    expect(await close({ id: 'admin:a2', user: 'ANN@example.org', groups: ['leads'] })).toBe('self');
    expect(await close({ id: 'admin:a3', user: 'x', groups: ['leads'], identities: ['key:ann-laptop'] })).toBe('self');
    expect(await close({ ...BEN, identities: ['key:ben-bot'] })).toBe('self'); // for whom it was
    expect(await close(EVE)).toBe('not_entitled');
    expect(await close(BEN, ' ')).toBe('wrong');
    rig.pass(90 * 86_400_000);
    await next.grants.refresh();
    expect(next.grants.notes()).toEqual(['grants: break glass review open']);
    expect(await close(BEN)).toBe('ok');
    expect(await close(BEN)).toBe('over');
    expect(next.grants.notes()).toEqual([]);
    expect(next.notes.at(-1)).toMatchObject({ event: 'break_glass.closed', caller_id: 'admin:ben', input: { finding: 'two updates, as told', activated_by: 'ann' } });
  });
  it('closing ends what runs; ending leaves the review open', async () => {
    const rig = await open({ break_glass: [ROLE] });
    const first = await given(start(rig));
    expect(await given(rig.grants.end(ANN, first.id))).toMatchObject({ review: null });
    expect(allowed(rig)).toBe(false);
    expect(rig.grants.notes()).toEqual(['grants: break glass review open']);
    const second = await given(start(rig));
    expect(allowed(rig)).toBe(true);
    await given(rig.grants.close(BEN, second.id, 'fine'));
    expect(allowed(rig)).toBe(false);
    expect(await faultOf(rig.grants.revoke(ANN, first.id))).toBe('unknown'); // no grant
  });
});

describe('for any policy and grant', () => {
  const glob = fc.constantFrom('bank__pay', 'bank__*', 'bank__wipe', 'shop__*');
  const policyRule = fc.record({ effect: fc.constantFrom('allow', 'deny'), tools: fc.array(glob, { minLength: 1, maxLength: 2 }), users: fc.option(fc.constantFrom(['bob'], ['cid'], ['b*']), { nil: undefined }), arguments: fc.option(fc.constant({ amount: { max: 10 } }), { nil: undefined }) }, { requiredKeys: ['effect', 'tools'] });
  const grantRule = fc.record({ users: fc.constantFrom(['bob'], ['cid'], ['b*']), tools: fc.array(glob, { minLength: 1, maxLength: 2 }), needs: fc.constantFrom('none', { reason: true }), arguments: fc.option(fc.constant({ amount: { max: 5 } }), { nil: undefined }) }, { requiredKeys: ['users', 'tools', 'needs'] });
  const call = fc.record({ user: fc.constantFrom('bob', 'cid', 'ann'), tool: fc.constantFrom('pay', 'wipe', 'see'), risk: fc.constantFrom<Risk>('read', 'write', 'destructive'), amount: fc.integer({ min: 0, max: 20 }) });
  const plain = (list: readonly object[]): object[] => list.map((rule, i) => ({ id: `r${i}`, ...Object.fromEntries(Object.entries(rule).filter(([, value]) => value !== undefined)) }));

  it('what a deny rule denies stays denied; after the end all is as without the grant', async () => {
    await fc.assert(fc.asyncProperty(fc.array(policyRule, { maxLength: 4 }), grantRule, fc.array(call, { minLength: 1, maxLength: 6 }), async (list, rule, calls) => {
      const rig = await open({ rules: plain(list) });
      const decide = ({ user, tool, risk, amount }: (typeof calls)[number]) => rig.authorize.decide(who({ user }), at(tool, risk), args(JSON.stringify({ amount })));
      const before = calls.map(decide);
      const { id } = await given(give(rig, Object.fromEntries(Object.entries(rule).filter(([, value]) => value !== undefined))));
      for (const [i, during] of calls.map(decide).entries()) {
        const was = before[i];
        if (was?.effect === 'deny' && was.reason === 'authorize.rule') expect(during).toEqual(was);
        if (was?.effect === 'deny' && during.effect === 'allow') expect(during.ruleIds).toContain(`grant:${id}`);
        if (was?.effect === 'allow') expect(during.effect).toBe('allow');
      }
      rig.pass(HOUR);
      expect(calls.map(decide)).toEqual(before);
      await rig.grants.refresh();
      expect(calls.map(decide)).toEqual(before);
    }), { numRuns: 40 });
  }, 30_000);
});
