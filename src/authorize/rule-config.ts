import { z } from 'zod';
import { RISKS } from '../call/target.ts';
import { RATE_PATTERN } from '../lib/rate.ts';
import { argumentsSchema } from './arguments/index.ts';

const text = z.string().min(1).max(256);
/** Left out: matches whatever there is. An empty list would match nothing, which nobody means: refused. */
const globs = (of: string) => z.array(text).min(1).optional().describe(`Globs over ${of}; left out: any.`);
const oneOrMore = (what: string) => z.union([text, z.array(text).min(1)]).optional().describe(what);
const span = (what: string) => z.string().regex(/^[1-9][0-9]{0,5}[smhd]$/, { error: 'write it as 90s, 30m, 24h or 7d' }).optional().describe(what);
const clockTime = (what: string) => z.string().regex(/^(?:[01][0-9]|2[0-3]):[0-5][0-9]$/, { error: 'write it as "08:00", in quotes' }).optional().describe(what);
const moment = (what: string) => z.iso.datetime({ offset: true, error: 'write it as 2027-01-31T00:00:00Z' }).optional().describe(what);

/** Monday first, as in ISO 8601. */
export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

const during = z.strictObject({
  from: clockTime('Local time from which the rule holds, `08:00`; together with `to`; left out: all day.'),
  to: clockTime('Local time at which it ends to hold; before `from`: on the next day.'),
  weekdays: z.array(z.enum(WEEKDAYS)).min(1).optional().describe('Days on which it holds: mon, tue, wed, thu, fri, sat, sun; a window over midnight belongs to the day on which it begins. Left out: every day.'),
  timezone: z.string().min(1).max(64).optional().describe('IANA time zone of the times and days, for example `Europe/Berlin`; left out: UTC.'),
  not_before: moment('The rule does not hold before this moment, `2027-01-31T00:00:00Z`.'),
  not_after: moment('The rule does not hold from this moment on, `2027-01-31T00:00:00Z`.'),
});

const approval = z.strictObject({
  groups: z.array(text).min(1).max(32).optional().describe('Members of any of these groups may decide; left out: those of `approve.groups`.'),
  quorum: z.int().min(1).max(10).optional().describe('So many different people must say yes; left out: 1.'),
  escalate_to: z.array(text).min(1).max(32).optional().describe('Groups that may decide too when nobody has after `escalate_after`; left out: nobody.'),
  escalate_after: span('After how long `escalate_to` may decide, for example `30m`.'),
  expires: span('After how long silence is a no, for example `4h`; left out: as `approve` says.'),
});
const needs = z.strictObject({
  approval: z.union([z.boolean(), approval]).optional().describe('A yes of another person: `true`, or who must give it; `false`: not even where the class asks for one. Left out: as `confirm_classes` says.'),
  confirmation: z.boolean().optional().describe('A yes of the calling user himself, weaker than an approval; left out: none.'),
  reason: z.boolean().optional().describe('The caller must say why; left out: no.'),
  change_ticket: z.union([z.boolean(), z.string().min(1).max(256)]).optional().describe('The caller must name a change ticket: `true`, or a regular expression for all of it, for example `CHG[0-9]{7}`; left out: no.'),
  dry_run: z.string().min(1).max(128).optional().describe('The same call with this boolean argument true must have gone well before; left out: no.'),
});
const limits = z.strictObject({
  rate: z.string().regex(RATE_PATTERN, { error: 'write it as "5/hour" or "10/second burst 20" (second, minute, hour or day)' }).describe('At most so many calls that this rule allows: `5/hour`.'),
  per: z.enum(['caller', 'rule']).optional().describe('Counted for each `caller` (left out), or for all callers of the `rule` together.'),
});

/** What the article's shape of a rule may ask for, by its own words. */
export const REQUIREMENTS = ['human_approval', 'change_ticket', 'reason', 'confirmation', 'dry_run'] as const;

