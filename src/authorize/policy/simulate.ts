import type { Decision } from '../../call/decision.ts';
import type { AuthorizeConfig } from '../config.ts';
import { decisionWords, dutiesOf } from './duty-words.ts';
import type { ReadRecord } from './recorded.ts';
import { createWeigher, type Weighed } from './weigh.ts';

export const FLIPS = ['allow to deny', 'deny to allow', 'more duties', 'fewer duties', 'other duties'] as const;
export type Flip = (typeof FLIPS)[number];
export interface Sample {
  readonly correlation_id: string;
  readonly at: string;
  readonly caller: string;
  readonly tool: string;
  readonly before: string;
  readonly after: string;
  readonly rules_before: readonly string[];
  readonly rules_after: readonly string[];
}
export interface FlipCount {
  readonly flip: Flip;
  readonly caller: string;
  readonly tool: string;
  count: number;
}
export interface Simulation {
  readonly version_before: string;
  readonly version_after: string;
  /** Calls that policy judged. */
  calls: number;
  same: number;
  flipped: number;
  undecidable: number;
  readonly by_flip: Record<Flip, number>;
  readonly counts: FlipCount[];
  /** Flips whose caller and tool are not in `counts`, since there are too many. */
  uncounted: number;
  readonly samples: Record<Flip, Sample[]>;
  /** Why calls are undecidable, and how many: `rule:pay: arguments`. */
  readonly lacking: Record<string, number>;
  readonly undecided_samples: string[];
  /** Records that are no decision of the policy. */
  readonly left_out: { not_judged: number; credential: number; unreadable: number };
}
export interface Simulator {
  readonly take: (line: Buffer) => void;
  readonly result: () => Simulation;
}

/** Bounds the memory, however long the audit is. */
const MOST_COUNTS = 10_000;
const MOST_CAUSES = 1_000;
const NOT_RECORDED = 'decided then by what is not recorded';

/** Replays recorded calls against two policies. */
export function createSimulator(before: AuthorizeConfig, after: AuthorizeConfig, read: ReadRecord, samples: number): Simulator {
  const [old, next] = [createWeigher(before), createWeigher(after)];
  const counts = new Map<string, FlipCount>();
  const lacking = new Map<string, number>();
  const result: Simulation = {
    version_before: old.version, version_after: next.version, calls: 0, same: 0, flipped: 0, undecidable: 0, by_flip: zeros(() => 0), counts: [], uncounted: 0, samples: zeros(() => []),
    lacking: {}, undecided_samples: [], left_out: { not_judged: 0, credential: 0, unreadable: 0 },
  };
  const leaveOpen = (id: string, causes: readonly string[]): void => {
    result.undecidable += 1;
    if (result.undecided_samples.length < samples) result.undecided_samples.push(id);
    for (const cause of new Set(causes)) {
      const key = lacking.has(cause) || lacking.size < MOST_CAUSES ? cause : 'other rules';
      lacking.set(key, (lacking.get(key) ?? 0) + 1);
    }
  };
  const count = (flip: Flip, caller: string, tool: string): void => {
    const key = JSON.stringify([flip, caller, tool]);
    const known = counts.get(key);
    if (known !== undefined) known.count += 1;
    else if (counts.size < MOST_COUNTS) counts.set(key, { flip, caller, tool, count: 1 });
    else result.uncounted += 1;
  };
  return {
    take: (line) => {
      const found = read(line);
      if ('skip' in found) {
        if (found.skip !== 'no_call') result.left_out[found.skip] += 1;
        return;
      }
      const { call } = found;
      result.calls += 1;
      const [a, b] = [old.weigh(call), next.weigh(call)];
      if ('because' in a || 'because' in b) return leaveOpen(call.id, [...causes(a), ...causes(b)]);
      // What ran under a grant says nothing about either policy.
      if (call.ruleIds.some((id) => /^(?:grant|break_glass):/.test(id))) return leaveOpen(call.id, ['a grant or break-glass decided then']);
      // The same version said something else then. Replaying it would say what is not so.
      if (call.version === old.version && !sameIds(call.ruleIds, a.decision.ruleIds)) return leaveOpen(call.id, [NOT_RECORDED]);
      const flip = flipOf(a.decision, b.decision);
      if (flip === null) return void (result.same += 1);
      result.flipped += 1;
      result.by_flip[flip] += 1;
      count(flip, call.caller, call.tool);
      if (result.samples[flip].length < samples) {
        result.samples[flip].push({
          correlation_id: call.id, at: new Date(call.asked.at).toISOString(), caller: call.caller, tool: call.tool, before: decisionWords(a.decision), after: decisionWords(b.decision),
          rules_before: a.decision.ruleIds, rules_after: b.decision.ruleIds,
        });
      }
    },
    result: () => ({ ...result, counts: [...counts.values()].toSorted((a, b) => b.count - a.count), lacking: Object.fromEntries([...lacking].toSorted((a, b) => b[1] - a[1])) }),
  };
}

const zeros = <T>(make: () => T): Record<Flip, T> => ({ 'allow to deny': make(), 'deny to allow': make(), 'more duties': make(), 'fewer duties': make(), 'other duties': make() });
const causes = (weighed: Weighed): readonly string[] => ('because' in weighed ? weighed.because.flatMap(({ rule, lacks }) => lacks.map((lack) => `${rule}: ${lack}`)) : []);
const sameIds = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && new Set([...a, ...b]).size === new Set(a).size;

/** What changes for the caller; null: nothing. Another rule that says the same is no change. */
export function flipOf(before: Decision, after: Decision): Flip | null {
  if (before.effect !== after.effect) return before.effect === 'allow' ? 'allow to deny' : 'deny to allow';
  const [old, next] = [new Set(dutiesOf(before)), new Set(dutiesOf(after))];
  const [gone, come] = [old.difference(next).size, next.difference(old).size];
  if (gone === 0 && come === 0) return null;
  return gone === 0 ? 'more duties' : come === 0 ? 'fewer duties' : 'other duties';
}
