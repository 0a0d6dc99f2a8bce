import type { ApprovalTerms } from '../call/decision.ts';
import type { RuleConfig } from './rule-config.ts';

/** What a rule asks for besides the match. */
export interface Needs {
  /** Takes away what the class would ask for. */
  readonly waives: boolean;
  readonly approval: ApprovalTerms | null;
  readonly confirm: boolean;
  readonly reason: boolean;
  /** `pattern` null: any text. */
  readonly ticket: { readonly pattern: string | null } | null;
  readonly dryRun: string | null;
}
/** A rule in the one form that is compiled, whichever words it was written in. */
export type NormalRule = Omit<RuleConfig, 'actor_group' | 'server' | 'requires' | 'require_confirmation' | 'needs'> & { readonly needs: Needs };

const ANYONE: ApprovalTerms = { groups: [], quorum: 1, escalate: null, expiresMs: null };
const NOTHING: Needs = { waives: false, approval: null, confirm: false, reason: false, ticket: null, dryRun: null };

export function normalRule(config: RuleConfig): NormalRule {
  const { actor_group: groups, server, requires, require_confirmation: asks, needs, ...rest } = config;
  const servers = listOf(server);
  return {
    ...rest,
    ...(groups !== undefined && { groups: listOf(groups) }),
    ...(server !== undefined && { servers }),
    ...(server !== undefined && rest.tools !== undefined && { tools: rest.tools.flatMap((glob) => (glob.includes('__') ? [glob] : servers.map((name) => `${name}__${glob}`))) }),
    needs: requires !== undefined ? required(requires) : asks !== undefined ? { ...NOTHING, waives: !asks, approval: asks ? ANYONE : null } : needed(needs),
  };
}
const listOf = (value: string | readonly string[] | undefined): string[] => (value === undefined ? [] : typeof value === 'string' ? [value] : [...value]);

function required(list: NonNullable<RuleConfig['requires']>): Needs {
  return {
    waives: false, approval: list.includes('human_approval') ? ANYONE : null, confirm: list.includes('confirmation'), reason: list.includes('reason'),
    ticket: list.includes('change_ticket') ? { pattern: null } : null, dryRun: list.includes('dry_run') ? 'dry_run' : null,
  };
}
function needed(needs: RuleConfig['needs']): Needs {
  if (needs === undefined) return NOTHING;
  if (needs === 'none') return { ...NOTHING, waives: true };
  const { approval, confirmation, reason, change_ticket: ticket, dry_run: dryRun } = needs;
  return {
    waives: approval === false, approval: termsOf(approval), confirm: confirmation === true, reason: reason === true,
    ticket: ticket === undefined || ticket === false ? null : { pattern: ticket === true ? null : ticket }, dryRun: dryRun ?? null,
  };
}
function termsOf(approval: Exclude<Exclude<RuleConfig['needs'], 'none' | undefined>['approval'], undefined> | undefined): ApprovalTerms | null {
  if (approval === undefined || approval === false) return null;
  if (approval === true) return ANYONE;
  const { groups = [], quorum = 1, escalate_to: to, escalate_after: after, expires } = approval;
  return { groups, quorum, escalate: to === undefined || after === undefined ? null : { groups: to, afterMs: msOf(after) }, expiresMs: expires === undefined ? null : msOf(expires) };
}
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** `30m` in ms; the schema has judged the form. */
const msOf = (span: string): number => Number(span.slice(0, -1)) * (UNIT_MS[span.slice(-1)] ?? 0);
