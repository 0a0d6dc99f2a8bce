import type { Allow, Decision, Deny, Obligation, Shadow } from '../call/decision.ts';
import type { NonEmpty } from '../call/json.ts';
import type { Target } from '../call/target.ts';
import { mostSpecific } from '../lib/glob-order.ts';
import { type Bits, bitsOf, inBoth, isEmpty } from './bits.ts';
import type { Caller } from './caller.ts';
import type { Seen } from './condition-values.ts';
import { type Conditions, judgeAll } from './conditions.ts';
import type { AuthorizeConfig } from './config.ts';
import { ANY_APPROVAL, type Ask, CREDENTIAL, type Lift, mergeDuties, WAIVED, withoutLifted } from './duties.ts';
import type { Place } from './place.ts';
import { type Lack, lackOf, matchesTarget, type Rule } from './rules.ts';

/** What the policy makes of a target, whoever calls: worked out once per target. */
export interface Aimed {
  readonly lack: Lack;
  /** Rules that match it, have no conditions and no end. */
  readonly denies: Bits;
  readonly allows: Bits;
  /** Those of `allows` that ask for something. */
  readonly duties: Bits;
  /** Rules that match it and are judged at each call; null: none. */
  readonly conditional: Bits | null;
  /** Rules on trial; null: none. */
  readonly trials: Bits | null;
  /** The entry of `authorize.tools` that speaks for it. */
  readonly entry: { readonly id: string; readonly scopes: readonly string[]; readonly confirm: boolean | null } | null;
}
/** A decision, and what belongs in the record alone. */
export interface Ruling {
  readonly decision: Decision;
  readonly note: string | null;
}

export interface Judge {
  readonly aim: (target: Target, place: Place) => Aimed;
  /** True when the decision hangs on nothing but caller and target, so that it may be remembered. */
  readonly isFixed: (caller: Caller, aimed: Aimed) => boolean;
  /** In order: the credential's own lists, deny rules, rules in error, the tool's scopes, allow rules, the default of the class. */
  readonly decide: (caller: Caller, aimed: Aimed, seen: Seen) => Ruling;
}

/** Rule ids in one decision, and scopes in one challenge: a record of a thousand names helps nobody. */
const NAMED = 8;

