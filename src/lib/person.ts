/** One spelling for each name: compatibility forms, case and outer spaces do not make another person. */
export const fold = (name: string): string => name.normalize('NFKC').trim().toLowerCase().normalize('NFKC');

/** All names, folded, of whoever has these; missing ones are passed over. */
export type NamesOf = (names: readonly (string | null | undefined)[]) => readonly string[];

/** `identities`: further names by person, as in `approve.identities`. A name that leads to a person leads to all of his names, and those may lead on. */
export function knowNames(identities: Readonly<Record<string, readonly string[]>>): NamesOf {
  const people = Object.entries(identities).map(([person, names]) => new Set([person, ...names].map(fold)));
  return (names) => {
    const known = new Set(names.filter((name) => typeof name === 'string').map(fold).filter((name) => name !== ''));
    for (let size = -1; size !== known.size;) {
      size = known.size;
      for (const person of people) if (!known.isDisjointFrom(person)) for (const name of person) known.add(name);
    }
    return [...known];
  };
}

/** The names a credential gives its caller: id, name, user, and the subject in `jwt:<issuer>#<subject>`; a fragment cannot stand in an issuer. */
export function namesIn(p: { readonly id: string; readonly kind: string; readonly caller: string; readonly user: string | null }): readonly (string | null)[] {
  const at = p.kind === 'jwt' ? p.id.indexOf('#') : -1;
  return [p.id, p.caller, p.user, at < 0 ? null : p.id.slice(at + 1)];
}

/** Both lists folded. */
export const isSamePerson = (a: readonly string[], b: readonly string[]): boolean => a.some((name) => b.includes(name));
