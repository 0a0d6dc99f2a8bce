import { z } from 'zod';
import { RISKS } from '../call/target.ts';
import { ambiguousGlobs } from '../lib/glob-order.ts';

const text = z.string().min(1).max(256);
/** Left out: matches whatever there is. An empty list would match nothing, which nobody means: refused. */
const globs = (of: string) => z.array(text).min(1).optional().describe(`Globs over ${of}; left out: any.`);

const rule = z
  .strictObject({
    id: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/).describe('Name of the rule in decisions and records; unique; 1 to 64 of A-Za-z0-9._-'),
    why: z.string().max(500).optional().describe('Why the rule exists, for whoever reads the policy next.'),
    effect: z.enum(['allow', 'deny']).describe('allow or deny; one matching deny beats every allow.'),
    callers: globs('the caller’s name; those that begin with `key:` or `jwt:` are compared with the unique id instead'),
    teams: globs('the caller’s team'),
    users: globs('the user the caller acts for'),
    workspaces: globs('the workspace'),
    environments: globs('the environment'),
    scopes: z.array(text).min(1).optional().describe('The caller must hold any one of these scopes, literally; left out: any caller.'),
    servers: globs('the server’s name'),
    tools: globs('`server__tool`; a rule with this matches tools only'),
    methods: globs('the MCP method, for example `resources/read`'),
    classes: z.array(z.enum(RISKS)).min(1).optional().describe('Risk classes: discovery, read, write, external, destructive, admin; left out: any.'),
    require_confirmation: z.boolean().optional().describe('true: a human must say yes to each call; false: not even where the class asks for it; left out: as `confirm_classes` says.'),
  })
  .refine((r) => r.effect === 'allow' || r.require_confirmation === undefined, { path: ['require_confirmation'], message: 'a deny rule cannot ask for confirmation; remove the key' });

const toolScopes = z.strictObject({
  scopes: z.array(text).min(1).describe('The caller must hold any one of these scopes, whatever rule allows the tool; for read and write tools holding one is enough.'),
  require_confirmation: z.boolean().optional().describe('true: a human must say yes to each call; false: not even where the class asks for it; left out: as `confirm_classes` says.'),
});

/** Configuration of the room `authorize`. */
export const authorizeConfig = z
  .strictObject({
    rules: z.array(rule).max(100_000).default([]).describe('The policy: rules in any order; none by default, so that only the class defaults allow anything.'),
    tools: z.record(text, toolScopes).default({}).describe('Scopes per tool: globs over `server__tool`, the longest literal text wins; they stand in for `<server>:read` and `<server>:write`.'),
    confirm_classes: z
      .array(z.enum(RISKS))
      .default(['write', 'external', 'destructive', 'admin'])
      .describe('Classes whose calls need a human yes unless a rule or tool entry says otherwise; default: write, external, destructive, admin.'),
  })
  .superRefine((config, ctx) => {
    const seen = new Set<string>();
    for (const [i, { id }] of config.rules.entries()) {
      if (seen.has(id)) ctx.addIssue({ code: 'custom', path: ['rules', i, 'id'], message: `a rule named \`${id}\` exists already; give this one another id` });
      seen.add(id);
    }
    for (const [a, b] of ambiguousGlobs(Object.keys(config.tools))) {
      ctx.addIssue({ code: 'custom', path: ['tools', b], message: `\`${a}\` and \`${b}\` are equally specific and can match the same tool; lengthen one of them` });
    }
  });

export type AuthorizeConfig = z.infer<typeof authorizeConfig>;
export type RuleConfig = AuthorizeConfig['rules'][number];
