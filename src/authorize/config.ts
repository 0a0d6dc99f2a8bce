import { z } from 'zod';
import { RISKS } from '../call/target.ts';
import { ambiguousGlobs } from '../lib/glob-order.ts';
import { breakGlassConfig, grantsConfig } from './grants/config.ts';
import { roleFault } from './grants/rule.ts';
import { faultsOf } from './load.ts';
import { ruleConfig } from './rule-config.ts';

const text = z.string().min(1).max(256);

const toolScopes = z.strictObject({
  scopes: z.array(text).min(1).describe('The caller must hold any one of these scopes, whatever rule allows the tool; for read and write tools holding one is enough.'),
  require_confirmation: z.boolean().optional().describe('true: a human must say yes to each call; false: not even where the class asks for it; left out: as `confirm_classes` says.'),
});

/** Configuration of the room `authorize`. */
export const authorizeConfig = z
  .strictObject({
    policy: z.string().min(1).max(4_096).optional().describe('Folder of policy files: `*.yaml` holds `rules:`, `*.tests.yaml` holds `tests:`; relative to the folder of this file; followed while the gateway runs. Left out: the rules here are all.').meta({ examples: ['./policy'] }),
    require_tests: z.boolean().default(true).describe('With `policy`: a version goes live only when each of its rules decides in a test that passes; default true. Tests that fail stop it either way.'),
    rules: z.array(ruleConfig).max(100_000).default([]).describe('The policy: rules in any order; none by default, so that only the class defaults allow anything.'),
    tools: z.record(text, toolScopes).default({}).describe('Scopes per tool: globs over `server__tool`, the longest literal text wins; they stand in for `<server>:read` and `<server>:write`.'),
    confirm_classes: z
      .array(z.enum(RISKS))
      .default(['write', 'external', 'destructive', 'admin'])
      .describe('Classes whose calls need an approval (the yes of another person) unless a rule or tool entry says otherwise; default: write, external, destructive, admin.'),
    grants: grantsConfig,
    break_glass: breakGlassConfig,
  })
  .superRefine((config, ctx) => {
    for (const { at, path, wrong } of faultsOf(config.rules)) ctx.addIssue({ code: 'custom', path: ['rules', at, ...path], message: wrong });
    for (const [at, role] of config.break_glass.entries()) {
      const { name } = role;
      const fault = roleFault(role);
      if (fault !== null) ctx.addIssue({ code: 'custom', path: ['break_glass', at, ...fault.path], message: fault.wrong });
      if (config.break_glass.findIndex((other) => other.name === name) < at) ctx.addIssue({ code: 'custom', path: ['break_glass', at, 'name'], message: `a role named \`${name}\` exists already; give this one another name` });
    }
    for (const [a, b] of ambiguousGlobs(Object.keys(config.tools))) {
      ctx.addIssue({ code: 'custom', path: ['tools', b], message: `\`${a}\` and \`${b}\` are equally specific and can match the same tool; lengthen one of them` });
    }
  });

export type AuthorizeConfig = z.infer<typeof authorizeConfig>;
