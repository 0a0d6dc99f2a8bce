import { z } from 'zod';

/** The `egress` section: connections to servers, key sets and everything else outside. */
export const egressConfig = z.strictObject({
  connect_timeout_ms: z.int().min(10).max(120_000).default(5_000)
    .describe('How long name look-up, TCP and TLS may take together for one connection, ms; 5 s by default.'),
  keep_alive_ms: z.int().min(100).max(600_000).default(4_000)
    .describe('How long an idle connection is kept, ms; 4 s by default, below the 5 s after which common servers close theirs.'),
  fetch_timeout_ms: z.int().min(100).max(120_000).default(10_000)
    .describe('How long the gateway waits for a document it fetches itself, such as a key set, ms; 10 s by default.'),
  fetch_allow_private: z.boolean().default(false)
    .describe('Lets documents the gateway fetches itself, such as key sets, come from private addresses, over http too; off by default.'),
  fetch_allow_loopback: z.boolean().default(false)
    .describe('Lets documents the gateway fetches itself, such as key sets, come from this machine, over http too; off by default.'),
});
export type EgressConfig = z.infer<typeof egressConfig>;
