import { z } from 'zod';
import { ambiguousGlobs } from '../lib/glob-order.ts';

const unknown = z.enum(['refuse', 'allow']);

/** Configuration of the room `validate`. */
export const validateConfig = z
  .strictObject({
    unknown_arguments: unknown
      .default('refuse')
      .describe('Arguments the schema neither names nor opens itself for (`additionalProperties`, `patternProperties`): refuse or allow; default refuse.'),
    tools: z
      .record(z.string().min(1).max(256), z.strictObject({ unknown_arguments: unknown.describe('As above, for these tools only.') }))
      .default({})
      .describe('Exceptions per tool: globs over `server__tool`; the longest literal text wins.'),
    max_schema_bytes: z.int().min(1_000).max(4_194_304).default(262_144).describe('Largest input schema, in bytes; the tool of a larger one cannot be called. Default 262144.'),
    max_depth: z.int().min(4).max(128).default(32).describe('How deep a schema may nest schemas; default 32.'),
    max_branches: z.int().min(10).max(100_000).default(500).describe('How many branches `allOf`, `anyOf`, `oneOf` and the like may have in one schema in all; default 500.'),
    max_schemas: z.int().min(10).max(100_000).default(2_000).describe('How many schemas one schema may be made of, one for each property, item and branch; default 2000.'),
    max_work: z
      .int()
      .min(10_000)
      .max(1_000_000_000)
      .default(2_000_000)
      .describe('Steps that judging one call may take: about 20 for a schema applied to a value, one for a character against a pattern state; some 20 to 50 ns each. Default 2000000.'),
    max_compiled: z.int().min(10).max(1_000_000).default(5_000).describe('How many compiled schemas are kept; default 5000.'),
  })
  .superRefine((config, ctx) => {
    for (const [a, b] of ambiguousGlobs(Object.keys(config.tools))) {
      ctx.addIssue({ code: 'custom', path: ['tools', b], message: `\`${a}\` and \`${b}\` are equally specific and can match the same tool; lengthen one of them` });
    }
  });

export type ValidateConfig = z.infer<typeof validateConfig>;
