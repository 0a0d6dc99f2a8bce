import type { SseEvent } from '../../lib/sse.ts';
import { parseObject } from '../answer.ts';
import { MODERN, requestText } from '../envelope.ts';
import { Exchange, mediaType, type Headers, type Sink } from './exchange.ts';
import type { Link } from './link.ts';
import { sessionHeaders, type Found } from './probe.ts';
import { JSON_HEADERS } from './talk.ts';

/** A stream on which the server tells the gateway that its tools changed. */
export interface News {
  /** Resolves when the stream is over: false when the server keeps none, so there is nothing to reopen. */
  readonly over: Promise<boolean>;
  readonly close: () => void;
}

/** Opens a legacy GET stream, or a modern `subscriptions/listen`. Never throws. */
export function listen(link: Link, found: Found, id: number, onChanged: () => void): News {
  let finish: (isStream: boolean) => void = () => undefined;
  const over = new Promise<boolean>((resolve) => (finish = resolve));
  let isStream = false;
  const head = (status: number, headers: Headers): void => {
    isStream = status === 200 && mediaType(headers) === 'text/event-stream';
    if (isStream) return;
    exchange.abort();
    finish(status === 404); // a session that is unknown already: connect again
  };
  const event = (event: SseEvent): void => {
    const message = event.data === null || event.data === '' ? null : parseObject(event.data);
    if (message?.['method'] === 'notifications/tools/list_changed') onChanged();
    // Requests of the server on this stream have nobody to answer them; it was told that nobody can.
  };
  const sink: Sink = { head, event, body: () => finish(false), ended: () => finish(true), broken: () => finish(true) };
  const exchange = new Exchange(sink, link.maxBytes);
  const close = (): void => {
    exchange.abort();
    finish(isStream);
  };
  if (found.era === 'modern' && !hasListChanged(found)) finish(false);
  else void open(link, found, id, exchange).catch(() => finish(true));
  return { over, close };
}

const hasListChanged = (found: Found): boolean => {
  const tools = found.info.capabilities['tools'];
  return typeof tools === 'object' && tools !== null && 'listChanged' in tools && tools.listChanged === true;
};

async function open(link: Link, found: Found, id: number, exchange: Exchange): Promise<void> {
  const credential = await link.credential();
  const { origin, path, streams } = link;
  if (found.era === 'legacy') {
    return exchange.start(streams, { origin, path, method: 'GET', headers: ['accept', 'text/event-stream', ...sessionHeaders(found.session), ...credential], body: null });
  }
  const headers = [...JSON_HEADERS, 'mcp-protocol-version', MODERN, 'mcp-method', 'subscriptions/listen', ...credential];
  exchange.start(streams, { origin, path, method: 'POST', headers, body: requestText(id, 'subscriptions/listen', '{"notifications":{"toolsListChanged":true}}', 'modern', false) });
}
