import type { Journaled, Side } from '../../call/call.ts';
import type { Session } from '../../call/session.ts';
import { stop, type Done, type Room } from '../room.ts';
import { UpstreamFault } from '../upstream.ts';
import { answer, error } from './say.ts';
import { MAX_WATCHED, type Watching } from './watching.ts';
import type { Watched } from './updated.ts';

/** `resources/subscribe` and `resources/unsubscribe` of the legacy eras: what a session watches, until it ends. */
export interface Subscriptions {
  readonly subscribe: (call: Journaled) => Done | Promise<Done>;
  readonly unsubscribe: (call: Journaled) => Done;
}

interface Entry {
  /** Settles when the server has accepted or refused. */
  ready: Promise<void>;
  isOver: boolean;
  stop: (() => void) | null;
}

export function createSubscriptions(room: Room, watching: Watching): Subscriptions {
  const bySession = new WeakMap<Session, Map<string, Entry>>();
  const ended = new WeakSet<Session>();
  const over = (entry: Entry): void => {
    entry.isOver = true;
    entry.stop?.();
  };
  room.deps.sessions.onEnd((session) => {
    ended.add(session);
    bySession.get(session)?.forEach(over);
    bySession.delete(session);
  });

  const begin = (watched: Watched, session: Session, kept: Map<string, Entry>): Entry => {
    const call: Journaled = { ...watched.call, side: NOBODY }; // it outlives its request, whose socket it must not hold
    const told = (uri: string, block: Buffer): void => {
      if (!entry.isOver) room.streams.tell(session, keyOf(uri), block);
    };
    const entry: Entry = { ready: Promise.resolve(), isOver: false, stop: null };
    entry.ready = watching.open({ ...watched, call }, told).then((stopWatching) => {
      entry.stop = stopWatching;
      if (entry.isOver) stopWatching(); // given up while the server was asked
    }, (thrown: unknown) => {
      if (kept.get(watched.shown) === entry) kept.delete(watched.shown);
      throw thrown;
    });
    kept.set(watched.shown, entry);
    return entry;
  };

  return {
    subscribe: (call) => {
      const { session } = call;
      const watched = watching.aimed(call);
      if (session === null || watched === null) return error(call, 200, -32601, 'Method not found');
      // Ended while this call was on its way here: nobody would ever release what it began.
      if (ended.has(session)) return stop({ code: 'dispatch.session', effect: 'none' });
      let kept = bySession.get(session);
      if (kept === undefined) bySession.set(session, (kept = new Map()));
      const known = kept.get(watched.shown);
      if (known === undefined && kept.size >= MAX_WATCHED) return stop({ code: 'dispatch.subscriptions', note: `${MAX_WATCHED} of the session`, effect: 'none' });
      const entry = known ?? begin(watched, session, kept);
      return entry.ready.then(() => answer(call, {}), (thrown: unknown) => {
        if (thrown instanceof UpstreamFault) return stop(thrown.refusal);
        throw thrown;
      });
    },
    unsubscribe: (call) => {
      const { session } = call;
      const uri = call.message.params['uri'];
      if (session === null || watching.aimed(call) === null || typeof uri !== 'string') return error(call, 200, -32601, 'Method not found');
      const kept = bySession.get(session);
      const entry = kept?.get(uri);
      kept?.delete(uri);
      if (entry !== undefined) over(entry);
      room.streams.untell(session, keyOf(uri));
      return answer(call, {});
    },
  };
}

const keyOf = (uri: string): string => `resource ${uri}`;
const NOBODY: Side = { event: () => false, detached: () => undefined };
