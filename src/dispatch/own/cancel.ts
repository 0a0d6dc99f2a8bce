import type { GivenUp, Journaled } from '../../call/call.ts';
import type { Room } from '../room.ts';

/** The call's signal, joined with `notifications/cancelled` of its session and with the lane's own giving up. */
export interface Cancel {
  readonly signal: GivenUp;
  readonly abort: () => void;
  readonly done: () => void;
}

const nothing = (): void => undefined;

export function cancellable(call: Journaled, room: Pick<Room, 'inFlight'>): Cancel {
  const { session, message, signal } = call;
  if (session === null || message.rpcId === null) return { signal, abort: nothing, done: nothing };
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort);
  const forget = room.inFlight.add(session, message.rpcId, abort);
  return {
    signal: controller.signal,
    abort,
    done: () => {
      signal.removeEventListener('abort', abort);
      forget();
    },
  };
}
