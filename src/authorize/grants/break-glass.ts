import { newId } from '../../lib/ids.ts';
import { isSamePerson } from '../../lib/person.ts';
import type { Emergency } from './record.ts';
import { byOf, type Desk, type Done, isIn, isSentence, iso, no, type Person } from './room.ts';

/** Lets one caller use a break-glass role for a while; in force, recorded and told of when it resolves. One for oneself may be activated: the review is the second pair of eyes. */
export async function activate(desk: Desk, person: Person, wanted: { readonly role: string; readonly caller: string; readonly reason: string }): Promise<Done<Emergency>> {
  const { deps: { config, namesOf, note, log }, shelf, time } = desk;
  const by = byOf(person, namesOf);
  const role = config().break_glass.find(({ name }) => name === wanted.role);
  // Whether there is such a role is told to those alone who may use it.
  if (by === null || role === undefined || !isIn(person, role.activators)) return no('not_entitled', 'There is no such role, or you are in none of its `activators`.');
  if (!isSentence(wanted.reason)) return no('wrong', 'reason: 1 to 1,000 visible characters are needed');
  if (!isSentence(wanted.caller) || wanted.caller.length > 512 || wanted.caller.includes('*')) return no('wrong', 'for: name one caller, without `*`');
  const { all } = await shelf.look();
  if (all.some((one) => one.kind === 'break_glass' && one.role === role.name && one.caller === wanted.caller && desk.isLive(one.id))) return no('wrong', 'for: this caller has the role already; end that one first');
  const from = time.now();
  const id = newId();
  const emergency: Emergency = { kind: 'break_glass', id, by, role: role.name, caller: wanted.caller, reason: wanted.reason, from, until: from + role.expires_ms, ended: null, review: null };
  const told = { role: role.name, for: emergency.caller, by: by.user, reason: emergency.reason, from: iso(from), until: iso(emergency.until), lifts: role.lifts.join() };
  await note('break_glass.activated', { caller_id: by.id, policy_ids: [`break_glass:${id}`], tool_input: told });
  await shelf.add(emergency);
  log('BREAK-GLASS ACTIVATED', { id, ...told });
  if (role.alarm) desk.alarm(emergency);
  await desk.refresh();
  return { ok: true, record: emergency };
}

/** A second person closes the review with what he found; what still runs ends. */
export async function close(desk: Desk, person: Person, id: string, finding: string): Promise<Done<Emergency>> {
  const { deps: { config, namesOf, note }, shelf, time } = desk;
  const found = await shelf.get(id);
  if (found?.kind !== 'break_glass') return no('unknown', 'There is none with this id.');
  const role = config().break_glass.find(({ name }) => name === found.role);
  const by = byOf(person, namesOf);
  // A role that is gone from the configuration leaves its reviews to those who may activate any other.
  const reviewers = role === undefined ? config().break_glass.flatMap((one) => one.reviewers ?? one.activators) : (role.reviewers ?? role.activators);
  if (by === null || !isIn(person, reviewers)) return no('not_entitled', 'You are in none of the groups that may close this review.');
  // Separation of duties under every name (CWE-863): neither who broke the glass nor for whom it was broken says that all was well.
  if (isSamePerson(by.identities, namesOf([...found.by.identities, found.caller, /^jwt:[^#]*#(.+)$/.exec(found.caller)?.[1]]))) return no('self', 'A second person closes the review: neither who activated it nor for whom.');
  if (found.review !== null) return no('over', 'Its review is closed already.');
  if (!isSentence(finding)) return no('wrong', 'finding: 1 to 1,000 visible characters are needed');
  await note('break_glass.closed', { caller_id: by.id, policy_ids: [`break_glass:${id}`], tool_input: { by: by.user, finding, activated_by: found.by.user } });
  const at = time.now();
  const closed = await shelf.update(id, (old) => (old.kind !== 'break_glass' || old.review !== null ? null : { ...old, ended: old.ended ?? { at, by }, review: { by, at, finding } }));
  await desk.refresh();
  return closed?.kind === 'break_glass' ? { ok: true, record: closed } : no('over', 'Its review is closed already.');
}
