import type { Decision } from '../../call/decision.ts';
import { explainArguments } from '../arguments/index.ts';
import type { AuthorizeConfig } from '../config.ts';
import type { ExplainedPart, ExplainedRule } from '../index.ts';
import { dutiesOf } from './duty-words.ts';
import { type Asked, createEngine, judgedOf } from './engine.ts';

type Rule = AuthorizeConfig['rules'][number];
/** A rule that does not match, and what is missing for it. */
export interface NearRule {
  readonly rule: string;
  readonly effect: 'allow' | 'deny';
  readonly missing: readonly { readonly half: ExplainedPart['half']; readonly key: string; readonly words: string }[];
}
export interface NamedRule {
  readonly rule: string;
  readonly effect: 'allow' | 'deny';
  readonly why: string | null;
  /** A deny matches arguments that it cannot judge: why it could not; null: it could. */
  readonly doubt: string | null;
}
/** A decision for a reviewer. Quotes rules and facts of the caller, never his arguments. */
export interface Explanation {
  readonly version: string;
  readonly at: string;
  readonly caller: string;
  readonly call: string;
  readonly class: string;
  readonly effect: 'allow' | 'deny';
  readonly code: string | null;
  /** What decided: rules, defaults, entries. */
  readonly decided_by: readonly string[];
  readonly because: string;
  readonly matched: readonly NamedRule[];
  readonly nearly: readonly NearRule[];
  /** Rules that could not be evaluated. */
  readonly in_error: readonly string[];
  readonly class_default: string;
  /** What must happen before it runs. */
  readonly needs: readonly string[];
  /** Of a deny: what would have been enough. */
  readonly would_do: readonly string[];
  readonly shadows: readonly { readonly rule: string; readonly would: string }[];
}

const TOLD = 10;

/** Explains one call by one policy. Throws for a policy that does not compile. */
export function explanationOf(config: AuthorizeConfig, call: Asked): Explanation {
  const { decision, rules } = createEngine(config).explain(call);
  const byId = new Map(config.rules.map((rule) => [`rule:${rule.id}`, rule]));
  const near = rules.filter(isNear).toSorted((a, b) => lacking(a).length - lacking(b).length).slice(0, TOLD)
    .map((rule): NearRule => ({ rule: rule.id, effect: rule.effect, missing: lacking(rule).map((part) => ({ half: part.half, key: part.key, words: partWords(part, byId.get(rule.id), call) })) }));
  const { principal, target } = call;
  return {
    version: decision.policyVersion, at: new Date(call.at).toISOString(), caller: principal.id, call: target.id, class: target.risk, effect: decision.effect,
    code: decision.effect === 'deny' ? decision.reason : null, decided_by: decision.ruleIds, because: becauseOf(decision),
    matched: rules.filter(({ shadow, matches }) => matches && !shadow).map(({ id, effect }) => ({ rule: id, effect, why: byId.get(id)?.why ?? null, doubt: doubtOf(byId.get(id), call) })),
    nearly: near, in_error: rules.filter((rule) => !rule.shadow && isInError(rule)).map(({ id }) => id),
    class_default: defaultWords(config, call), needs: dutiesOf(decision), would_do: enoughFor(decision, near),
    shadows: (decision.shadows ?? []).map(({ ruleId, would }) => ({ rule: ruleId, would })),
  };
}

const lacking = ({ parts }: ExplainedRule): readonly ExplainedPart[] => parts.filter(({ holds }) => holds !== true);
const isInError = ({ parts }: ExplainedRule): boolean => parts.some(({ holds }) => holds === null) && parts.every(({ holds }) => holds !== false);
/** It speaks of this tool, and one or two things are missing; or one thing, and that is not the tool. */
function isNear(rule: ExplainedRule): boolean {
  const missing = lacking(rule);
  const isElsewhere = missing.some(({ key }) => key === 'tools' || key === 'servers');
  return !rule.shadow && !rule.matches && !isElsewhere && missing.length <= 2;
}

function becauseOf(decision: Decision): string {
  const named = decision.ruleIds.join(', ');
  if (decision.effect === 'allow') return named.startsWith('default:') ? `no rule decides it, and the default of the class allows it (${named})` : `allowed by ${named}, and no rule denies it`;
  switch (decision.reason) {
    case 'authorize.rule': return `denied by ${named}; one deny beats every allow`;
    case 'authorize.error': return `${named || 'a rule'} cannot be evaluated for this call, which denies it`;
    case 'authorize.scope': return `the caller holds none of the scopes that would do (${named})`;
    case 'authorize.credential': return `the caller’s own credential excludes the tool (${named})`;
    case 'authorize.class': return `no rule names the tool or its class, and the default of the class denies it (${named})`;
    default: return `no rule allows it, and the default of the class denies it (${named})`;
  }
}

