import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ApprovalTerms, Obligation } from '../call/decision.ts';
import { type Ask, mergeDuties } from './duties.ts';

const terms = (more: Partial<ApprovalTerms> = {}): ApprovalTerms => ({ groups: [], quorum: 1, escalate: null, expiresMs: null, ...more });
const ask = (why: string, more: Partial<Ask['duties']> = {}): Ask => ({ why, duties: { waives: false, approval: null, ...more } });
const approvals = (list: readonly Obligation[]): readonly object[] => list.filter((o) => o.kind === 'approval').map(({ id: _id, by: _by, kind: _kind, ...rest }) => rest);

describe('who must say yes', () => {
  test('the class, when nobody speaks of it', () => {
    expect(approvals(mergeDuties([], 'default:write'))).toEqual([{ why: 'default:write', ...terms() }]);
    expect(approvals(mergeDuties([ask('a', { reason: true })], 'default:write'))).toEqual([{ why: 'default:write', ...terms() }]);
    expect(mergeDuties([ask('a', { waives: true })], 'default:write')).toEqual([]);
    expect(mergeDuties([], null)).toEqual([]);
  });
  test('a waiver takes away nothing that a rule asks', () => expect(approvals(mergeDuties([ask('w', { waives: true }), ask('a', { approval: terms() })], null))).toEqual([{ why: 'a', ...terms() }]));
  test('the same groups once, with the strictest of the rest', () => {
    const one = ask('a', { approval: terms({ groups: ['x', 'y'], quorum: 2, expiresMs: 9, escalate: { groups: ['z'], afterMs: 1 } }) });
    const two = ask('b', { approval: terms({ groups: ['y', 'x'], expiresMs: 5, escalate: { groups: ['z'], afterMs: 7 } }) });
    expect(approvals(mergeDuties([one, two], null))).toEqual([{ why: 'a,b', groups: ['x', 'y'], quorum: 2, expiresMs: 5, escalate: { groups: ['z'], afterMs: 7 } }]);
    const none = ask('c', { approval: terms({ groups: ['x', 'y'] }) });
    expect(approvals(mergeDuties([one, none], null))).toEqual([{ why: 'a,c', groups: ['x', 'y'], quorum: 2, expiresMs: 9, escalate: null }]);
  });
  test('different groups each, and who leaves them open is content with any', () => {
    const list = mergeDuties([ask('open', { approval: terms({ quorum: 2 }) }), ask('a', { approval: terms({ groups: ['x'] }) }), ask('b', { approval: terms({ groups: ['y'] }) })], 'default:write');
    expect(approvals(list)).toEqual([{ why: 'a,open', ...terms({ groups: ['x'], quorum: 2 }) }, { why: 'b,open', ...terms({ groups: ['y'], quorum: 2 }) }]);
    expect(list.map((o) => o.id)).toEqual(['approval', 'approval:2']);
  });
  test('an open ask does not take the way out from who has one', () => {
    const escalate = { groups: ['z'], afterMs: 1 };
    expect(approvals(mergeDuties([ask('a', { approval: terms({ groups: ['x'], escalate }) }), ask('open', { approval: terms() })], null))).toEqual([{ why: 'a,open', ...terms({ groups: ['x'], escalate }) }]);
    expect(approvals(mergeDuties([ask('a', { approval: terms({ escalate }) }), ask('open', { approval: terms() })], null))).toEqual([{ why: 'a,open', ...terms() }]);
  });
});

test('the rest stands side by side, each once', () => {
  const list = mergeDuties([
    ask('rule:a', { confirm: true, reason: true, ticket: { pattern: null }, dryRun: 'dry', rate: { count: 5, windowMs: 60, per: 'caller' } }),
    ask('rule:b', { confirm: true, ticket: { pattern: 'C[0-9]+' }, dryRun: 'dry', rate: { count: 1, windowMs: 60, per: 'rule' } }),
  ], null);
  expect(list).toEqual([
    { id: 'confirm', why: 'rule:a,rule:b', by: 'approve', kind: 'confirm' }, { id: 'reason', why: 'rule:a', by: 'approve', kind: 'reason' },
    { id: 'ticket', why: 'rule:a', by: 'approve', kind: 'ticket', pattern: null }, { id: 'ticket:2', why: 'rule:b', by: 'approve', kind: 'ticket', pattern: 'C[0-9]+' },
    { id: 'dry_run', why: 'rule:a,rule:b', by: 'approve', kind: 'dry_run', argument: 'dry' },
    { id: 'rate:rule:a', why: 'rule:a', by: 'limit', kind: 'rate', count: 5, windowMs: 60, per: 'caller' }, { id: 'rate:rule:b', why: 'rule:b', by: 'limit', kind: 'rate', count: 1, windowMs: 60, per: 'rule' },
  ]);
});

test('one more who asks never takes a duty away', () => {
  const groups = fc.subarray(['x', 'y']);
  const duties = fc.record({ waives: fc.boolean(), approval: fc.option(fc.record({ groups, quorum: fc.integer({ min: 1, max: 3 }), escalate: fc.constant(null), expiresMs: fc.constantFrom(null, 5, 9) })), confirm: fc.boolean(), reason: fc.boolean(), dryRun: fc.constantFrom(null, 'd', 'e') });
  fc.assert(fc.property(fc.array(duties, { maxLength: 4 }), duties, (list, more) => {
    const asks = list.map((of, i) => ask(`r${i}`, of));
    const before = mergeDuties(asks, null);
    const after = mergeDuties([...asks, ask('more', more)], null);
    for (const kind of ['confirm', 'reason', 'dry_run'] as const) expect(after.filter((o) => o.kind === kind).length).toBeGreaterThanOrEqual(before.filter((o) => o.kind === kind).length);
    for (const old of before) if (old.kind === 'approval') {
      const still = after.some((o) => o.kind === 'approval' && o.quorum >= old.quorum && (old.groups.length === 0 || o.groups.join() === old.groups.join()) && (old.expiresMs === null || (o.expiresMs ?? 10) <= old.expiresMs));
      expect(still).toBe(true);
    }
  }));
});
