import { z } from 'zod';
import { RISKS } from '../call/target.ts';
import { ambiguousGlobs } from '../lib/glob-order.ts';

const classed = z.strictObject({
  class: z.enum(RISKS).describe('Risk class, from harmless to grave: discovery, read, write, external, destructive, admin.'),
});

/** Configuration of the room `resolve`. */
export const resolveConfig = z
  .strictObject({
    tools: z
      .record(z.string().min(1).max(256), classed)
      .default({})
      .describe('Class per tool: globs over `server__tool`; the glob with the longest literal text wins. A tool not named here gets the inferred class, at least `write`.'),
    methods: z
      .record(z.string().min(1).max(128), classed)
      .default({})
      .describe('Class of MCP methods this release does not know (exact names), for servers that are mirrored; not named: `write`.'),
    infer_reads: z
      .boolean()
      .default(false)
      .describe('true: a tool whose name plainly reads (`get_…`, `list_…`) and that nothing raises is classed `read`. Default false: unset means at least `write`.'),
    refresh_ms: z.int().min(100).max(86_400_000).default(60_000).describe('How often each server’s tool list is read again, in milliseconds; default 60000.'),
    stale_ms: z
      .int()
      .min(0)
      .max(604_800_000)
      .default(600_000)
      .describe('How long the last good tool list stays in use while it cannot be read again, in milliseconds; default 600000.'),
    first_load_ms: z.int().min(10).max(60_000).default(5_000).describe('How long a call waits for a server whose tools were never read, in milliseconds; default 5000.'),
    max_tools: z.int().min(1).max(100_000).default(10_000).describe('Most tools one server may have; a longer list is not taken over. Default 10000.'),
    max_definition_bytes: z.int().min(1_000).max(16_777_216).default(524_288).describe('Largest definition of one tool, in bytes; a larger one is withheld. Default 524288.'),
    session_idle_ms: z.int().min(1_000).max(604_800_000).default(1_800_000).describe('A session without a request and without an open stream ends after this many milliseconds; default 1800000.'),
    max_sessions: z.int().min(1).max(1_000_000).default(10_000).describe('Most sessions at once; the caller with the most loses its idlest. Default 10000.'),
    max_sessions_per_principal: z.int().min(1).max(100_000).default(100).describe('Most sessions of one caller; its idlest ends when it opens another. Default 100.'),
  })
  .superRefine((config, ctx) => {
    for (const [a, b] of ambiguousGlobs(Object.keys(config.tools))) {
      if (config.tools[a]?.class === config.tools[b]?.class) continue;
      ctx.addIssue({ code: 'custom', path: ['tools', b], message: `\`${a}\` and \`${b}\` are equally specific and can match the same tool; lengthen one of them` });
    }
    for (const method of Object.keys(config.methods)) {
      if (!ROUTED.test(method)) continue;
      ctx.addIssue({ code: 'custom', path: ['methods', method], message: 'the class of this method is fixed; remove the entry' });
    }
  });

/** Methods whose class follows from the target or from the protocol: not the operator's to move. */
const ROUTED = /^(tools|notifications)\/|^\$|^initialize$|^ping$/;

export type ResolveConfig = z.infer<typeof resolveConfig>;
