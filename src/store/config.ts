import { z } from 'zod';

/** Section `store`. */
export const storeConfig = z.strictObject({
  folder: z.string().min(1).max(4096).regex(/^[^\0]*$/).default('data').describe('Folder of the gateway’s own state, relative to the config file; made with mode 0700 if missing. `--data` goes before it.'),
  busy_timeout_ms: z.int().min(0).max(60_000).default(5_000).describe('How long a write waits, in ms, while another process (the CLI) writes.'),
}).prefault({}).describe('Where the gateway keeps keys and other durable state.');
export type StoreConfig = z.infer<typeof storeConfig>;