export function createJudge(config: AuthorizeConfig, rules: readonly Rule[], version: string): Judge {
  const entryFor = mostSpecific(config.tools);
  const confirmClasses = new Set(config.confirm_classes);
  const rulesFor = createIndex(rules);
  const idsOf = (hits: readonly number[]): string[] => hits.slice(0, NAMED).map((i) => rules[i]?.id ?? '');
  const deny = (reason: Deny['reason'], ruleIds: readonly string[], wantScopes: readonly string[] = []): Deny => ({ effect: 'deny', ruleIds, policyVersion: version, reason, wantScopes });
  const allow = (first: string, more: readonly string[], obligations: readonly Obligation[]): Allow => {
    const ruleIds: NonEmpty<string> = [first, ...more];
    return { effect: 'allow', ruleIds, policyVersion: version, obligations };
  };

  /** The duties of a call that the rules `hits` allow. */
  const dutiesOf = (caller: Caller, aimed: Aimed, target: Target, hits: readonly number[]): readonly Obligation[] => {
    const asks: Ask[] = [];
    if (caller.mustConfirm(target)) asks.push({ why: CREDENTIAL, duties: ANY_APPROVAL });
    if (aimed.entry !== null && aimed.entry.confirm !== null) asks.push({ why: aimed.entry.id, duties: aimed.entry.confirm ? ANY_APPROVAL : WAIVED });
    const isHandshake = target.tool === null && target.risk === 'discovery';
    for (const i of hits) {
      const duties = rules[i]?.duties ?? null;
      // A rule about a server's tools also lets its lists be seen; nobody is asked about each of those.
      if (duties !== null && (!isHandshake || duties.onDiscovery)) asks.push({ why: rules[i]?.id ?? '', duties });
    }
    const lifts = liftsOf(hits);
    const byClass = confirmClasses.has(target.risk) && !lifts.has('approval') ? `default:${target.risk}` : null;
    return asks.length === 0 && byClass === null ? NO_DUTIES : mergeDuties(lifts.size === 0 ? asks : asks.map((ask) => withoutLifted(ask, lifts)), byClass);
  };

  /** What the emergencies among the rules that allow a call take away. */
  const liftsOf = (hits: readonly number[]): ReadonlySet<Lift> => {
    let lifts = NO_LIFTS;
    for (const i of hits) {
      const more = rules[i]?.temporary?.lifts;
      if (more !== undefined && more.size > 0) lifts = lifts.union(more);
    }
    return lifts;
  };

  /** Scopes that would make a rule match which asks for nothing else the caller lacks. */
  const scopesThatWouldDo = (caller: Caller, aimed: Aimed): readonly string[] => inBoth(aimed.allows, caller.rulesButScopes(aimed.lack), NAMED).flatMap((i) => rules[i]?.scopes ?? []);

  const byDefault = (caller: Caller, aimed: Aimed, target: Target): Decision => {
    const id = `default:${target.risk}`;
    const { risk, server } = target;
    if (risk === 'discovery') return allow(id, [], NO_DUTIES);
    if ((risk === 'read' || risk === 'write') && server !== null) {
      // A fulfilled entry of authorize.tools stands in for the scope of the class.
      const enough = [`${server}:${risk}`];
      if (aimed.entry !== null) return allow(aimed.entry.id, [id], dutiesOf(caller, aimed, target, []));
      if (caller.holds(enough)) return allow(id, [], dutiesOf(caller, aimed, target, []));
      return deny('authorize.scope', [id], [...new Set([...enough, ...scopesThatWouldDo(caller, aimed)])].slice(0, NAMED));
    }
    const wanted = [...new Set(scopesThatWouldDo(caller, aimed))].slice(0, NAMED);
    if (wanted.length > 0) return deny('authorize.scope', [id], wanted);
    return deny(risk === 'destructive' || risk === 'admin' ? 'authorize.class' : 'authorize.no_rule', [id]);
  };

  /** Only the candidates that both halves leave over are evaluated. */
  const weigh = (caller: Caller, aimed: Aimed, seen: Seen): Weighed => {
    if (aimed.conditional === null) return NOTHING;
    const candidates = inBoth(aimed.conditional, caller.rules(aimed.lack));
    if (candidates.length === 0) return NOTHING;
    const weighed = { grants: [] as number[], allows: [] as number[], denies: [] as number[], errors: [] as number[], notes: [] as string[] };
    for (const i of candidates) {
      const rule = rules[i];
      if (rule === undefined || rule.temporary?.isLive() === false) continue; // what is over leaves no trace in decisions
      const { holds, error, note, key } = judgeAll(rule.conditions ?? NO_CONDITIONS, seen);
      if (error !== null) weighed.errors.push(i);
      else if (holds === true) (rule.effect === 'deny' ? weighed.denies : rule.temporary === undefined ? weighed.allows : weighed.grants).push(i);
      if (weighed.notes.length < NAMED && (error !== null || (holds !== true && rule.effect === 'allow'))) weighed.notes.push(error === null ? `${rule.id} nearly matched: ${note ?? key ?? ''}` : `${rule.id} in error: ${error}`);
    }
    return weighed;
  };

  const tried = (caller: Caller, aimed: Aimed, seen: Seen): readonly Shadow[] => {
    if (aimed.trials === null) return NO_SHADOWS;
    const shadows: Shadow[] = [];
    for (const i of inBoth(aimed.trials, caller.rules(aimed.lack))) {
      const rule = rules[i];
      if (rule === undefined || shadows.length === NAMED) break;
      const verdict = rule.conditions === null ? null : judgeAll(rule.conditions, seen);
      if (verdict === null || verdict.holds === true) shadows.push({ ruleId: rule.id, would: rule.effect });
      else if (verdict.error !== null) shadows.push({ ruleId: rule.id, would: 'error' });
    }
    return shadows;
  };

  const rule = (caller: Caller, aimed: Aimed, seen: Seen): Ruling => {
    const { target } = seen;
    const list = caller.refusedBy(target);
    if (list !== null) return { decision: deny('authorize.credential', [list]), note: null };
    const matching = caller.rules(aimed.lack);
    const denied = inBoth(aimed.denies, matching, NAMED);
    if (denied.length > 0) return { decision: deny('authorize.rule', idsOf(denied)), note: null };
    const weighed = weigh(caller, aimed, seen);
    const note = weighed.notes.length === 0 ? null : weighed.notes.join('; ');
    if (weighed.denies.length > 0) return { decision: deny('authorize.rule', idsOf(weighed.denies)), note };
    // A rule that cannot be evaluated must not count as one that did not match (agentgateway, Envoy AI Gateway: deny rules failed open).
    if (weighed.errors.length > 0) return { decision: deny('authorize.error', idsOf(weighed.errors)), note };
    const { entry } = aimed;
    if (entry !== null && !caller.holds(entry.scopes)) return { decision: deny('authorize.scope', [entry.id], entry.scopes.slice(0, NAMED)), note: null };
    const allowed = [...inBoth(aimed.allows, matching, NAMED), ...weighed.allows];
    // Each grant is named, and first: calls made under one can be found in the record (MISSION P6).
    const [first, ...more] = [...weighed.grants.map((i) => rules[i]?.id ?? ''), ...idsOf(allowed)];
    if (first !== undefined) {
      const asking = [...inBoth(aimed.duties, matching), ...weighed.grants, ...weighed.allows];
      return { decision: allow(first, entry === null ? more : [...more, entry.id], dutiesOf(caller, aimed, target, asking)), note: null };
    }
    const decision = byDefault(caller, aimed, target);
    // A rule speaks of this very call and its conditions do not hold: no scope is named as a way around them.
    return decision.effect === 'deny' && note !== null ? { decision: deny('authorize.no_rule', decision.ruleIds), note } : { decision, note: null };
  };

  return {
    aim: (target, place) => {
      const among = rulesFor(target.server).filter((i) => rules[i] !== undefined && matchesTarget(rules[i], target, place));
      const those = (test: (rule: Rule) => boolean): Bits => bitsOf(rules.length, among, (i) => rules[i] !== undefined && test(rules[i]));
      const fixed = (r: Rule, effect: Rule['effect']): boolean => !r.shadow && !isWeighed(r) && r.effect === effect;
      const entry = target.tool === null ? undefined : entryFor(target.id);
      return {
        lack: lackOf(place),
        denies: those((r) => fixed(r, 'deny')),
        allows: those((r) => fixed(r, 'allow')),
        duties: those((r) => fixed(r, 'allow') && r.duties !== null),
        conditional: orNull(those((r) => !r.shadow && isWeighed(r))),
        trials: orNull(those((r) => r.shadow)),
        entry: entry === undefined ? null : { id: `tool-scopes:${entry[0]}`, scopes: entry[1].scopes, confirm: entry[1].require_confirmation ?? null },
      };
    },
    isFixed: (caller, aimed) => {
      const matching = caller.rules(aimed.lack);
      return (aimed.conditional === null || inBoth(aimed.conditional, matching, 1).length === 0) && (aimed.trials === null || inBoth(aimed.trials, matching, 1).length === 0);
    },
    decide: (caller, aimed, seen) => {
      const ruling = rule(caller, aimed, seen);
      const shadows = tried(caller, aimed, seen);
      return shadows.length === 0 ? ruling : { ...ruling, decision: { ...ruling.decision, shadows } };
    },
  };
}

