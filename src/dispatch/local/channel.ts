import type { Journaled } from '../../call/call.ts';
import type { Room } from '../room.ts';
import { HELLO } from '../streams.ts';

/**
 * What a legacy GET stream says first. On a 2024-11-05 channel that is where the client sends its messages (MCP 2024-11-05 transports,
 * "HTTP with SSE"); the session is admitted now, so that it is known to whoever was told of it. The address is a path: where the
 * gateway stands is the client's knowledge, not ours (a name in it could be an attacker's, CWE-644).
 */
export function opening({ session }: Journaled, room: Room): Buffer {
  if (session?.kind !== 'channel') return HELLO;
  room.deps.sessions.admit(session);
  return Buffer.from(`event: endpoint\ndata: ${session.server === null ? '' : `/s/${session.server}`}/sse/${session.id}\n\n`);
}

/** A channel is its stream: there is no coming back to it, so what runs in it has nobody to answer to. */
export function closing({ session }: Journaled, room: Room): void {
  if (session?.kind === 'channel') room.deps.sessions.end(session.id);
}
