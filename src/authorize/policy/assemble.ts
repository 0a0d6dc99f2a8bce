import { join } from 'node:path';
import { z } from 'zod';
import { type ConfigFault, type Document, type Draft, readDocument } from '../../config/index.ts';
import type { AuthorizeConfig } from '../config.ts';
import { faultsOf } from '../load.ts';
import { ruleConfig, type RuleConfig } from '../rule-config.ts';
import { breathing } from './breath.ts';
import { hashOf, isTestFile, type PolicyText } from './folder.ts';
import { type Test, testFile } from './test-file.ts';

/** A file of rules. */
export const ruleFile = z.strictObject({ rules: z.array(ruleConfig).max(100_000).describe('The rules, in any order.') });

/** Where something stands: `file:line:column`, or a path of the configuration. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}
export interface PlacedTest extends Place {
  readonly test: Test;
  /** The place of each case; empty when the test has none. */
  readonly cases: readonly Place[];
}
/** A policy whose every file is sound by itself and with the others. */
export interface Policy {
  /** The section `authorize` with all rules in it: what the engine runs. */
  readonly config: AuthorizeConfig;
  readonly texts: readonly PolicyText[];
  /** SHA-256 of the files' names and texts, hex. Two texts that say the same have one version and two hashes. */
  readonly hash: string;
  readonly tests: readonly PlacedTest[];
  /** Where each rule stands, in the order of `config.rules`; null: in the configuration itself. */
  readonly places: readonly (Place | null)[];
}
export type Assembled = { readonly ok: true; readonly policy: Policy } | { readonly ok: false; readonly faults: readonly ConfigFault[] };

export interface AssembleOptions {
  /** The section `authorize` as configured; its own rules come first. */
  readonly inline: AuthorizeConfig;
  /** What the files' paths are shown under. */
  readonly folder: string;
  /** What is wrong between the rules and the rest of the configuration; paths begin with `authorize`. */
  readonly between?: (config: AuthorizeConfig) => readonly Draft[];
}

/** Makes one policy of the texts, or tells everything that is wrong with them, file by file. Never rejects. */
export async function assemble(texts: readonly PolicyText[], options: AssembleOptions): Promise<Assembled> {
  const breath = breathing();
  const files: (File | { readonly ok: false; readonly faults: readonly ConfigFault[] })[] = [];
  for (const { path, text } of texts) {
    await breath();
    files.push(readFile(path, text, join(options.folder, path)));
  }
  await breath();
  const broken = files.flatMap((file) => (file.ok ? [] : file.faults));
  const sound = files.filter((file) => file.ok);
  const { policy: _folder, require_tests: _tests, ...inline } = options.inline;
  const config: AuthorizeConfig = { ...inline, require_tests: true, rules: [...inline.rules, ...sound.flatMap((file) => file.rules)] };
  const owners: Owners = [...inline.rules.map(() => null), ...sound.flatMap((file) => file.rules.map((_, at) => ({ file, at })))];
  const found = [...broken, ...duplicates(config.rules, owners), ...deepFaults(config, owners, broken.length === 0 ? options.between : undefined)];
  if (found.length > 0) return { ok: false, faults: found.toSorted(inOrder) };
  const places = owners.map((owner) => (owner === null ? null : placeAt(owner.file, ['rules', owner.at])));
  return { ok: true, policy: { config, texts, hash: hashOf(texts), tests: sound.flatMap((file) => file.tests), places } };
}

type File = { readonly ok: true; readonly name: string; readonly rules: readonly RuleConfig[]; readonly tests: readonly PlacedTest[]; readonly faultOf: (draft: Draft) => ConfigFault };
type Owners = readonly ({ readonly file: File; readonly at: number } | null)[];

function readFile(path: string, text: string, name: string): File | { readonly ok: false; readonly faults: readonly ConfigFault[] } {
  if (!isTestFile(path)) {
    const read: Document<z.infer<typeof ruleFile>> = readDocument(text, name, ruleFile);
    return read.ok ? { ok: true, name, rules: read.value.rules, tests: [], faultOf: read.faultOf } : read;
  }
  const read = readDocument(text, name, testFile);
  if (!read.ok) return read;
  const at = (...path: (string | number)[]): Place => placeOf(read.faultOf({ path, wrong: '', mend: '' }));
  const tests = read.value.tests.map((test, i) => ({ test, ...at('tests', i), cases: (test.cases ?? []).map((_, j) => at('tests', i, 'cases', j)) }));
  return { ok: true, name, rules: [], tests, faultOf: read.faultOf };
}
const placeOf = ({ file, line, column }: ConfigFault): Place => ({ file, line, column });
const placeAt = (file: File, path: (string | number)[]): Place => placeOf(file.faultOf({ path, wrong: '', mend: '' }));

/** One id for two rules: a record that names it would name either (and an exception written for one would be read as one for the other). */
function duplicates(rules: readonly RuleConfig[], owners: Owners): ConfigFault[] {
  const first = new Map<string, number>();
  return rules.flatMap(({ id }, i) => {
    const before = first.get(id);
    if (before === undefined) first.set(id, i);
    const owner = owners[i];
    if (before === undefined || owner === null || owner === undefined) return [];
    const other = owners[before];
    const where = other === null || other === undefined ? 'in the configuration (`authorize.rules`)' : spell(placeAt(other.file, ['rules', other.at, 'id']));
    return [owner.file.faultOf({ path: ['rules', owner.at, 'id'], wrong: `the id \`${id}\` is taken by a rule ${where}`, mend: '# give one of the two another id' })];
  });
}
const spell = ({ file, line, column }: Place): string => `at ${file}:${line}:${column}`;

/** What can only be seen when a rule is compiled, or beside the servers. The configuration's own rules were judged with it. */
function deepFaults(config: AuthorizeConfig, owners: Owners, between: AssembleOptions['between']): ConfigFault[] {
  const compiled = faultsOf(config.rules).filter(({ path }) => path[0] !== 'id').map(({ at, path, wrong }): Draft => ({ path: ['authorize', 'rules', at, ...path], wrong, mend: '# see docs/reference/policy-files.md' }));
  return [...compiled, ...(between?.(config) ?? [])].flatMap((draft) => {
    const owner = draft.path[1] === 'rules' ? owners[Number(draft.path[2])] : null;
    return owner === null || owner === undefined ? [] : [owner.file.faultOf({ ...draft, path: ['rules', owner.at, ...draft.path.slice(3)] })];
  });
}
const inOrder = (a: ConfigFault, b: ConfigFault): number => (a.file === b.file ? a.line - b.line || a.column - b.column : a.file < b.file ? -1 : 1);
