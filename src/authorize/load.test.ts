import { describe, expect, test } from 'vitest';
import { authorizeConfig } from './config.ts';
import { createAuthorize } from './index.ts';
import { loadRules } from './load.ts';

const rule = { id: 'a', effect: 'allow' };
const clock = { now: () => 0, monotonic: () => 0 };

describe('every fault says which rule, which key, and how to mend it', () => {
  test.each<[string, object, (string | number)[], string]>([
    ['an unknown key', { ...rule, grops: ['x'] }, ['grops'], 'is no key'], ['an unknown key below', { ...rule, needs: { aproval: true } }, ['needs'], ''], ['a zone', { ...rule, during: { timezone: 'Mars/Base' } }, ['during', 'timezone'], 'Mars/Base'],
    ['a weekday', { ...rule, during: { weekdays: ['monday'] } }, ['during', 'weekdays', 0], ''], ['a time', { ...rule, during: { from: '8:00', to: '18:00' } }, ['during', 'from'], '"08:00"'], ['half a window', { ...rule, during: { from: '08:00' } }, ['during'], 'add the other'],
    ['an empty window', { ...rule, during: { from: '08:00', to: '08:00' } }, ['during', 'to'], 'whole day'], ['an end before the start', { ...rule, during: { not_before: '2026-02-01T00:00:00Z', not_after: '2026-01-01T00:00:00Z' } }, ['during', 'not_after'], 'never holds'],
    ['a date without a zone', { ...rule, during: { not_after: '2026-01-01' } }, ['during', 'not_after'], '2027-01-31T00:00:00Z'], ['a condition', { ...rule, when: 'caller.teem == "x"' }, ['when'], 'does not exist'], ['a condition that is none', { ...rule, when: 'caller.team ==' }, ['when'], ''],
    ['a ticket pattern', { ...rule, needs: { change_ticket: '(' } }, ['needs', 'change_ticket'], 'regular expression'], ['a rate', { ...rule, limits: { rate: 'five' } }, ['limits', 'rate'], '5/hour'], ['a span', { ...rule, needs: { approval: { expires: '4 hours' } } }, ['needs'], ''],
    ['a deny with duties', { ...rule, effect: 'deny', needs: { reason: true } }, ['needs'], 'no duties'], ['a deny with limits', { ...rule, effect: 'deny', limits: { rate: '5/hour' } }, ['limits'], 'no duties'], ['a deny that asks', { ...rule, effect: 'deny', requires: ['reason'] }, ['requires'], 'no duties'],
    ['two words for one thing', { ...rule, groups: ['a'], actor_group: 'b' }, ['groups'], 'keep one'], ['two words for servers', { ...rule, servers: ['a'], server: 'b' }, ['servers'], 'keep one'], ['two ways to ask', { ...rule, needs: 'none', requires: ['reason'] }, ['needs'], 'keep one'],
    ['an escalation to nobody', { ...rule, needs: { approval: { escalate_after: '5m' } } }, ['needs', 'approval'], 'add the other'], ['an unknown requirement', { ...rule, requires: ['approval'] }, ['requires', 0], ''], ['arguments that are none', { ...rule, arguments: { a: 7 } }, ['arguments'], ''],
    ['an effect', { id: 'a', effect: 'denny' }, ['effect'], ''], ['no rule at all', { id: 'a' }, ['effect'], ''], ['an empty list', { ...rule, groups: [] }, ['groups'], ''], ['a shadow that is a text', { ...rule, shadow: 'true' }, ['shadow'], ''],
  ])('%s', (_, wrong, path, words) => {
    const { rules, faults } = loadRules([{ id: 'good', effect: 'deny' }, wrong]);
    expect(rules.map(({ config }) => config.id)).toEqual(['good']);
    expect(faults[0]).toMatchObject({ at: 1, id: 'a', wrong: expect.stringContaining(words) });
    expect(faults[0]?.path.slice(0, path.length)).toEqual(path);
    expect(authorizeConfig.safeParse({ rules: [wrong] }).success).toBe(false);
  });
  test('what is no rule', () => expect(loadRules([null, 7, [], 'x', undefined]).faults.map(({ at, id }) => [at, id])).toEqual([[0, null], [1, null], [2, null], [3, null], [4, null]]));
  test('two rules of one name', () => expect(loadRules([rule, rule]).faults).toMatchObject([{ at: 1, path: ['id'] }]));
});

describe('rules that change while calls run', () => {
  const principal = { id: 'key:1', kind: 'api_key', caller: 'ops', team: null, user: null, workspace: null, environment: null, agent: null, client: null, tenant: null, groups: [], roles: [], scopes: [], allowedTools: null, deniedTools: [], confirmTools: [], tokenAudience: null, expiresAt: null } as const;
  const tool = { server: 's', name: 't', id: 's__t', risk: 'read', digest: '', definition: '{}', inputSchema: {} } as const;
  const target = { id: tool.id, server: 's', method: 'tools/call', name: 't', risk: 'read', tool, lane: 'own', timeoutMs: 1 } as const;
  const made = (list: readonly object[]) => {
    const { rules, faults } = loadRules(list);
    expect(faults).toEqual([]);
    return rules;
  };
  test('what was remembered is forgotten, the version is another, and back again', () => {
    const room = createAuthorize(authorizeConfig.parse({ rules: [{ id: 'own', effect: 'deny', callers: ['nobody'] }] }), { clock });
    const first = room.version;
    expect(room.decide(principal, target).effect).toBe('deny');
    expect(room.replace(made([{ id: 'a', effect: 'allow', callers: ['ops'] }]))).toEqual([]);
    expect(room.decide(principal, target)).toMatchObject({ effect: 'allow', ruleIds: ['rule:a'], policyVersion: room.version });
    expect(room.version).not.toBe(first);
    room.replace([]);
    expect(room.decide(principal, target)).toMatchObject({ effect: 'deny', policyVersion: first });
  });
  test('layers stand side by side, and a fault changes nothing', () => {
    const room = createAuthorize(authorizeConfig.parse({ rules: [{ id: 'own', effect: 'allow', callers: ['x'] }] }), { clock });
    room.replace(made([{ id: 'a', effect: 'allow', callers: ['ops'] }]));
    room.replace(made([{ id: 'g', effect: 'deny', callers: ['ops'] }]), 'grants');
    const { version } = room;
    expect(room.decide(principal, target)).toMatchObject({ ruleIds: ['rule:g'] });
    expect(room.replace(made([{ id: 'a', effect: 'allow' }]), 'grants')).toMatchObject([{ at: 0, id: 'a', path: ['id'] }]);
    expect(room.replace(made([{ id: 'own', effect: 'allow' }]))).toHaveLength(1);
    expect(room.version).toBe(version);
    expect(room.decide(principal, target)).toMatchObject({ ruleIds: ['rule:g'] });
    room.replace([], 'grants');
    expect(room.decide(principal, target)).toMatchObject({ ruleIds: ['rule:a'] });
  });
  test('the version is of what the rules say, not of where they stand', () => {
    const [a, b] = [{ id: 'a', effect: 'allow' }, { id: 'b', effect: 'deny', callers: ['x'] }];
    const room = (rules: object[]) => createAuthorize(authorizeConfig.parse({ rules }), { clock });
    const split = room([b]);
    split.replace(made([a]));
    expect(room([a, b]).version).toBe(room([b, a]).version);
  });
});
