import type { Session } from '../call/session.ts';

/** Stops a call. `tellServer`: nobody has told the server yet. What it returns settles when the server has been told. */
export type Cancel = (tellServer: boolean) => void | Promise<void>;

/** What runs for each session, so that `notifications/cancelled` and the end of the session find it. Ids are the client's own, unique within its session only. */
export interface InFlight {
  /** Returns how to take it out again. In a session that has ended meanwhile it is cancelled at once. */
  readonly add: (session: Session, id: string | number, cancel: Cancel) => () => void;
  /** Cancels what this very session calls by that id; other sessions' equal ids are out of reach (answers crossing, CVE-2026-25536). */
  readonly cancel: (session: Session, id: string | number) => void;
  /** The session has ended: nobody is left to read what its calls would answer. Resolves when their servers have been told. */
  readonly cancelAll: (session: Session) => Promise<void>;
}

interface Running {
  readonly id: string | number;
  readonly cancel: Cancel;
  /** Where it stands in the list. */
  at: number;
}
interface Calls {
  readonly list: Running[];
  ended: boolean;
}

/** A list per session, taken out by swapping with the last: a Map would leave a dead entry in the old generation for each call. */
export function createInFlight(): InFlight {
  const bySession = new WeakMap<Session, Calls>();
  const callsOf = (session: Session): Calls => {
    let calls = bySession.get(session);
    if (calls === undefined) bySession.set(session, (calls = { list: [], ended: false }));
    return calls;
  };
  return {
    add: (session, id, cancel) => {
      const { list, ended } = callsOf(session);
      const running: Running = { id, cancel, at: list.length };
      list.push(running);
      if (ended) queueMicrotask(() => void cancel(true));
      return () => remove(list, running);
    },
    cancel: (session, id) => {
      for (const running of matching(bySession.get(session), id)) void running.cancel(false);
    },
    cancelAll: async (session) => {
      const calls = callsOf(session);
      calls.ended = true;
      await Promise.allSettled([...calls.list].map(async (running) => await running.cancel(true)));
    },
  };
}

const matching = (calls: Calls | undefined, id: string | number): Running[] => calls?.list.filter((running) => running.id === id) ?? [];

function remove(list: Running[], running: Running): void {
  if (list[running.at] !== running) return;
  const last = list.pop();
  if (last === undefined || last === running) return;
  last.at = running.at;
  list[last.at] = last;
}