/** One rule as people write it. What cannot be said here (a time zone that does not exist, a condition that cannot be read) is found by `loadRules`. */
export const ruleConfig = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, { error: 'must be 1 to 64 of A-Z a-z 0-9 . _ -' }).describe('Name of the rule in decisions and records; unique; 1 to 64 of A-Za-z0-9._-'),
  why: z.string().max(500).optional().describe('Why the rule exists, for whoever reads the policy next.'),
  effect: z.enum(['allow', 'deny']).describe('allow or deny; one matching deny beats every allow.'),
  shadow: z.boolean().optional().describe('true: on trial; what the rule would say is recorded in `shadow_rules` and has no effect. Left out: false.'),
  callers: globs('the caller’s name; those that begin with `key:` or `jwt:` are compared with the unique id instead'),
  teams: globs('the caller’s team'),
  users: globs('the user the caller acts for'),
  groups: globs('the caller’s groups, of which one must match'),
  roles: globs('the caller’s roles, of which one must match'),
  agents: globs('the agent'),
  clients: globs('the client software'),
  workspaces: globs('the workspace'),
  scopes: z.array(text).min(1).optional().describe('The caller must hold any one of these scopes, literally; left out: any caller.'),
  servers: globs('the server’s name'),
  tools: globs('`server__tool`; a rule with this matches tools only'),
  methods: globs('the MCP method, for example `resources/read`'),
  classes: z.array(z.enum(RISKS)).min(1).optional().describe('Risk classes: discovery, read, write, external, destructive, admin; left out: any.'),
  environments: globs('the environment of the server (`dispatch.servers.*.environment`), or where it has none, the caller’s'),
  regions: globs('the region of the server (`dispatch.servers.*.region`)'),
  tenants: globs('the tenant of the server (`dispatch.servers.*.tenant`), or where it has none, the caller’s'),
  during: during.optional().describe('When the rule holds; left out: always.'),
  arguments: argumentsSchema.optional().describe('What the arguments must be, by path. An allow matches only if all hold; a deny also where one is absent or of another type.'),
  when: z.string().min(1).max(1_024).optional().describe('A condition in CEL over `caller`, `target`, `args` and `now`, for what the other keys cannot say; an error in it denies.'),
  needs: z.union([z.literal('none'), needs]).optional().describe('Duties: what must happen before the call runs; `none`: not even what the class asks for. Left out: as `confirm_classes` says.'),
  limits: limits.optional().describe('How often the rule may allow; left out: as section `limit` says.'),
  require_confirmation: z.boolean().optional().describe('The short way: true is `needs: {approval: true}`, false is `needs: none`.'),
  actor_group: oneOrMore('Another word for `groups`: one or a list.'),
  server: oneOrMore('Another word for `servers`: one or a list; `tools` may then be written without `server__`.'),
  requires: z.array(z.enum(REQUIREMENTS)).min(1).optional().describe('Another way to say `needs`: any of human_approval, change_ticket, reason, confirmation, dry_run (argument `dry_run`).'),
}).superRefine((rule, ctx) => {
  const wrong = (path: (string | number)[], message: string): void => ctx.addIssue({ code: 'custom', path, message });
  for (const [one, other] of TWICE) if (rule[one] !== undefined && rule[other] !== undefined) wrong([one], `says the same as \`${other}\`; keep one of them`);
  if (rule.effect === 'deny') for (const key of DUTIES) if (rule[key] !== undefined) wrong([key], 'a deny rule has no duties; remove the key');
  const { during: when, needs: asked } = rule;
  if (when !== undefined && (when.from === undefined) !== (when.to === undefined)) wrong(['during'], 'has only one of `from` and `to`; add the other');
  if (when?.from !== undefined && when.from === when.to) wrong(['during', 'to'], 'is the same as `from`; leave both out for the whole day');
  if (when?.not_before !== undefined && when.not_after !== undefined && Date.parse(when.not_before) >= Date.parse(when.not_after)) wrong(['during', 'not_after'], 'is not after `not_before`, so the rule never holds');
  const people = typeof asked === 'object' && typeof asked.approval === 'object' ? asked.approval : null;
  if (people !== null && (people.escalate_to === undefined) !== (people.escalate_after === undefined)) wrong(['needs', 'approval'], 'has only one of `escalate_to` and `escalate_after`; add the other');
});
const TWICE = [['groups', 'actor_group'], ['servers', 'server'], ['needs', 'requires'], ['needs', 'require_confirmation'], ['requires', 'require_confirmation']] as const;
const DUTIES = ['needs', 'requires', 'limits', 'require_confirmation'] as const;

export type RuleConfig = z.infer<typeof ruleConfig>;
