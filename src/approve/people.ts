import type { Principal } from '../call/principal.ts';
import type { Approver, Requester } from './approvals.ts';

/** Who is who: every name one person is known by. */
export interface People {
  readonly requester: (principal: Principal) => Requester;
  /** Folded names; empty when the credential names nobody, who may then decide nothing. */
  readonly approver: (approver: Approver) => readonly string[];
  /** Those names now, with what the configuration says today. */
  readonly again: (identities: readonly string[]) => readonly string[];
}

/** One spelling for each name: compatibility forms, case and outer spaces do not make another person. */
export const fold = (name: string): string => name.normalize('NFKC').trim().toLowerCase().normalize('NFKC');

/**
 * Stops self-approval under a second identity (THREATS "approvals"; CWE-863): a person's key, token and admin credential are recognised as
 * his by name, by the token's subject and by `approve.identities`. When nobody knows the requester's user, everything known counts.
 */
export function knowPeople(identities: Readonly<Record<string, readonly string[]>>): People {
  const aliases = Object.entries(identities).map(([person, names]) => new Set([person, ...names].map(fold)));
  const all = (names: readonly (string | null | undefined)[]): string[] => {
    const known = new Set(names.filter((name) => typeof name === 'string').map(fold).filter((name) => name !== ''));
    // A name that leads to a person leads to all of his names, and those may lead on.
    for (let size = -1; size !== known.size;) {
      size = known.size;
      for (const person of aliases) if (!known.isDisjointFrom(person)) for (const name of person) known.add(name);
    }
    return [...known];
  };
  return {
    requester: (p) => ({ principalId: p.id, caller: p.caller, user: p.user, identities: all([p.id, p.caller, p.user, subjectOf(p)]) }),
    approver: (approver) => (fold(approver.user) === '' ? [] : all([approver.user, approver.id, ...(approver.identities ?? [])])),
    again: all,
  };
}

/** `jwt:<issuer>#<subject>`; a fragment cannot stand in an issuer. */
function subjectOf(p: Principal): string | null {
  const at = p.kind === 'jwt' ? p.id.indexOf('#') : -1;
  return at < 0 ? null : p.id.slice(at + 1);
}

export const isSamePerson = (a: readonly string[], b: readonly string[]): boolean => a.some((name) => b.includes(name));
