import { z } from 'zod';
import { LIFTS } from '../duties.ts';
import { ruleConfig } from '../rule-config.ts';

const names = (what: string) => z.array(z.string().min(1).max(256)).max(64).describe(what);
const HOUR_MS = 3_600_000;
const { callers, teams, users, groups, roles, agents, workspaces, servers, tools, methods, classes, environments, regions, tenants, arguments: constraints } = ruleConfig.shape;

/** Section `authorize.grants`. */
export const grantsConfig = z
  .strictObject({
    groups: names('Groups of admins (`sallyport admin create --group`) who may give grants; default none, so that nobody may.').default([]),
    max_ms: z.int().min(1_000).max(90 * 24 * HOUR_MS).default(7 * 24 * HOUR_MS).describe('How long a grant may last at most, ms; default 604800000 (7 days).'),
    max_live: z.int().min(1).max(1_000).default(200).describe('How many grants may hold at once; default 200.'),
  })
  .prefault({})
  .describe('Who may give grants, and for how long; nobody by default. See docs/reference/grants.md.');
export type GrantsConfig = z.infer<typeof grantsConfig>;

/** One entry of `authorize.break_glass`. */
const role = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, { error: 'must be 1 to 64 of a-z 0-9 . _ -, the first a letter or digit' }).describe('Name of the role; what is given to `sallyport break-glass activate`.'),
    activators: names('Groups of admins who may activate it.').min(1),
    reviewers: names('Groups of admins who may close its review; left out: those of `activators`.').min(1).optional(),
    expires_ms: z.int().min(1_000).max(4 * HOUR_MS).default(HOUR_MS).describe('How long one activation lasts, ms; at most 14400000 (4 hours), default 3600000 (1 hour).'),
    alarm: z.boolean().default(true).describe('false: webhooks are not told; the log and the record are in either case. Default true.'),
    lifts: z.array(z.enum(LIFTS)).default([]).describe('Duties that an activation takes away: approval, confirmation, reason, change_ticket, dry_run; default none. Deny rules always win.'),
    callers, teams, users, groups, roles, agents, workspaces, servers, tools, methods, classes, environments, regions, tenants, arguments: constraints,
  })
  .superRefine((given, ctx) => {
    if ([given.servers, given.tools, given.methods, given.classes].every((list) => list === undefined)) ctx.addIssue({ code: 'custom', path: ['tools'], message: 'is missing: say with `servers`, `tools`, `methods` or `classes` what the role may do' });
  });
export const breakGlassConfig = z.array(role).max(64).default([]).describe('Roles for emergencies, each activated by a person with a reason for a short time, told of at once and reviewed by a second person; none by default.');
export type BreakGlassRole = z.infer<typeof role>;
