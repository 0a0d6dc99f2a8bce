import { z } from 'zod';

/** `audit:` in the configuration file. Every field has a default, so the section may be left out. */
export const auditConfig = z.strictObject({
  sync: z.enum(['risky', 'all']).default('risky')
    .describe('Which records wait for the disk (fdatasync) before the call goes on: `risky` = write, external, destructive and admin calls; `all` = every call. Default `risky`.'),
  sync_within_ms: z.int().min(1).max(10_000).default(50)
    .describe('Milliseconds after which a record that waited only for the operating system is on disk at the latest; default 50.'),
  segment_max_bytes: z.int().min(4096).max(4 * 1024 ** 3).default(64 * 1024 ** 2)
    .describe('Bytes after which a new segment file is begun; a segment may exceed it by one batch; default 67108864 (64 MiB).'),
  checkpoint_every_ms: z.int().min(10).max(3_600_000).default(10_000)
    .describe('Milliseconds between two signed checkpoints while there is something new; default 10000.'),
});
export type AuditConfig = z.infer<typeof auditConfig>;
