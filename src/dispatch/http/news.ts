import type { JsonObject } from '../../call/json.ts';
import type { SseEvent } from '../../lib/sse.ts';
import { isObject, parseObject, shapeOf } from '../answer.ts';
import { MODERN, NOBODY, requestText } from '../envelope.ts';
import { Exchange, mediaType, type Headers, type Sink } from './exchange.ts';
import type { Link } from './link.ts';
import { sessionHeaders, type UpSession } from './probe.ts';
import { JSON_HEADERS } from './talk.ts';

/** What is listened to: a legacy session's GET stream from an event on, or a modern `subscriptions/listen` for these notifications (JSON text). */
export type Wanted =
  | { readonly era: 'legacy'; readonly session: UpSession; readonly lastId: string | null }
  | { readonly era: 'modern'; readonly id: number; readonly notifications: string };
export interface Listener {
  readonly notification: (message: JsonObject, text: string) => void;
  /** A request of the server: on such a stream it belongs to no call, so there is nobody to ask. */
  readonly request: (message: JsonObject, text: string) => void;
}
/** How a stream ended. none: the server keeps no such stream. ended: it closed it in good order. broken: everything else. */
export type End = 'none' | 'ended' | 'broken';
/** A stream on which the server tells what nobody asked for. */
export interface News {
  /** What the server says it will tell, once it does (legacy: nothing, so `{}`); null: there is no stream. */
  readonly opened: Promise<JsonObject | null>;
  readonly over: Promise<End>;
  /** Where it stands: the last event's id, and after how long to come back, ms. */
  readonly at: () => { readonly lastId: string | null; readonly retryMs: number | null };
  readonly close: () => void;
}

/** It goes into a header (CWE-93). */
const PRINTABLE = /^[\x20-\x7e]{1,1024}$/;

/** Opens the stream. Never throws. */
export function listen(link: Link, wanted: Wanted, listener: Listener): News {
  let open: (honoured: JsonObject | null) => void = () => undefined;
  let finish: (end: End) => void = () => undefined;
  const opened = new Promise<JsonObject | null>((resolve) => (open = resolve));
  const over = new Promise<End>((resolve) => (finish = resolve));
  const end = (how: End): void => {
    open(null);
    finish(how);
  };
  let lastId: string | null = null;
  let retryMs: number | null = null;
  const head = (status: number, headers: Headers): void => {
    if (status === 200 && mediaType(headers) === 'text/event-stream') return wanted.era === 'legacy' ? open({}) : undefined;
    exchange.abort();
    // A session that is unknown already is to be opened again, as is whatever passes; the rest means that there is none.
    const isGone = status === 404 && wanted.era === 'legacy' && wanted.session.id !== null;
    end(isGone || status === 401 || status === 403 || status === 408 || status === 409 || status === 429 || status >= 500 ? 'broken' : 'none');
  };
  const event = (event: SseEvent): void => {
    if (event.id !== null) lastId = PRINTABLE.test(event.id) ? event.id : null;
    if (event.retry !== null) retryMs = event.retry;
    const message = event.data === null || event.data === '' ? null : parseObject(event.data);
    if (message === null) return;
    const shape = shapeOf(message);
    if (shape === 'request') return listener.request(message, event.data ?? '');
    if (shape !== 'notification') return;
    if (message['method'] !== 'notifications/subscriptions/acknowledged') return listener.notification(message, event.data ?? '');
    const params = message['params'];
    open(isObject(params) && isObject(params['notifications']) ? params['notifications'] : {});
  };
  const sink: Sink = { head, event, body: () => end('none'), ended: () => end('ended'), broken: () => end('broken') };
  const exchange = new Exchange(sink, link.maxBytes);
  void start(link, wanted, exchange).catch(() => end('broken'));
  const close = (): void => {
    exchange.abort();
    end('broken');
  };
  return { opened, over, at: () => ({ lastId, retryMs }), close };
}

async function start(link: Link, wanted: Wanted, exchange: Exchange): Promise<void> {
  const credential = await link.credential();
  const { origin, path, streams } = link;
  if (wanted.era === 'legacy') {
    const from = wanted.lastId === null ? [] : ['last-event-id', wanted.lastId];
    return exchange.start(streams, { origin, path, method: 'GET', headers: ['accept', 'text/event-stream', ...sessionHeaders(wanted.session), ...from, ...credential], body: null });
  }
  const headers = [...JSON_HEADERS, 'mcp-protocol-version', MODERN, 'mcp-method', 'subscriptions/listen', ...credential];
  exchange.start(streams, { origin, path, method: 'POST', headers, body: requestText(wanted.id, 'subscriptions/listen', `{"notifications":${wanted.notifications}}`, 'modern', NOBODY) });
}

/** Which changes of lists a modern server can be asked to tell: those whose capability says so. null: none. */
export function listKinds(capabilities: JsonObject): string | null {
  const kinds = ['tools', 'prompts', 'resources'].filter((kind) => isObject(capabilities[kind]) && capabilities[kind]['listChanged'] === true);
  return kinds.length === 0 ? null : JSON.stringify(Object.fromEntries(kinds.map((kind) => [`${kind}ListChanged`, true])));
}
