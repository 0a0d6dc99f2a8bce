import type { JsonObject } from '../call/json.ts';
import type { ApprovalDecision, ApprovalRequest, Approver, DecideFault, Verdict } from './approvals.ts';
import type { People } from './people.ts';
import { fold, isSamePerson } from './people.ts';
import { mayDecide, type Yes } from './terms.ts';
import { words } from './words.ts';

/** Gives null when the arguments (canonical text) satisfy it, or what is allowed, in words. */
export type Narrowing = (argumentsText: string) => string | null;
/** Compiles an approver's narrowing in the argument language of policy; throws with a sentence for the approver when it is none. */
export type CompileNarrowing = (constraints: JsonObject) => Narrowing;
/** The person behind a credential as of now; null: it was revoked, has expired or never was. */
export type ApproverNow = (id: string) => Approver | null | Promise<Approver | null>;

const NARROWING_BYTES = 4_096;

export type Judged = { readonly decision: ApprovalDecision } | { readonly fault: DecideFault; readonly says: string };

/** May this person say this of this request now? Every no is told apart, for the approver and for the record. */
export function judgeDecision(request: ApprovalRequest, approver: Approver, verdict: Verdict, at: number, people: People, compile: CompileNarrowing): Judged {
  const rationale = words(verdict.rationale);
  if (rationale === null) return no('rationale', 'Say why, in 1 to 1,000 readable characters.');
  if (request.state !== 'pending' && !(request.state === 'approved' && verdict.verdict === 'deny')) return no('closed', `This request is ${request.state}.`);
  const identities = people.approver(approver);
  if (identities.length === 0) return no('not_approver', 'This credential names no person.');
  // Self-approval, under whatever name (CWE-863, four eyes). A no to oneself is refused too: it would tell who is taken for whom.
  if (isSamePerson(identities, people.again(request.requester.identities))) return no('self', 'You are the requester, under this or another name.');
  if (!mayDecide(request, approver.groups, at)) return no('not_approver', 'You are in none of the groups that decide on this.');
  const isAgain = request.decisions.some((d) => d.verdict === 'approve' && isSamePerson(people.again(d.identities), identities));
  if (verdict.verdict === 'approve' && isAgain) return no('already', 'You have approved this already; somebody else must.');
  const fault = narrowingFault(verdict, compile);
  if (fault !== null) return no('narrowing', fault);
  return {
    decision: {
      by: approver.user, identity: approver.id, identities, verdict: verdict.verdict === 'approve' ? 'approve' : 'deny', rationale, at,
      narrowing: verdict.narrowing, channel: verdict.channel.slice(0, 32),
    },
  };
}
const no = (fault: DecideFault, says: string): Judged => ({ fault, says });

function narrowingFault({ narrowing, verdict }: Verdict, compile: CompileNarrowing): string | null {
  if (narrowing === null) return null;
  if (verdict !== 'approve') return 'Only a yes can be narrowed.';
  if (Buffer.byteLength(JSON.stringify(narrowing)) > NARROWING_BYTES) return `The narrowing is longer than ${NARROWING_BYTES} bytes.`;
  try {
    compile(narrowing);
    return null;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : 'The narrowing cannot be read.';
  }
}

/**
 * The yeses that still count: the credential has not been revoked since (THREATS "revoked approver"), it is still that person's, and that
 * person is still not the requester.
 */
export async function countable(request: ApprovalRequest, people: People, approverNow: ApproverNow): Promise<readonly Yes[]> {
  const asker = people.again(request.requester.identities);
  const yeses: Yes[] = [];
  for (const decision of request.decisions) {
    if (decision.verdict !== 'approve') continue;
    const now = await approverNow(decision.identity);
    if (now === null) continue;
    const identities = people.again([...people.approver(now), ...decision.identities]);
    // A credential that was handed on does not hand on what its last owner said.
    if (fold(now.user) === fold(decision.by) && !isSamePerson(identities, asker)) yeses.push({ identities, groups: now.groups, at: decision.at });
  }
  return yeses;
}

/** What the approvers' narrowings say about this very call; null: it is within all of them. A narrowing that fails is a no. */
export function narrowed(request: ApprovalRequest, compile: CompileNarrowing): string | null {
  for (const { narrowing, rationale, by } of request.decisions) {
    const allowed = narrowing === null ? null : compile(narrowing)(request.argumentsText);
    if (allowed !== null) return `${by} allows only: ${allowed} (${rationale})`;
  }
  return null;
}
