/**
 * `npm run bench -- --policy`: what one decision costs, in µs, with 10 to 10,000 rules: rules by caller, server and tool alone; with argument constraints; with
 * a condition in CEL. The room decides as it does for a call, arguments parsed already. Each rule speaks of the calls of one group and one server,
 * and each call is matched by one; calls go round so many callers and tools that nothing is won by asking the same twice in a row. Medians of rounds.
 */
import { authorizeConfig } from '../src/authorize/config.ts';
import { createAuthorize, type Judged } from '../src/authorize/index.ts';
import { principalOf, targetOf } from '../src/authorize/policy/index.ts';
import { systemClock } from '../src/lib/clock.ts';

const SIZES = [10, 100, 1_000, 10_000] as const;
const KINDS = {
  plain: {},
  arguments: { arguments: { amount: { amount: { max: 1_000, currency: 'EUR', currency_at: 'currency' } }, vendor: { enum: ['ACME GmbH', 'Initech'] }, note: { max_length: 140, optional: true } } },
  condition: { when: 'args.vendor == "Initech" && caller.team == "finance"' },
} as const;
const CALLERS = 16;
const ROUNDS = 7;

/** µs of one decision, by the number of rules and what they ask of the call. `first_us`: of a caller never seen before; his half of the work is kept after that. */
export interface PolicyRow { readonly first_us: number; readonly plain_us: number; readonly arguments_us: number; readonly condition_us: number; readonly load_ms: number }

/** Rows `policy_10` to `policy_10000`; takes some seconds. */
export function measurePolicy(): Record<string, PolicyRow> {
  return Object.fromEntries(SIZES.map((size) => {
    const [plain, args, condition] = (['plain', 'arguments', 'condition'] as const).map((kind) => costOf(size, KINDS[kind]));
    return [`policy_${size}`, { first_us: round(plain?.firstUs), plain_us: round(plain?.us), arguments_us: round(args?.us), condition_us: round(condition?.us), load_ms: round(plain?.loadMs, 1) }];
  }));
}
const round = (value = 0, digits = 2): number => Number(value.toFixed(digits));

interface Cost { readonly us: number; readonly firstUs: number; readonly loadMs: number }
function costOf(size: number, asks: object): Cost {
  const rules = Array.from({ length: size }, (_, i) => ({
    id: `r${i}`, effect: i % 10 === 9 ? 'deny' : 'allow', groups: [`g${i}`], servers: [`s${i % 50}`], tools: [`s${i % 50}__t${i}`], classes: ['write'], ...(i % 10 === 9 ? {} : { needs: 'none' }), ...asks,
  }));
  const begun = performance.now();
  const room = createAuthorize(authorizeConfig.parse({ rules }), { clock: systemClock });
  const loadMs = performance.now() - begun;
  const calls = callsFor(size);
  const allowed = calls.filter(({ principal, target, judged }) => room.decide(principal, target, judged).effect === 'allow').length;
  if (allowed < calls.length / 2) throw new Error(`only ${allowed} of ${calls.length} calls are allowed: this measures something else`);
  const median = (turns: number, run: (call: Call) => unknown): number => Array.from({ length: ROUNDS }, () => timed(calls, turns, run)).toSorted((a, b) => a - b)[ROUNDS >> 1] ?? 0;
  const us = median(1_000, ({ principal, target, judged }) => room.decide(principal, target, judged));
  return { us, firstUs: median(10, ({ principal, target, judged }) => room.decide({ ...principal }, target, judged)), loadMs };
}

interface Call { readonly principal: ReturnType<typeof principalOf>; readonly target: ReturnType<typeof targetOf>; readonly judged: Judged }
function callsFor(size: number): readonly Call[] {
  const text = '{"amount":250,"currency":"EUR","vendor":"Initech","note":"May"}';
  const judged: Judged = { value: JSON.parse(text) as Judged['value'], text };
  return Array.from({ length: CALLERS }, (_, i) => {
    const n = Math.floor((i * size) / CALLERS);
    return { judged, principal: principalOf({ name: `c${i}`, team: 'finance', groups: [`g${n}`, 'g-none'] }), target: targetOf({ server: `s${n % 50}`, tool: `t${n}`, class: 'write' }) };
  });
}

/** µs for each, after a first turn that is not counted. */
function timed(calls: readonly Call[], turns: number, run: (call: Call) => unknown): number {
  let seen = 0;
  const go = (): void => { for (let i = 0; i < turns; i++) for (const call of calls) if (run(call) !== null) seen += 1; };
  go();
  const begun = performance.now();
  go();
  const us = ((performance.now() - begun) * 1_000) / (turns * calls.length);
  if (seen !== 2 * turns * calls.length) throw new Error('a decision was lost');
  return us;
}
