import { RE2JS } from 're2js';
import { z } from 'zod';
import { webhooksConfig } from '../admin/config.ts';

const DAY_MS = 86_400_000;
const name = z.string().min(1).max(128);

/** Linear time is the engine's promise; what it cannot compile is refused at load (CWE-1333). */
const pattern = z.string().min(1).max(256).refine(compiles, 'is not a regular expression that a linear-time engine (RE2) can run');

/** Section `approve`. */
export const approveConfig = z.strictObject({
  groups: z.array(name).max(64).default([]).describe('Groups of approvers whose members decide where a rule names none; empty: such calls are refused with `approve.required`.'),
  expires_ms: z.int().min(1_000).max(30 * DAY_MS).default(3_600_000).describe('How long a request waits for people and an approval for its call, in ms, unless the rule says otherwise; silence is a no.'),
  again_ms: z.int().min(0).max(30 * DAY_MS).default(600_000).describe('How long a no stands, in ms, before the same call may be asked about again.'),
  max_pending_per_caller: z.int().min(1).max(1_000).default(20).describe('How many requests of one caller may wait at once.'),
  max_arguments_bytes: z.int().min(256).max(1_048_576).default(65_536).describe('Calls with more argument text than this many bytes cannot be approved: nobody could read what he approves.'),
  identities: z.record(name, z.array(z.string().min(1).max(512)).max(64)).default({}).describe('Further names of a person, by name: e-mail addresses, `jwt:<issuer>#<subject>`, `key:<id>`, service accounts. Whoever shares a name with the requester cannot approve.'),
  ticket: z.union([
    z.strictObject({ pattern: pattern.describe('Linear-time regular expression for the whole of it.') }),
    z.strictObject({ webhook: z.string().min(1).max(2_048).refine((url) => url.includes('{ticket}'), 'must say where `{ticket}` stands').describe('URL that is fetched with the ticket in place of `{ticket}` and answers `{"valid": true}`; no answer is a no. What it may reach is set under `egress`.') }),
  ]).nullable().default(null).describe('How change tickets are checked besides what the rule says; null: any text of up to 128 characters will do.'),
  confirm_ms: z.int().min(1_000).max(3_600_000).default(300_000).describe('How long the yes of the calling user himself stands, in ms.'),
  dry_run_ms: z.int().min(1_000).max(30 * DAY_MS).default(3_600_000).describe('How long a successful dry run permits the same call in earnest, in ms.'),
  digest_after: z.int().min(1).max(1_000).default(10).describe('After so many requests of one caller in a window, channels hear of the rest in one message.'),
  digest_window_ms: z.int().min(1_000).max(DAY_MS).default(600_000).describe('The length of that window, in ms.'),
  keep_ms: z.int().min(0).max(365 * DAY_MS).default(7 * DAY_MS).describe('How long closed requests can still be looked up, in ms; the audit keeps them longer.'),
  webhooks: webhooksConfig,
}).prefault({}).describe('Approval by people: who decides, for how long, and how much may wait.');
export type ApproveConfig = z.infer<typeof approveConfig>;

function compiles(text: string): boolean {
  try {
    RE2JS.compile(text);
    return true;
  } catch {
    return false;
  }
}
