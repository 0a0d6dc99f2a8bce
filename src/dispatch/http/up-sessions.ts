import { UpstreamFault } from '../upstream.ts';
import type { UpSession } from './probe.ts';

/**
 * Sessions at one legacy server: one per principal and set of client capabilities, which `initialize` fixes for good. What a server
 * remembers of one caller is never another's (MCP security best practices, session hijacking), and nobody is asked what he cannot answer.
 */
export interface UpSessions {
  /**
   * The session for both, opened when there is none, and held until it is released. Rejects as `open` does, the next call tries again;
   * throws `SessionsFull` when there is no room.
   */
  readonly hold: (principalId: string, capabilities: string) => Held | Promise<Held>;
  /** Keeps a session that was opened elsewhere, and holds it. */
  readonly put: (principalId: string, capabilities: string, session: UpSession) => Held;
  /** Forgets and ends what was not used for a while. */
  readonly sweep: () => void;
  /** Forgets all; each ends as soon as nobody holds it. */
  readonly clear: () => void;
}
/** A session that is neither ended nor pushed out before everybody who holds it has released it, each once. */
export interface Held {
  readonly session: UpSession;
  readonly release: () => void;
  /** The server does not know it any more: the next caller does not get it. */
  readonly drop: () => void;
  /** What `logging/setLevel` was last asked for here, as its rank in LOG_LEVELS; Infinity: nothing yet. */
  logRank: number;
  /** Settles when the server has taken the level. */
  levelSet: Promise<unknown> | null;
}
/** No session could be had: nothing was sent. */
export class SessionsFull extends UpstreamFault {
  constructor(note: string) {
    super({ code: 'dispatch.unavailable', note, effect: 'none' });
  }
}

interface Entry extends Held {
  readonly principalId: string;
  /** How many requests run in it. */
  users: number;
  usedAt: number;
  isKept: boolean;
}
interface Opening {
  readonly principalId: string;
  waiters: number;
  readonly entry: Promise<Entry>;
}
const IDLE_MS = 10 * 60_000;
/** CWE-770: in all, and for one principal, who chooses how many different capabilities to declare. */
const MAX = 1_000, MAX_OF_ONE = 16;

export interface UpSessionsDeps {
  readonly open: (capabilities: string) => Promise<UpSession>;
  readonly end: (session: UpSession) => void;
  readonly monotonic: () => number;
}

export function createUpSessions(deps: UpSessionsDeps): UpSessions {
  const entries = new Map<string, Entry>();
  const openings = new Map<string, Opening>();

  const forget = (key: string, entry: Entry): void => {
    entry.isKept = false;
    if (entries.get(key) === entry) entries.delete(key);
    if (entry.users === 0) deps.end(entry.session);
  };
  const keep = (key: string, principalId: string, session: UpSession, users: number): Entry => {
    const old = entries.get(key);
    if (old !== undefined) forget(key, old);
    const entry: Entry = {
      principalId, session, users, usedAt: deps.monotonic(), isKept: true, logRank: Infinity, levelSet: null,
      release: () => {
        entry.usedAt = deps.monotonic();
        if (--entry.users === 0 && !entry.isKept) deps.end(entry.session);
      },
      drop: () => {
        if (entries.get(key) === entry) entries.delete(key); // at once: the next caller must not get it again
      },
    };
    entries.set(key, entry);
    return entry;
  };
  const open = (key: string, principalId: string, capabilities: string): Opening => {
    const pushedOut = makeRoom(principalId, entries, openings);
    if (pushedOut !== null) forget(...pushedOut);
    const one: Opening = { principalId, waiters: 0, entry: deps.open(capabilities).then((session) => keep(key, principalId, session, one.waiters)).finally(() => openings.delete(key)) };
    openings.set(key, one);
    return one;
  };

  return {
    hold: (principalId, capabilities) => {
      const key = keyOf(principalId, capabilities);
      const entry = entries.get(key);
      if (entry !== undefined) {
        entry.users++;
        return entry;
      }
      const one = openings.get(key) ?? open(key, principalId, capabilities);
      one.waiters++;
      return one.entry;
    },
    put: (principalId, capabilities, session) => keep(keyOf(principalId, capabilities), principalId, session, 1),
    sweep: () => {
      for (const [key, entry] of entries) if (entry.users === 0 && deps.monotonic() - entry.usedAt > IDLE_MS) forget(key, entry);
    },
    clear: () => {
      for (const [key, entry] of entries) forget(key, entry);
    },
  };
}

/** No JSON text ends in a line break and another object, so no two pairs meet in one key. */
const keyOf = (principalId: string, capabilities: string): string => `${principalId}\n${capabilities}`;

/** What has to go before one more session is opened: the one that was not used for longest; null: there is room. Throws when all are in use. */
function makeRoom(principalId: string, entries: ReadonlyMap<string, Entry>, openings: ReadonlyMap<string, Opening>): [string, Entry] | null {
  let ofOne = 0;
  for (const one of openings.values()) if (one.principalId === principalId) ofOne++;
  for (const entry of entries.values()) if (entry.principalId === principalId) ofOne++;
  const isMine = ofOne >= MAX_OF_ONE;
  if (!isMine && entries.size + openings.size < MAX) return null;
  let idlest: [string, Entry] | null = null;
  for (const [key, entry] of entries) {
    if (entry.users === 0 && (!isMine || entry.principalId === principalId) && (idlest === null || entry.usedAt < idlest[1].usedAt)) idlest = [key, entry];
  }
  if (idlest === null) throw new SessionsFull(isMine ? `${MAX_OF_ONE} sessions of this caller are in use` : `${MAX} sessions are in use`);
  return idlest;
}
