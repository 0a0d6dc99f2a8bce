import type { Command } from 'commander';
import { exportAudit } from '../audit/index.ts';
import { type CallerFacts, callerFacts, type CallFacts, callFacts, type Explanation, explanationOf, principalOf, recordReader, type RecordedCall, targetOf } from '../authorize/policy/index.ts';
import type { Asked } from '../authorize/policy/index.ts';
import type { Policy, Versions } from '../authorize/policy/index.ts';
import type { Config } from '../config/index.ts';
import { systemClock } from '../lib/clock.ts';
import { membersOf } from '../lib/json-spans.ts';
import { visible } from '../lib/visible.ts';
import { example, Exit } from './exit.ts';
import { auditIn, configuredPolicy, jsonOf, keptPolicy, placesOf, policyOf, timeOf, withStore } from './policy-source.ts';
import { DATA_DIR, loadOrExit } from './serve.ts';

interface Options { readonly config?: string; readonly policy?: string; readonly caller?: string; readonly call?: string; readonly at?: string; readonly correlation?: string; readonly data: string; readonly json?: boolean }

/** `policy explain`. */
export function addPolicyExplain(policy: Command): void {
  policy
    .command('explain')
    .description('Why a call is allowed or denied: which rules match, which nearly do and what they miss, and what would be needed; sends nothing')
    .option('--config <file>', 'a configuration file: its rules, its `authorize.policy` and where its servers stand')
    .option('--policy <folder>', 'a folder of policy files, in place of `authorize.policy`')
    .option('--caller <json>', 'who calls, with the keys of a test: name, groups, roles, scopes, …')
    .option('--call <json>', 'what is called, with the keys of a test: server, tool, class, arguments, environment, at, …')
    .option('--at <time>', 'when; left out: now')
    .option('--correlation <id>', 'explain this recorded call, by the version that decided it, or by what --policy or --config names')
    .option('--data <folder>', 'the data folder, with --correlation', DATA_DIR)
    .option('--json', 'as JSON')
    .addHelpText('after', example(`sallyport policy explain --policy ./policy --caller '{"name":"ada","groups":["finance"]}' --call '{"server":"bank","tool":"pay","class":"write","arguments":{"amount":5}}'`, 'sallyport policy explain --correlation 019aa4c6-… --data .sallyport'))
    .action(explain);
}

async function explain(options: Options): Promise<void> {
  const config = options.config === undefined ? null : loadOrExit(options.config);
  if (options.correlation !== undefined) {
    if (options.caller !== undefined || options.call !== undefined) throw new Exit(2, '--correlation names the caller and the call; leave --caller and --call out');
    return explainRecorded(options, options.correlation, config);
  }
  if (options.caller === undefined || options.call === undefined) throw new Exit(2, 'name --caller and --call, or --correlation');
  const policy = await sourceOf(options, config);
  if (policy === null) throw new Exit(2, 'which policy? name --config or --policy');
  show(explanationOf(policy.config, askedOf(options.caller, options.call, options.at, config)), [], options.json === true);
}
async function sourceOf(options: Options, config: Config | null): Promise<Policy | null> {
  if (options.policy !== undefined) return policyOf(options.policy, config);
  return config === null || options.config === undefined ? null : configuredPolicy(config, options.config);
}

function askedOf(callerText: string, callText: string, at: string | undefined, config: Config | null): Asked {
  const caller: CallerFacts = jsonOf(callerText, '--caller', callerFacts);
  const call: CallFacts = jsonOf(callText, '--call', callFacts);
  const { server, tool, method } = call;
  if ((tool === undefined) === (method === undefined)) throw new Exit(2, '--call needs either `tool` or `method`');
  if (tool !== undefined && server === undefined) throw new Exit(2, '--call: the call of a tool needs `server`');
  if (call.class === undefined) throw new Exit(2, '--call needs the `class` of the tool: discovery, read, write, external, destructive or admin');
  if (call.arguments !== undefined && call.arguments_json !== undefined) throw new Exit(2, '--call has both `arguments` and `arguments_json`; keep one of them');
  // Cut out of the text: read as a JavaScript number, an amount may be another one.
  const cut = membersOf(callText).find(({ name }) => name === 'arguments');
  const place = config === null || server === undefined ? null : placesOf(config)(server);
  const hasArguments = tool !== undefined || method === 'prompts/get';
  return {
    principal: principalOf(caller), target: targetOf(call),
    place: { environment: call.environment ?? place?.environment ?? null, region: call.region ?? place?.region ?? null, tenant: call.tenant ?? place?.tenant ?? null },
    argumentsText: hasArguments ? (call.arguments_json ?? (cut === undefined ? '{}' : callText.slice(cut.start, cut.end))) : null,
    at: at !== undefined ? timeOf(at) : call.at !== undefined ? Date.parse(call.at) : systemClock.now(),
  };
}

