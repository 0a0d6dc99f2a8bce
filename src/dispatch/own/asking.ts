import type { JsonObject } from '../../call/json.ts';
import type { Refusal } from '../../call/refusal.ts';
import type { Session } from '../../call/session.ts';
import type { Pending } from '../questions.ts';
import type { Room } from '../room.ts';
import type { Reply } from '../upstream.ts';
import { judge, NOT_FOUND } from './asks.ts';
import { STRETCH, type Trip } from './trip.ts';

/** Puts the questions of one call to its legacy client, each as a request of the gateway's own. */
export interface Asking {
  /** What the client says; a decline where it may not be asked. null: the call is given up, `refusal` says why. Never rejects. */
  readonly ask: (method: string, paramsText: string, params: JsonObject) => Promise<Reply | null>;
  readonly refusal: () => Refusal | null;
  /** The call has ended, one way or the other: what is still open is withdrawn. */
  readonly close: () => void;
}

/** `giveUp` is called once, when the call cannot go on for want of an answer. */
export function createAsking(trip: Trip, session: Session, room: Pick<Room, 'questions' | 'places' | 'deps' | 'questionMs'>, giveUp: () => void): Asking {
  const open = new Set<Pending>();
  let release: (() => void) | null = null;
  let refusal: Refusal | null = null;
  let isClosed = false;
  let deadline: NodeJS.Timeout | null = null;
  const left = (timeouts: number): number => Math.max(0, trip.startedAt + trip.timeoutMs * timeouts - room.deps.clock.monotonic());

  const close = (): void => {
    isClosed = true;
    if (deadline !== null) clearTimeout(deadline);
    for (const pending of open) pending.giveUp();
    release?.();
    release = null;
  };
  const fail = (code: 'dispatch.questions' | 'dispatch.unanswered' | 'dispatch.timeout', note?: string): null => {
    if (!isClosed) {
      refusal = { code, effect: 'unknown', ...(note === undefined ? {} : { note }) };
      close();
      giveUp();
    }
    return null;
  };

  return {
    ask: async (method, paramsText, params) => {
      if (isClosed) return null;
      const judged = judge(method, paramsText, params, trip);
      if ('instead' in judged) return judged.instead;
      if ((release ??= room.places.take(trip.call.principal.id)) === null) return fail('dispatch.questions');
      // The server's own time stands still while it waits, the corridor's does not: the call must end before its stage is ended for it.
      deadline ??= setTimeout(() => fail('dispatch.timeout'), left(STRETCH)).unref();
      const pending = room.questions.ask(trip.call, session, method, judged.ask, Math.min(room.questionMs, left(STRETCH - 1)));
      open.add(pending);
      const heard = await pending.heard;
      open.delete(pending);
      if (open.size === 0) {
        release?.();
        release = null;
      }
      if (typeof heard !== 'string') return heard;
      if (heard === 'withheld') return NOT_FOUND; // inspect/ has logged why
      return heard === 'given_up' ? null : fail('dispatch.unanswered', heard === 'gone' ? 'the client is gone' : undefined);
    },
    refusal: () => refusal,
    close,
  };
}
