import type { UpSession } from './probe.ts';

/** Sessions at one legacy server, one per principal: what a server remembers of one caller is never another's (MCP security best practices). */
export interface UpSessions {
  /** The principal's session, opened when there is none. Fails as `open` fails; the next call tries again. */
  readonly of: (principalId: string) => Promise<UpSession>;
  readonly put: (principalId: string, session: UpSession) => void;
  /** The server does not know this session any more. */
  readonly drop: (principalId: string, session: UpSession) => void;
  /** Forgets and ends what was not used for a while. */
  readonly sweep: () => void;
  readonly clear: () => void;
}

interface Entry {
  readonly opening: Promise<UpSession>;
  /** Set once it is open. */
  session: UpSession | null;
  usedAt: number;
}
const IDLE_MS = 10 * 60_000;
/** CWE-770. The one that was not used for longest goes. */
const MAX = 1_000;

export function createUpSessions(deps: { readonly open: () => Promise<UpSession>; readonly end: (session: UpSession) => void; readonly monotonic: () => number }): UpSessions {
  /** In order of use: the first is the idlest. */
  const entries = new Map<string, Entry>();
  const remove = (principalId: string, entry: Entry): void => {
    if (entries.get(principalId) === entry) entries.delete(principalId);
    entry.opening.then(deps.end, () => undefined);
  };
  const add = (principalId: string, opening: Promise<UpSession>): Promise<UpSession> => {
    const entry: Entry = { opening, session: null, usedAt: deps.monotonic() };
    entries.set(principalId, entry);
    opening.then((session) => (entry.session = session), () => entries.get(principalId) === entry && entries.delete(principalId));
    const [idlest] = entries;
    if (entries.size > MAX && idlest !== undefined) remove(idlest[0], idlest[1]);
    return opening;
  };
  return {
    of: (principalId) => {
      const entry = entries.get(principalId);
      if (entry === undefined) return add(principalId, deps.open());
      entry.usedAt = deps.monotonic();
      entries.delete(principalId);
      entries.set(principalId, entry);
      return entry.opening;
    },
    put: (principalId, session) => {
      const old = entries.get(principalId);
      if (old !== undefined) remove(principalId, old);
      void add(principalId, Promise.resolve(session));
    },
    drop: (principalId, session) => {
      const entry = entries.get(principalId);
      if (entry?.session === session) entries.delete(principalId); // at once: the next caller must not get it again
    },
    sweep: () => {
      for (const [principalId, entry] of entries) if (deps.monotonic() - entry.usedAt > IDLE_MS) remove(principalId, entry);
    },
    clear: () => {
      for (const [principalId, entry] of entries) remove(principalId, entry);
    },
  };
}
