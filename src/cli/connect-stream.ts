import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../lib/backoff.ts';
import type { SseEvent } from '../lib/sse.ts';
import type { Endpoint, Reply } from './connect-http.ts';
import { Broken } from './connect-trouble.ts';

/** Where a stream stands: what a later GET says to go on from there (MCP 2025-11-25 "Resumability"). */
export interface Position {
  lastId: string | null;
  retryMs: number | null;
}
/** aborted: the caller wants no more. absent: the server offers no stream. session: it does not know the session. failed: too often in a row. */
export type StreamEnd = 'aborted' | 'absent' | 'session' | 'failed';
export interface Following {
  readonly endpoint: Endpoint;
  /** Session and version, read for each attempt. */
  readonly headers: () => readonly string[];
  readonly at: Position;
  readonly signal: AbortSignal;
  readonly onEvent: (event: SseEvent) => Promise<void>;
  readonly maxFailures: number;
  readonly warn: (text: string) => void;
  /** Waits before the first attempt: the server just closed. */
  readonly isResumed: boolean;
}

/** Notes where the stream stands now. */
export function note(at: Position, event: SseEvent): void {
  if (event.id !== null) at.lastId = event.id === '' ? null : event.id;
  if (event.retry !== null) at.retryMs = event.retry;
}

/** Holds a GET stream open: opens it again where it was, after the time the server asked for, later each time it fails. */
export async function follow(f: Following): Promise<StreamEnd> {
  let failures = 0;
  let wasOpen = f.isResumed;
  for (let attempt = 0; !f.signal.aborted; attempt++) {
    try {
      if (attempt > 0 || f.isResumed) await sleep(failures === 0 ? (f.at.retryMs ?? backoffMs(0)) : Math.max(f.at.retryMs ?? 0, backoffMs(failures)), undefined, { signal: f.signal });
      const reply = await f.endpoint.get([...f.headers(), ...(f.at.lastId === null ? [] : ['last-event-id', f.at.lastId])], f.signal);
      if (!reply.isStream) {
        const end = await refused(reply);
        if (end !== null) return end === 'session' && !wasOpen ? 'absent' : end; // a session that never had one: opening it again would go on for ever
        failures++;
        if (failures === 1) f.warn(`no event stream: HTTP ${reply.status}; trying again`);
      } else {
        wasOpen = true;
        const heard = await read(f, reply);
        failures = heard ? 0 : failures + 1;
      }
    } catch (error) {
      if (f.signal.aborted) break;
      failures++;
      if (failures === 1) f.warn(error instanceof Broken ? error.trouble.text : String(error));
    }
    if (failures >= f.maxFailures) return 'failed';
  }
  return 'aborted';
}

async function refused(reply: Reply): Promise<StreamEnd | null> {
  await reply.dump();
  if (reply.status === 404) return 'session';
  return reply.status === 405 || reply.status === 501 ? 'absent' : null;
}

/** True when anything but comments came: the server is alive, so what follows is no failure. */
async function read(f: Following, reply: Reply): Promise<boolean> {
  let heard = false;
  try {
    for await (const event of reply.events()) {
      heard = true;
      note(f.at, event);
      await f.onEvent(event);
    }
  } catch (error) {
    if (!heard || f.signal.aborted) throw error;
  }
  return heard;
}
