import type { Known, Limited, Outcome } from '../call/call.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import { sha256 } from '../lib/hash.ts';
import { membersOf } from '../lib/json-spans.ts';
import type { ApproveConfig } from './config.ts';
import { askedIn } from './legs.ts';
import type { ApprovalStore } from './records.ts';
import { isOver } from './time.ts';

/** Remembers which calls went well with their dry-run argument set. */
export interface DryRuns {
  /** Told of every call that ended. */
  readonly ended: (known: Known, outcome: Outcome) => Promise<void>;
  readonly has: (call: DryCall, argument: string) => Promise<boolean>;
}
export type DryCall = Pick<Limited, 'principal' | 'target' | 'input'>;
/** `itself`: the argument is true. earnest: it is absent or false. Anything else is neither, and servers read it as they like. */
export const dryness = (call: DryCall, argument: string): 'itself' | 'earnest' | 'unclear' => {
  const value = Object.hasOwn(call.input.value, argument) ? call.input.value[argument] : false;
  return value === true ? 'itself' : value === false ? 'earnest' : 'unclear';
};

const KIND = 'dry_run';
/** For each caller; the store must not be filled by trying (CWE-770). */
const MOST = 200;

export function openDryRuns(config: ApproveConfig, store: ApprovalStore, now: () => number): DryRuns {
  const remember = async (call: DryCall, argument: string): Promise<void> => {
    const key = keyOf(call, argument);
    const prefix = key.slice(0, key.indexOf('.') + 1);
    const own = (await store.list(KIND, { after: prefix, limit: MOST })).filter((row) => row.id.startsWith(prefix));
    const [first] = own;
    if (own.length >= MOST && first !== undefined) await store.delete(KIND, first.id);
    const createdAt = now();
    const expiresAt = createdAt + config.dry_run_ms;
    await store.put(KIND, key, Buffer.from(JSON.stringify({ createdAt, expiresAt })), { expiresAt });
  };
  return {
    ended: async ({ principal, target, input, decision }, outcome) => {
      // Only what the server really did, and called a success: a refused or failed dry run has shown nobody anything.
      if (!('result' in outcome) || !outcome.result.success || principal === undefined || target === undefined || input === undefined || decision?.effect !== 'allow') return;
      if (askedIn(outcome.result.bytes) !== null) return; // it has not run yet: the server wants to know something first
      for (const duty of decision.obligations) {
        if (duty.by === 'approve' && duty.kind === 'dry_run' && dryness({ principal, target, input }, duty.argument) === 'itself') await remember({ principal, target, input }, duty.argument);
      }
    },
    has: async (call, argument) => {
      const row = await store.get(KIND, keyOf(call, argument));
      return row !== null && !isOver(JSON.parse(Buffer.from(row.bytes).toString()) as { createdAt: number; expiresAt: number }, now());
    },
  };
}

/** Caller, tool and its definition, and every argument but the flag, digit for digit. */
function keyOf({ principal, target, input }: DryCall, argument: string): string {
  const members = membersOf(input.text).filter((member) => member.name !== argument).map((member) => `${JSON.stringify(member.name)}:${input.text.slice(member.start, member.end)}`);
  return `${sha256(principal.id)}.${sha256(JSON.stringify([target.id, target.tool?.digest ?? null, argument, canonicalJson(`{${members.join(',')}}`)]))}`;
}
