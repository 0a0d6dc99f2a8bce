import type { Draft } from '../../config/index.ts';
import { formatFault } from '../../config/index.ts';
import type { AuthorizeConfig } from '../config.ts';
import { assemble, type Policy } from './assemble.ts';
import { type FolderRead, type PolicyText } from './folder.ts';
import { runTests, type TestReport } from './run.ts';

/** A policy that may go live, or everything that stands against it, one line each. */
export type Judged =
  | { readonly ok: true; readonly policy: Policy; readonly report: TestReport }
  | { readonly ok: false; readonly reasons: readonly string[]; readonly report: TestReport | null };

export interface JudgeOptions {
  readonly inline: AuthorizeConfig;
  readonly folder: string;
  /** Tests that fail stop a policy either way; with this, rules that no test touches do too. */
  readonly requireTests: boolean;
  readonly between?: (config: AuthorizeConfig) => readonly Draft[];
}

/** Judges what a folder holds: its form, its rules, its tests. Never rejects. */
export async function judgeFolder(read: FolderRead, options: JudgeOptions): Promise<Judged> {
  return read.ok ? await judgeTexts(read.texts, options) : { ok: false, reasons: read.faults.map(formatFault), report: null };
}
export async function judgeTexts(texts: readonly PolicyText[], options: JudgeOptions): Promise<Judged> {
  const assembled = await assemble(texts, options);
  if (!assembled.ok) return { ok: false, reasons: assembled.faults.map(formatFault), report: null };
  const report = await runTests(assembled.policy);
  const reasons = [...report.failures.map(failureLine), ...(options.requireTests ? untestedLines(report, options.folder) : [])];
  return reasons.length === 0 ? { ok: true, policy: assembled.policy, report } : { ok: false, reasons, report };
}

const failureLine = ({ file, line, name, expected, got }: TestReport['failures'][number]): string => `${file}:${line} test \`${name}\` fails: expected ${expected}; got ${got}`;

/** What `require_tests` has against a policy. */
export function untestedLines({ total, untested }: TestReport, folder: string): readonly string[] {
  if (total === 0) return [`${folder} holds no test: write one in a file like rules.tests.yaml, or set authorize.require_tests: false`];
  return untested.map(({ id, effect, place }) => `${place === null ? 'authorize.rules' : `${place.file}:${place.line}`} rule ${id} (${effect}) decides in no test that passes`);
}
