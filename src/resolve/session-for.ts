import type { Authenticated } from '../call/call.ts';
import type { Session } from '../call/session.ts';
import type { Sessions } from './sessions.ts';

/** Why a call has no session it could run in. */
export interface NoSession {
  readonly stop: { readonly code: 'receive.session_required' | 'resolve.unknown_session' | 'receive.message'; readonly note?: string };
}
const NONE_SUCH: NoSession = { stop: { code: 'resolve.unknown_session' } };
/** The revisions whose sessions may send batches: 2025-06-18 took them out of the standard. */
const BATCHING: ReadonlySet<string> = new Set(['2024-11-05', '2025-03-26']);

/** The session of a call: null where the era or the door has none, a fresh one for `initialize` or a new channel, else the one it names. */
export function sessionFor(call: Authenticated, sessions: Sessions): Session | null | NoSession {
  if (call.era === 'modern' || call.door === 'rest') return null;
  if (call.channel === true) return channelFor(call, sessions);
  // A request only: a notification of that name would otherwise slip past the check below.
  if (call.message.kind === 'request' && call.message.method === 'initialize') return sessions.open(call.principal, call.server, call.version);
  if (call.sessionId === null) return { stop: { code: 'receive.session_required' } };
  return judgeBatch(call, sessions.claim(call.sessionId, call.principal.id, call.server));
}

/** A GET opens the channel; everything else, `initialize` too, belongs to one that is open. */
function channelFor(call: Authenticated, sessions: Sessions): Session | NoSession {
  if (call.message.kind === 'stream') return sessions.open(call.principal, call.server, call.version, 'channel');
  return judgeBatch(call, call.sessionId === null ? undefined : sessions.claim(call.sessionId, call.principal.id, call.server, 'channel'));
}

/** Whether a batch may come hangs on the session, not on what a header says: whoever stands in front and reads single messages must not be passed by. */
function judgeBatch(call: Authenticated, session: Session | undefined): Session | NoSession {
  if (session === undefined) return NONE_SUCH;
  return call.batched === true && !BATCHING.has(session.version) ? { stop: { code: 'receive.message', note: `a batch in a session of ${session.version}` } } : session;
}
