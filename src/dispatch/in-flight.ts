import type { Session } from '../call/session.ts';

/** What runs for each session, so that `notifications/cancelled` finds it. Ids are the client's own, unique within its session only. */
export interface InFlight {
  /** Returns how to take it out again. A session's second call with the same id replaces the first: it can no longer be cancelled by id. */
  readonly add: (session: Session, id: string | number, cancel: () => void) => () => void;
  /** Cancels a call of this very session; other sessions' equal ids are out of reach (answers crossing, CVE-2026-25536). */
  readonly cancel: (session: Session, id: string | number) => void;
}

export function createInFlight(): InFlight {
  const running = new WeakMap<Session, Map<string | number, () => void>>();
  return {
    add: (session, id, cancel) => {
      let calls = running.get(session);
      if (calls === undefined) running.set(session, (calls = new Map()));
      calls.set(id, cancel);
      return () => {
        if (calls.get(id) === cancel) calls.delete(id);
      };
    },
    cancel: (session, id) => running.get(session)?.get(id)?.(),
  };
}
