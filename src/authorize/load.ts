import type { z } from 'zod';
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
  const faults = [...repeatedIds(list)];
  for (const [at, each] of list.entries()) {
    const parsed = ruleConfig.safeParse(each);
    if (!parsed.success) faults.push(...parsed.error.issues.flatMap((issue) => schemaFaults(issue, at, idOf(each))));
    else {
      const made = compiled(parsed.data, at);
      if ('rule' in made) rules.push(made);
      else faults.push(made);
    }
  }
  return { rules, faults };
}

/** What `loadRules` finds in rules the schema has accepted already. */
export function faultsOf(list: readonly RuleConfig[]): readonly PolicyFault[] {
  return [...repeatedIds(list), ...list.flatMap((config, at) => {
    const made = compiled(config, at);
    return 'rule' in made ? [] : [made];
  })];
}

function compiled(config: RuleConfig, at: number): LoadedRule | PolicyFault {
  try {
    return { config, rule: compileRule(config) };
  } catch (thrown) {
    return { at, id: config.id, path: thrown instanceof RuleFault ? thrown.path : [], wrong: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}
/** Two rules of one name cannot be told apart in records. */
function repeatedIds(list: readonly unknown[]): readonly PolicyFault[] {
  const seen = new Set<string>();
  return list.flatMap((each, at) => {
    const id = idOf(each);
    const isTaken = id !== null && seen.has(id);
    if (id !== null) seen.add(id);
    return isTaken ? [{ at, id, path: ['id'], wrong: `a rule named \`${id}\` exists already; give this one another id` }] : [];
  });
}
function schemaFaults(issue: z.core.$ZodIssue, at: number, id: string | null): PolicyFault[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  if (issue.code !== 'unrecognized_keys') return [{ at, id, path, wrong: issue.message }];
  return issue.keys.map((key) => ({ at, id, path: [...path, key], wrong: `\`${key}\` is no key of a rule here; remove it or mend its spelling` }));
}
const idOf = (rule: unknown): string | null => (typeof rule === 'object' && rule !== null && 'id' in rule && typeof rule.id === 'string' ? rule.id : null);