function defaultWords({ confirm_classes: asking }: AuthorizeConfig, { target: { risk, server } }: Asked): string {
  const also = asking.includes(risk) ? ', after approval by a person' : '';
  if (risk === 'discovery') return 'discovery: allowed';
  if ((risk === 'read' || risk === 'write') && server !== null) return `${risk}: allowed to holders of the scope ${server}:${risk}, or of one that authorize.tools names for the tool${also}; else denied`;
  return risk === 'destructive' || risk === 'admin' ? `${risk}: denied unless an allow rule names the tool or the class` : `${risk}: denied unless an allow rule names the server, tool, method or class`;
}

function enoughFor(decision: Decision, near: readonly NearRule[]): readonly string[] {
  if (decision.effect === 'allow') return [];
  if (decision.reason === 'authorize.rule') return ['no scope and no approval; another call, where the rule looks at arguments or time, or a change of the rule'];
  if (decision.reason === 'authorize.error') return ['mend the rule, or send a call that it can judge'];
  if (decision.reason === 'authorize.credential') return ['a credential whose allowed_tools and denied_tools admit the tool'];
  const scopes = decision.wantScopes.length === 0 ? [] : [`any one of the scopes ${decision.wantScopes.join(', ')}`];
  const rules = near.filter(({ effect }) => effect === 'allow').map(({ rule, missing }) => `${rule}, if ${missing.map(({ words }) => words).join('; and ')}`);
  const all = [...scopes, ...rules];
  return all.length === 0 ? ['an allow rule for this caller and tool'] : all;
}

const CALLER_FACTS: Readonly<Record<string, (call: Asked) => readonly (string | null)[]>> = {
  callers: ({ principal: p }) => [p.caller, p.id], teams: ({ principal: p }) => [p.team], users: ({ principal: p }) => [p.user], groups: ({ principal: p }) => p.groups, roles: ({ principal: p }) => p.roles,
  agents: ({ principal: p }) => [p.agent], clients: ({ principal: p }) => [p.client], workspaces: ({ principal: p }) => [p.workspace], scopes: ({ principal: p }) => p.scopes,
  classes: ({ target }) => [target.risk], servers: ({ target }) => [target.server], methods: ({ target }) => [target.method], tools: ({ target }) => [target.tool === null ? null : target.id],
  environments: ({ place, principal }) => [place.environment ?? principal.environment], regions: ({ place }) => [place.region], tenants: ({ place, principal }) => [place.tenant ?? principal.tenant],
};

/** What a key of a rule asks for and what the call has; of arguments and conditions only what the rule asks for. */
function partWords({ key, holds }: ExplainedPart, rule: Rule | undefined, call: Asked): string {
  if (rule === undefined) return key;
  if (key === 'explicit') return 'the rule must name the class, or the tool itself, for a call this grave';
  if (key === 'arguments') return argumentWords(rule, call);
  if (key === 'when') return holds === null ? `the condition cannot be evaluated for this call: ${rule.when ?? ''}` : `the condition must hold: ${rule.when ?? ''}`;
  if (key === 'during') return `the time must be within ${windowWords(rule)}; it is ${new Date(call.at).toISOString()}`;
  const has = (CALLER_FACTS[key]?.(call) ?? []).filter((each) => each !== null);
  return `${key} must be ${wantedOf(rule, key).join(' or ')}; ${has.length === 0 ? 'the call has none' : `it is ${has.join(', ')}`}`;
}
function wantedOf(rule: Rule, key: string): readonly string[] {
  const short = key === 'groups' ? rule.actor_group : key === 'servers' ? rule.server : undefined;
  const wanted: unknown = short ?? Object.entries(rule).find(([name]) => name === key)?.[1];
  return Array.isArray(wanted) ? wanted.map(String) : [String(wanted)];
}
function argumentWords(rule: Rule, call: Asked): string {
  const judged = judgedOf(call);
  if (judged === undefined || rule.arguments === undefined) return 'the arguments must be as the rule says';
  return `the arguments must be as the rule says: ${explainArguments(rule.arguments, judged).findings.map(({ path, why }) => `${path} ${why}`).join('; ')}`;
}
function doubtOf(rule: Rule | undefined, call: Asked): string | null {
  const judged = judgedOf(call);
  if (rule?.arguments === undefined || judged === undefined) return null;
  const { verdict } = explainArguments(rule.arguments, judged);
  return typeof verdict === 'object' ? verdict.error : null;
}
function windowWords({ during }: Rule): string {
  if (during === undefined) return 'the window of the rule';
  const { from, to, weekdays, timezone, not_before: after, not_after: before } = during;
  return [
    ...(from === undefined ? [] : [`${from} to ${to ?? ''}`]), ...(weekdays === undefined ? [] : [`on ${weekdays.join(', ')}`]), ...(from === undefined && weekdays === undefined ? [] : [timezone ?? 'UTC']),
    ...(after === undefined ? [] : [`from ${after} on`]), ...(before === undefined ? [] : [`before ${before}`]),
  ].join(' ');
}
