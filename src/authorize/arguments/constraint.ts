import { z } from 'zod';

const word = z.string().max(2000);
const words = z.union([word, z.array(word).min(1).max(10_000)], { error: 'must be a text or a list of at least one text' });
const scalar = z.union([z.string().max(2000), z.number(), z.boolean()], { error: 'must be a text, a number, true or false' });
const scalars = z.array(scalar).min(1, { error: 'an empty list matches nothing; name a value or remove the rule' }).max(10_000);
const number = z.union([z.number(), z.string().max(400)], { error: 'must be a number, in quotes when it has more than 15 digits' });
const count = z.int().min(0);

const path = z.union(
  [
    words,
    z.strictObject({
      under: words.optional().describe('Folders; the path is one of them or below one. `.` is any relative path.'),
      glob: words.optional().describe('Globs over the whole path; `*` within one segment, `**` alone for one segment or more.'),
    }),
  ],
  { error: 'must be a glob, a list of globs, or an object of `under` and `glob`' },
);

const url = z.strictObject({
  schemes: z.array(z.enum(['https', 'http', 'wss', 'ws', 'ftp'])).min(1).optional().describe('Schemes; `https` if left out.'),
  hosts: z.array(z.string().min(1).max(253)).min(1).optional().describe('Globs over host names: `*` within one label, `**` alone for one label or more. Addresses are never host names.'),
  ports: z.array(z.int().min(1).max(65_535)).min(1).optional().describe('Port numbers; only the scheme’s own if left out.'),
  path_under: words.optional().describe('The path is one of these or below one; any if left out. The query is not judged.'),
  cidr: z.array(z.string().max(64)).min(1).optional().describe('Address ranges a host may be in when it is an address; refused if left out.'),
});

const amount = z.strictObject({
  max: number.describe('The largest amount allowed.'),
  min: number.optional().describe('The least amount allowed; 0 if left out.'),
  currency: z.string().regex(/^[A-Z]{3}$/, { error: 'must be three capital letters, for example EUR' }).optional().describe('The currency of `max` and `min`, ISO 4217.'),
  currency_at: z.string().min(1).max(256).optional().describe('Name of the argument beside the amount that must be exactly that currency; left out: the tool knows one currency only.'),
  decimals: z.int().min(0).max(4).optional().describe('Places after the point at most; 2 if left out.'),
});

/** What a rule demands of one argument. Every key that is given must hold. */
export const constraintConfig = z.strictObject({
  optional: z.boolean().optional().describe('true: holds when the argument is absent. null never holds.'),
  unless_absent: z.boolean().optional().describe('true: an absent argument is a clear no; for deny rules, which else refuse a call whose named argument is absent.'),
  empty: z.boolean().optional().describe('true: the list before the last `[]` of the path may be empty; else an empty list cannot be judged.'),
  any: z.literal(true).optional().describe('Any value, null or none: names the argument so that a closed rule admits it. On an object: admits members that the rule does not name.'),
  absent: z.literal(true).optional().describe('The argument must not be there.'),
  boolean: z.literal(true).optional().describe('true or false; for one of them write `equals`.'),
  equals: scalar.optional().describe('Exactly this text, number or truth value.'),
  enum: scalars.optional().describe('One of these, all of one type.'),
  not_in: scalars.optional().describe('None of these, all of one type, nor text that looks like one of them.'),
  min: number.optional().describe('A number of at least this, compared exactly.'),
  max: number.optional().describe('A number of at most this, compared exactly.'),
  integer: z.literal(true).optional().describe('A whole number.'),
  min_length: count.optional().describe('Text of at least so many characters (Unicode code points).'),
  max_length: count.optional().describe('Text of at most so many characters (Unicode code points).'),
  min_items: count.optional().describe('A list of at least so many elements.'),
  max_items: count.optional().describe('A list of at most so many elements.'),
  pattern: z.string().min(1).max(1000).optional().describe('A regular expression (RE2 syntax, linear time) that the whole text must match.'),
  glob: words.optional().describe('Globs over text; `*` within what slashes part, `**` alone for one part or more.'),
  repository: words.optional().describe('Globs over a repository’s name, for example `org/*`.'),
  branch: words.optional().describe('Globs over a branch’s plain name, for example `feature/*`; `refs/heads/…`, `HEAD` and commits cannot be judged.'),
  path: path.optional().describe('Globs over a file path, or folders it must be under. Only one spelling is accepted: no `..`, `//`, backslash, escapes or devices.'),
  extension: words.optional().describe('Extensions of a file path, for example `.md`; letter case counts.'),
  url: url.optional().describe('What a URL must be like. Only URLs in their normal form are accepted, without user and fragment.'),
  cidr: words.optional().describe('Ranges that an IP address in plain spelling must be in, for example `10.0.0.0/8`.'),
  amount: amount.optional().describe('An amount of money, as number or text of plain digits; signs and exponents cannot be judged.'),
  email: z.strictObject({ domains: z.array(z.string().min(1).max(253)).min(1).describe('Globs over domains, as for `url.hosts`.') }).optional().describe('One bare e-mail address at one of the domains.'),
});
export type Constraint = z.infer<typeof constraintConfig>;
