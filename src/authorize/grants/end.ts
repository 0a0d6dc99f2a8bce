import type { Held } from './record.ts';
import { byOf, type Desk, type Done, no, type Person } from './room.ts';

/** Ends a grant or an emergency at once; when it resolves, nothing is allowed by it any more here, and within a second elsewhere. Any admin may: to take away is safe. */
export async function revoke<K extends Held['kind']>(desk: Desk, person: Person, kind: K, id: string): Promise<Done<Extract<Held, { kind: K }>>> {
  const { deps: { namesOf, note }, shelf, time } = desk;
  const by = byOf(person, namesOf);
  if (by === null) return no('not_entitled', 'Your credential names nobody.');
  const isOurs = (held: Held | null): held is Extract<Held, { kind: K }> => held?.kind === kind;
  const found = await shelf.get(id);
  if (!isOurs(found)) return no('unknown', 'There is none with this id.');
  if (found.ended !== null || found.until <= time.now()) return no('over', 'It has ended already.');
  await note(kind === 'grant' ? 'grant.revoked' : 'break_glass.ended', { caller_id: by.id, policy_ids: [`${kind}:${id}`], tool_input: { by: by.user } });
  await shelf.update(id, (old) => (old.ended === null ? { ...old, ended: { at: time.now(), by } } : null));
  await desk.refresh();
  const after = await shelf.get(id);
  return isOurs(after) ? { ok: true, record: after } : no('unknown', 'There is none with this id.');
}

/** Ends by itself: its time is over, or the credential behind it is good no more. Recorded first; after a crash perhaps twice, never not at all. */
export async function endByItself({ deps, shelf, time }: Desk, held: Held, why: string): Promise<void> {
  await deps.note(held.kind === 'grant' ? 'grant.ended' : 'break_glass.ended', { caller_id: null, policy_ids: [`${held.kind}:${held.id}`], tool_input: { why } });
  await shelf.update(held.id, (old) => (old.ended === null ? { ...old, ended: { at: time.now(), by: null } } : null));
}
