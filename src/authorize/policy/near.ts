import { explainArguments } from '../arguments/index.ts';
import type { ExplainedRule } from '../index.ts';
import type { Policy } from './assemble.ts';
import { type Asked, createEngine, judgedOf } from './engine.ts';

const TOLD = 5;

/** Rules in force that would have matched but for one key, as `rule:pay (allow), but for arguments: amount is more than the rule allows`; at most five. */
export function nearly({ config }: Pick<Policy, 'config'>, call: Asked): readonly string[] {
  const near = createEngine(config).explain(call).rules.filter(({ shadow, parts }) => !shadow && parts.filter(({ holds }) => holds !== true).length === 1);
  return near.slice(0, TOLD).map((rule) => `${rule.id} (${rule.effect}), but for ${lack(rule, config, call)}`);
}

function lack({ id, parts }: ExplainedRule, config: Policy['config'], call: Asked): string {
  const part = parts.find(({ holds }) => holds !== true);
  if (part === undefined) return '';
  const judged = judgedOf(call);
  const wanted = config.rules.find((rule) => `rule:${rule.id}` === id)?.arguments;
  if (part.key !== 'arguments' || judged === undefined || wanted === undefined) return part.key;
  return `arguments: ${explainArguments(wanted, judged).findings.map(({ path, why }) => `${path} ${why}`).join('; ')}`;
}
