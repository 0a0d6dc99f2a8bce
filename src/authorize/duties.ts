import { RE2JS } from 're2js';
import type { ApprovalTerms, Obligation } from '../call/decision.ts';
import { parseRate, type Rate } from '../lib/rate.ts';
import { RuleFault } from './fault.ts';
import type { Needs, NormalRule } from './normal.ts';

/** What an emergency may lift; rates stay. */
export const LIFTS = ['approval', 'confirmation', 'reason', 'change_ticket', 'dry_run'] as const;
export type Lift = (typeof LIFTS)[number];

/** What an allow rule asks for when it matches. */
export interface Duties extends Needs {
  readonly rate: (Rate & { readonly per: 'caller' | 'rule' }) | null;
  /** They weigh on lists and handshakes too, since the rule names them. */
  readonly onDiscovery: boolean;
}
/** Who asks, and for what. */
export interface Ask {
  readonly why: string;
  readonly duties: Pick<Duties, 'waives' | 'approval'> & Partial<Duties>;
}
export const ANY_APPROVAL: Ask['duties'] = { waives: false, approval: { groups: [], quorum: 1, escalate: null, expiresMs: null } };
export const WAIVED: Ask['duties'] = { waives: true, approval: null };

/** What is left of what somebody asks for. Rates stay, and so does what the credential itself asks for: no emergency widens a credential. */
export function withoutLifted(ask: Ask, lifts: ReadonlySet<Lift>): Ask {
  if (lifts.size === 0 || ask.why === CREDENTIAL) return ask;
  const { approval, confirm, reason, ticket, dryRun, ...rest } = ask.duties;
  const kept = <T>(lift: Lift, value: T, nothing: T): T => (lifts.has(lift) ? nothing : value);
  return { why: ask.why, duties: { ...rest, approval: kept('approval', approval, null), confirm: kept('confirmation', confirm ?? false, false), reason: kept('reason', reason ?? false, false), ticket: kept('change_ticket', ticket ?? null, null), dryRun: kept('dry_run', dryRun ?? null, null) } };
}
export const CREDENTIAL = 'credential:confirm_tools';

/** null: the rule asks for nothing. Throws `RuleFault` for a pattern that cannot be read. */
export function compileDuties(rule: NormalRule): Duties | null {
  const { needs, limits } = rule;
  const rate = limits === undefined ? null : parseRate(limits.rate);
  const pattern = needs.ticket?.pattern ?? null;
  if (pattern !== null) checkPattern(pattern);
  if (rate === null && !needs.waives && needs.approval === null && !needs.confirm && !needs.reason && needs.ticket === null && needs.dryRun === null) return null;
  return { ...needs, rate: rate === null ? null : { ...rate, per: limits?.per ?? 'caller' }, onDiscovery: rule.methods !== undefined || rule.classes?.includes('discovery') === true };
}
function checkPattern(pattern: string): void {
  try {
    RE2JS.compile(pattern);
  } catch {
    throw new RuleFault(['needs', 'change_ticket'], 'is no regular expression of RE2; look at its brackets, and leave out look-arounds and back-references');
  }
}

/**
 * The duties of all who ask, together: they only add up. A waiver takes away what the class would ask for, and nothing that anybody else asks
 * for. `byClass`: who asks when nobody speaks of approval; null: nobody.
 */
export function mergeDuties(asks: readonly Ask[], byClass: string | null): readonly Obligation[] {
  const silent = asks.every(({ duties }) => !duties.waives && duties.approval === null);
  const approvals = mergeApprovals([...asks, ...(byClass !== null && silent ? [{ why: byClass, duties: ANY_APPROVAL }] : [])]);
  const list: Obligation[] = approvals.map(({ why, terms }, i) => ({ id: numbered('approval', i), why, by: 'approve', kind: 'approval', ...terms }));
  const confirm = asks.filter(({ duties }) => duties.confirm === true);
  if (confirm.length > 0) list.push({ id: 'confirm', why: named(confirm), by: 'approve', kind: 'confirm' });
  const reason = asks.filter(({ duties }) => duties.reason === true);
  if (reason.length > 0) list.push({ id: 'reason', why: named(reason), by: 'approve', kind: 'reason' });
  for (const [i, [pattern, of]] of grouped(asks, ({ ticket }) => (ticket ?? null) === null ? undefined : (ticket?.pattern ?? null)).entries()) {
    list.push({ id: numbered('ticket', i), why: named(of), by: 'approve', kind: 'ticket', pattern });
  }
  for (const [i, [argument, of]] of grouped(asks, ({ dryRun }) => dryRun ?? undefined).entries()) {
    list.push({ id: numbered('dry_run', i), why: named(of), by: 'approve', kind: 'dry_run', argument });
  }
  for (const { why, duties } of asks) if (duties.rate) list.push({ id: `rate:${why}`, why, by: 'limit', kind: 'rate', ...duties.rate });
  return list;
}

/** One duty for each set of groups; whoever leaves the groups open is content with any of the others. The strictest of the rest counts. */
function mergeApprovals(asks: readonly Ask[]): readonly { readonly why: string; readonly terms: ApprovalTerms }[] {
  const asked = asks.flatMap(({ why, duties }) => (duties.approval === null ? [] : [{ why, terms: duties.approval }]));
  const named = asked.filter(({ terms }) => terms.groups.length > 0);
  const open = asked.filter(({ terms }) => terms.groups.length === 0);
  const byGroups = [...Map.groupBy(named.length > 0 ? named : open, ({ terms }) => [...new Set(terms.groups)].toSorted().join('\n')).values()];
  return byGroups.map((same) => {
    const all = named.length > 0 ? [...same, ...open] : same;
    return { why: all.map(({ why }) => why).join(), terms: all.map(({ terms }) => terms).reduce((a, b) => stricter(a, b)) };
  });
}
function stricter(a: ApprovalTerms, b: ApprovalTerms): ApprovalTerms {
  const ends = [a.expiresMs, b.expiresMs].filter((end) => end !== null);
  const sameWay = a.escalate !== null && b.escalate !== null && a.escalate.groups.join('\n') === b.escalate.groups.join('\n');
  return {
    groups: a.groups, quorum: Math.max(a.quorum, b.quorum), expiresMs: ends.length === 0 ? null : Math.min(...ends),
    // Others may decide too only where everyone who asks says so.
    escalate: sameWay && a.escalate !== null && b.escalate !== null ? { groups: a.escalate.groups, afterMs: Math.max(a.escalate.afterMs, b.escalate.afterMs) } : a.groups.length > 0 && b.groups.length === 0 && b.escalate === null ? a.escalate : null,
  };
}

/** Those who ask for the same thing together; `undefined`: it asks for none. */
function grouped<K>(asks: readonly Ask[], of: (duties: Ask['duties']) => K | undefined): readonly (readonly [K, readonly Ask[]])[] {
  const found = new Map<K, Ask[]>();
  for (const ask of asks) {
    const key = of(ask.duties);
    if (key !== undefined) found.set(key, [...(found.get(key) ?? []), ask]);
  }
  return [...found];
}
const named = (asks: readonly Ask[]): string => asks.map(({ why }) => why).join();
const numbered = (kind: string, i: number): string => (i === 0 ? kind : `${kind}:${i + 1}`);
