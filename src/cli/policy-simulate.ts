import type { Command } from 'commander';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { exportAudit } from '../audit/index.ts';
import { createSimulator, FLIPS, recordReader, type Policy, type Simulation } from '../authorize/policy/index.ts';
import { type Config } from '../config/index.ts';
import { systemClock } from '../lib/clock.ts';
import { visible } from '../lib/visible.ts';
import { example, Exit } from './exit.ts';
import { auditIn, configuredPolicy, keptPolicy, placesOf, policyNamed, timeOf, withStore } from './policy-source.ts';
import { loadOrExit } from './serve.ts';

interface Options { readonly data?: string; readonly config?: string; readonly since?: number; readonly until?: number; readonly samples: number; readonly json?: boolean }

/** `policy simulate`. */
export function addPolicySimulate(policy: Command): void {
  policy
    .command('simulate <new>')
    .description('Replay recorded calls against another policy: which would be decided otherwise; exit code 0 none, 1 some, 2 wrong use')
    .option('--data <folder>', 'the data folder whose record is replayed')
    .option('--config <file>', 'a configuration file: its own rules count on the new side, and it says where servers stand')
    .option('--since <time>', 'from this time on: 7d, 2026-11-20 or RFC 3339; left out: all there is', timeOf)
    .option('--until <time>', 'before this time', timeOf)
    .option('--samples <number>', 'how many calls are shown of each kind', count, 5)
    .option('--json', 'as JSON')
    .addHelpText('after', `\n<new> is a folder, or a version of \`sallyport policy list\`. It is compared with the version in force.\n${example('sallyport policy simulate ./policy --data .sallyport --config sallyport.yaml --since 7d')}`)
    .action(simulate);
}

async function simulate(name: string, options: Options): Promise<void> {
  const { data } = options;
  if (data === undefined) throw new Exit(2, 'whose record? name the data folder with --data');
  const dir = auditIn(data);
  const config = options.config === undefined ? null : loadOrExit(options.config);
  const [before, after] = await withStore(data, async (_store, versions): Promise<[Policy, Policy]> => {
    const live = await versions.live();
    const kept = live === null ? null : await keptPolicy(versions, live);
    const old = kept ?? (config === null || options.config === undefined ? null : await configuredPolicy(config, options.config));
    if (old === null) throw new Exit(2, 'the store holds no version in force: name --config');
    // Without --config the new folder stands beside what the version in force took from its configuration.
    const inline = config?.authorize ?? (live === null ? undefined : (await versions.get(live))?.inline);
    return [old, await policyNamed(name, config, versions, inline)];
  });
  const simulator = createSimulator(before.config, after.config, recordReader(config === null ? null : placesOf(config)), options.samples);
  const tell = progress();
  await exportAudit(dir, { event: 'call.*', ...(options.since !== undefined && { since: options.since }), ...(options.until !== undefined && { until: options.until }) }, (line) => {
    simulator.take(line);
    return tell();
  });
  const result = simulator.result();
  if (options.json === true) console.log(JSON.stringify({ ...result, notes: notesOf(config) }, null, 2));
  else for (const line of linesOf(result, config)) console.log(visible(line));
  if (result.flipped > 0) throw new Exit(1, '');
}

const EVERY_MS = 2_000;
/** Counts records; says on stderr every two seconds how far it is, and lets signals in. */
function progress(): () => Promise<void> | undefined {
  let [seen, told] = [0, systemClock.monotonic()];
  return () => {
    seen += 1;
    if (seen % 1_000 !== 0) return undefined;
    if (systemClock.monotonic() - told >= EVERY_MS) {
      told = systemClock.monotonic();
      console.error(`${seen} records read …`);
    }
    return nextTurn();
  };
}

const notesOf = (config: Config | null): readonly string[] => [
  'Not recorded, and so not looked at: the tool lists of the credential (allowed_tools, denied_tools, confirm_tools) and the counters of rates.',
  'A call is judged at the time of its record, which lies after the decision where a person was asked in between.',
  config === null ? 'Not recorded: where servers stand. Name --config to judge rules that look at environments, regions or tenants.' : 'Servers stand where --config says today; no record tells where they stood.',
];

function linesOf(r: Simulation, config: Config | null): readonly string[] {
  const { not_judged: unjudged, credential, unreadable } = r.left_out;
  return [
    `${r.calls} calls replayed: ${r.flipped} would be decided otherwise, ${r.same} as before, ${r.undecidable} undecidable`, `in force ${r.version_before}, new ${r.version_after}`,
    ...FLIPS.filter((flip) => r.by_flip[flip] > 0).flatMap((flip) => [
      '', `${flip.toUpperCase()}: ${r.by_flip[flip]} call(s)`,
      ...r.counts.filter((each) => each.flip === flip).slice(0, ROWS).map(({ caller, tool, count }) => `  ${String(count).padStart(7)}  ${caller.padEnd(24)}  ${tool}`),
      ...r.samples[flip].map((s) => `  e.g. ${s.correlation_id}  ${s.at}  ${s.caller}  ${s.tool}\n       ${s.before} [${s.rules_before.join(', ')}] -> ${s.after} [${s.rules_after.join(', ')}]`).flatMap((text) => text.split('\n')),
    ]),
    ...(r.undecidable === 0 ? [] : ['', `UNDECIDABLE: ${r.undecidable} call(s) whose record does not hold what a rule looks at`, ...Object.entries(r.lacking).slice(0, ROWS).map(([why, n]) => `  ${String(n).padStart(7)}  ${why}`), `  e.g. ${r.undecided_samples.join(' ')}`]),
    '', `Left out: ${unjudged} that no policy judged, ${credential} that the credential’s own lists refused, ${unreadable} unreadable.`, ...notesOf(config),
  ];
}
const ROWS = 50;

function count(text: string): number {
  if (!/^[0-9]{1,4}$/.test(text)) throw new Exit(2, '--samples takes a number from 0 to 9999');
  return Number(text);
}
