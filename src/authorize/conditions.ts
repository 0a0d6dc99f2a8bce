import { compileArguments, type Judged } from './arguments/index.ts';
import { type Condition, compileCondition } from './condition.ts';
import type { Seen } from './condition-values.ts';
import { compileDuring } from './during.ts';
import { RuleFault } from './fault.ts';
import type { NormalRule } from './normal.ts';

/** The keys of a rule that are judged at each call, in this order. */
export type ConditionKey = 'during' | 'arguments' | 'when';
/** `holds` null: it cannot be evaluated. */
export interface ConditionVerdict {
  readonly holds: boolean | null;
  /** It could not be evaluated: the rule is in error, and denies. */
  readonly error: string | null;
  readonly note: string | null;
  /** It hangs on arguments that are not there yet. */
  readonly maybe?: true;
}
/** Judges one call. The parts stay apart, so that `policy explain` can tell which failed. */
export type Conditions = readonly { readonly key: ConditionKey; readonly judge: (seen: Seen) => ConditionVerdict }[];

const YES: ConditionVerdict = { holds: true, error: null, note: null };
const MAYBE: ConditionVerdict = { ...YES, maybe: true };
const NO: ConditionVerdict = { holds: false, error: null, note: null };

/** null: the rule has none. Throws `RuleFault` for what cannot be compiled. */
export function compileConditions(rule: NormalRule): Conditions | null {
  const { during, arguments: wanted, when } = rule;
  const list: Conditions[number][] = [];
  if (during !== undefined) {
    const holds = compiled('during', () => compileDuring(during));
    list.push({ key: 'during', judge: (seen) => (holds(seen.now) ? YES : NO) });
  }
  if (wanted !== undefined) {
    const judge = compiled('arguments', () => compileArguments(wanted));
    list.push({ key: 'arguments', judge: (seen) => judgeArguments(judge, seen, rule.effect) });
  }
  if (when !== undefined) {
    const condition = compiled('when', () => compileCondition(when));
    list.push({ key: 'when', judge: (seen) => judgeWhen(condition, seen, rule.effect) });
  }
  return list.length === 0 ? null : list.map(({ key, judge }) => ({ key, judge: guarded(key, judge) }));
}

/** All parts together; the first that does not hold ends it. */
export function judgeAll(conditions: Conditions, seen: Seen): ConditionVerdict & { readonly key: ConditionKey | null } {
  let isGuess = false;
  for (const { key, judge } of conditions) {
    const verdict = judge(seen);
    // At a call whose arguments do not fit, this part would not be asked: a list must not hide what another rule then allows.
    if (verdict.error !== null && isGuess) return { ...NO, key };
    if (verdict.holds !== true) return { ...verdict, key };
    isGuess ||= verdict.maybe === true;
  }
  return ALL;
}
const ALL = { ...YES, key: null };

/** Whether arguments belong to such a message at all: what has none is no list that might have some later. */
export const hasArguments = (seen: Pick<Seen, 'target'>): boolean => ['tools/call', 'prompts/get'].includes(seen.target.method) || seen.target.method.startsWith('resources/');

/**
 * Without arguments: for a list an allow may match later and a deny does not match yet; what never has arguments is matched by neither, or a
 * rule about paths would allow, or refuse, everything else the server offers.
 */
const withoutArguments = (seen: Seen, effect: NormalRule['effect']): ConditionVerdict => (effect === 'allow' && hasArguments(seen) ? MAYBE : NO);

function judgeArguments(judge: (judged: Judged) => 'match' | 'no_match' | { readonly error: string }, seen: Seen, effect: NormalRule['effect']): ConditionVerdict {
  if (seen.judged === null) return withoutArguments(seen, effect);
  const verdict = judge(seen.judged);
  if (verdict === 'match') return YES;
  if (verdict === 'no_match') return NO;
  // Absent, null, of another type, in no normal form: what cannot be compared fits no allow and every deny, or `paths: [..]` in place of `path` would be a way around (OWASP MCP Top 10).
  return { holds: effect === 'deny', error: null, note: verdict.error };
}

function judgeWhen(condition: Condition, seen: Seen, effect: NormalRule['effect']): ConditionVerdict {
  const verdict = condition(seen);
  if (verdict === true) return YES;
  if (verdict === false) return NO;
  return verdict === 'unknown' ? withoutArguments(seen, effect) : failed('when', verdict.error);
}
const failed = (key: ConditionKey, why: string): ConditionVerdict => ({ holds: null, error: `${key}: ${why}`, note: null });

/** A bug in one rule must not count as "did not match", nor harm another rule. */
function guarded(key: ConditionKey, judge: (seen: Seen) => ConditionVerdict): (seen: Seen) => ConditionVerdict {
  return (seen) => {
    try {
      return judge(seen);
    } catch (thrown) {
      return failed(key, String(thrown));
    }
  };
}
function compiled<T>(key: ConditionKey, compile: () => T): T {
  try {
    return compile();
  } catch (thrown) {
    if (thrown instanceof RuleFault) throw thrown;
    throw new RuleFault(key === 'during' ? ['during', 'timezone'] : [key], thrown instanceof Error ? thrown.message : String(thrown));
  }
}
