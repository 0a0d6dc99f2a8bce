import type { JsonObject } from '../call/json.ts';
import type { Principal } from '../call/principal.ts';
import type { Approvals } from './approvals.ts';

/**
 * What the requester may know of his request: its state, and why it was a no. Nobody else's credential is told that there is one
 * (CWE-639); who decides, and the link that would let him, are not in it (MISSION A5).
 */
export async function pollState(approvals: Approvals, principal: Principal, id: string): Promise<JsonObject | null> {
  const request = await approvals.get(id);
  if (request === null || request.requester.principalId !== principal.id) return null;
  const no = request.state === 'denied' ? request.decisions.findLast((decision) => decision.verdict === 'deny') : undefined;
  return { id, state: request.state, expires_at: new Date(request.expiresAt).toISOString(), ...(no !== undefined && { rationale: no.rationale }) };
}
