import type { Limited } from '../call/call.ts';
import type { Stage, Verdict } from '../call/stage.ts';
import type { ApproveConfig } from './config.ts';

/**
 * Refuses whatever policy says a person must approve (`approve.required`): no approval can be given yet, so none is assumed
 * (CWE-636, MISSION A1). It never holds a connection open for a person. Everything else goes on without an approval.
 */
export function createApprove(_config: ApproveConfig): { readonly stage: Stage<Limited, { approvalId: string | null }> } {
  return { stage: { name: 'approve', run: judge } };
}

const NONE: Verdict<{ approvalId: string | null }> = { go: { approvalId: null } };

function judge(call: Limited): Verdict<{ approvalId: string | null }> {
  for (const duty of call.decision.obligations) {
    // The reason is the operator's own sentence, but it stays in the record: it may tell an agent how to word its request.
    if (duty.by === 'approve') return { stop: { code: 'approve.required', note: `${duty.id}: ${duty.why}` } };
  }
  return NONE;
}
