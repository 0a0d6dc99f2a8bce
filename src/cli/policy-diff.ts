import type { Command } from 'commander';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { exportAudit } from '../audit/index.ts';
import { createKeyStore } from '../authenticate/index.ts';
import { aimOf, type CallerFacts, callerFacts, type CallFacts, callFacts, diffRights, type Policy, principalOf, recordReader, type RightsDiff, targetOf } from '../authorize/policy/index.ts';
import type { Config } from '../config/index.ts';
import { systemClock } from '../lib/clock.ts';
import { visible } from '../lib/visible.ts';
import type { Store } from '../store/index.ts';
import { example, Exit } from './exit.ts';
import { placesOf, policyNamed, timeOf, withStore, yamlOf } from './policy-source.ts';
import { loadOrExit } from './serve.ts';

interface Options { readonly config?: string; readonly data?: string; readonly callers?: string; readonly tools?: string; readonly at?: number; readonly json?: boolean }

const callersFile = z.strictObject({ callers: z.array(callerFacts).min(1).max(10_000) });
const toolsFile = z.strictObject({ tools: z.array(callFacts.extend({ server: z.string().min(1), tool: z.string().min(1), class: z.enum(['discovery', 'read', 'write', 'external', 'destructive', 'admin']) })).min(1).max(10_000) });

/** `policy diff`. */
export function addPolicyDiff(policy: Command): void {
  policy
    .command('diff <old> <new>')
    .description('What each known caller may do with each known tool under two policies, where it differs; exit code 0 nothing does, 1 something does, 2 wrong use')
    .option('--config <file>', 'a configuration file: its own rules count beside a folder, its keys are callers, and it says where servers stand')
    .option('--data <folder>', 'a data folder: its keys are callers, the tools of its record are tools, and <old> and <new> may be versions of `policy list`')
    .option('--callers <file>', 'YAML `callers:`, a list with the keys of a test’s caller; then these are all')
    .option('--tools <file>', 'YAML `tools:`, a list of server, tool and class; then these are all')
    .option('--at <time>', 'when the rules are judged; left out: now', timeOf)
    .option('--json', 'as JSON')
    .addHelpText('after', `\nCallers and tools of the policies’ own tests count too.\n${example('sallyport policy diff ./policy ./policy-next --config sallyport.yaml', 'sallyport policy diff 3f1b9c0d11a2b3c4 ./policy --config sallyport.yaml --data .sallyport')}`)
    .action(diff);
}

async function diff(oldName: string, newName: string, options: Options): Promise<void> {
  const config = options.config === undefined ? null : loadOrExit(options.config);
  const { data } = options;
  const sides = async (store: Store | null, versions: Parameters<typeof policyNamed>[2]): Promise<RightsDiff> => {
    const [before, after] = [await policyNamed(oldName, config, versions), await policyNamed(newName, config, versions)];
    const callers = options.callers === undefined ? await knownCallers([before, after], config, store) : yamlOf(options.callers, callersFile).callers;
    const tools = options.tools === undefined ? await knownTools([before, after], data) : yamlOf(options.tools, toolsFile).tools;
    if (callers.length === 0) throw new Exit(2, 'no caller is known: name --data or --callers, or write tests');
    if (tools.length === 0) throw new Exit(2, 'no tool is known: name --data or --tools, or write tests');
    const placed = config === null ? null : placesOf(config);
    return diffRights(before.config, after.config, {
      callers: callers.map(principalOf), at: options.at ?? systemClock.now(), progress: progress(callers.length),
      tools: tools.map((tool) => {
        const place = tool.server === undefined ? undefined : placed?.(tool.server);
        return { target: targetOf(tool), place: { environment: tool.environment ?? place?.environment ?? null, region: tool.region ?? place?.region ?? null, tenant: tool.tenant ?? place?.tenant ?? null } };
      }),
    });
  };
  const result = data === undefined ? await sides(null, null) : await withStore(data, (store, versions) => sides(store, versions));
  if (options.json === true) console.log(JSON.stringify(result, null, 2));
  else for (const line of linesOf(result)) console.log(line);
  if (result.changes.length > 0) throw new Exit(1, '');
}

