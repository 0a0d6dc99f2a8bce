import type { ApprovalRequest, Approver } from '../approve/index.ts';

/** A request as the API shows it. Texts are as they came: whoever draws them must make them harmless (screen.ts does). Times are RFC 3339. */
export interface ApprovalView {
  readonly id: string;
  readonly state: string;
  readonly requester: { readonly principal: string; readonly caller: string; readonly user: string | null; readonly identities: readonly string[] };
  readonly target: ApprovalRequest['target'];
  readonly environment: string | null;
  /** Canonical JSON, every digit. */
  readonly arguments_text: string;
  readonly arguments_bytes: number;
  /** SHA-256, hex, of `arguments_text`. */
  readonly input_hash: string;
  readonly policy_version: string;
  readonly rule_ids: readonly string[];
  readonly why: string;
  readonly reason: string | null;
  readonly ticket: string | null;
  readonly terms: readonly TermView[];
  readonly decisions: readonly DecisionView[];
  readonly similar: { readonly approved: number; readonly denied: number; readonly last_at: string | null };
  readonly group: string;
  readonly created_at: string;
  readonly expires_at: string;
  readonly escalated_at: string | null;
  readonly closed_at: string | null;
  readonly seconds_left: number;
  /** What a yes does. */
  readonly on_yes: string;
}
export interface TermView {
  readonly groups: readonly string[];
  readonly quorum: number;
  readonly approved: number;
  readonly escalate: { readonly groups: readonly string[]; readonly at: string } | null;
  /** People who are in the groups now, did not ask and have not decided. */
  readonly may_still_decide: readonly string[];
}
export interface DecisionView {
  readonly by: string;
  readonly identity: string;
  readonly verdict: string;
  readonly rationale: string;
  readonly at: string;
  readonly channel: string;
  readonly narrowing: object | null;
}

const ON_YES = 'The call runs once, for this caller, with exactly these bytes, when the caller repeats it before the time is over. Nothing else is allowed by it.';
const stamp = (at: number): string => new Date(at).toISOString();
const stampOrNull = (at: number | null): string | null => (at === null ? null : stamp(at));

/** `people`: everyone whose admin key is good now. */
export function viewOf(request: ApprovalRequest, people: readonly Approver[], now: number): ApprovalView {
  const { requester, target, similar } = request;
  return {
    id: request.id, state: request.state,
    requester: { principal: requester.principalId, caller: requester.caller, user: requester.user, identities: requester.identities },
    target, environment: request.environment,
    arguments_text: request.argumentsText, arguments_bytes: Buffer.byteLength(request.argumentsText), input_hash: request.input_hash,
    policy_version: request.policyVersion, rule_ids: request.ruleIds, why: request.why, reason: request.reason, ticket: request.ticket,
    terms: request.terms.map((terms) => termOf(request, terms, people, now)),
    decisions: request.decisions.map(({ by, identity, verdict, rationale, at, channel, narrowing }) => ({ by, identity, verdict, rationale, at: stamp(at), channel, narrowing })),
    similar: { approved: similar.approved, denied: similar.denied, last_at: stampOrNull(similar.lastAt) },
    group: request.group, created_at: stamp(request.createdAt), expires_at: stamp(request.expiresAt),
    escalated_at: stampOrNull(request.escalatedAt), closed_at: stampOrNull(request.closedAt),
    seconds_left: request.state === 'pending' || request.state === 'approved' ? Math.max(0, Math.floor((request.expiresAt - now) / 1_000)) : 0,
    on_yes: ON_YES,
  };
}

/** For the screen only: approve/ judges again, with all names of each person, when somebody decides. */
function termOf(request: ApprovalRequest, terms: ApprovalRequest['terms'][number], people: readonly Approver[], now: number): TermView {
  const escalate = terms.escalate === null ? null : { groups: terms.escalate.groups, at: request.createdAt + terms.escalate.afterMs };
  const groups = escalate !== null && now >= escalate.at ? [...terms.groups, ...escalate.groups] : terms.groups;
  const inGroups = people.filter((person) => person.groups.some((group) => groups.includes(group)));
  const yes = new Set(request.decisions.filter(({ verdict, identity }) => verdict === 'approve' && inGroups.some((person) => person.id === identity)).map(({ by }) => fold(by)));
  const out = new Set([...request.requester.identities, ...request.decisions.flatMap(({ by, identities }) => [by, ...identities])].map(fold));
  return {
    groups, quorum: terms.quorum, approved: yes.size,
    escalate: escalate === null ? null : { groups: escalate.groups, at: stamp(escalate.at) },
    may_still_decide: request.state === 'pending' ? [...new Set(inGroups.map(({ user }) => user))].filter((user) => !out.has(fold(user))) : [],
  };
}
const fold = (name: string): string => name.normalize('NFKC').trim().toLowerCase();
