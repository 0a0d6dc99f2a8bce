import type { Known, Limited, Outcome } from '../call/call.ts';
import { isObject, type JsonObject } from '../call/json.ts';
import { sha256 } from '../lib/hash.ts';
import type { ApprovalStore } from './records.ts';
import { isOver } from './time.ts';

/**
 * Calls whose server asked something after people had said yes (MCP 2026-07-28 MRTR): the retry with the answers is the same act going on,
 * not another one. The state it brings is good once, for the very call it was given to: else one approval would run as often as its last
 * leg is repeated (CWE-294).
 */
export interface Legs {
  /** Told of every call that ended, before its caller is. */
  readonly ended: (known: Known, outcome: Outcome) => Promise<void>;
  /** Goes on what was approved? Its id, null for a call that only owed words; undefined: it does not. Uses the leg up. */
  readonly next: (call: Limited) => Promise<{ readonly approvalId: string | null } | undefined>;
}
const KIND = 'approval_leg';
/** As long as dispatch/ keeps such states by default. */
const KEEP_MS = 3_600_000;
interface Leg {
  readonly binding: string;
  readonly approvalId: string | null;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** `bindingOf`: without answers and state, which differ from leg to leg. */
export function openLegs(store: ApprovalStore, bindingOf: (call: Limited) => string, now: () => number): Legs {
  return {
    ended: async (known, outcome) => {
      if (!('result' in outcome) || known.era !== 'modern' || !isApproved(known)) return;
      const state = stateOf(outcome.result.bytes);
      if (state === null) return;
      const createdAt = now();
      const leg: Leg = { binding: bindingOf(known), approvalId: known.approvalId, createdAt, expiresAt: createdAt + KEEP_MS };
      await store.put(KIND, keyOf(known, state), Buffer.from(JSON.stringify(leg)), { expiresAt: leg.expiresAt });
    },
    next: async (call) => {
      const state = call.era === 'modern' && call.door === 'mcp' ? call.message.params['requestState'] : undefined;
      if (typeof state !== 'string') return undefined;
      const key = keyOf(call, state);
      const row = await store.get(KIND, key);
      if (row === null) return undefined;
      const leg = JSON.parse(Buffer.from(row.bytes).toString()) as Leg;
      if (leg.binding !== bindingOf(call) || isOver(leg, now()) || !(await store.delete(KIND, key, row.version))) return undefined;
      return { approvalId: leg.approvalId };
    },
  };
}

const keyOf = (call: Pick<Limited, 'principal'>, state: string): string => `${sha256(call.principal.id)}.${sha256(state)}`;
type Went = Limited & { readonly approvalId: string | null };
const isApproved = (known: Known): known is Known & Went =>
  known.approvalId !== undefined && known.principal !== undefined && known.target !== undefined && known.input !== undefined && known.decision?.effect === 'allow' && known.decision.obligations.some((duty) => duty.by === 'approve');

const ASKS = Buffer.from('input_required');
function stateOf(bytes: Buffer): string | null {
  if (!bytes.includes(ASKS)) return null;
  const { result } = JSON.parse(bytes.toString('utf8')) as JsonObject; // parse edge: inspect/ has read it as a message
  const state = isObject(result) && result['resultType'] === 'input_required' ? result['requestState'] : null;
  return typeof state === 'string' ? state : null;
}