async function explainRecorded(options: Options, id: string, config: Config | null): Promise<void> {
  const call = await recordedCall(options.data, id, config);
  const policy = (await sourceOf(options, config)) ?? (await withStore(options.data, (_store, versions) => decidingVersion(versions, call)));
  const asked = options.at === undefined ? call.asked : { ...call.asked, at: timeOf(options.at) };
  const explained = explanationOf(policy.config, asked);
  const notes: string[] = [...call.lost].map((fact) => LOST[fact]);
  if (explained.version !== call.version) notes.push(`explained by version ${explained.version}; ${call.version ?? 'no version'} decided it then`);
  else if (explained.decided_by.join() !== call.ruleIds.join()) notes.push(`recorded then: ${call.ruleIds.join(', ') || 'no rule'}; what decided it besides (a grant, a list of the credential) is not recorded`);
  show(explained, notes, options.json === true);
}
async function recordedCall(data: string, id: string, config: Config | null): Promise<RecordedCall> {
  const read = recordReader(config === null ? null : placesOf(config));
  let found: RecordedCall | null = null;
  let isThere = false;
  await exportAudit(auditIn(data), { correlationId: id }, (line) => {
    const one = read(line);
    isThere = true;
    if ('call' in one) found ??= one.call;
  });
  if (found !== null) return found;
  throw new Exit(2, isThere ? `the rules did not judge the call ${JSON.stringify(id)}: it ended before, or by the credential’s own lists (see \`sallyport audit query --id\`)` : `there is no record of ${JSON.stringify(id)}`);
}
async function decidingVersion(versions: Versions, call: RecordedCall): Promise<Policy> {
  const policy = call.version === null ? null : await keptPolicy(versions, call.version);
  if (policy === null) throw new Exit(2, `the version ${call.version ?? ''} that decided it is not kept any more: name --policy or --config`);
  return policy;
}
const LOST = {
  arguments: 'the arguments were redacted or cut, so rules that look at them are shown as if there were none', uri: 'the URI was redacted or cut', name: 'the name of a token’s caller is not recorded; the subject stands in for it',
  groups: 'the groups are not recorded', roles: 'the roles are not recorded', tenant: 'the tenant is not recorded', place: 'where the server stands is not recorded: name --config',
} as const;

function show(explained: Explanation, notes: readonly string[], json: boolean): void {
  if (json) return console.log(JSON.stringify({ ...explained, notes }, null, 2));
  for (const line of linesOf(explained, notes)) console.log(visible(line));
}
function linesOf(e: Explanation, notes: readonly string[]): readonly string[] {
  const list = (title: string, rows: readonly string[]): readonly string[] => (rows.length === 0 ? [] : [`${title}:`, ...rows.map((row) => `  - ${row}`)]);
  return [
    `${e.effect === 'allow' ? 'ALLOWED' : 'DENIED'}  ${e.caller} calls ${e.call} (class ${e.class}) at ${e.at}`, `Because: ${e.because}${e.code === null ? '' : ` [${e.code}]`}`,
    ...list('Before it runs, it needs', e.needs), ...list('What would be enough', e.would_do),
    ...list('Rules that match', e.matched.map(({ rule, effect, why, doubt }) => `${rule} (${effect})${why === null ? '' : `: ${why}`}${doubt === null ? '' : ` (a deny also matches what it cannot judge: ${doubt})`}`)),
    ...list('Rules that cannot be evaluated', e.in_error),
    ...e.nearly.length === 0 ? [] : ['Rules that nearly match:', ...e.nearly.flatMap(({ rule, effect, missing }) => [`  - ${rule} (${effect}) misses`, ...missing.map(({ half, words }) => `      ${half}: ${words}`)])],
    ...list('Rules on trial, without effect', e.shadows.map(({ rule, would }) => `${rule} would ${would === 'error' ? 'be in error' : would}`)),
    `Default of the class: ${e.class_default}`, `Version: ${e.version}`, ...notes.map((note) => `Note: ${note}`),
  ];
}
