import { z } from 'zod';
import { sha256 } from '../lib/hash.ts';
import { SAMPLE_WORDS } from '../secrets/index.ts';
import { type Checked, checkText } from './check.ts';
import { ALWAYS, type Converted, issue, twice } from './import-parts.ts';

const HASH_MEND = "# key_hash: the output of `printf %s \"$KEY\" | sha256sum`, 64 hex digits";

/** Only `*` is special in our globs; `?`, `[…]` or `!` would silently mean something else. */
const tool = z.string().min(1).max(200).refine((name) => /^[\w.:/*-]+$/.test(name), issue('must be a tool name or a glob in which only * is special', '- get_*'));
const tools = z.union([z.literal('*'), z.array(tool).max(500)], { error: 'must be a list of tools, or "*"' });
const account = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$/, { error: 'must be 1 to 128 of A-Z a-z 0-9 . _ @ -, the first a letter or digit' }),
  key_hash: z.string().refine((hash) => /^(?:sha256:)?[0-9A-Fa-f]{64}$/.test(hash), issue('must be the SHA-256 of the key, 64 hex digits', HASH_MEND))
    // CWE-258, CWE-1392: whoever sends nothing, or what stands in the manual, would have this account.
    .refine((hash) => !isHashOfSample(bareHash(hash)), issue('is the hash of an empty or well-known key', HASH_MEND)),
  allowed_tools: tools.meta({ examples: [['search', 'get_*']] }),
  denied_tools: tools.default([]),
  require_confirmation: z.union([z.boolean(), z.array(tool).max(500)], { error: 'must be true, false or a list of tools' }).default(false),
});
const accountsFormat = z.strictObject({
  service_accounts: z.array(account).min(1).max(10_000).superRefine((accounts, ctx) => {
    twice(accounts, 'name', 'stands here for the second time', ctx);
    twice(accounts, 'key_hash', 'two accounts with one key cannot be told apart', ctx, bareHash);
  }, ALWAYS),
  rate_limit: z.strictObject({ rps: z.number().positive().min(1 / 86_400).max(1_000_000), burst: z.int().min(1).max(1_000_000).optional() }).optional(),
  audit_log: z.string().min(1).max(4096).optional(),
});
type Account = z.output<typeof account>;

const bareHash = (hash: string): string => hash.replace(/^sha256:/, '').toLowerCase();
const isHashOfSample = (hash: string): boolean => hash === sha256('') || [...SAMPLE_WORDS].some((word) => sha256(word) === hash);

/** Format (b): `service_accounts` with key hashes and tool lists, `rate_limit: {rps, burst}`, `audit_log`. */
export function importAccounts(text: string, file: string): Checked<Converted> {
  const checked = checkText(text, file, { schema: accountsFormat, cross: [], secrets: null });
  if (!checked.ok) return checked;
  const { service_accounts: accounts, rate_limit: rate, audit_log } = checked.config;
  const sections = {
    authenticate: { api_keys: accounts.map(keyOf) },
    authorize: { rules: accounts.flatMap(ruleOf) },
    ...(rate === undefined ? {} : { limit: { rates: { callers: { '*': rateText(rate.rps, rate.burst) } } } }),
  };
  const notes = [
    'Add your servers under dispatch.servers. A tool named without a server is matched on every server, as `*__tool`.',
    'Only the SHA-256 of each key is known: a key that people can guess can be guessed from it. Prefer new keys from `sallyport key create`.',
    ...accounts.flatMap(notesOf),
    ...(rate === undefined ? [] : ['rate_limit counts all messages of one caller; the class limits of `limit.rates.classes` stand beside it.']),
    ...(audit_log === undefined ? [] : ['audit_log is not carried over: records are a chain of files in the data folder (`--data`); read them with `sallyport audit tail`.']),
  ];
  return { ok: true, config: { sections, notes } };
}

function keyOf(account: Account): object {
  const confirm = account.require_confirmation;
  return {
    id: account.name,
    sha256: bareHash(account.key_hash),
    allowed_tools: globsOf(account.allowed_tools),
    denied_tools: globsOf(account.denied_tools),
    confirm_tools: confirm === true ? ['*'] : confirm === false ? [] : globsOf(confirm),
  };
}

/** Tools named one by one are what the operator granted; `"*"` grants nothing, it only narrows nothing. */
function ruleOf(account: Account): object[] {
  if (isEverything(account.allowed_tools) || account.allowed_tools.length === 0) return [];
  return [{ id: `import-${sha256(account.name).slice(0, 8)}`, why: `allowed_tools of the service account ${account.name}`, effect: 'allow', callers: [`key:${account.name}`], tools: globsOf(account.allowed_tools) }];
}
const isEverything = (list: Account['allowed_tools']): boolean => list === '*' || list.some((name) => /^\*+$/.test(name));

function notesOf(account: Account): string[] {
  const confirm = account.require_confirmation;
  return [
    ...(isEverything(account.allowed_tools) ? [`${account.name}: allowed_tools "*" means every tool that policy allows; it grants nothing by itself. Add rules under authorize.rules.`] : []),
    ...(account.allowed_tools.length === 0 ? [`${account.name}: allowed_tools is empty, so the account may use no tool.`] : []),
    ...(confirm === true ? [`${account.name}: every call needs a human yes, reads too.`] : []),
    ...(confirm === false ? [`${account.name}: tools that write still need a human yes; see authorize.confirm_classes.`] : []),
  ];
}

/**
 * Globs over our `server__tool`. `search` becomes `*__search`; `github.search` and `github/search` also the tool of that
 * server. Both spellings are kept, because a denied tool that matches nothing is open.
 */
function globsOf(list: '*' | readonly string[]): string[] {
  if (list === '*') return ['*'];
  return [...new Set(list.flatMap(globOf))];
}
function globOf(name: string): string[] {
  if (name.startsWith('*')) return [name];
  const [, server, rest] = /^([a-z0-9][a-z0-9_-]*?)(?:__|[.:/])(.+)$/.exec(name) ?? [];
  return server === undefined ? [`*__${name}`] : [`${server}__${rest}`, `*__${name}`];
}

const UNITS = [['second', 1], ['minute', 60], ['hour', 3_600], ['day', 86_400]] as const;
/** What limit/ reads at most before the slash. */
const MOST = 9_999_999;
/** `rps` in the shortest unit that makes it a whole number; else in the longest, rounded down: never more than was allowed. */
function rateText(rps: number, burst: number | undefined): string {
  const counts = UNITS.map(([unit, seconds]) => ({ unit, exact: rps * seconds })).filter(({ exact }) => exact <= MOST && exact > 0.999);
  const whole = counts.find(({ exact }) => Math.abs(exact - Math.round(exact)) < 1e-9);
  const unit = (whole ?? counts.at(-1))?.unit ?? 'day';
  const exact = (whole ?? counts.at(-1))?.exact ?? 1;
  const count = Math.max(1, whole === undefined ? Math.floor(exact) : Math.round(exact));
  const most = burst ?? Math.max(1, Math.floor(rps));
  return most === count ? `${count}/${unit}` : `${count}/${unit} burst ${most}`;
}
