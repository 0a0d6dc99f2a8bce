import type { Command } from 'commander';
import { type Dirent, existsSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { authorizeConfig } from '../authorize/config.ts';
import { judgeFolder, judgeTexts, policyVersions, readFolder, type TestReport, untestedLines, type VersionHead, type Versions } from '../authorize/policy/index.ts';
import { authorizeDrafts, type Config } from '../config/index.ts';
import { systemClock } from '../lib/clock.ts';
import { visible } from '../lib/visible.ts';
import { openStore } from '../store/index.ts';
import { example, Exit } from './exit.ts';
import { addPolicyDiff } from './policy-diff.ts';
import { addPolicyExplain } from './policy-explain.ts';
import { addPolicySimulate } from './policy-simulate.ts';
import { DATA_DIR, loadOrExit } from './serve.ts';

/** `policy test|list|rollback|explain|simulate|diff`. */
export function addPolicy(program: Command): Command {
  const policy = program.command('policy').description('Rules in files: test them, see which version is in force, go back to another').addHelpText('after', example('sallyport policy test ./policy'));
  policy
    .command('test [folders...]')
    .description('Run the tests beside the rules; exit code 1 when one fails or a rule is not tested, 2 when a file has faults')
    .option('--config <file>', 'a configuration file: its own rules, servers and `require_tests` count too; its `authorize.policy` is the folder when none is named')
    .addHelpText('after', `\nWithout a folder and a file: every folder below this one that holds *.tests.yaml.\n${example('sallyport policy test ./policy', 'sallyport policy test --config sallyport.yaml', 'sallyport policy test')}`)
    .action((folders: string[], options: { config?: string }) => testAll(folders, options.config));
  policy
    .command('list')
    .description('The versions that were in force, the newest first; * marks the one that is, or was last')
    .option('--data <folder>', 'the data folder', DATA_DIR)
    .option('--json', 'as JSON')
    .addHelpText('after', example('sallyport policy list'))
    .action((options: { data: string; json?: boolean }) => withVersions(options.data, (versions) => showVersions(versions, options.json === true)));
  policy
    .command('rollback [version]')
    .description('Put a version of `policy list` in force and hold it there, now and at the next start, whatever the folder holds; --release follows the folder again')
    .option('--release', 'follow the folder again')
    .option('--data <folder>', 'the data folder', DATA_DIR)
    .addHelpText('after', example('sallyport policy rollback 3f1b9c0d11a2b3c4', 'sallyport policy rollback --release'))
    .action((version: string | undefined, options: { data: string; release?: boolean }) => {
      if ((version === undefined) === (options.release !== true)) throw new Exit(2, 'name a version of `sallyport policy list`, or --release');
      return withVersions(options.data, (versions) => (version === undefined ? release(versions) : pin(versions, version)));
    });
  addPolicyExplain(policy);
  addPolicySimulate(policy);
  addPolicyDiff(policy);
  return policy;
}

async function testAll(named: readonly string[], file: string | undefined): Promise<void> {
  const config = file === undefined ? null : loadOrExit(file);
  const folders = foldersOf(named, config, file);
  let [broken, failed] = [false, false];
  for (const folder of folders) {
    const judged = await judgeFolder(readFolder(folder), {
      inline: config?.authorize ?? authorizeConfig.parse({}), folder, requireTests: true,
      ...(config !== null && { between: (rules) => authorizeDrafts({ ...config, authorize: rules }) }),
    });
    if (judged.report === null) broken = true;
    else failed = !tell(judged.report, folder, config?.authorize.require_tests ?? true) || failed;
    if (judged.report === null && !judged.ok) for (const reason of judged.reasons) console.error(reason);
  }
  if (broken) throw new Exit(2, 'The files have faults; not all tests ran.');
  if (failed) throw new Exit(1, '');
}

/** What was named; what the configuration names; or all there is to find. */
function foldersOf(named: readonly string[], config: Config | null, file: string | undefined): readonly string[] {
  if (named.length > 0) return named;
  if (config !== null && file !== undefined) {
    if (config.authorize.policy === undefined) throw new Exit(2, `${file} has no authorize.policy: name a folder`);
    return [resolve(dirname(file), config.authorize.policy)];
  }
  const found = discover('.', 0);
  if (found.length === 0) throw new Exit(2, 'no folder below this one holds *.tests.yaml: name one');
  return found;
}
const MAX_DEPTH = 6;
/** Folders that hold tests; what lies below one belongs to it. */
function discover(folder: string, depth: number): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // not ours to read, so no policy of ours
  }
  if (entries.some((entry) => entry.isFile() && /\.tests\.ya?ml$/.test(entry.name))) return [folder];
  if (depth === MAX_DEPTH) return [];
  return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules').map(({ name }) => name).toSorted().flatMap((name) => discover(join(folder, name), depth + 1));
}

