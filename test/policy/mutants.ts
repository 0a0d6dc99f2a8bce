import type { RuleConfig } from '../../src/authorize/index.ts';

/** One way in which a rule could be written wrongly. */
export interface Mutant {
  /** `finance-pays: without groups`. */
  readonly what: string;
  readonly rules: readonly unknown[];
}
type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type Map = { readonly [key: string]: Json };
/** A changed rule, and how it was changed; null: it is gone. */
type Change = readonly [how: string, rule: Map | null];

/** Matchers that are lists: without them, or without one of their words, a rule speaks of others. */
const LISTS = ['callers', 'teams', 'users', 'groups', 'roles', 'agents', 'clients', 'workspaces', 'scopes', 'servers', 'tools', 'methods', 'classes', 'environments', 'regions', 'tenants', 'actor_group', 'server', 'requires'] as const;
const DUTIES = ['needs', 'requires', 'limits', 'require_confirmation'] as const;

/** Every mutant of every rule: flipped, dropped, widened and narrowed, one change at a time. */
export function mutantsOf(rules: readonly RuleConfig[]): readonly Mutant[] {
  return rules.flatMap((rule, at) =>
    changesOf(rule as unknown as Map).map(([how, changed]) => ({ what: `${rule.id}: ${how}`, rules: changed === null ? rules.toSpliced(at, 1) : rules.toSpliced(at, 1, changed as unknown as RuleConfig) })));
}

function changesOf(rule: Map): readonly Change[] {
  const flipped = { ...rule, effect: rule['effect'] === 'allow' ? 'deny' : 'allow' };
  return [
    ['dropped', null],
    // A deny has no duties: flipped with them it would not load.
    ['flipped', rule['effect'] === 'allow' ? without(flipped, ...DUTIES) : flipped],
    [rule['shadow'] === true ? 'in force' : 'on trial', rule['shadow'] === true ? without(rule, 'shadow') : { ...rule, shadow: true }],
    ...LISTS.flatMap((key) => inList(rule, key)),
    ...within(rule, 'arguments', (all) => argumentChanges(all, rule['effect'] === 'deny')),
    ...within(rule, 'during', duringChanges),
    ...(rule['when'] === undefined ? [] : [['without when', without(rule, 'when')] as const, ['when turned round', { ...rule, when: `!(${String(rule['when'])})` }] as const]),
    ...within(rule, 'needs', needsChanges),
    ...(rule['require_confirmation'] === undefined ? [] : [['without require_confirmation', without(rule, 'require_confirmation')] as const]),
    ...(isMap(rule['limits']) ? limitChanges(rule, rule['limits']) : []),
  ];
}
const isMap = (value: Json | undefined): value is Map => typeof value === 'object' && value !== null && !Array.isArray(value);
const without = (map: Map, ...keys: readonly string[]): Map => Object.fromEntries(Object.entries(map).filter(([key]) => !keys.includes(key)));

function inList(rule: Map, key: string): readonly Change[] {
  const list = rule[key];
  if (list === undefined) return [];
  const gone: Change = [`without ${key}`, without(rule, key)];
  if (!Array.isArray(list) || list.length < 2) return [gone];
  return [gone, ...list.map((word, i): Change => [`${key} without ${String(word)}`, { ...rule, [key]: list.toSpliced(i, 1) }])];
}

/** The key as a whole, and what may go wrong inside it. */
function within(rule: Map, key: string, inside: (value: Map) => readonly (readonly [string, Map])[]): readonly Change[] {
  const value = rule[key];
  if (value === undefined) return [];
  return [[`without ${key}`, without(rule, key)], ...(isMap(value) ? inside(value).map(([how, changed]): Change => [`${key} ${how}`, { ...rule, [key]: changed }]) : [])];
}