/** Each once, by all that is known of it: the same name in other groups is another caller. */
async function knownCallers(policies: readonly Policy[], config: Config | null, store: Store | null): Promise<readonly CallerFacts[]> {
  const found: CallerFacts[] = policies.flatMap(({ tests }) => tests.flatMap(({ test }) => (test.cases ?? [{}]).map((each) => ({ ...test.caller, ...('caller' in each ? each.caller : {}) }))));
  if (config !== null) found.push(...config.authenticate.api_keys.map(holderOf));
  if (store !== null) {
    const keys = await createKeyStore(store, systemClock);
    found.push(...(await keys.list()).filter(({ revoked }) => revoked === null).map(holderOf));
    await keys.close();
  }
  return once(found);
}
type Holder = Pick<Config['authenticate']['api_keys'][number], 'id' | 'user' | 'team' | 'agent' | 'client' | 'workspace' | 'tenant' | 'environment' | 'groups' | 'roles' | 'scopes' | 'allowed_tools' | 'denied_tools' | 'confirm_tools'>;
function holderOf(key: Holder): CallerFacts {
  const { id, user, team, agent, client, workspace, tenant, environment, groups, roles, scopes, allowed_tools: allowed, denied_tools: denied, confirm_tools: confirm } = key;
  const facts = Object.fromEntries(Object.entries({ user, team, agent, client, workspace, tenant, environment }).filter(([, value]) => value !== null));
  return { id: `key:${id}`, name: id, ...facts, groups: [...groups], roles: [...roles], scopes: [...scopes], ...(allowed !== null && { allowed_tools: [...allowed] }), denied_tools: [...denied], confirm_tools: [...confirm] };
}
/** Tools of the tests, and those that were called. */
async function knownTools(policies: readonly Policy[], data: string | undefined): Promise<readonly CallFacts[]> {
  const found: CallFacts[] = policies.flatMap(({ tests }) => tests.flatMap(({ test }) => (test.cases ?? [{}]).map((each) => toolOf(aimOf(test.call, 'call' in each ? each.call : {})))));
  if (data !== undefined && existsSync(join(data, 'audit'))) {
    const seen = new Map<string, CallFacts>();
    const read = recordReader(null);
    await exportAudit(join(data, 'audit'), { event: 'call.*' }, (line) => {
      const one = read(line);
      const tool = 'call' in one ? one.call.asked.target.tool : null;
      if (tool !== null && seen.size < MOST) seen.set(`${tool.id} ${tool.risk}`, { server: tool.server, tool: tool.name, class: tool.risk });
    });
    found.push(...seen.values());
  }
  return once(found.filter(({ tool }) => tool !== undefined));
}
const MOST = 10_000;
const toolOf = ({ server, tool, class: risk, environment, region, tenant }: CallFacts): CallFacts =>
  ({ ...(server !== undefined && { server }), ...(tool !== undefined && { tool }), ...(risk !== undefined && { class: risk }), ...(environment !== undefined && { environment }), ...(region !== undefined && { region }), ...(tenant !== undefined && { tenant }) });
const once = <T extends object>(list: readonly T[]): readonly T[] => [...new Map(list.map((each) => [JSON.stringify(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1))), each])).values()];

function progress(all: number): (done: number) => void {
  let told = systemClock.monotonic();
  return (done) => {
    if (systemClock.monotonic() - told < 2_000) return;
    told = systemClock.monotonic();
    console.error(`${done} of ${all} callers …`);
  };
}

function linesOf({ version_before: before, version_after: after, at, callers, tools, changes }: RightsDiff): readonly string[] {
  const head = `${before} -> ${after}, at ${at}: ${callers} callers, ${tools} tools, ${changes.length === 0 ? 'no difference' : `${changes.length} difference(s)`}`;
  if (changes.length === 0) return [head];
  const rows = [['CALLER', 'BEFORE', 'AFTER', 'TOOLS'], ...changes.map((each) => [each.caller, each.before, each.after, each.tools.join(', ')])].map((row) => row.map(visible));
  const widths = [0, 1, 2].map((i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return [head, ...rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  '))];
}
