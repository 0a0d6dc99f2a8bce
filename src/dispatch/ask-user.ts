import type { Limited } from '../call/call.ts';
import type { Room } from './room.ts';
import type { Reply } from './upstream.ts';

/** What came of a question. gone: nobody reads the call's stream. full: too many of this caller's calls wait already. given_up: the client cancelled the call. */
export type HeardUser = Reply | 'gone' | 'late' | 'given_up' | 'full';

/**
 * A question of the gateway's own before the server hears of the call, held to the same bounds as those of servers: so many of one caller
 * at once, so long, and over when the call or its session is (CWE-770, CWE-613).
 */
export async function askUser(call: Limited, method: string, paramsText: string, room: Pick<Room, 'questions' | 'places' | 'inFlight' | 'questionMs'>): Promise<HeardUser> {
  const { session, message } = call;
  if (session === null || call.era !== 'legacy' || message.rpcId === null || call.signal.aborted) return 'gone';
  const release = room.places.take(call.principal.id);
  if (release === null) return 'full';
  const pending = room.questions.askOwn(call, session, method, paramsText, room.questionMs);
  const forget = room.inFlight.add(session, message.rpcId, pending.giveUp);
  call.signal.addEventListener('abort', pending.giveUp);
  try {
    const heard = await pending.heard;
    return heard === 'withheld' ? 'gone' : heard;
  } finally {
    call.signal.removeEventListener('abort', pending.giveUp);
    forget();
    release();
  }
}
