import type { Principal } from '../call/principal.ts';
import type { Target } from '../call/target.ts';
import { compileGlobs } from '../lib/glob.ts';
import { type Conditions, compileConditions } from './conditions.ts';
import { compileDuties, type Duties, type Lift } from './duties.ts';
import { normalRule, type NormalRule } from './normal.ts';
import type { Place } from './place.ts';
import type { RuleConfig } from './rule-config.ts';

/** One key of a rule, as a test. */
export interface Part<T> {
  readonly key: string;
  readonly test: (of: T) => boolean;
}

/** One rule, compiled. What it asks of the target and of the caller is judged apart, so that each can be remembered; conditions are judged at each call. */
export interface Rule {
  /** `rule:<id>`. */
  readonly id: string;
  readonly effect: 'allow' | 'deny';
  /** On trial: recorded, never effective. */
  readonly shadow: boolean;
  /** All that is asked of the caller but for the scopes. */
  readonly who: readonly Part<Principal>[];
  /** Any one is enough; null: none is asked for. */
  readonly scopes: readonly string[] | null;
  readonly what: readonly Part<Target>[];
  readonly where: Where;
  /** The only servers whose targets it can match; null: any. Lets a target skip the rules of other servers. */
  readonly servers: readonly string[] | null;
  readonly conditions: Conditions | null;
  readonly duties: Duties | null;
  /** A grant or break-glass; left out: a rule of the policy. */
  readonly temporary?: Temporary;
}
/** What ends by itself. It only ever allows, and while it is not live it is as though it were not there. */
export interface Temporary {
  /** Whether it holds at this moment; asked at each decision, so that nothing remembered outlives it. Must not throw. */
  readonly isLive: () => boolean;
  /** Duties of other rules and of the class that it takes away. */
  readonly lifts: ReadonlySet<Lift>;
}
type Text = (text: string | null) => boolean;
/** null: not asked. */
export interface Where {
  readonly environment: Text | null;
  readonly region: Text | null;
  readonly tenant: Text | null;
}

/** Which facts of the place must come from the caller, since the server has none: 1 environment, 2 tenant. */
export type Lack = 0 | 1 | 2 | 3;
export const lackOf = (place: Place): Lack => (place.environment === null ? (place.tenant === null ? 3 : 1) : place.tenant === null ? 2 : 0);

export function matchesTarget(rule: Rule, target: Target, place: Place): boolean {
  const { environment, region, tenant } = rule.where;
  if (environment !== null && place.environment !== null && !environment(place.environment)) return false;
  if (region !== null && !region(place.region)) return false;
  if (tenant !== null && place.tenant !== null && !tenant(place.tenant)) return false;
  return rule.what.every(({ test }) => test(target));
}
export function matchesCaller(rule: Rule, principal: Principal, lack: Lack): boolean {
  const { environment, tenant } = rule.where;
  if (environment !== null && (lack & 1) !== 0 && !environment(principal.environment)) return false;
  if (tenant !== null && (lack & 2) !== 0 && !tenant(principal.tenant)) return false;
  return rule.who.every(({ test }) => test(principal));
}

/** Throws `RuleFault` for what the schema could not see. */
export function compileRule(config: RuleConfig): Rule {
  const rule = normalRule(config);
  return {
    id: `rule:${rule.id}`, effect: rule.effect, shadow: rule.shadow === true,
    who: whoParts(rule), scopes: rule.scopes ?? null,
    what: rule.effect === 'deny' ? whatParts(rule) : [...whatParts(rule), { key: 'explicit', test: explicitTest(rule) }],
    where: { environment: optional(rule.environments), region: optional(rule.regions), tenant: optional(rule.tenants) },
    servers: exactServers(rule),
    conditions: compileConditions(rule),
    duties: compileDuties(rule),
  };
}

/** A list that was left out matches anything; a list that is there never matches what is missing. */
function optional(globs: readonly string[] | undefined): Text | null {
  if (globs === undefined) return null;
  const test = compileGlobs(globs);
  return (text) => text !== null && test(text);
}

function whoParts(rule: NormalRule): Part<Principal>[] {
  const parts: Part<Principal>[] = rule.callers === undefined ? [] : [{ key: 'callers', test: callers(rule.callers) }];
  const one = (key: string, globs: readonly string[] | undefined, of: (p: Principal) => string | null): void => {
    const test = optional(globs);
    if (test !== null) parts.push({ key, test: (p) => test(of(p)) });
  };
  const any = (key: string, globs: readonly string[] | undefined, of: (p: Principal) => readonly string[]): void => {
    const test = optional(globs);
    if (test !== null) parts.push({ key, test: (p) => of(p).some(test) });
  };
  one('teams', rule.teams, (p) => p.team);
  one('users', rule.users, (p) => p.user);
  any('groups', rule.groups, (p) => p.groups);
  any('roles', rule.roles, (p) => p.roles);
  one('agents', rule.agents, (p) => p.agent);
  one('clients', rule.clients, (p) => p.client);
  one('workspaces', rule.workspaces, (p) => p.workspace);
  return parts;
}

function whatParts(rule: NormalRule): Part<Target>[] {
  const parts: Part<Target>[] = [];
  const add = (key: string, globs: readonly string[] | undefined, of: (target: Target) => string | null): void => {
    const test = optional(globs);
    if (test !== null) parts.push({ key, test: (target) => test(of(target)) });
  };
  const classes = rule.classes === undefined ? null : new Set(rule.classes);
  if (classes !== null) parts.push({ key: 'classes', test: (target) => classes.has(target.risk) });
  add('servers', rule.servers, (target) => target.server);
  add('methods', rule.methods, (target) => target.method);
  add('tools', rule.tools, (target) => (target.tool === null ? null : target.id));
  return parts;
}

function exactServers(rule: NormalRule): readonly string[] | null {
  if (rule.servers?.every((glob) => !glob.includes('*')) === true) return rule.servers;
  const prefixes = rule.tools?.map((glob) => /^([^*]*?)__/.exec(glob)?.[1]);
  return prefixes?.every((prefix) => prefix !== undefined) === true ? [...new Set(prefixes)] : null;
}

/**
 * A token's subject may be any text, `key:admin` too: what is meant for the unique id is compared with nothing else, and what is meant for
 * the name never with the id (CWE-290).
 */
function callers(globs: readonly string[]): (principal: Principal) => boolean {
  const isId = (glob: string): boolean => /^(key|jwt):/.test(glob);
  const byId = compileGlobs(globs.filter(isId));
  const byName = compileGlobs(globs.filter((glob) => !isId(glob)));
  return (p) => byId(p.id) || byName(p.caller);
}

/**
 * How plainly an allow must speak for a class (MISSION P1). external: it names a server, tool, method or class. destructive and admin: it
 * names the class, or the tool with at least one letter of the tool's own name; `github__*` was not written with `delete_repo` in mind.
 */
function explicitTest(rule: NormalRule): (target: Target) => boolean {
  const namesAnything = rule.servers !== undefined || rule.tools !== undefined || rule.methods !== undefined || rule.classes !== undefined;
  const namesTool = compileGlobs((rule.tools ?? []).filter((glob) => /__.*[^*]/.test(glob)));
  const methods = new Set(rule.methods);
  return (target) => {
    if (target.risk === 'external') return namesAnything;
    if (target.risk !== 'destructive' && target.risk !== 'admin') return true;
    if (rule.classes !== undefined) return true; // it matched, so it names this class
    return target.tool === null ? methods.has(target.method) : namesTool(target.id);
  };
}
