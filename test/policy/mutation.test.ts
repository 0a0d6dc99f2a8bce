import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { authorizeConfig } from '../../src/authorize/config.ts';
import type { RuleConfig } from '../../src/authorize/index.ts';
import { judgeTexts, type PolicyText, readFolder } from '../../src/authorize/policy/index.ts';
import { mutantsOf } from './mutants.ts';

/**
 * The tests that are shipped beside rules would notice if somebody changed a rule: each rule of each template and recipe is changed in every way that
 * mutants.ts knows, and `policy test` has to fail. A mutant that does not load is none. Those that live are printed; an equivalent one may be among them.
 */
const policies = fileURLToPath(new URL('../../policies', import.meta.url));
const folders = (below: string): string[] => readdirSync(join(policies, below), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => join(below, name));
const shipped = [...folders('').filter((name) => name !== 'cookbook'), ...folders('cookbook')];
const inline = authorizeConfig.parse({});
/** null: it does not load. */
async function passes(texts: readonly PolicyText[]): Promise<boolean | null> {
  const judged = await judgeTexts(texts, { inline, folder: '', requireTests: true });
  return judged.report === null ? null : judged.ok;
}

interface Tally { noticed: number; readonly survivors: string[]; readonly stillborn: string[] }
async function tallyOf(folder: string): Promise<Tally> {
  const read = readFolder(join(policies, folder));
  if (!read.ok) throw new Error(read.faults.map(({ file, wrong }) => `${file} ${wrong}`).join('\n'));
  expect(await passes(read.texts), `${folder} passes as it is`).toBe(true);
  const tally: Tally = { noticed: 0, survivors: [], stillborn: [] };
  for (const { path, text } of read.texts.filter(({ path: name }) => !name.endsWith('.tests.yaml'))) {
    const { rules } = parse(text) as { readonly rules: readonly RuleConfig[] };
    for (const mutant of mutantsOf(rules)) {
      const verdict = await passes(read.texts.map((each) => (each.path === path ? { path, text: stringify({ rules: mutant.rules }) } : each)));
      if (verdict === null) tally.stillborn.push(`${folder} ${mutant.what}`);
      else if (verdict) tally.survivors.push(`${folder} ${mutant.what}`);
      else tally.noticed += 1;
    }
  }
  return tally;
}

describe('the tests of the shipped policies', () => {
  const tallies: Tally[] = [];
  it.each(shipped)('%s', async (folder) => {
    const tally = await tallyOf(folder);
    tallies.push(tally);
    expect(tally.noticed, 'mutants that load').toBeGreaterThan(0);
    expect(tally.noticed / (tally.noticed + tally.survivors.length), tally.survivors.join('\n')).toBeGreaterThanOrEqual(0.9);
  });
  it('notice at least 95 % of all mutants', () => {
    const noticed = tallies.reduce((sum, tally) => sum + tally.noticed, 0);
    const survivors = tallies.flatMap((tally) => tally.survivors);
    const stillborn = tallies.flatMap((tally) => tally.stillborn);
    const all = noticed + survivors.length;
    process.stdout.write(`${noticed} of ${all} mutants noticed (${((100 * noticed) / all).toFixed(1)} %), ${stillborn.length} did not load\n${stillborn.map((one) => `  no policy: ${one}\n`).join('')}${survivors.map((one) => `  lives: ${one}\n`).join('')}`);
    expect(all, 'mutants').toBeGreaterThan(300);
    expect(noticed / all, survivors.join('\n')).toBeGreaterThanOrEqual(0.95);
  });
});
