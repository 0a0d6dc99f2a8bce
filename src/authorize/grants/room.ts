import type { Clock } from '../../lib/clock.ts';
import type { NamesOf } from '../../lib/person.ts';
import type { LoadedRule, PolicyFault } from '../load.ts';
import type { BreakGlassRole, GrantsConfig } from './config.ts';
import type { By, Emergency } from './record.ts';
import type { GrantStore, Shelf } from './shelf.ts';
import type { Onward } from './time.ts';

/** A person with an admin credential, as the admin door knows him. */
export interface Person {
  readonly id: string;
  readonly user: string;
  readonly groups: readonly string[];
  readonly identities?: readonly string[];
}
export interface GrantsDeps {
  /** Section `authorize` as it is now; another object when it has changed. */
  readonly config: () => { readonly grants: GrantsConfig; readonly break_glass: readonly BreakGlassRole[] };
  readonly store: GrantStore;
  readonly clock: Clock;
  readonly log: (message: string, fields?: object) => void;
  /** Into the audit record. Rejects when it cannot be written; then nothing is done. */
  readonly note: (event: string, fields: { readonly caller_id: string | null; readonly policy_ids: readonly string[]; readonly tool_input: { readonly [key: string]: string | number | null } }) => Promise<void>;
  /** Who is who, by `approve.identities`. */
  readonly namesOf: NamesOf;
  /** The person behind an admin credential as long as that is good; null: it is not. */
  readonly personNow: (id: string) => Promise<Person | null>;
  /** Puts the rules into force in the place of those before: `authorize.replace(rules, 'grants')`. */
  readonly apply: (rules: readonly LoadedRule[]) => readonly PolicyFault[];
  /** What callers may do has changed. */
  readonly onChange: () => void;
}
/** unknown: no such. over: it has ended, or was closed. not_entitled: in none of the groups. self: the same person. wrong: `says` tells what. */
export type GrantFault = 'unknown' | 'over' | 'not_entitled' | 'self' | 'wrong';
export type Done<T> = { readonly ok: true; readonly record: T } | { readonly ok: false; readonly fault: GrantFault; readonly says: string };
export const no = (fault: GrantFault, says: string): { readonly ok: false; readonly fault: GrantFault; readonly says: string } => ({ ok: false, fault, says });

/** What the acts share. */
export interface Desk {
  readonly deps: GrantsDeps;
  readonly shelf: Shelf;
  readonly time: Onward;
  /** Looks at the store; when it resolves, what was written before is in force, or no more. */
  readonly refresh: () => Promise<void>;
  readonly liveCount: () => number;
  readonly isLive: (id: string) => boolean;
  readonly alarm: (emergency: Emergency) => void;
}

/** null: a credential that names nobody. */
export function byOf(person: Person, namesOf: NamesOf): By | null {
  return person.user.trim() === '' ? null : { id: person.id, user: person.user, identities: [...namesOf([person.user, person.id, ...(person.identities ?? [])])] };
}
export const isIn = (person: Person, groups: readonly string[]): boolean => person.groups.some((group) => groups.includes(group));
/** A sentence of a person, for the record: 1 to 1,000 characters that can be seen. */
export const isSentence = (text: string): boolean => text.trim() !== '' && text.length <= 1_000 && !/[\p{C}\p{Zl}\p{Zp}]/u.test(text);
export const iso = (at: number): string => new Date(at).toISOString();