/** Prints a report; true when the policy may go live. */
function tell(report: TestReport, folder: string, required: boolean): boolean {
  for (const { file, line, name, expected, got, matched, nearly } of report.failures) {
    console.error(visible(`${file}:${line} FAIL ${name}`));
    for (const text of [`expected: ${expected}`, `got:      ${got}`, `decided:  ${matched.join(', ') || 'no rule'}`, ...nearly.map((each) => `nearly:   ${each}`)]) console.error(visible(`  ${text}`));
  }
  const untested = untestedLines(report, folder);
  for (const line of untested) console.error(visible(required ? line : `(not required) ${line}`));
  const good = report.failures.length === 0 && (!required || untested.length === 0);
  console.log(visible(`${folder}: ${report.passed} of ${report.total} test(s) pass; ${report.untested.length} rule(s) untested; version ${report.version}${good ? '' : '; it cannot go live'}`));
  return good;
}

async function withVersions(data: string, act: (versions: Versions) => Promise<void>): Promise<void> {
  if (!existsSync(join(data, 'store.sqlite'))) throw new Exit(2, `there is no gateway's data in ${data}: name the folder with --data`);
  const store = await openStore({ folder: data, busy_timeout_ms: 5_000 }, { clock: systemClock }).catch((error: unknown) => {
    if (error instanceof Error && error.name === 'StoreFault') throw new Exit(2, error.message); // tells the operator what to mend
    throw error;
  });
  try {
    await act(policyVersions(store));
  } finally {
    await store.close();
  }
}

async function showVersions(versions: Versions, json: boolean): Promise<void> {
  const [all, live, pinned] = [await versions.list(), await versions.live(), await versions.pinned()];
  const rows = all.map((each) => ({ ...each, live: each.version === live, pinned: each.version === pinned?.version }));
  if (json) return console.log(JSON.stringify(rows, null, 2));
  for (const row of rows) console.log(lineOf(row));
  if (rows.length === 0) console.error('no version yet: the gateway keeps each that goes live');
}
const lineOf = (row: VersionHead & { readonly live: boolean; readonly pinned: boolean }): string =>
  [row.live ? '*' : ' ', row.version, row.lastAt, row.by.padEnd(8), `${row.rules} rule(s)`, `${row.tests} test(s)`, ...(row.pinned ? ['pinned'] : [])].join('  ');

/** The version's own tests run here first, so that what would be turned down is not pinned; the gateway runs them again. */
async function pin(versions: Versions, version: string): Promise<void> {
  const kept = await versions.get(version);
  if (kept === null) throw new Exit(2, `there is no version ${version}: see \`sallyport policy list\``);
  const judged = await judgeTexts(kept.texts, { inline: kept.inline, folder: `version ${version}`, requireTests: false });
  if (!judged.ok) throw new Exit(1, [...judged.reasons, 'Nothing was changed.'].map(visible).join('\n'));
  await versions.pin({ version, at: new Date(systemClock.now()).toISOString() });
  console.error(`${version} is pinned: a running gateway takes it up at once, and every start uses it until \`sallyport policy rollback --release\`.`);
}
async function release(versions: Versions): Promise<void> {
  if (!(await versions.release())) throw new Exit(1, 'nothing is pinned');
  console.error('Released: a running gateway loads the folder again.');
}
