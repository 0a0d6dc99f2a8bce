import type { Principal } from '../call/principal.ts';
import { fold, knowNames, namesIn } from '../lib/person.ts';
import type { Approver, Requester } from './approvals.ts';

export { fold, isSamePerson } from '../lib/person.ts';

/** Who is who: every name one person is known by. */
export interface People {
  readonly requester: (principal: Principal) => Requester;
  /** Folded names; empty when the credential names nobody, who may then decide nothing. */
  readonly approver: (approver: Approver) => readonly string[];
  /** Those names now, with what the configuration says today. */
  readonly again: (identities: readonly string[]) => readonly string[];
}

/**
 * Stops self-approval under a second identity (THREATS "approvals"; CWE-863): a person's key, token and admin credential are recognised as
 * his by name, by the token's subject and by `approve.identities`. When nobody knows the requester's user, everything known counts.
 */
export function knowPeople(identities: Readonly<Record<string, readonly string[]>>): People {
  const all = knowNames(identities);
  return {
    requester: (p) => ({ principalId: p.id, caller: p.caller, user: p.user, identities: all(namesIn(p)) }),
    approver: (approver) => (fold(approver.user) === '' ? [] : all([approver.user, approver.id, ...(approver.identities ?? [])])),
    again: all,
  };
}
