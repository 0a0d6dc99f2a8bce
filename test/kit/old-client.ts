import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { until } from './scene.ts';

/** A client of the 2024-11-05 HTTP+SSE transport, hand-written, so that every byte can be looked at. */
export interface OldClient {
  readonly res: IncomingMessage;
  /** The path the first event named. */
  readonly endpoint: string;
  /** Everything that came on the stream so far. */
  readonly text: () => string;
  /** The JSON of every `message` event so far. */
  readonly messages: () => Record<string, any>[];
  readonly ended: () => boolean;
  /** POSTs a message (or a batch) to the endpoint. */
  readonly send: (message: unknown, more?: { readonly headers?: Record<string, string>; readonly path?: string }) => Promise<OldReply>;
  /** POSTs a request and waits for its answer on the stream. */
  readonly ask: (id: number | string, method: string, params?: object) => Promise<Record<string, any>>;
  /** No more bytes are read until `resume`. */
  readonly pause: () => void;
  readonly close: () => void;
}
export interface OldReply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

/** POSTs, and gives what came back. */
export function postTo(url: string, body: unknown, headers: Record<string, string>): Promise<OldReply> {
  return new Promise((resolve, reject) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const req = request(url, { method: 'POST', headers: { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)), ...headers }, agent: false }, (res) => {
      let got = '';
      res.on('data', (chunk: Buffer) => (got += chunk.toString()));
      res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, text: got }));
    });
    req.on('error', reject);
    req.end(text);
  });
}

/** Opens a channel and waits for its first event; rejects with the status when there is none. */
export async function openChannel(url: string, credential: Record<string, string>, headers: Record<string, string> = {}): Promise<OldClient> {
  let text = '';
  let ended = false;
  const req: ClientRequest = request(url, { method: 'GET', headers: { accept: 'text/event-stream', ...credential, ...headers }, agent: false });
  const res = await new Promise<IncomingMessage>((resolve, reject) => {
    req.on('response', resolve).on('error', reject);
    req.end();
  });
  res.on('data', (chunk: Buffer) => (text += chunk.toString())).on('error', () => undefined).on('close', () => (ended = true));
  req.on('error', () => undefined);
  if (res.statusCode !== 200) {
    res.destroy();
    throw new Error(`GET ${res.statusCode}`);
  }
  await until('the first event', 5_000, () => text.includes('\n\n'));
  const endpoint = /^event: endpoint\ndata: (.*)\n\n/.exec(text)?.[1];
  if (endpoint === undefined) throw new Error(`the first event is ${text}`);
  const messages: OldClient['messages'] = () => [...text.matchAll(/^event: message\ndata: (.*)\n\n/gm)].map(([, data]) => JSON.parse(data ?? 'null') as Record<string, any>);
  const send: OldClient['send'] = (message, more = {}) => postTo(new URL(more.path ?? endpoint, url).href, message, { ...credential, ...more.headers });
  return {
    res, endpoint, text: () => text, messages, ended: () => ended, send,
    ask: async (id, method, params = {}) => {
      const sent = await send({ jsonrpc: '2.0', id, method, params });
      if (sent.status !== 202) throw new Error(`POST ${sent.status} ${sent.text}`);
      const answer = (): Record<string, any> | undefined => messages().find((message) => message['id'] === id && message['method'] === undefined);
      await until(`the answer to ${id}`, 10_000, () => answer() !== undefined);
      return answer() ?? {};
    },
    pause: () => void res.pause(),
    close: () => void req.destroy(),
  };
}
export const hello = (protocolVersion = '2024-11-05', capabilities: object = {}): object => ({ protocolVersion, capabilities, clientInfo: { name: 'old', version: '1' } });
