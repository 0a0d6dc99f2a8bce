import { z } from 'zod';
import type { Done, Emergency, Grant, GrantFault, Grants } from '../authorize/grants/index.ts';
import { shown } from '../lib/shown.ts';
import { read } from './decide.ts';
import { type AdminCode, type Answer, refused } from './faults.ts';
import type { Asked, RouteDeps } from './asked.ts';

type State = 'live' | 'ended' | 'revoked';
interface HeldView {
  readonly id: string;
  readonly state: State;
  readonly by: string;
  readonly from: string;
  readonly until: string;
  readonly ended_at: string | null;
  /** null: by itself, or not yet. */
  readonly ended_by: string | null;
}
/** A grant as the API shows it; times are RFC 3339. */
export interface GrantView extends HeldView {
  readonly why: string;
  readonly rule: Readonly<Record<string, unknown>>;
}
/** An activation; `review` null: open. */
export interface EmergencyView extends HeldView {
  readonly role: string;
  readonly for: string;
  readonly reason: string;
  readonly review: { readonly by: string; readonly at: string; readonly finding: string } | null;
}
const text = z.string().max(8_192);
const given = z.strictObject({ rule: z.record(z.string(), z.unknown()), until: z.iso.datetime({ offset: true }).optional(), lasts_ms: z.int().optional(), why: text });
const activation = z.strictObject({ role: text, for: text, reason: text });
const empty = z.strictObject({});

export const listGrants = (asked: Asked, { grants }: RouteDeps): Promise<Answer> => listed(asked, async (isAll) => ({ grants: (await grants.list()).flatMap((one) => (one.kind === 'grant' && (isAll || grants.isLive(one.id)) ? [grantView(one, grants)] : [])) }));
export const listEmergencies = (asked: Asked, { grants }: RouteDeps): Promise<Answer> =>
  listed(asked, async (isAll) => ({ break_glass: (await grants.list()).flatMap((one) => (one.kind === 'break_glass' && (isAll || one.review === null || grants.isLive(one.id)) ? [emergencyView(one, grants)] : [])) }));
async function listed({ query }: Asked, make: (isAll: boolean) => Promise<object>): Promise<Answer> {
  const all = query.get('all') ?? 'false';
  return all === 'true' || all === 'false' ? { status: 200, body: await make(all === 'true') } : refused('admin.body');
}

export async function giveGrant({ body, person }: Asked, { grants, clock }: RouteDeps): Promise<Answer> {
  const wanted = read(body, given);
  if (wanted === null || person === null) return refused('admin.body');
  if ((wanted.until === undefined) === (wanted.lasts_ms === undefined)) return refused('admin.grant', 'Say when it ends: one of `until` and `lasts_ms`.');
  const lastsMs = wanted.lasts_ms ?? Date.parse(wanted.until ?? '') - clock.now();
  return answered(await grants.give(person, { rule: wanted.rule, why: wanted.why, lastsMs }), (one) => grantView(one, grants));
}
export async function revokeGrant(id: string, { body, person }: Asked, { grants }: RouteDeps): Promise<Answer> {
  if (read(body, empty) === null || person === null) return refused('admin.body');
  return answered(await grants.revoke(person, id), (one) => grantView(one, grants));
}
export async function activateRole({ body, person }: Asked, { grants }: RouteDeps): Promise<Answer> {
  const wanted = read(body, activation);
  if (wanted === null || person === null) return refused('admin.body');
  return answered(await grants.activate(person, { role: wanted.role, caller: wanted.for, reason: wanted.reason }), (one) => emergencyView(one, grants));
}
export async function endRole(id: string, { body, person }: Asked, { grants }: RouteDeps): Promise<Answer> {
  if (read(body, empty) === null || person === null) return refused('admin.body');
  return answered(await grants.end(person, id), (one) => emergencyView(one, grants));
}
export async function closeReview(id: string, { body, person }: Asked, { grants }: RouteDeps): Promise<Answer> {
  const wanted = read(body, z.strictObject({ finding: text }));
  if (wanted === null || person === null) return refused('admin.body');
  return answered(await grants.close(person, id, wanted.finding), (one) => emergencyView(one, grants));
}

const CODES = { unknown: 'admin.unknown', over: 'admin.closed', not_entitled: 'admin.not_entitled', self: 'admin.self', wrong: 'admin.grant' } as const satisfies Record<GrantFault, AdminCode>;
const answered = <T>(done: Done<T>, view: (record: T) => object): Answer => (done.ok ? { status: 200, body: view(done.record) } : refused(CODES[done.fault], done.says));

const iso = (at: number): string => new Date(at).toISOString();
function heldView(one: Grant | Emergency, grants: Pick<Grants, 'isLive'>): HeldView {
  const state = grants.isLive(one.id) ? 'live' : one.ended !== null && one.ended.by !== null ? 'revoked' : 'ended';
  return { id: one.id, state, by: one.by.user, from: iso(one.from), until: iso(one.until), ended_at: one.ended === null ? null : iso(one.ended.at), ended_by: one.ended?.by?.user ?? null };
}
const grantView = (one: Grant, grants: Pick<Grants, 'isLive'>): GrantView => ({ ...heldView(one, grants), why: one.why, rule: one.rule });
const emergencyView = (one: Emergency, grants: Pick<Grants, 'isLive'>): EmergencyView => ({
  ...heldView(one, grants), role: one.role, for: one.caller, reason: one.reason, review: one.review === null ? null : { by: one.review.by.user, at: iso(one.review.at), finding: one.review.finding },
});

/** One line for a terminal; nothing in it acts (CWE-150). */
export function grantLine(one: GrantView | EmergencyView): string {
  const about = 'role' in one
    ? [`role=${one.role}`, `for=${one.for}`, one.review === null ? 'REVIEW OPEN' : `reviewed by ${one.review.by}: ${one.review.finding}`, `“${one.reason}”`]
    : [JSON.stringify(one.rule), `“${one.why}”`];
  return [one.id, one.state, `until ${one.until}`, `by ${one.by}`, ...about].map(shown).join('  ');
}
