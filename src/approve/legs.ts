import type { Known, Limited, Outcome } from '../call/call.ts';
import { isObject, type Json, type JsonObject } from '../call/json.ts';
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
      const asked = askedIn(outcome.result.bytes);
      if (asked === null) return;
      const createdAt = now();
      const binding = bindingOf(known);
      const leg: Leg = { binding, approvalId: known.approvalId, createdAt, expiresAt: createdAt + KEEP_MS };
      await store.put(KIND, keyOf(known, asked.state, binding), Buffer.from(JSON.stringify(leg)), { expiresAt: leg.expiresAt });
    },
    next: async (call) => {
      const { requestState: state = null, inputResponses } = call.message.params;
      if (call.era !== 'modern' || call.door !== 'mcp' || (state === null ? inputResponses === undefined : typeof state !== 'string')) return undefined;
      const binding = bindingOf(call);
      const key = keyOf(call, state, binding);
      const row = await store.get(KIND, key);
      if (row === null) return undefined;
      const leg = JSON.parse(Buffer.from(row.bytes).toString()) as Leg;
      if (leg.binding !== binding || isOver(leg, now()) || !(await store.delete(KIND, key, row.version))) return undefined;
      return { approvalId: leg.approvalId };
    },
  };
}

/** A server may keep its state itself; then the call alone says what goes on. */
const keyOf = (call: Pick<Limited, 'principal'>, state: Json, binding: string): string => `${sha256(call.principal.id)}.${sha256(JSON.stringify(state === null ? ['call', binding] : ['state', state]))}`;
type Went = Limited & { readonly approvalId: string | null };
const isApproved = (known: Known): known is Known & Went =>
  known.approvalId !== undefined && known.principal !== undefined && known.target !== undefined && known.input !== undefined && known.decision?.effect === 'allow' && known.decision.obligations.some((duty) => duty.by === 'approve');

const ASKS = Buffer.from('input_required');
/** null: it asks nothing. */
/** What a result asks of the client; null: it is an answer. */
export function askedIn(bytes: Buffer): { readonly state: Json } | null {
  if (!bytes.includes(ASKS)) return null;
  const { result } = JSON.parse(bytes.toString('utf8')) as JsonObject; // parse edge: inspect/ has read it as a message
  return isObject(result) && result['resultType'] === 'input_required' ? { state: result['requestState'] ?? null } : null;
}
