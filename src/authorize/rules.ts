import type { Principal } from '../call/principal.ts';
import type { Target } from '../call/target.ts';
import { compileGlobs } from '../lib/glob.ts';
import type { RuleConfig } from './config.ts';

/** One rule, compiled. The target's half and the caller's half are judged apart, so that each can be remembered. */
export interface Rule {
  readonly id: string;
  readonly effect: 'allow' | 'deny';
  readonly matchesTarget: (target: Target) => boolean;
  /** The only servers whose targets it can match; null: any. Lets a target skip the rules of other servers. */
  readonly servers: readonly string[] | null;
  /** All that is asked of the caller but for the scopes. */
  readonly matchesCaller: (principal: Principal) => boolean;
  /** Any one is enough; null: none is asked for. */
  readonly scopes: readonly string[] | null;
  readonly confirm: boolean | null;
}

export function compileRule(rule: RuleConfig): Rule {
  const matchesTarget = targetTest(rule);
  const isExplicit = explicitTest(rule);
  return {
    id: `rule:${rule.id}`,
    effect: rule.effect,
    matchesTarget: rule.effect === 'deny' ? matchesTarget : (target) => matchesTarget(target) && isExplicit(target),
    servers: exactServers(rule),
    matchesCaller: callerTest(rule),
    scopes: rule.scopes ?? null,
    confirm: rule.require_confirmation ?? null,
  };
}

function exactServers(rule: RuleConfig): readonly string[] | null {
  if (rule.servers?.every((glob) => !glob.includes('*')) === true) return rule.servers;
  const prefixes = rule.tools?.map((glob) => /^([^*]*?)__/.exec(glob)?.[1]);
  return prefixes?.every((prefix) => prefix !== undefined) === true ? [...new Set(prefixes)] : null;
}

/** A list that was left out matches anything; a list that is there never matches what is missing. */
function optional(globs: readonly string[] | undefined): (text: string | null) => boolean {
  if (globs === undefined) return () => true;
  const test = compileGlobs(globs);
  return (text) => text !== null && test(text);
}

function targetTest(rule: RuleConfig): (target: Target) => boolean {
  const [server, tool, method] = [optional(rule.servers), optional(rule.tools), optional(rule.methods)];
  const classes = rule.classes === undefined ? null : new Set(rule.classes);
  return (target) =>
    (classes === null || classes.has(target.risk)) && server(target.server) && method(target.method) && tool(target.tool === null ? null : target.id);
}

function callerTest(rule: RuleConfig): (principal: Principal) => boolean {
  const [caller, team, user] = [callers(rule.callers), optional(rule.teams), optional(rule.users)];
  const [workspace, environment] = [optional(rule.workspaces), optional(rule.environments)];
  return (p) => caller(p) && team(p.team) && user(p.user) && workspace(p.workspace) && environment(p.environment);
}

/**
 * A token's subject may be any text, `key:admin` too: what is meant for the unique id is compared with nothing else, and what is meant for
 * the name never with the id (CWE-290).
 */
function callers(globs: readonly string[] | undefined): (principal: Principal) => boolean {
  if (globs === undefined) return () => true;
  const isId = (glob: string): boolean => /^(key|jwt):/.test(glob);
  const byId = compileGlobs(globs.filter(isId));
  const byName = compileGlobs(globs.filter((glob) => !isId(glob)));
  return (p) => byId(p.id) || byName(p.caller);
}

/**
 * How plainly an allow must speak for a class (MISSION P1). external: it names a server, tool, method or class. destructive and admin: it
 * names the class, or the tool with at least one letter of the tool's own name; `github__*` was not written with `delete_repo` in mind.
 */
function explicitTest(rule: RuleConfig): (target: Target) => boolean {
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
