import type { Principal } from '../call/principal.ts';
import type { Target } from '../call/target.ts';
import { compileGlobs } from '../lib/glob.ts';
import { type Bits, bitsOf, has } from './bits.ts';
import { type Lack, matchesCaller, type Rule } from './rules.ts';

/** What the policy makes of a caller, whatever the target: worked out once per principal. */
export interface Caller {
  /** Rules whose demands on the caller are met, for targets whose server leaves so much of the place to the caller. */
  readonly rules: (lack: Lack) => Bits;
  /** Those, and the ones that only lack a scope. */
  readonly rulesButScopes: (lack: Lack) => Bits;
  readonly holds: (scopes: readonly string[]) => boolean;
  /** Which of the credential's own lists refuses the target; null: none. */
  readonly refusedBy: (target: Target) => 'credential:denied_tools' | 'credential:allowed_tools' | null;
  readonly mustConfirm: (target: Target) => boolean;
}

export function describeCaller(principal: Principal, rules: readonly Rule[]): Caller {
  const scopes = new Set(principal.scopes.values()); // throws where a Set would take what is missing for an empty list
  const holds = (wanted: readonly string[]): boolean => wanted.some((scope) => scopes.has(scope)); // literal: no scope is a wildcard
  const halves: ({ readonly whole: Bits; readonly butScopes: Bits } | undefined)[] = [];
  const half = (lack: Lack): { readonly whole: Bits; readonly butScopes: Bits } => (halves[lack] ??= halfOf(principal, rules, lack, holds));
  half(3); // the usual one; throws where the principal is none
  const denied = listTest(principal.deniedTools);
  const allowed = principal.allowedTools === null ? () => true : listTest(principal.allowedTools);
  const confirmed = listTest(principal.confirmTools);
  return {
    rules: (lack) => half(lack).whole,
    rulesButScopes: (lack) => half(lack).butScopes,
    holds,
    refusedBy: (target) => {
      const name = listName(target);
      if (name === null) return null;
      return denied(name) ? 'credential:denied_tools' : allowed(name) ? null : 'credential:allowed_tools';
    },
    mustConfirm: (target) => {
      const name = listName(target);
      return name !== null && confirmed(name);
    },
  };
}

function halfOf(principal: Principal, rules: readonly Rule[], lack: Lack, holds: Caller['holds']): { readonly whole: Bits; readonly butScopes: Bits } {
  const butScopes = bitsOf(rules.length, rules.keys(), (i) => {
    const rule = rules[i];
    return rule !== undefined && matchesCaller(rule, principal, lack);
  });
  const whole = bitsOf(rules.length, rules.keys(), (i) => {
    const wanted = rules[i]?.scopes ?? null;
    return has(butScopes, i) && (wanted === null || holds(wanted));
  });
  return { whole, butScopes };
}

/**
 * The text a credential's tool lists are compared with. For a server's resources, prompts and the rest it is a tool name that cannot exist, so
 * that only a glob over all of the server's tools (`*`, `github__*`) speaks for them: a key for one tool does not read the server's
 * files by another method. Discovery is not narrowed, nor is what belongs to no server.
 */
function listName(target: Target): string | null {
  if (target.tool !== null) return target.id;
  return target.risk === 'discovery' || target.server === null ? null : `${target.server}__\0`;
}

function listTest(globs: readonly string[]): (name: string) => boolean {
  const exact = new Set(globs.filter((glob) => !glob.includes('*')));
  const test = compileGlobs(globs.filter((glob) => glob.includes('*')));
  return (name) => exact.has(name) || test(name);
}
