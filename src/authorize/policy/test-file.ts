import { z } from 'zod';
import { isObject } from '../../call/json.ts';
import { RISKS } from '../../call/target.ts';
import { parseStrict } from '../../lib/strict-json.ts';

const text = z.string().min(1).max(256);
const name = (what: string) => text.optional().describe(`${what}; left out: none.`);
const names = (what: string) => z.array(text).max(1_000).optional().describe(`${what}; left out: none.`);

/** Who calls. What is left out, the caller does not have. */
export const callerFacts = z.strictObject({
  name: text.optional().describe('What `callers` is compared with; left out: `tester`.'),
  id: text.optional().describe('The unique id; left out: `key:` and the name.'),
  user: name('The user the caller acts for'), team: name('The team'), agent: name('The agent'), client: name('The client software'),
  workspace: name('The workspace'), tenant: name('The tenant of the caller'), environment: name('The environment of the caller'),
  groups: names('The groups'), roles: names('The roles'), scopes: names('The scopes'),
  allowed_tools: names('As in `authenticate.api_keys`').describe('Globs, as in `authenticate.api_keys`; left out: any tool.'),
  denied_tools: names('Globs, as in `authenticate.api_keys`'), confirm_tools: names('Globs, as in `authenticate.api_keys`'),
});
/** What is called, where, when. */
export const callFacts = z.strictObject({
  server: text.optional().describe('The server; left out: the gateway itself.'),
  tool: text.optional().describe('The tool’s own name on the server.'),
  method: text.optional().describe('The MCP method, for what is not a tool, for example `resources/read`.'),
  name: z.string().max(2_048).optional().describe('With `method`: the prompt, or the URI of the resource.'),
  class: z.enum(RISKS).optional().describe('The class of the tool or method; each call must have one.'),
  arguments: z.record(z.string(), z.unknown()).optional().describe('The arguments of the tool; left out: `{}`.'),
  arguments_json: z.string().max(65_536).optional().describe('The arguments as JSON text, for what YAML cannot say: `{"amount": 10.00000000000000001}`.'),
  environment: name('The environment of the server'), region: name('The region of the server'), tenant: name('The tenant of the server'),
  at: z.iso.datetime({ offset: true, error: 'write it as "2026-03-02T10:00:00+01:00", in quotes' }).optional().describe('When; left out: Wednesday, 2026-01-07T12:00:00Z, so that a test says the same on every day.'),
});
/** The duties of an allow, by the words of rules. */
export const DUTIES = ['approval', 'confirmation', 'reason', 'ticket', 'dry_run'] as const;
const span = z.string().regex(/^[1-9][0-9]{0,5}[smhd]$/, { error: 'write it as 90s, 30m, 24h or 7d' });
const OF_ALLOWS = ['needs', 'groups', 'quorum', 'expires', 'escalate_to', 'escalate_after', 'ticket', 'dry_run', 'rate', 'per'] as const;
const expectation = z.strictObject({
  effect: z.enum(['allow', 'deny']).describe('What must be decided.'),
  rules: z.array(text).max(64).optional().describe('Exactly the rules that decide, in any order; left out: any. Defaults are written as in records: `default:read`.'),
  needs: z.array(z.enum(DUTIES)).optional().describe('Exactly the duties, in any order; `[]`: none; left out: any.'),
  groups: z.array(text).optional().describe('Exactly the groups that may approve; left out: any.'),
  quorum: z.int().min(1).optional().describe('So many must approve; left out: any.'),
  expires: span.optional().describe('After how long silence of those who approve is a no, the earliest, `4h`; left out: any.'),
  escalate_to: z.array(text).optional().describe('Exactly the groups that may approve too later on; left out: any.'),
  escalate_after: span.optional().describe('After how long they may, `30m`; left out: any.'),
  ticket: z.string().max(256).optional().describe('The pattern of the change ticket; `any`: the rule names none; left out: any.'),
  dry_run: z.string().max(128).optional().describe('The argument of the dry run; left out: any.'),
  rate: z.string().optional().describe('The rate that the rules set, `5/hour`; left out: any.'),
  per: z.enum(['caller', 'rule']).optional().describe('What the rate is counted for; left out: any.'),
  code: z.string().regex(/^authorize\.[a-z_]+$/, { error: 'must be one of the codes `authorize.*` of docs/reference/refusals.md' }).optional().describe('The code of the refusal; left out: any.'),
  shadows: z.record(text, z.enum(['allow', 'deny', 'error'])).optional().describe('Exactly the rules on trial that match, and what each would have said; left out: any.'),
}).superRefine((e, ctx) => {
  const wrong = (key: string, message: string): void => ctx.addIssue({ code: 'custom', path: [key], message });
  if (e.effect === 'allow' && e.code !== undefined) wrong('code', 'an allow has no code; remove the key');
  for (const key of OF_ALLOWS) if (e.effect === 'deny' && e[key] !== undefined) wrong(key, 'a deny has no duties; remove the key');
});
const expect = z.union([z.enum(['allow', 'deny']), expectation]);

