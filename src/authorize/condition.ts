import { type CelInput, celEnv, celError, isCelError, parse, plan } from '@bufbuild/cel';
import { readNames } from './condition-names.ts';
import { STRICT_NUMBERS } from './condition-numbers.ts';
import { argsOf, callerOf, type Seen, targetOf, timestampOf } from './condition-values.ts';

/** What a condition says of a call. `unknown`: it hangs on arguments, and there are none (a list asks). */
export type ConditionVerdict = boolean | 'unknown' | { readonly error: string };
export type Condition = (seen: Seen) => ConditionVerdict;

const environment = celEnv({ funcs: STRICT_NUMBERS });
/** Stands for arguments nobody knows yet: CEL's `&&` and `||` answer without it where they can. */
const UNKNOWN = celError('the arguments are not known');

/**
 * Compiles one `when:`. Throws Error, with what to mend, for what cannot be read, for unknown names, fields and functions (a typo in a
 * deny would else be an error at each call), and for what has no place in a rule. Never throws at a call.
 */
export function compileCondition(text: string): Condition {
  const parsed = parse(text);
  const names = readNames(parsed.expr);
  const evaluate = plan(environment, parsed);
  for (const pattern of names.patterns) checkPattern(pattern);
  return (seen) => {
    const args = names.args === null ? null : seen.judged === null ? UNKNOWN : argsOf(seen.judged, names.args);
    if (typeof args === 'string') return { error: args };
    const facts: Record<string, CelInput> = {};
    if (names.roots.has('caller')) facts['caller'] = callerOf(seen.principal);
    if (names.roots.has('target')) facts['target'] = targetOf(seen);
    if (names.roots.has('now')) facts['now'] = timestampOf(seen.now);
    if (args !== null) Object.assign(facts, { args });
    const result = evaluate(facts);
    if (isCelError(result)) return args === UNKNOWN ? 'unknown' : { error: result.message };
    // Only true is true: `when: args.n` must not allow because n is 1.
    return typeof result === 'boolean' ? result : { error: 'the condition gives no true or false' };
  };
}

/** A pattern that cannot be read would be an error at each call. */
function checkPattern(pattern: string): void {
  const result = plan(environment, parse('"".matches(p)'))({ p: pattern });
  if (isCelError(result)) throw new Error(`the pattern ${JSON.stringify(pattern)} is no regular expression of RE2`);
}
