import { RuleFault } from './fault.ts';
import { ruleConfig, type RuleConfig } from './rule-config.ts';
import { compileRule, type Rule } from './rules.ts';

/** A rule that is whole: as written, and compiled. Made by `loadRules` alone. */
export interface LoadedRule {
  readonly config: RuleConfig;
  readonly rule: Rule;
}
/** Something wrong with one rule. */
export interface PolicyFault {
  /** Which rule of the list, from 0. */
  readonly at: number;
  /** Its id, where it has one. */
  readonly id: string | null;
  /** Where in the rule, for example `['during', 'timezone']`. */
  readonly path: readonly (string | number)[];
  /** What is wrong and how to mend it. */
  readonly wrong: string;
}

/** Reads rules, for example out of files. Whatever has a fault is in `faults` and not in `rules`: never use one without looking at the other. */
export function loadRules(list: readonly unknown[]): { readonly rules: readonly LoadedRule[]; readonly faults: readonly PolicyFault[] } {
  const rules: LoadedRule[] = [];
  const faults: PolicyFault[] = [];
  const seen = new Set<string>();
  for (const [at, each] of list.entries()) {
    const id = idOf(each);
    const fault = (path: readonly PropertyKey[], wrong: string): number => faults.push({ at, id, path: path.map((part) => (typeof part === 'symbol' ? String(part) : part)), wrong });
    if (id !== null && seen.has(id)) fault(['id'], `a rule named \`${id}\` exists already; give this one another id`);
    if (id !== null) seen.add(id);
    const parsed = ruleConfig.safeParse(each);
    if (!parsed.success) {
      for (const issue of parsed.error.issues) {
        if (issue.code !== 'unrecognized_keys') fault(issue.path, issue.message);
        else for (const key of issue.keys) fault([...issue.path, key], `\`${key}\` is no key of a rule here; remove it or mend its spelling`);
      }
    }
    else {
      try {
        rules.push({ config: parsed.data, rule: compileRule(parsed.data) });
      } catch (thrown) {
        fault(thrown instanceof RuleFault ? thrown.path : [], thrown instanceof Error ? thrown.message : String(thrown));
      }
    }
  }
  return { rules, faults };
}
const idOf = (rule: unknown): string | null => (typeof rule === 'object' && rule !== null && 'id' in rule && typeof rule.id === 'string' ? rule.id : null);

export const faultsOf = (list: readonly unknown[]): readonly PolicyFault[] => loadRules(list).faults;
