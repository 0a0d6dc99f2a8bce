import type { Json } from '../call/json.ts';
import type { ApprovalRequest } from './approvals.ts';

/** Fields of an audit record, by its names. */
export interface ApprovalNote {
  readonly approval_id: string | null;
  readonly correlation_id?: string;
  readonly caller_id: string;
  readonly user_id: string | null;
  readonly environment: string | null;
  readonly mcp_server: string | null;
  readonly tool: string | null;
  readonly tool_risk: string;
  readonly policy_ids: readonly string[];
  readonly policy_version: string;
  readonly input_hash: string;
  /** Details of the event; redacted by the audit. */
  readonly tool_input: Json;
}
export type ApprovalEventName = `approval.${'requested' | 'decided' | 'escalated' | 'expired' | 'used' | 'refused' | 'stated' | 'confirmed'}`;
/** Puts an event into the audit; rejects when it cannot be recorded, and then nothing happens. */
export type Note = (event: ApprovalEventName, fields: ApprovalNote) => Promise<void>;

/** Who, what, under which policy; `details` never hold the arguments, only their hash. */
export function noteOf(request: ApprovalRequest, details: Readonly<Record<string, Json>>): ApprovalNote {
  const { requester, target } = request;
  return {
    approval_id: request.id, caller_id: requester.principalId, user_id: requester.user, environment: request.environment, mcp_server: target.server,
    tool: target.tool, tool_risk: target.risk, policy_ids: request.ruleIds, policy_version: request.policyVersion, input_hash: request.input_hash,
    tool_input: { binding: request.binding, ...details },
  };
}