/** Each constraint gone, free, optional, and each word of it gone or loosened; the whole open to arguments that nobody named. */
function argumentChanges(all: Map, isDeny: boolean): readonly (readonly [string, Map])[] {
  const each = Object.entries(all).flatMap(([path, wanted]) => {
    if (!isMap(wanted)) return [];
    const set = (how: string, value: Map): readonly [string, Map] => [`${path} ${how}`, { ...all, [path]: value }];
    return [
      [`without ${path}`, without(all, path)] as const,
      ...(wanted['any'] === undefined ? [set('free', { any: true })] : []),
      ...(['any', 'optional', 'unless_absent', 'absent'].some((key) => wanted[key] !== undefined) ? [] : [set('optional', { ...wanted, [isDeny ? 'unless_absent' : 'optional']: true })]),
      ...wordChanges(wanted).map(([how, value]) => set(how, value)),
    ];
  });
  return [...each, ['open to others', { ...all, closed: all['closed'] === false }]];
}
/** Of a constraint, or of what stands in it: each key gone if another is left, each list without each word, each bound moved. */
function wordChanges(map: Map): readonly (readonly [string, Map])[] {
  return Object.entries(map).flatMap(([key, value]): (readonly [string, Map])[] => {
    const gone: (readonly [string, Map])[] = Object.keys(map).length > 1 ? [[`without ${key}`, without(map, key)]] : [];
    if (isMap(value)) return [...gone, ...wordChanges(value).map(([how, changed]) => [`${key} ${how}`, { ...map, [key]: changed }] as const)];
    if (Array.isArray(value) && value.length > 1) return [...gone, ...value.map((word, i) => [`${key} without ${String(word)}`, { ...map, [key]: value.toSpliced(i, 1) }] as const)];
    const moved = BOUNDS.get(key);
    return moved === undefined || Number.isNaN(Number(value)) ? gone : [...gone, [`${key} loosened`, { ...map, [key]: moved(Number(value)) }]];
  });
}
const BOUNDS: ReadonlyMap<string, (bound: number) => number> = new Map([
  ['max', (n: number) => n * 10 + 1], ['max_length', (n: number) => n * 10 + 1], ['max_items', (n: number) => n + 1], ['min', (n: number) => (n > 1 ? Math.floor(n / 10) : n > 0 ? 0 : n - 1)],
  ['min_length', (n: number) => Math.max(0, n - 1)], ['min_items', (n: number) => Math.max(0, n - 1)],
]);

function duringChanges(during: Map): readonly (readonly [string, Map])[] {
  const days = during['weekdays'];
  return [
    ...(during['from'] === undefined ? [] : [['without hours', without(during, 'from', 'to')] as const, ['turned round', { ...during, from: during['to'] as Json, to: during['from'] }] as const]),
    ...['weekdays', 'timezone', 'not_before', 'not_after'].filter((key) => during[key] !== undefined).map((key) => [`without ${key}`, without(during, key)] as const),
    ...(Array.isArray(days) && days.length > 1 ? days.map((day, i) => [`weekdays without ${String(day)}`, { ...during, weekdays: days.toSpliced(i, 1) }] as const) : []),
  ];
}

function needsChanges(needs: Map): readonly (readonly [string, Map])[] {
  const approval = needs['approval'];
  return [
    ...Object.keys(needs).map((key) => [`without ${key}`, without(needs, key)] as const),
    ...(typeof needs['change_ticket'] === 'string' ? [['change_ticket of any form', { ...needs, change_ticket: true }] as const] : []),
    ...(typeof needs['dry_run'] === 'string' ? [['dry_run by another argument', { ...needs, dry_run: `${needs['dry_run']}_x` }] as const] : []),
    ...(isMap(approval) ? approvalChanges(approval).map(([how, changed]) => [`approval ${how}`, { ...needs, approval: changed }] as const) : []),
  ];
}
function approvalChanges(approval: Map): readonly (readonly [string, Map])[] {
  const { quorum } = approval;
  return [
    ...(approval['groups'] === undefined ? [] : [['by anyone', without(approval, 'groups')] as const]),
    ...(typeof quorum === 'number' && quorum > 1 ? [['by one fewer', { ...approval, quorum: quorum - 1 }] as const] : []),
    ...(approval['expires'] === undefined ? [] : [['without expires', without(approval, 'expires')] as const]),
    ...(approval['escalate_to'] === undefined ? [] : [['without escalation', without(approval, 'escalate_to', 'escalate_after')] as const, ['escalated at once', { ...approval, escalate_after: '1s' }] as const]),
  ];
}
function limitChanges(rule: Map, limits: Map): readonly Change[] {
  return [
    ['without limits', without(rule, 'limits')], ['ten times the rate', { ...rule, limits: { ...limits, rate: String(limits['rate']).replace(/^\d+/, '$&0') } }],
    ...(limits['per'] === undefined ? [] : [['limits without per', { ...rule, limits: without(limits, 'per') }] as const]),
  ];
}
