import { z } from 'zod';
import { parseRange } from './source.ts';

/** Control, format and line-separating characters: they forge lines in logs and headers and hide names (CWE-117, CWE-1007). */
export const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
/** Groups or roles of one caller. */
export const MOST_NAMES = 256;
const name = z.string().min(1).max(256).refine((text) => !UNSEEN.test(text) && text.trim() === text, { error: 'must not hold invisible characters' });
const fact = (what: string) => name.nullable().default(null).describe(what);
const names = (what: string) => z.array(name).max(MOST_NAMES).default([]).describe(what);
const glob = z.string().max(256).regex(/^[\x21-\x7e]+$/, { error: 'must be a glob over `server__tool`, without spaces' });
const globs = z.array(glob).max(1_000);

/** Ids stand in records, logs and principals (`key:<id>`). */
export const keyId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$/, { error: 'must be 1 to 128 of A-Z a-z 0-9 . _ @ -, the first a letter or digit' });

/** What a key says of its holder: the same in the configuration, in the store and on the command line. */
export const facts = {
  id: keyId.describe('Name of the key and of the service account that holds it; unique.'),
  scopes: z.array(z.string().max(256).regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, { error: 'must be a scope (RFC 6749 section 3.3)' })).max(256).default([]).describe('Scopes the key carries; none by default.'),
  team: fact('Team the holder belongs to.'),
  user: fact('Person the holder acts for.'),
  workspace: fact('Workspace (tenant) the holder works in.'),
  environment: fact('Environment the holder runs in, for example `production`.'),
  agent: fact('Agent that holds the key.'),
  client: fact('Client software that holds the key.'),
  tenant: fact('Tenant (organisation) the holder belongs to.'),
  groups: names('Groups the holder is in; none by default.'),
  roles: names('Roles the holder has; none by default.'),
  allowed_tools: globs.nullable().default(null).describe('Globs over `server__tool` the key may use at most; by default the key narrows nothing, `[]` allows nothing.'),
  denied_tools: globs.default([]).describe('Globs over `server__tool` the key may never use.'),
  confirm_tools: globs.default([]).describe('Globs over `server__tool` the key may only use with a human yes.'),
  expires: z.iso.datetime({ offset: true }).nullable().default(null).describe('When the key ends, as `2027-01-31T00:00:00Z`; by default it does not.'),
  sources: z.array(z.string().max(64).refine((text) => parseRange(text) !== null, { error: 'must be an address or a range like 10.0.0.0/8, without host bits' })).max(100).default([])
    .describe('Addresses or ranges the key may be used from, judged by the socket’s own address; anywhere by default.'),
};
const factsOnly = z.strictObject(facts);
export type Facts = Readonly<z.infer<typeof factsOnly>>;
