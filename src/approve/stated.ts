import type { Refusal } from '../call/refusal.ts';
import type { Said } from './ask.ts';
import type { ApproveConfig } from './config.ts';
import type { Duties } from './duties.ts';
import { matchesWhole, words } from './words.ts';

/** Whether a ticket exists, says whoever keeps them. May reject: that is a no. */
export type CheckTicket = (ticket: string) => Promise<'ok' | 'unknown' | 'unavailable'>;
/** Reason and ticket, judged. */
export interface Stated {
  readonly reason: string | null;
  readonly ticket: string | null;
}
const TICKET_CHARS = 128;

/** Holds what the requester said against what policy asks (MISSION A2); what is not asked for but readable is kept all the same. */
export async function judgeStated(said: Said, duties: Duties, config: ApproveConfig, checkTicket: CheckTicket | null): Promise<{ readonly stated: Stated } | { readonly stop: Refusal }> {
  const reason = said.reason === null ? null : words(said.reason);
  const ticket = said.ticket === null ? null : words(said.ticket, TICKET_CHARS);
  if (duties.reason && reason === null) return { stop: { code: 'approve.reason_required' } };
  if (duties.tickets.length === 0) return { stated: { reason, ticket } };
  if (ticket === null) return { stop: { code: 'approve.ticket_required' } };
  const own = config.ticket !== null && 'pattern' in config.ticket ? [config.ticket.pattern] : [];
  const patterns = [...own, ...duties.tickets].filter((pattern) => pattern !== null);
  if (!patterns.every((pattern) => matchesWhole(pattern, ticket))) return { stop: { code: 'approve.ticket_refused', note: 'not of the form that is asked for' } };
  if (checkTicket === null) return { stated: { reason, ticket } };
  const known = await checkTicket(ticket);
  return known === 'ok' ? { stated: { reason, ticket } } : { stop: { code: 'approve.ticket_refused', note: `the check says ${known}` } };
}
