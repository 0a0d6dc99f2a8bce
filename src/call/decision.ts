import type { NonEmpty } from './json.ts';
import type { RefusalCode } from './refusals.ts';

/** A duty that policy attaches to an allow. The stage named in `by` must report its id as met, or the call stops. */
export type Obligation = {
  readonly id: string;
  /** Which rule, credential list or default asks for it, for whoever reads the record. */
  readonly why: string;
} & (
  | ({ readonly by: 'approve'; readonly kind: 'approval' } & ApprovalTerms)
  /** A yes of the calling user himself: weaker than an approval, and recorded as such. */
  | { readonly by: 'approve'; readonly kind: 'confirm' }
  /** The requester says why. */
  | { readonly by: 'approve'; readonly kind: 'reason' }
  /** The requester names a change ticket; `pattern`: a linear-time regular expression for all of it, null: any text of up to 128 characters. */
  | { readonly by: 'approve'; readonly kind: 'ticket'; readonly pattern: string | null }
  /** The same call with this boolean argument true has gone well before, for the same caller. */
  | { readonly by: 'approve'; readonly kind: 'dry_run'; readonly argument: string }
  | { readonly by: 'limit'; readonly kind: 'rate'; readonly count: number; readonly windowMs: number; readonly per: 'caller' | 'rule' }
  | { readonly by: 'inspect'; readonly kind: 'wrap' }
);
/** Who must say yes. */
export interface ApprovalTerms {
  /** Members of any of these may decide; empty: those of `approve.groups`. */
  readonly groups: readonly string[];
  /** So many different people. */
  readonly quorum: number;
  /** Others who may decide too when nobody has for so long; null: nobody. */
  readonly escalate: { readonly groups: readonly string[]; readonly afterMs: number } | null;
  /** ms until silence is a no; null: as `approve/` is configured. */
  readonly expiresMs: number | null;
}

/** A rule on trial: what it would have said. Recorded apart; never has an effect. */
export interface Shadow {
  readonly ruleId: string;
  /** error: it could not be evaluated. */
  readonly would: 'allow' | 'deny' | 'error';
}
export interface Allow {
  readonly effect: 'allow';
  /** An allow without a rule cannot be written. */
  readonly ruleIds: NonEmpty<string>;
  readonly policyVersion: string;
  readonly obligations: readonly Obligation[];
  readonly shadows?: readonly Shadow[];
}
export interface Deny {
  readonly effect: 'deny';
  readonly ruleIds: readonly string[];
  readonly policyVersion: string;
  /** A code of call/refusals.ts. */
  readonly reason: Extract<RefusalCode, `authorize.${string}`>;
  /** Scopes of which any one would have been enough; empty when scopes would not help. */
  readonly wantScopes: readonly string[];
  readonly shadows?: readonly Shadow[];
}
export type Decision = Allow | Deny;
