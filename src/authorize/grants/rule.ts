import type { NamesOf } from '../../lib/person.ts';
import { isSamePerson, namesIn } from '../../lib/person.ts';
import { type LoadedRule, loadRules, type PolicyFault } from '../load.ts';
import type { Lift } from '../duties.ts';
import type { Part, Rule } from '../rules.ts';
import type { Principal } from '../../call/principal.ts';
import type { BreakGlassRole } from './config.ts';
import type { Emergency, Grant } from './record.ts';

/** What a grant may say, by the keys of a rule: whom, what and where, and under which duties. Conditions that can be in error are left out: an error in them would deny. */
const WHO = ['callers', 'teams', 'users', 'groups', 'roles', 'agents', 'workspaces'] as const;
const WHAT = ['servers', 'tools', 'methods', 'classes'] as const;
const MORE = ['clients', 'scopes', 'environments', 'regions', 'tenants', 'arguments', 'needs', 'limits'] as const;
const KEYS: ReadonlySet<string> = new Set([...WHO, ...WHAT, ...MORE]);
export type RuleText = Readonly<Record<string, unknown>>;

/** A sentence about what is wrong with a grant's rule, or null. */
export function ruleFault(id: string, text: RuleText): string | null {
  const strange = Object.keys(text).find((key) => !KEYS.has(key));
  if (strange !== undefined) return `\`${strange}\` is no key of a grant; it has ${[...KEYS].join(', ')}, until and why`;
  if (!WHO.some((key) => key in text)) return `say whom it is for: ${WHO.join(', ')}`;
  if (!WHAT.some((key) => key in text)) return `say what it allows: ${WHAT.join(', ')}`;
  const { rules, faults } = loadRules([configOf(id, text)]);
  const fault = faults[0];
  if (fault !== undefined) return `${fault.path.join('.')}: ${fault.wrong}`;
  // A grant is for somebody: what matches everybody is a rule, and belongs into the policy, with its tests.
  const isForAll = WHO.some((key) => rules[0]?.config[key]?.some((glob) => /^\*+$/.test(glob)));
  return isForAll ? 'whom: `*` alone is everybody; name who needs it' : null;
}

/** Whether a grant plainly names this person; globs are judged at each call, by `mayNotBe`. */
export function namesPerson(text: RuleText, person: readonly string[], namesOf: NamesOf): boolean {
  const named = [text['callers'], text['users']].flatMap((list) => (Array.isArray(list) ? list.filter((name) => typeof name === 'string') : []));
  return named.some((name) => isSamePerson(namesOf([name, /^jwt:.*#(.+)$/.exec(name)?.[1]]), person));
}

/** null: it cannot be compiled any more, and allows nothing. */
export function grantRule(grant: Grant, isLive: () => boolean, namesOf: NamesOf): LoadedRule | null {
  return made(configOf(grant.id, grant.rule), `grant:${grant.id}`, { isLive, lifts: NONE }, [mayNotBe(namesOf(grant.by.identities), namesOf)]);
}
const NONE: ReadonlySet<Lift> = new Set();

/** For one caller, where the role's own keys admit him. */
export const emergencyRule = (emergency: Emergency, role: BreakGlassRole, isLive: () => boolean): LoadedRule | null =>
  made(configOf(emergency.id, ruleOf(role)), `break_glass:${emergency.id}`, { isLive, lifts: new Set(role.lifts) }, [isFor(emergency.caller)]);
function ruleOf(role: BreakGlassRole): RuleText {
  const { name: _name, activators: _activators, reviewers: _reviewers, expires_ms: _expires, alarm: _alarm, lifts: _lifts, ...text } = role;
  return Object.fromEntries(Object.entries(text).filter(([, value]) => value !== undefined));
}
/** What the schema could not see in a role, or null. */
export const roleFault = (role: BreakGlassRole): PolicyFault | null => loadRules([configOf(role.name.slice(0, 48), ruleOf(role))]).faults[0] ?? null;

/** Ids of rules cannot hold `:`, so no rule of a policy can pass for a grant in the record. */
const configOf = (id: string, text: RuleText): RuleText => ({ ...text, id: `temporary.${id}`, effect: 'allow' });

function made(text: RuleText, id: string, temporary: NonNullable<Rule['temporary']>, who: readonly Part<Principal>[]): LoadedRule | null {
  const { rules: [loaded], faults } = loadRules([text]);
  if (loaded === undefined || faults.length > 0) return null;
  return { config: loaded.config, rule: { ...loaded.rule, id, temporary, who: [...loaded.rule.who, ...who] } };
}

/** Stops grants to oneself through a group, a glob or a second credential (CWE-863): whatever the grant matches, it never holds for who gave it. */
const mayNotBe = (giver: readonly string[], namesOf: NamesOf): Part<Principal> => ({ key: 'not_giver', test: (p) => !isSamePerson(namesOf(namesIn(p)), giver) });
/** The very name or id: no globs. As in rules, a text that begins with `key:` or `jwt:` is an id and never a name (CWE-290). */
const isFor = (caller: string): Part<Principal> => ({ key: 'for', test: /^(?:key|jwt):/.test(caller) ? (p) => p.id === caller : (p) => p.caller === caller });