/** Judged at each call: nothing about it may be remembered. */
const isWeighed = (rule: Rule): boolean => rule.conditions !== null || rule.temporary !== undefined;
const NO_LIFTS: ReadonlySet<Lift> = new Set();
const NO_CONDITIONS: Conditions = [];

interface Weighed {
  /** Grants and emergencies that allow it. */
  readonly grants: readonly number[];
  readonly allows: readonly number[];
  readonly denies: readonly number[];
  readonly errors: readonly number[];
  readonly notes: readonly string[];
}
const NOTHING: Weighed = { grants: [], allows: [], denies: [], errors: [], notes: [] };
const orNull = (bits: Bits): Bits | null => (isEmpty(bits) ? null : bits);

/** By server, so that a list of a thousand tools does not ask a thousand rules a thousand times. */
function createIndex(rules: readonly Rule[]): (server: string | null) => readonly number[] {
  const anywhere: number[] = [];
  const byServer = new Map<string, number[]>();
  for (const [i, { servers }] of rules.entries()) {
    if (servers === null) anywhere.push(i);
    for (const server of new Set(servers)) {
      const known = byServer.get(server);
      if (known === undefined) byServer.set(server, [i]);
      else known.push(i);
    }
  }
  return (server) => [...anywhere, ...((server === null ? undefined : byServer.get(server)) ?? [])];
}

const NO_DUTIES: readonly Obligation[] = [];
const NO_SHADOWS: readonly Shadow[] = [];
