import type { Limited } from '../call/call.ts';
import { isObject } from '../call/json.ts';
import type { Refusal } from '../call/refusal.ts';
import type { ApprovalRequest } from './approvals.ts';

/** What is to be learnt from the requester or the user before the call may go on. */
export interface Wanted {
  /** What all of it is bound to. */
  readonly binding: string;
  readonly reason: boolean;
  readonly ticket: boolean;
  /** What the ticket must look like, as regular expressions. */
  readonly ticketForms: readonly string[];
  /** A yes of the user himself. */
  readonly confirm: boolean;
}
/** Untrusted words; the stage judges them. `confirmed` is only true when the user said so to the gateway's own question. */
export interface Said {
  readonly reason: string | null;
  readonly ticket: string | null;
  readonly confirmed: boolean;
}

/** How requester and gateway talk about an approval, which differs by era and door. */
export interface Ask {
  /** This call's `inputResponses` and `requestState` answer the gateway's own question: they are no part of the act. */
  readonly isOurs: (call: Limited) => boolean;
  /** Learns it from the call, or by asking; a stop ends the call and asks by it. */
  readonly ask: (call: Limited, wanted: Wanted) => Answered | Promise<Answered>;
  /** What a call hears whose request waits. */
  readonly pending: (call: Limited, request: ApprovalRequest) => Refusal;
}
export type Answered = { readonly said: Said } | { readonly stop: Refusal };

const LONGEST = 4_096;
/** For every client: reason and ticket stand in `params._meta`; a confirmation cannot, for the agent writes that and not the user. */
export const plainAsk: Ask = {
  isOurs: () => false,
  ask: (call) => {
    const meta = call.message.params['_meta'];
    const text = (name: string): string | null => {
      const value = isObject(meta) ? meta[name] : undefined;
      return typeof value === 'string' && value.length <= LONGEST ? value : null;
    };
    return { said: { reason: text('sallyport/reason'), ticket: text('sallyport/ticket'), confirmed: false } };
  },
  pending: (_call, request) => pendingRefusal(request),
};

/** A person needs minutes, not seconds. */
const LOOK_AGAIN_MS = 15_000;
/** The id is ours and the time is ours: nothing of the call is quoted. */
export const pendingRefusal = ({ id, expiresAt }: ApprovalRequest): Refusal => ({
  code: 'approve.pending', tell: `Request ${id} waits until ${new Date(expiresAt).toISOString()}.`, note: id, retryAfterMs: LOOK_AGAIN_MS, approval: { id, expiresAt },
});
