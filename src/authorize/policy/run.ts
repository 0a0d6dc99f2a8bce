import type { Decision, Obligation } from '../../call/decision.ts';
import type { Place, Policy } from './assemble.ts';
import { breathing } from './breath.ts';
import { type Case, casesOf } from './cases.ts';
import { createEngine } from './engine.ts';
import { nearly } from './near.ts';
import type { Expected } from './test-file.ts';

/** A call that was not decided as its test says. */
export interface Failure extends Place {
  readonly name: string;
  /** `effect allow, needs approval`: only what differs. */
  readonly expected: string;
  readonly got: string;
  /** The rules that decided, as in records. */
  readonly matched: readonly string[];
  /** `rule pay-vendors, but for arguments.amount`. */
  readonly nearly: readonly string[];
}
export interface Untested {
  readonly id: string;
  readonly effect: 'allow' | 'deny';
  /** null: in the configuration itself. */
  readonly place: Place | null;
}
export interface TestReport {
  readonly version: string;
  readonly total: number;
  readonly passed: number;
  readonly failures: readonly Failure[];
  /** Rules in force that decide in no passing test. Rules on trial are not asked for. */
  readonly untested: readonly Untested[];
}

/** For so many failures it is worked out what nearly matched; nobody reads more. */
const EXPLAINED = 20;

/** Runs all tests of a policy with the engine that decides calls. Never rejects. */
export async function runTests(policy: Policy): Promise<TestReport> {
  const breath = breathing();
  const cases = policy.tests.flatMap(casesOf);
  const engine = createEngine(policy.config);
  const touched = new Set<string>();
  const failures: Failure[] = [];
  for (const each of cases) {
    await breath();
    const decision = engine.decide(each);
    const differs = compare(each.expected, decision);
    if (differs === null) for (const id of [...decision.ruleIds, ...(decision.shadows ?? []).map(({ ruleId }) => ruleId)]) touched.add(id);
    else failures.push(failureOf(each, decision, differs, failures.length < EXPLAINED ? policy : null));
  }
  const untested = policy.config.rules.flatMap((rule, i) =>
    (rule.shadow === true || touched.has(`rule:${rule.id}`) ? [] : [{ id: rule.id, effect: rule.effect, place: policy.places[i] ?? null }]));
  failures.sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1));
  return { version: engine.version, total: cases.length, passed: cases.length - failures.length, failures, untested };
}

function failureOf(each: Case, decision: Decision, differs: Differs, explain: Policy | null): Failure {
  const { file, line, column, name } = each;
  return { file, line, column, name, ...differs, matched: decision.ruleIds, nearly: explain === null ? [] : nearly(explain, each) };
}

interface Differs {
  readonly expected: string;
  readonly got: string;
}
/** What a decision is, in the words of `expect`. */
function compare(expected: Expected, decision: Decision): Differs | null {
  const got = wordsOf(decision);
  const rows = (Object.keys(got) as (keyof typeof got)[]).flatMap((key) => {
    const [want, is] = [wanted(key, expected), got[key]];
    return want === null || want === is ? [] : [[`${key} ${want}`, `${key} ${is}`] as const];
  });
  return rows.length === 0 ? null : { expected: rows.map(([want]) => want).join(', '), got: rows.map(([, is]) => is).join(', ') };
}
function wanted(key: keyof Words, expected: Expected): string | null {
  if (key === 'rules') return expected.rules === undefined ? null : list(expected.rules.map((id) => (id.includes(':') ? id : `rule:${id}`)));
  if (key === 'shadows') return expected.shadows === undefined ? null : list(Object.entries(expected.shadows).map(([id, would]) => `rule:${id} would ${would}`));
  if (key === 'expires' || key === 'escalate_after') return expected[key] === undefined ? null : spell(msOf(expected[key]));
  if (key === 'rate' || key === 'per' || key === 'ticket' || key === 'dry_run') return expected[key] === undefined ? null : list([expected[key]]);
  const value = expected[key];
  return value === undefined ? null : typeof value === 'object' ? list(value) : String(value);
}
type Words = Readonly<Record<keyof Expected, string>>;
function wordsOf(decision: Decision): Words {
  const duties = decision.effect === 'allow' ? decision.obligations : [];
  const approvals = duties.filter((duty) => duty.by === 'approve' && duty.kind === 'approval');
  return {
    effect: decision.effect, code: decision.effect === 'deny' ? decision.reason : 'none', rules: list(decision.ruleIds),
    needs: list(duties.flatMap((duty) => (duty.by === 'approve' ? [NEED[duty.kind]] : []))),
    groups: list(approvals.flatMap(({ groups }) => groups)), quorum: String(Math.max(0, ...approvals.map(({ quorum }) => quorum))),
    expires: earliest(approvals.map(({ expiresMs }) => expiresMs)), escalate_to: list(approvals.flatMap(({ escalate }) => escalate?.groups ?? [])), escalate_after: earliest(approvals.map(({ escalate }) => escalate?.afterMs ?? null)),
    ticket: list(duties.flatMap((duty) => (duty.by === 'approve' && duty.kind === 'ticket' ? [duty.pattern ?? 'any'] : []))),
    dry_run: list(duties.flatMap((duty) => (duty.by === 'approve' && duty.kind === 'dry_run' ? [duty.argument] : []))),
    rate: list(duties.flatMap((duty) => (duty.by === 'limit' ? [rateOf(duty)] : []))), per: list(duties.flatMap((duty) => (duty.by === 'limit' ? [duty.per] : []))),
    shadows: list((decision.shadows ?? []).map(({ ruleId, would }) => `${ruleId} would ${would}`)),
  };
}
/** The words of `expect.needs` for what policy asks of approve/. */
const NEED = { approval: 'approval', confirm: 'confirmation', reason: 'reason', ticket: 'ticket', dry_run: 'dry_run' } as const satisfies Record<Extract<Obligation, { by: 'approve' }>['kind'], string>;
const UNIT: ReadonlyMap<number, string> = new Map([[1_000, 'second'], [60_000, 'minute'], [3_600_000, 'hour'], [86_400_000, 'day']]);
const rateOf = ({ count, windowMs }: { readonly count: number; readonly windowMs: number }): string => `${count}/${UNIT.get(windowMs) ?? `${windowMs} ms`}`;
/** `90s`, `4h`: the earliest of some spans, in one spelling; null among them: as section `approve` says. */
function earliest(spans: readonly (number | null)[]): string {
  const named = spans.filter((ms) => ms !== null);
  return named.length === 0 ? 'none' : spell(Math.min(...named));
}
const spell = (ms: number): string => `${ms / 1_000}s`;
const SPAN_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const msOf = (span: string): number => Number(span.slice(0, -1)) * (SPAN_MS[span.slice(-1)] ?? 0);
/** Order and repetition do not count. */
const list = (names: readonly string[]): string => `[${[...new Set(names)].toSorted().join(', ')}]`;
