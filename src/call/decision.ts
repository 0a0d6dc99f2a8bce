import type { NonEmpty } from './json.ts';
import type { RefusalCode } from './refusals.ts';

/** A duty that policy attaches to an allow. The stage named in `by` must report its id as met, or the call stops. */
export type Obligation = { readonly id: string } & (
  | { readonly by: 'approve'; readonly kind: 'ask'; readonly why: string }
  | { readonly by: 'inspect'; readonly kind: 'wrap' }
);

export interface Allow {
  readonly effect: 'allow';
  /** An allow without a rule cannot be written. */
  readonly ruleIds: NonEmpty<string>;
  readonly policyVersion: string;
  readonly obligations: readonly Obligation[];
}
export interface Deny {
  readonly effect: 'deny';
  readonly ruleIds: readonly string[];
  readonly policyVersion: string;
  /** A code of call/refusals.ts. */
  readonly reason: Extract<RefusalCode, `authorize.${string}`>;
  /** Scopes of which any one would have been enough; empty when scopes would not help. */
  readonly wantScopes: readonly string[];
}
export type Decision = Allow | Deny;
