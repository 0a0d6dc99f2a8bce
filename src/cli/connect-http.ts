import type { Dispatcher } from 'undici';
import { createSseSplitter, type SseEvent } from '../lib/sse.ts';
import { MAX_LINE } from './connect-line.ts';
import { Broken, TOO_LARGE, troubleOfError } from './connect-trouble.ts';

/** The endpoint and the key; one request each, no retry, no redirect. All three throw `Broken` when the connection does. */
export interface Endpoint {
  readonly url: string;
  readonly post: (headers: readonly string[], body: Buffer, signal: AbortSignal | null) => Promise<Reply>;
  /** Opens an event stream. */
  readonly get: (headers: readonly string[], signal: AbortSignal) => Promise<Reply>;
  /** Ends a session; waits no longer than `ms`. */
  readonly end: (headers: readonly string[], ms: number) => Promise<void>;
}
/** The head of an answer. Exactly one of the others is called, once. */
export interface Reply {
  readonly status: number;
  readonly sessionId: string | null;
  readonly isStream: boolean;
  /** The events, read from the socket only as fast as they are taken. Throws `Broken`. */
  readonly events: () => AsyncGenerator<SseEvent>;
  readonly whole: () => Promise<Buffer>;
  /** Reads and forgets the body. */
  readonly dump: () => Promise<void>;
}

/** How long the head of an answer to a message without an id may take, ms. */
export const HEAD_MS = 30_000;

export function createEndpoint(dispatcher: Dispatcher, url: URL, key: string): Endpoint {
  const path = url.pathname + url.search;
  const { origin } = url;
  const send = async (method: 'POST' | 'GET' | 'DELETE', headers: readonly string[], more: { body?: Buffer; signal?: AbortSignal; headersTimeout?: number }): Promise<Reply> => {
    try {
      return replyOf(await dispatcher.request({ origin, path, method, headers: ['x-api-key', key, ...headers], headersTimeout: 0, bodyTimeout: 0, ...more }), origin);
    } catch (error) {
      throw new Broken(troubleOfError(error, origin));
    }
  };
  return {
    url: origin + path,
    post: (headers, body, signal) => send('POST', [...JSON_HEADERS, ...headers], { body, ...(signal === null ? { headersTimeout: HEAD_MS } : { signal }) }),
    get: (headers, signal) => send('GET', ['accept', 'text/event-stream', ...headers], { signal }),
    end: async (headers, ms) => {
      const reply = await send('DELETE', headers, { signal: AbortSignal.timeout(ms) }).catch(() => null); // the gateway forgets it by itself
      await reply?.dump();
    },
  };
}
const JSON_HEADERS = ['content-type', 'application/json', 'accept', 'application/json, text/event-stream'] as const;

function replyOf({ statusCode, headers, body }: Dispatcher.ResponseData, origin: string): Reply {
  const type = String(headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
  const session = headers['mcp-session-id'];
  return {
    status: statusCode,
    sessionId: typeof session === 'string' ? session : null,
    isStream: statusCode === 200 && type === 'text/event-stream',
    events: () => eventsOf(body, origin),
    whole: () => wholeOf(body, origin),
    dump: () => body.dump().catch(() => undefined),
  };
}

async function* eventsOf(body: AsyncIterable<Buffer>, origin: string): AsyncGenerator<SseEvent> {
  const splitter = createSseSplitter(MAX_LINE);
  try {
    for await (const chunk of body) {
      const events: SseEvent[] = [];
      const fault = splitter.push(chunk, (event) => events.push(event));
      yield* events;
      if (fault !== null) throw new Broken(TOO_LARGE);
    }
  } catch (error) {
    throw new Broken(troubleOfError(error, origin));
  }
}

async function wholeOf(body: AsyncIterable<Buffer>, origin: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      size += chunk.length;
      if (size > MAX_LINE) throw new Broken(TOO_LARGE); // CWE-770
      chunks.push(chunk);
    }
  } catch (error) {
    throw new Broken(troubleOfError(error, origin));
  }
  return Buffer.concat(chunks);
}
