import { newId } from '../../lib/ids.ts';
import type { Grant } from './record.ts';
import { byOf, type Desk, type Done, isIn, isSentence, iso, no, type Person } from './room.ts';
import { namesPerson, ruleFault, type RuleText } from './rule.ts';

/** What is asked for. `rule`: whom, what, where, arguments, needs, limits, by the keys of a rule. */
export interface Wanted {
  readonly rule: RuleText;
  /** ms; from now. */
  readonly lastsMs: number;
  readonly why: string;
}

/** Gives a grant: recorded, written, and in force when it resolves. Rejects when it cannot be recorded or written; then there is none. */
export async function give(desk: Desk, person: Person, wanted: Wanted): Promise<Done<Grant>> {
  const { deps: { config, namesOf, note }, shelf, time } = desk;
  const { grants } = config();
  const by = byOf(person, namesOf);
  if (by === null || !isIn(person, grants.groups)) return no('not_entitled', 'You are in none of the groups that may give grants (authorize.grants.groups).');
  if (!isSentence(wanted.why)) return no('wrong', 'why: 1 to 1,000 visible characters are needed');
  // Nothing without an end (MISSION P6): what is given for ever is a rule.
  if (!Number.isSafeInteger(wanted.lastsMs) || wanted.lastsMs < 1_000 || wanted.lastsMs > grants.max_ms) return no('wrong', `until: a grant lasts 1 second to ${grants.max_ms / 1_000} seconds (authorize.grants.max_ms)`);
  const id = newId();
  const fault = ruleFault(id, wanted.rule);
  if (fault !== null) return no('wrong', fault);
  if (namesPerson(wanted.rule, by.identities, namesOf)) return no('self', 'Nobody gives a grant to himself, under whichever name.');
  if (desk.liveCount() >= grants.max_live) return no('wrong', `there are ${grants.max_live} grants already (authorize.grants.max_live); revoke some`);
  const from = time.now();
  const grant: Grant = { kind: 'grant', id, by, why: wanted.why, rule: { ...wanted.rule }, from, until: from + wanted.lastsMs, ended: null };
  await note('grant.given', { caller_id: by.id, policy_ids: [`grant:${id}`], tool_input: { by: by.user, why: grant.why, from: iso(from), until: iso(grant.until), rule: JSON.stringify(grant.rule) } });
  await shelf.add(grant);
  await desk.refresh();
  return { ok: true, record: grant };
}
