import type { Effect } from '../call/refusal.ts';
import type { Json } from '../call/json.ts';

/** One audit record without its place in the chain. What each field means: docs/reference/audit-format.md. */
export interface AuditFields {
  readonly correlation_id: string | null;
  readonly caller_id: string | null;
  readonly caller_team: string | null;
  readonly user_id: string | null;
  readonly workspace_id: string | null;
  readonly environment: string | null;
  readonly agent_id: string | null;
  readonly client_id: string | null;
  readonly tenant_id: string | null;
  readonly caller_groups: readonly string[] | null;
  readonly caller_roles: readonly string[] | null;
  readonly model_request_id: string | null;
  readonly mcp_server: string | null;
  readonly tool: string | null;
  readonly tool_risk: string | null;
  readonly decision: 'allow' | 'deny' | null;
  readonly reason_code: string | null;
  readonly policy_ids: readonly string[] | null;
  readonly policy_version: string | null;
  /** Rules on trial: `{"rule":…,"would":…}`; what they say had no effect. */
  readonly shadow_rules: Json;
  readonly token_audience: string | null;
  readonly scopes: readonly string[] | null;
  readonly approval_id: string | null;
  readonly tool_input: Json;
  readonly input_hash: string | null;
  readonly output_summary: string | null;
  readonly output_hash: string | null;
  readonly output_classification: string | null;
  readonly downstream_resource: string | null;
  readonly success: boolean | null;
  readonly effect: Effect | null;
  readonly error: string | null;
  readonly latency_ms: number | null;
}
/** A record as it stands in the file. */
export interface AuditRecord extends AuditFields {
  /** RFC 3339, UTC, milliseconds. */
  readonly timestamp: string;
  readonly event: string;
  readonly seq: number;
  readonly prev_hash: string;
  readonly hash: string;
}

/** The fields between `seq` and `prev_hash`, in the order in which every record has them. */
export const FIELDS = [
  'correlation_id', 'caller_id', 'caller_team', 'user_id', 'workspace_id', 'environment', 'agent_id', 'client_id', 'tenant_id',
  'caller_groups', 'caller_roles', 'model_request_id', 'mcp_server', 'tool', 'tool_risk', 'decision', 'reason_code', 'policy_ids', 'policy_version',
  'shadow_rules', 'token_audience', 'scopes', 'approval_id',
  'tool_input', 'input_hash', 'output_summary', 'output_hash', 'output_classification', 'downstream_resource', 'success', 'effect', 'error',
  'latency_ms',
] as const satisfies readonly (keyof AuditFields)[];

/** What an intent tells about a call; copied to `call.outcome_unknown` and into segment heads. */
export const IDENTITY = [
  'correlation_id', 'caller_id', 'caller_team', 'user_id', 'workspace_id', 'environment', 'agent_id', 'client_id', 'tenant_id',
  'caller_groups', 'caller_roles', 'model_request_id', 'mcp_server', 'tool', 'tool_risk', 'decision', 'policy_ids', 'policy_version', 'shadow_rules',
  'token_audience', 'scopes', 'approval_id', 'input_hash',
  'downstream_resource',
] as const satisfies readonly (keyof AuditFields)[];

/** Everything after the number in `"seq":<n>`, for records that are not on the hot path. */
export function renderFields(fields: Partial<AuditFields>): string {
  let text = '';
  for (const name of FIELDS) text += `,"${name}":${JSON.stringify(fields[name] ?? null)}`;
  return text;
}
/** The start of every record, up to and including `"seq":`. */
export const renderStart = (timestamp: string, event: string): string => `{"timestamp":"${timestamp}","event":"${event}","seq":`;

/** A name of two parts, e.g. `key.created`. Anything else is a fault of ours: events are never built from input. */
export const EVENT = /^[a-z_]+\.[a-z_]+$/;
