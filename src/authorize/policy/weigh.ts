import type { Decision } from '../../call/decision.ts';
import type { AuthorizeConfig } from '../config.ts';
import type { ExplainedPart } from '../index.ts';
import { createEngine } from './engine.ts';
import type { Lost, RecordedCall } from './recorded.ts';

/** What a policy makes of a recorded call; `because`: it cannot be told, for these rules ask for what the record does not hold. */
export type Weighed = { readonly decision: Decision } | { readonly because: readonly { readonly rule: string; readonly lacks: readonly string[] }[] };

/** Judges recorded calls by one policy, and does not guess: a rule that may match or not, for want of a fact, leaves the call open unless a deny rule decides it anyway. */
export function createWeigher(config: AuthorizeConfig): { readonly version: string; readonly weigh: (call: RecordedCall) => Weighed } {
  const engine = createEngine(config);
  const conditions = new Map(config.rules.map((rule) => [`rule:${rule.id}`, rule.when ?? '']));
  return {
    version: engine.version,
    weigh: (call) => {
      if (call.lost.size === 0) return { decision: engine.decide(call.asked) };
      const { decision, rules } = engine.explain(call.asked);
      const open = rules.filter(({ shadow }) => !shadow).flatMap(({ id, parts }) => {
        const lacks = parts.map((part) => lackOf(part, call.lost, conditions.get(id) ?? ''));
        if (!parts.some((_, i) => lacks[i] !== null)) return [];
        // What is known already rules it out.
        return parts.some(({ holds }, i) => lacks[i] === null && holds === false) ? [] : [{ rule: id, lacks: [...new Set(lacks.filter((lack) => lack !== null))] }];
      });
      if (open.length === 0) return { decision };
      const names = new Set(open.map(({ rule }) => rule));
      const isSure = decision.effect === 'deny' && decision.reason === 'authorize.rule' && decision.ruleIds.some((id) => !names.has(id));
      return isSure ? { decision } : { because: open };
    },
  };
}

/** Which lost fact a part hangs on; null: none. Of conditions it is asked too much rather than too little. */
function lackOf({ half, key }: ExplainedPart, lost: ReadonlySet<Lost>, when: string): string | null {
  if (key === 'arguments') return lost.has('arguments') ? 'arguments' : lost.has('uri') ? 'uri' : null;
  if (key === 'when') {
    const read: readonly (readonly [string, readonly Lost[]])[] = [['args', ['arguments', 'uri']], ['caller', ['name', 'groups', 'roles', 'tenant']], ['target', ['place', 'tenant']]];
    return read.flatMap(([root, facts]) => (when.includes(root) ? facts.filter((fact) => lost.has(fact)) : []))[0] ?? null;
  }
  if (half === 'where') return lost.has('place') ? 'place' : key === 'tenants' && lost.has('tenant') ? 'tenant' : null;
  if (key === 'callers') return lost.has('name') ? 'name' : null;
  return key === 'groups' && lost.has('groups') ? 'groups' : key === 'roles' && lost.has('roles') ? 'roles' : null;
}
