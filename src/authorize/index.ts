import type { Authorized, Resolved } from '../call/call.ts';
import type { Decision } from '../call/decision.ts';
import { isObject } from '../call/json.ts';
import type { Principal } from '../call/principal.ts';
import type { Stage } from '../call/stage.ts';
import type { Target } from '../call/target.ts';
import type { Clock } from '../lib/clock.ts';
import type { Judged } from './arguments/index.ts';
import type { AuthorizeConfig } from './config.ts';
import { type Explained, explainRules } from './explain.ts';
import { type LoadedRule, loadRules, type PolicyFault } from './load.ts';
import { createPolicy, type Policy } from './policy-in-force.ts';
import { NOWHERE, type Place } from './place.ts';

export type { LoadedRule, PolicyFault } from './load.ts';
export type { RuleConfig } from './rule-config.ts';
export type { Explained, ExplainedPart, ExplainedRule } from './explain.ts';
export type { Place } from './place.ts';
export type { Judged } from './arguments/index.ts';

export interface AuthorizeDeps {
  readonly clock: Clock;
  /** Where a server stands; a server nobody knows stands nowhere. Left out: no server says. */
  readonly placeOf?: (server: string) => Place;
}
export interface Authorize {
  /** Adds the decision. Refuses with `authorize.*`, the decision and the scopes that would have been enough. */
  readonly stage: Stage<Resolved, Pick<Authorized, 'decision'>>;
  /**
   * The same decision, for lists: what may not be called is not shown (MISSION P5). Without `args`: could such a call be allowed? Then allow
   * rules with argument constraints count and deny rules with them do not. A resource's URI is known from the target. Never throws: an error denies.
   */
  readonly decide: (principal: Principal, target: Target, args?: Judged) => Decision;
  /** First 16 hex digits of the SHA-256 of the policy in canonical JSON; another one after `replace`. */
  readonly version: string;
  /**
   * Puts `rules` in the place of those of the same layer at once: a call is judged by the old rules or by the new, never by some of each. The
   * rules of the configuration stay. Gives what is wrong (an id that exists in another layer); then nothing has changed.
   */
  readonly replace: (rules: readonly LoadedRule[], layer?: string) => readonly PolicyFault[];
  /** Puts another section `authorize` with all its rules in the place of the one before, at once; the layers stay. Gives what is wrong; then nothing has changed. */
  readonly rebase: (config: AuthorizeConfig) => readonly PolicyFault[];
  /** Every rule with what of it holds for such a call, and the decision. Not for the hot path. Throws for a principal or target that is none. */
  readonly explain: (principal: Principal, target: Target, args?: Judged) => Explained;
}

/** The room that says who may do what: a function of principal, target, arguments, time and policy, and of nothing else. */
export function createAuthorize(config: AuthorizeConfig, deps: AuthorizeDeps): Authorize {
  const { clock } = deps;
  const placeOf = (server: string | null): Place => (server === null ? NOWHERE : (deps.placeOf?.(server) ?? NOWHERE));
  type Layers = ReadonlyMap<string, readonly LoadedRule[]>;
  const own = loadRules(config.rules);
  // The schema has found these already: a policy with a hole is none.
  if (own.faults[0] !== undefined) throw new Error(`rule ${own.faults[0].id ?? own.faults[0].at}: ${own.faults[0].wrong}`);
  /** Whole before it is in force: what throws while it is made leaves the one before. */
  const made = (base: AuthorizeConfig, rules: readonly LoadedRule[], layers: Layers): { base: AuthorizeConfig; own: readonly LoadedRule[]; layers: Layers; policy: Policy } =>
    ({ base, own: rules, layers, policy: createPolicy(base, [...rules, ...[...layers.values()].flat()], placeOf) });
  let force = made(config, own.rules, new Map());

  const decide: Authorize['decide'] = (principal, target, args) => force.policy.decide(principal, target, args ?? null, clock.now()).decision;
  return {
    get version() {
      return force.policy.version;
    },
    decide,
    replace: (rules, layer = 'policy') => {
      const others = [...force.layers].flatMap(([name, list]) => (name === layer ? [] : list));
      const faults = repeated(rules, [...force.own, ...others]);
      if (faults.length === 0) force = made(force.base, force.own, new Map(force.layers).set(layer, [...rules]));
      return faults;
    },
    rebase: (next) => {
      const loaded = loadRules(next.rules);
      const faults = [...loaded.faults, ...repeated(loaded.rules, [...force.layers.values()].flat())];
      if (faults.length === 0) force = made(next, loaded.rules, force.layers);
      return faults;
    },
    explain: (principal, target, args) => {
      const { policy } = force;
      const now = clock.now();
      const { decision, note } = policy.decide(principal, target, args ?? null, now);
      return { decision, note, rules: explainRules(policy.rules, policy.seen(principal, target, args ?? null, now)) };
    },
    stage: {
      name: 'authorize',
      run: (call) => {
        const { decision, note } = force.policy.decide(call.principal, call.target, argumentsOf(call), clock.now());
        if (decision.effect === 'allow') return { go: { decision } };
        return { stop: { code: decision.reason, decision, ...(note !== null && { note }), ...(decision.wantScopes.length > 0 && { wantScopes: decision.wantScopes }) } };
      },
    },
  };
}

/** The arguments of a call, of exactly the bytes that are sent. Arguments that are no object are as good as absent: constraints refuse them. */
function argumentsOf({ message, target }: Pick<Resolved, 'message' | 'target'>): Judged | null {
  if (target.method !== 'tools/call' && target.method !== 'prompts/get') return null;
  const value = message.params['arguments'];
  return isObject(value) ? { value, text: message.argumentsText } : { value: {}, text: '{}' };
}

function repeated(rules: readonly LoadedRule[], others: readonly LoadedRule[]): readonly PolicyFault[] {
  const taken = new Set(others.map(({ config }) => config.id));
  return rules.flatMap(({ config: { id } }, at) => {
    if (!taken.has(id)) {
      taken.add(id);
      return [];
    }
    return [{ at, id, path: ['id'], wrong: `a rule named \`${id}\` exists already; give this one another id` }];
  });
}
