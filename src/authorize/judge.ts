import type { Allow, Decision, Deny, Obligation } from '../call/decision.ts';
import type { NonEmpty } from '../call/json.ts';
import type { Target } from '../call/target.ts';
import { mostSpecific } from '../lib/glob-order.ts';
import { anyInAll, type Bits, bitsOf, inBoth } from './bits.ts';
import type { Caller } from './caller.ts';
import type { AuthorizeConfig } from './config.ts';
import type { Rule } from './rules.ts';

/** What the policy makes of a target, whoever calls: worked out once per target. */
export interface Aimed {
  readonly denies: Bits;
  readonly allows: Bits;
  /** The entry of `authorize.tools` that speaks for it. */
  readonly entry: { readonly id: string; readonly scopes: readonly string[]; readonly confirm: boolean | null } | null;
}

export interface Judge {
  readonly aim: (target: Target) => Aimed;
  /** In order: the credential's own lists, deny rules, the tool's scopes, allow rules, the default of the class. */
  readonly decide: (caller: Caller, aimed: Aimed, target: Target) => Decision;
}

/** Rule ids in one decision, and scopes in one challenge: a record of a thousand names helps nobody. */
const NAMED = 8;

export function createJudge(config: AuthorizeConfig, rules: readonly Rule[], version: string): Judge {
  const entryFor = mostSpecific(config.tools);
  const confirmClasses = new Set(config.confirm_classes);
  const asking = bitsOf(rules.length, rules.keys(), (i) => rules[i]?.confirm === true);
  const waiving = bitsOf(rules.length, rules.keys(), (i) => rules[i]?.confirm === false);
  const rulesFor = createIndex(rules);
  const idsOf = (hits: readonly number[]): string[] => hits.map((i) => rules[i]?.id ?? '');

  const allow = (first: string, more: readonly string[], asked: string | null): Allow => {
    const ruleIds: NonEmpty<string> = [first, ...more];
    return { effect: 'allow', ruleIds, policyVersion: version, obligations: asked === null ? NO_DUTIES : [{ id: 'approval', by: 'approve', kind: 'approval', why: asked, groups: [], quorum: 1, escalate: null, expiresMs: null }] };
  };
  const deny = (reason: Deny['reason'], ruleIds: readonly string[], wantScopes: readonly string[] = []): Deny => ({ effect: 'deny', ruleIds, policyVersion: version, reason, wantScopes });

  /** Who asks for a human yes; null: nobody. The credential and any asking rule win over waivers, waivers over the class. */
  const askedBy = (caller: Caller, aimed: Aimed, target: Target, hits: readonly number[]): string | null => {
    if (caller.mustConfirm(target)) return 'credential:confirm_tools';
    if (aimed.entry?.confirm === true) return aimed.entry.id;
    if (hits.length > 0 && anyInAll(aimed.allows, caller.rules, asking)) return idsOf(hits).join();
    if (aimed.entry?.confirm === false || (hits.length > 0 && anyInAll(aimed.allows, caller.rules, waiving))) return null;
    return confirmClasses.has(target.risk) ? `default:${target.risk}` : null;
  };

  /** Scopes that would make a rule match which asks for nothing else the caller lacks. */
  const scopesThatWouldDo = (caller: Caller, aimed: Aimed): readonly string[] => inBoth(aimed.allows, caller.rulesButScopes, NAMED).flatMap((i) => rules[i]?.scopes ?? []);

  const byDefault = (caller: Caller, aimed: Aimed, target: Target): Decision => {
    const id = `default:${target.risk}`;
    const { risk, server } = target;
    if (risk === 'discovery') return allow(id, [], null);
    if ((risk === 'read' || risk === 'write') && server !== null) {
      // A fulfilled entry of authorize.tools stands in for the scope of the class.
      const enough = [`${server}:${risk}`];
      if (aimed.entry !== null) return allow(aimed.entry.id, [id], askedBy(caller, aimed, target, []));
      if (caller.holds(enough)) return allow(id, [], askedBy(caller, aimed, target, []));
      return deny('authorize.scope', [id], [...new Set([...enough, ...scopesThatWouldDo(caller, aimed)])].slice(0, NAMED));
    }
    const wanted = [...new Set(scopesThatWouldDo(caller, aimed))].slice(0, NAMED);
    if (wanted.length > 0) return deny('authorize.scope', [id], wanted);
    return deny(risk === 'destructive' || risk === 'admin' ? 'authorize.class' : 'authorize.no_rule', [id]);
  };

  return {
    aim: (target) => {
      const among = rulesFor(target.server);
      const matches = (i: number, effect: Rule['effect']): boolean => rules[i]?.effect === effect && rules[i].matchesTarget(target);
      const entry = target.tool === null ? undefined : entryFor(target.id);
      return {
        denies: bitsOf(rules.length, among, (i) => matches(i, 'deny')),
        allows: bitsOf(rules.length, among, (i) => matches(i, 'allow')),
        entry: entry === undefined ? null : { id: `tool-scopes:${entry[0]}`, scopes: entry[1].scopes, confirm: entry[1].require_confirmation ?? null },
      };
    },
    decide: (caller, aimed, target) => {
      const list = caller.refusedBy(target);
      if (list !== null) return deny('authorize.credential', [list]);
      const denied = inBoth(aimed.denies, caller.rules, NAMED);
      if (denied.length > 0) return deny('authorize.rule', idsOf(denied));
      const { entry } = aimed;
      if (entry !== null && !caller.holds(entry.scopes)) return deny('authorize.scope', [entry.id], entry.scopes.slice(0, NAMED));
      const allowed = inBoth(aimed.allows, caller.rules, NAMED);
      const [first, ...more] = idsOf(allowed);
      if (first === undefined) return byDefault(caller, aimed, target);
      return allow(first, entry === null ? more : [...more, entry.id], askedBy(caller, aimed, target, allowed));
    },
  };
}

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
