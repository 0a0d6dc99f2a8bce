import type { Journaled } from '../call/call.ts';
import type { Session } from '../call/session.ts';
import { eventBlock } from '../lib/sse.ts';
import { createMailbox, type Mailbox } from './mailbox.ts';

/** Lists whose changes are told. */
export const LIST_KINDS = ['tools', 'prompts', 'resources'] as const;
export type ListKind = (typeof LIST_KINDS)[number];
/** Which lists' changes a reader wants to hear of, and as what. */
export type Wanted = Readonly<Partial<Record<ListKind, Buffer>>>;

/** A stream that a client holds open: a legacy GET, or a modern `subscriptions/listen`. */
export interface OpenStream {
  readonly call: Journaled;
  /** False: the reader is gone or too slow. */
  readonly send: (block: Buffer) => boolean;
  readonly close: () => void;
  readonly wanted: Wanted;
}

/** The streams that are open, so that the gateway can say something on them and close them. */
export interface Streams {
  /** Returns how to take it out again. It closes by itself when the caller's credential expires; at once when its session has ended. */
  readonly add: (stream: OpenStream) => () => void;
  /**
   * A list has changed: tells every reader at this server's endpoint and at the aggregate; null: all of them. `bySelf`: the server told
   * everybody itself who is mirrored, so that they are left out.
   */
  readonly changed: (kind: ListKind, server: string | null, bySelf?: boolean) => void;
  /**
   * Tells one reader: a modern stream, or a session, on exactly one of its streams (MCP 2025-11-25 transports: no broadcast). A session
   * without an open stream gets it on its next one; of one key the latest is kept.
   */
  readonly tell: (to: Session | OpenStream, key: string, block: Buffer) => void;
  /** Takes back what waits for this reader under that key. */
  readonly untell: (to: Session | OpenStream, key: string) => void;
  /** The session has ended: its streams close and nothing is kept for it any longer. */
  readonly closeOf: (session: Session) => void;
  readonly closeAll: () => void;
}

/** Stands where a server's name does and is none: names hold no such letter. */
export const AGGREGATE = '*';

/** The longest a Node timer can wait. */
const MAX_TIMER_MS = 2_147_483_647;

/** Who hears something once: a session with all its GET streams, or one modern stream. */
interface Reader {
  /** Oldest first. */
  readonly streams: Set<OpenStream>;
  readonly mailbox: Mailbox;
  server: string | null;
  wanted: Wanted;
  isMirrored: boolean;
}

export function createStreams(now: () => number): Streams {
  const readers = new Map<Session | OpenStream, Reader>();
  const ended = new WeakSet<Session>();

  const readerOf = (key: Session | OpenStream, server: string | null): Reader => {
    const known = readers.get(key);
    if (known !== undefined) return known;
    const streams = new Set<OpenStream>();
    const reader: Reader = { streams, mailbox: createMailbox((block) => sendOnOne(streams, block)), server, wanted: {}, isMirrored: false };
    readers.set(key, reader);
    return reader;
  };
  const drop = (key: Session | OpenStream): void => {
    readers.get(key)?.mailbox.close();
    readers.delete(key);
  };
  return {
    add: (stream) => {
      const { session, principal, server } = stream.call;
      // A stream must not outlive its conversation: one that ended while the stream was being opened takes it along (CWE-613).
      if (session !== null && ended.has(session)) {
        stream.close();
        return () => undefined;
      }
      const reader = readerOf(session ?? stream, server);
      const sender = (block: Buffer): void => void (stream.send(block) || stream.close());
      reader.streams.add(stream);
      reader.wanted = stream.wanted;
      reader.isMirrored = stream.call.target.lane === 'mirror';
      session?.streams.add(sender);
      // A stream must not outlive the credential that opened it (CWE-613).
      const timer = principal.expiresAt === null ? null : setTimeout(stream.close, Math.min(MAX_TIMER_MS, Math.max(0, principal.expiresAt - now())));
      timer?.unref();
      queueMicrotask(reader.mailbox.drain); // a reader that fails at once must already know how to take itself out
      return () => {
        reader.streams.delete(stream);
        session?.streams.delete(sender);
        if (timer !== null) clearTimeout(timer);
        if (session === null) drop(stream);
      };
    },
    changed: (kind, server, bySelf = false) => {
      for (const reader of readers.values()) {
        const block = bySelf && reader.isMirrored ? undefined : reader.wanted[kind];
        if (block !== undefined && (server === null || reader.server === null || reader.server === server)) reader.mailbox.tell(`list ${kind}`, block);
      }
    },
    tell: (to, key, block) => {
      const isSession = 'principalId' in to;
      const reader = isSession ? readerOf(to, to.server) : readers.get(to);
      reader?.mailbox.tell(key, block);
    },
    untell: (to, key) => readers.get(to)?.mailbox.forget(key),
    closeOf: (session) => {
      ended.add(session);
      const reader = readers.get(session);
      if (reader === undefined) return;
      for (const stream of reader.streams) stream.close();
      drop(session);
    },
    closeAll: () => {
      for (const reader of readers.values()) for (const stream of reader.streams) stream.close();
    },
  };
}

/** The newest stream first: the client that opened another one has most likely lost the older. */
function sendOnOne(streams: ReadonlySet<OpenStream>, block: Buffer): boolean {
  for (const stream of [...streams].toReversed()) {
    if (stream.send(block)) return true;
    stream.close();
  }
  return false;
}

/** What opens a stream towards the client before there is anything to say. */
export const HELLO = Buffer.from(':\n\n');
const legacy = (kind: ListKind): Buffer => eventBlock(`{"jsonrpc":"2.0","method":"notifications/${kind}/list_changed"}`);
/** All there is to hear on a legacy GET stream. */
export const LEGACY_CHANGES = { tools: legacy('tools'), prompts: legacy('prompts'), resources: legacy('resources') } as const satisfies Wanted;
/** MCP 2026-07-28 subscriptions: every message carries the id of the listen request. */
export const subscriptionMeta = (id: string | number | null): string => `"${SUBSCRIPTION_ID}":${JSON.stringify(id)}`;
export const SUBSCRIPTION_ID = 'io.modelcontextprotocol/subscriptionId';
export const modernChanges = (kinds: readonly ListKind[], id: string | number | null): Wanted =>
  Object.fromEntries(kinds.map((kind) => [kind, eventBlock(`{"jsonrpc":"2.0","method":"notifications/${kind}/list_changed","params":{"_meta":{${subscriptionMeta(id)}}}}`)]));
