import type { Answer, Journaled } from '../../call/call.ts';
import { randomToken } from '../../lib/ids.ts';
import type { Room } from '../room.ts';
import { Parked, type Finish } from './parked.ts';
import type { Trip } from './trip.ts';

/**
 * Calls of modern clients whose legacy server asked something. The request stays open at the server; the client gets its questions as
 * `input_required`, and a ticket that finds the call again. A ticket is good once, for the caller who got it, for the same call.
 */
export interface Parking {
  /** Sends the request; answers with what the server says, or with what it asks. */
  readonly begin: (trip: Trip, paramsText: string, finish: Finish) => Promise<Answer>;
  /** The client came back. null: no such ticket, not any more, or not this caller's. */
  readonly resume: (call: Journaled, ticket: string, finish: Finish) => Promise<Answer> | null;
  /** Cancels what waits for this principal, whose credential is worth nothing any more; null: for everybody. */
  readonly drop: (principalId: string | null) => void;
}

export function createParking(room: Room): Parking {
  const waiting = new Map<string, Parked>();
  const place = (parked: Parked): { readonly ticket: string; readonly remove: () => void } => {
    const ticket = randomToken();
    waiting.set(ticket, parked);
    return { ticket, remove: () => void waiting.delete(ticket) };
  };
  return {
    begin: (trip, paramsText, finish) => new Parked(trip, room, place).begin(paramsText, finish),
    resume: (call, ticket, finish) => {
      const parked = waiting.get(ticket);
      // The seal has bound the ticket to caller, server, method and arguments; this is the second lock (PROTOCOL 5.4).
      if (parked === undefined || parked.principalId !== call.principal.id) return null;
      // Taken out before anything else can run: of two that come with one ticket, one finds it (CWE-367).
      waiting.delete(ticket);
      return parked.resume(call, finish);
    },
    drop: (principalId) => {
      for (const parked of waiting.values()) if (principalId === null || parked.principalId === principalId) parked.lapse();
    },
  };
}
