import type { Decision } from '../call/decision.ts';
import type { Seen } from './condition-values.ts';
import { lackOf, type Part, type Rule } from './rules.ts';

/** One key of a rule, for one call. */
export interface ExplainedPart {
  readonly half: 'who' | 'what' | 'where' | 'when' | 'arguments' | 'condition';
  /** The key of the rule: `groups`, `tools`, `environments`, `during`, …; `explicit`: an allow for such a class must name it, or the tool. */
  readonly key: string;
  /** null: it cannot be evaluated. */
  readonly holds: boolean | null;
  /** What was found, or why it cannot be evaluated; may quote the caller's arguments. */
  readonly note: string | null;
}
export interface ExplainedRule {
  /** `rule:<id>`, as in decisions. */
  readonly id: string;
  readonly effect: 'allow' | 'deny';
  readonly shadow: boolean;
  readonly matches: boolean;
  readonly parts: readonly ExplainedPart[];
}
export interface Explained {
  readonly decision: Decision;
  /** What the record would say beside it. */
  readonly note: string | null;
  readonly rules: readonly ExplainedRule[];
}

/** Every part of every rule, also after one that does not hold: what would have been needed besides. */
export function explainRules(rules: readonly Rule[], seen: Seen): readonly ExplainedRule[] {
  return rules.map((rule) => {
    const parts = [...who(rule, seen), ...what(rule, seen), ...where(rule, seen), ...conditions(rule, seen), ...live(rule)];
    return { id: rule.id, effect: rule.effect, shadow: rule.shadow, matches: parts.every(({ holds }) => holds === true), parts };
  });
}

const tested = <T>(half: ExplainedPart['half'], parts: readonly Part<T>[], of: T): ExplainedPart[] => parts.map(({ key, test }) => ({ half, key, holds: test(of), note: null }));

function who({ who: parts, scopes }: Rule, { principal }: Seen): ExplainedPart[] {
  const held = scopes === null ? [] : [{ half: 'who', key: 'scopes', holds: scopes.some((scope) => principal.scopes.includes(scope)), note: null } as const];
  return [...tested('who', parts, principal), ...held];
}
const what = (rule: Rule, { target }: Seen): ExplainedPart[] => tested('what', rule.what, target);

function where({ where: asked }: Rule, { place, principal }: Seen): ExplainedPart[] {
  const lack = lackOf(place);
  const part = (key: string, test: ((text: string | null) => boolean) | null, value: string | null): ExplainedPart[] => (test === null ? [] : [{ half: 'where', key, holds: test(value), note: value }]);
  return [
    ...part('environments', asked.environment, (lack & 1) === 0 ? place.environment : principal.environment), ...part('regions', asked.region, place.region),
    ...part('tenants', asked.tenant, (lack & 2) === 0 ? place.tenant : principal.tenant),
  ];
}
const live = ({ temporary }: Rule): ExplainedPart[] => (temporary === undefined ? [] : [{ half: 'when', key: 'until', holds: temporary.isLive(), note: null }]);
const HALVES = { during: 'when', arguments: 'arguments', when: 'condition' } as const;
const conditions = ({ conditions: list }: Rule, seen: Seen): ExplainedPart[] =>
  (list ?? []).map(({ key, judge }) => {
    const { holds, error, note } = judge(seen);
    return { half: HALVES[key], key, holds, note: error ?? note };
  });
