import { z } from 'zod';

/** The `sandbox` section: how stdio servers are held and ended. */
export const sandboxConfig = z.strictObject({
  grace_ms: z.int().min(10).max(60_000).default(2_000)
    .describe('How long a stdio server may take to end after its stdin was closed, and again after SIGTERM, before SIGKILL, ms; 2 s by default.'),
  max_line_bytes: z.int().min(1_024).max(268_435_456).default(16_777_216)
    .describe('The longest line a stdio server may write, bytes; a longer one ends the server; 16 MiB by default.'),
  stderr_bytes: z.int().min(1_024).max(16_777_216).default(65_536)
    .describe('How much of the end of a server’s stderr is kept to explain a crash, bytes; 64 KiB by default.'),
  stderr_lines_per_second: z.int().min(1).max(10_000).default(50)
    .describe('How many stderr lines of one server are logged each second, the rest is counted; 50 by default.'),
});
export type SandboxConfig = z.infer<typeof sandboxConfig>;
