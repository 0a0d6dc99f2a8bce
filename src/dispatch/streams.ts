import type { Journaled } from '../call/call.ts';
import type { Session } from '../call/session.ts';
import { eventBlock } from '../lib/sse.ts';

/** A stream that a client holds open: a legacy GET, or a modern `subscriptions/listen`. */
export interface OpenStream {
  readonly call: Journaled;
  /** False: the reader is gone or too slow. */
  readonly send: (block: Buffer) => boolean;
  readonly close: () => void;
  /** Whether, and as what, the reader wants to hear that its tools changed. */
  readonly toolsChanged: Buffer | null;
}

/** The streams that are open, so that the gateway can say something on them and close them. */
export interface Streams {
  /** Returns how to take it out again. It closes by itself when the caller's credential expires. */
  readonly add: (stream: OpenStream) => () => void;
  /** Tells every stream at this server's endpoint and at the aggregate; null: all of them. */
  readonly toolsChanged: (server: string | null) => void;
  readonly closeOf: (session: Session) => void;
  readonly closeAll: () => void;
}

/** The longest a Node timer can wait. */
const MAX_TIMER_MS = 2_147_483_647;

export function createStreams(now: () => number): Streams {
  const open = new Set<OpenStream>();
  return {
    add: (stream) => {
      const { call } = stream;
      const { session, principal } = call;
      const sender = (block: Buffer): void => void (stream.send(block) || stream.close());
      open.add(stream);
      session?.streams.add(sender);
      // A stream must not outlive the credential that opened it (CWE-613).
      const timer = principal.expiresAt === null ? null : setTimeout(stream.close, Math.min(MAX_TIMER_MS, Math.max(0, principal.expiresAt - now())));
      timer?.unref();
      return () => {
        open.delete(stream);
        session?.streams.delete(sender);
        if (timer !== null) clearTimeout(timer);
      };
    },
    toolsChanged: (server) => {
      for (const stream of open) {
        const concerned = server === null || stream.call.server === null || stream.call.server === server;
        if (concerned && stream.toolsChanged !== null && !stream.send(stream.toolsChanged)) stream.close();
      }
    },
    closeOf: (session) => {
      for (const stream of open) if (stream.call.session === session) stream.close();
    },
    closeAll: () => {
      for (const stream of open) stream.close();
    },
  };
}

/** What opens a stream towards the client before there is anything to say. */
export const HELLO = Buffer.from(':\n\n');
export const LEGACY_TOOLS_CHANGED = eventBlock('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}');
/** MCP 2026-07-28 subscriptions: every message carries the id of the listen request. */
export const subscriptionMeta = (id: string | number | null): string => `"_meta":{"io.modelcontextprotocol/subscriptionId":${JSON.stringify(id)}}`;
export const modernToolsChanged = (id: string | number | null): Buffer =>
  eventBlock(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{${subscriptionMeta(id)}}}`);
