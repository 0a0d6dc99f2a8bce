import type { ApprovalTerms } from '../call/decision.ts';
import type { JsonObject } from '../call/json.ts';
import type { Risk } from '../call/target.ts';

export const APPROVAL_STATES = ['pending', 'approved', 'denied', 'expired', 'used'] as const;
export type ApprovalState = (typeof APPROVAL_STATES)[number];

/** Who asked. `identities`: every name this person is known by, folded; whoever shares one of them never decides. */
export interface Requester {
  readonly principalId: string;
  readonly caller: string;
  readonly user: string | null;
  readonly identities: readonly string[];
}
/** A person who decides, as the admin door knows him. Proved by a credential of his own, never by an agent's. */
export interface Approver {
  /** The credential: `admin:<id>` or whatever the admin door calls it. Asked about again before the approval is used. */
  readonly id: string;
  /** The person's name; never empty. */
  readonly user: string;
  readonly groups: readonly string[];
  /** Further names of the same person (an e-mail address, a token's subject). */
  readonly identities?: readonly string[];
}
export interface ApprovalDecision {
  /** The person, and the credential he showed. */
  readonly by: string;
  readonly identity: string;
  /** Every name of the person, folded. */
  readonly identities: readonly string[];
  readonly verdict: 'approve' | 'deny';
  readonly rationale: string;
  readonly at: number;
  /** Constraints in the argument language of policy; null: the call as it is. */
  readonly narrowing: JsonObject | null;
  /** The door it came through: `cli`, `api`, `link`, `webhook`. */
  readonly channel: string;
}

/** A call that waits for people, or was decided by them. What it is about never changes; times are ms since epoch. */
export interface ApprovalRequest {
  /** UUIDv7. */
  readonly id: string;
  readonly state: ApprovalState;
  readonly requester: Requester;
  /** `tool`: the tool's or prompt's name or the resource's URI on that server; `digest`: of the tool's definition. */
  readonly target: { readonly id: string; readonly server: string | null; readonly tool: string | null; readonly method: string; readonly digest: string | null; readonly risk: Risk };
  readonly environment: string | null;
  /** Canonical JSON of the arguments with every digit: exactly what will be executed. Untrusted text: show it through `visible`. */
  readonly argumentsText: string;
  /** SHA-256, hex, of `argumentsText`. */
  readonly input_hash: string;
  /** SHA-256, hex, of all that the approval is for; see binding.ts. */
  readonly binding: string;
  readonly policyVersion: string;
  readonly ruleIds: readonly string[];
  /** The rules' own sentences. */
  readonly why: string;
  /** The requester's words: untrusted text. */
  readonly reason: string | null;
  readonly ticket: string | null;
  /** One for each duty; all must be fulfilled, the groups are filled in. One person may count for several. */
  readonly terms: readonly ApprovalTerms[];
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly escalatedAt: number | null;
  /** When it became denied, expired or used. */
  readonly closedAt: number | null;
  readonly decisions: readonly ApprovalDecision[];
  /** The same for equal calls of whichever caller. */
  readonly group: string;
  /** What became of earlier requests of this requester for this tool. */
  readonly similar: { readonly approved: number; readonly denied: number; readonly lastAt: number | null };
}

/** What is asked for; the room's stage makes it from the call. */
export type Asked = Pick<ApprovalRequest, 'requester' | 'target' | 'environment' | 'argumentsText' | 'binding' | 'policyVersion' | 'ruleIds' | 'why' | 'reason' | 'ticket' | 'terms' | 'group'> & {
  /** Whom the flood limits count: all credentials of a service account together. */
  readonly payer: string;
};
export type Requested =
  | { readonly state: 'pending'; readonly request: ApprovalRequest; readonly isNew: boolean }
  | { readonly state: 'too_many' };

export interface Verdict {
  readonly verdict: 'approve' | 'deny';
  /** 1 to 1,000 visible characters. */
  readonly rationale: string;
  /** Constraints that the arguments must satisfy besides; null: none. Only with `approve`. */
  readonly narrowing: JsonObject | null;
  readonly channel: string;
}
/** unknown: no such request. closed: decided, used or expired. self: the requester. not_approver: in none of the groups. already: this person has said so. */
export type DecideFault = 'unknown' | 'closed' | 'self' | 'not_approver' | 'already' | 'rationale' | 'narrowing';
export type Decided =
  | { readonly ok: true; readonly request: ApprovalRequest }
  | { readonly ok: false; readonly fault: DecideFault; /** A sentence for the approver. */ readonly says: string };

/** used: by somebody else or before. short: a yes no longer counts (a revoked credential, a changed group) and more are needed. narrowed: what is allowed, in words. */
export type Taken =
  | { readonly ok: true; readonly request: ApprovalRequest }
  | { readonly ok: false; readonly fault: 'absent' | 'pending' | 'denied' | 'expired' | 'used' | 'short' }
  | { readonly ok: false; readonly fault: 'narrowed'; readonly says: string };

export interface ApprovalFilter {
  readonly state?: ApprovalState;
  readonly principalId?: string;
  readonly group?: string;
  /** Those this person may decide now: pending, in his groups, not his own, not decided by him yet. */
  readonly decidableBy?: Approver;
  /** 100 when left out; newest first. */
  readonly limit?: number;
}

/** What listeners (webhooks, the console) hear, after it was recorded. `digest`: in place of single `requested`s when one requester asks too often. */
export type ApprovalEvent =
  | { readonly kind: 'requested' | 'escalated' | 'expired' | 'used'; readonly request: ApprovalRequest }
  | { readonly kind: 'decided'; readonly request: ApprovalRequest; readonly decision: ApprovalDecision }
  | { readonly kind: 'digest'; readonly requester: Requester; readonly count: number; readonly since: number };

/**
 * Approvals of single calls, in the store. Every method rejects when the store is gone or the record cannot be written: the caller refuses
 * then. Several processes may work on one store.
 */
export interface Approvals {
  /** The pending request with this binding, or a new one. */
  readonly request: (asked: Asked) => Promise<Requested>;
  /** The latest request with this binding, whatever became of it; null: none. */
  readonly find: (binding: string) => Promise<ApprovalRequest | null>;
  readonly get: (id: string) => Promise<ApprovalRequest | null>;
  readonly list: (filter?: ApprovalFilter) => Promise<readonly ApprovalRequest[]>;
  /** One person's word. A yes counts until the approval is used; one no ends it, also after enough have said yes. */
  readonly decide: (id: string, approver: Approver, verdict: Verdict) => Promise<Decided>;
  /** Uses the approval up, at most once among all processes; when it resolves with ok, the call may be dispatched. */
  readonly take: (binding: string) => Promise<Taken>;
  /** A yes of the calling user himself (the duty `confirm`): weaker than an approval, single use, short-lived. */
  readonly confirm: (binding: string, who: Requester) => Promise<void>;
  /** Uses such a yes up; its id, or null when there is none. */
  readonly takeConfirmation: (binding: string, who: Requester) => Promise<string | null>;
  /** May throw: the others are told all the same. Gives how to stop. */
  readonly onEvent: (listener: (event: ApprovalEvent) => void) => () => void;
  /** Stops watching for escalation and expiry; resolves when what runs has ended. */
  readonly close: () => Promise<void>;
}