const testCase = z.strictObject({
  name: text.optional().describe('What the case shows; left out: its number.'),
  caller: callerFacts.optional().describe('What differs from the caller of the test.'),
  call: callFacts.optional().describe('What differs from the call of the test.'),
  expect: expect.optional().describe('Left out: as the test says.'),
});
const test = z.strictObject({
  name: text.describe('What the test shows, a sentence.'),
  caller: callerFacts.optional().describe('Who calls; left out: somebody without any group, role or scope.'),
  call: callFacts.optional().describe('What is called.'),
  expect: expect.optional().describe('`allow`, `deny`, or a map.'),
  cases: z.array(testCase).min(1).max(1_000).optional().describe('Several calls; each takes from the test what it does not say itself.'),
}).superRefine((t, ctx) => {
  for (const [at, each] of (t.cases ?? [{}]).entries()) {
    const path = t.cases === undefined ? [] : ['cases', at];
    const aim = aimOf(t.call, 'call' in each ? each.call : {});
    const wrong = (message: string): void => ctx.addIssue({ code: 'custom', path: [...path], message }); // zod writes into it
    if ((aim.tool === undefined) === (aim.method === undefined)) wrong('the call needs either `tool` or `method`');
    if (aim.tool !== undefined && aim.server === undefined) wrong('the call of a tool needs `server`');
    if (aim.class === undefined) wrong('the call needs its `class`');
    if (aim.arguments_json !== undefined && !isArguments(aim.arguments_json)) wrong('`arguments_json` is no JSON object that the gateway would take');
    if (aim.arguments !== undefined && aim.arguments_json !== undefined) wrong('the call has both `arguments` and `arguments_json`; keep one of them');
    if (t.expect === undefined && !('expect' in each && each.expect !== undefined)) wrong('needs `expect`');
  }
});

/** A file `*.tests.yaml`. */
export const testFile = z.strictObject({ tests: z.array(test).max(5_000).describe('The tests of the folder’s rules.') });
export type TestFile = z.infer<typeof testFile>;
export type Test = TestFile['tests'][number];
export type CallerFacts = z.infer<typeof callerFacts>;
export type CallFacts = z.infer<typeof callFacts>;
export type Expected = z.infer<typeof expectation>;

/** The call of a case: what it does not say itself is as the test says. One that writes its arguments the other way means its own. */
export function aimOf(shared: CallFacts = {}, own: CallFacts = {}): CallFacts {
  const { arguments: map, arguments_json: text, ...rest } = shared;
  const takesShared = own.arguments === undefined && own.arguments_json === undefined;
  return { ...rest, ...(takesShared && map !== undefined && { arguments: map }), ...(takesShared && text !== undefined && { arguments_json: text }), ...own };
}
/** A typo in them would make a call without arguments, and a test of a deny that passes for another reason. */
function isArguments(text: string): boolean {
  const read = parseStrict(text, ARGUMENT_LIMITS);
  return read.ok && isObject(read.value);
}
/** Those of receive/, or thereabouts. */
export const ARGUMENT_LIMITS = { maxDepth: 64, maxKeys: 10_000 } as const;
