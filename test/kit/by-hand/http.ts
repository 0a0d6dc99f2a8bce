import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { byHand, MODERN, type Connection, type Version } from './server.ts';

export interface HandServer {
  readonly url: string;
  /** `[what, text of its arguments]` of everything that ran, oldest first. */
  readonly ran: (readonly [string, string])[];
  /** What clients did that the revision forbids; empty when all is well. */
  readonly faults: string[];
  readonly close: () => Promise<void>;
}
interface Session { readonly connection: Connection; stream: ServerResponse | null }

/** The hand-written server over HTTP on loopback: `sse` of 2024-11-05, Streamable HTTP of every other revision. */
export async function startByHand(version: Version): Promise<HandServer> {
  const ran: (readonly [string, string])[] = [];
  const faults: string[] = [];
  const sessions = new Map<string, Session>();
  const make = (): Connection => byHand({ version, ran: (what, args) => ran.push([what, args]) });
  const refuse = (res: ServerResponse, status: number, why: string): void => {
    faults.push(`${status}: ${why}`);
    res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: status === 400 ? -32020 : -32600, message: why } }));
  };

  /** 2024-11-05: one stream for all answers, its address for the messages told on it. */
  const sse = (req: IncomingMessage, res: ServerResponse, text: string): void => {
    const at = new URL(req.url ?? '/', 'http://localhost');
    if (req.method === 'GET' && at.pathname === '/mcp') {
      const id = randomUUID();
      sessions.set(id, { connection: make(), stream: res });
      res.on('close', () => sessions.delete(id));
      res.writeHead(200, { 'content-type': 'text/event-stream' }).write(`event: endpoint\ndata: /messages?session=${id}\n\n`);
      return;
    }
    const session = sessions.get(at.searchParams.get('session') ?? '');
    if (req.method !== 'POST' || at.pathname !== '/messages') return void res.writeHead(at.pathname === '/mcp' ? 405 : 404).end();
    if (session === undefined) return void res.writeHead(404).end();
    res.writeHead(202).end('Accepted');
    session.connection.hear(text, (said) => session.stream?.write(`event: message\ndata: ${said}\n\n`));
  };
  /** 2025-03-26 to 2025-11-25: sessions; each request has an answer of its own, a stream when it is a call. */
  const legacy = (req: IncomingMessage, res: ServerResponse, text: string): void => {
    if (req.method === 'GET') return void res.writeHead(405, { allow: 'POST, DELETE' }).end();
    const id = req.headers['mcp-session-id'];
    const session = typeof id === 'string' ? sessions.get(id) : undefined;
    if (req.method === 'DELETE') return void res.writeHead(typeof id === 'string' && sessions.delete(id) ? 200 : 404).end();
    const message = JSON.parse(text) as { id?: unknown; method?: string };
    if (message.method === 'initialize') {
      const opened = randomUUID();
      const connection = make();
      sessions.set(opened, { connection, stream: null });
      return connection.hear(text, (said) => res.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': opened }).end(said));
    }
    if (session === undefined) return void res.writeHead(id === undefined ? 400 : 404).end(); // a probe of a newer revision ends here, too
    const told = req.headers['mcp-protocol-version'];
    if (version !== '2025-03-26' && told !== version) return refuse(res, 400, `MCP-Protocol-Version is ${String(told)}, and ${version} was agreed on`);
    if (message.id === undefined || message.method === undefined) {
      session.connection.hear(text, () => undefined);
      return void res.writeHead(202).end();
    }
    if (message.method !== 'tools/call') return session.connection.hear(text, (said) => res.writeHead(200, { 'content-type': 'application/json' }).end(said));
    streamed(res, session.connection, text);
  };
  /** 2026-07-28: every request stands alone, its headers say what its body says, and to hang up is to cancel. */
  const modern = (req: IncomingMessage, res: ServerResponse, text: string): void => {
    if (req.method !== 'POST') return void res.writeHead(405, { allow: 'POST' }).end();
    const message = JSON.parse(text) as { id?: unknown; method?: string; params?: { name?: string; uri?: string; _meta?: object } };
    if (message.method === 'initialize') return void res.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id: message.id ?? null, error: { code: -32022, message: 'spoken here: 2026-07-28', data: { supported: [MODERN] } } }));
    const name = message.params?.name ?? message.params?.uri;
    const told = req.headers['mcp-name'];
    if (req.headers['mcp-protocol-version'] !== MODERN) return refuse(res, 400, 'MCP-Protocol-Version is missing or wrong');
    if (req.headers['mcp-method'] !== message.method) return refuse(res, 400, 'Mcp-Method is missing or wrong');
    if (name !== undefined && decoded(typeof told === 'string' ? told : '') !== name) return refuse(res, 400, 'Mcp-Name is missing or wrong');
    if (message.id === undefined) return void res.writeHead(202).end();
    const connection = make();
    if (message.method !== 'tools/call') return connection.hear(text, (said) => res.writeHead(said.includes('"error":{"code":-32601') ? 404 : 200, { 'content-type': 'application/json' }).end(said));
    res.on('close', () => { if (!res.writableFinished) connection.hear(JSON.stringify({ method: '$gone', params: message.id }), () => undefined); });
    streamed(res, connection, text);
  };
  const streamed = (res: ServerResponse, connection: Connection, text: string): void => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.flushHeaders();
    connection.hear(text, (said) => {
      res.write(`event: message\ndata: ${said}\n\n`);
      if ((JSON.parse(said) as { method?: string }).method === undefined) res.end();
    });
  };
  const serve = version === MODERN ? modern : version === '2024-11-05' ? sse : legacy;
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
      try {
        serve(req, res, Buffer.concat(chunks).toString());
      } catch (thrown) {
        refuse(res, 500, String(thrown));
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, ran, faults,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const decoded = (value: string): string => {
  const found = /^=\?base64\?(.*)\?=$/.exec(value);
  return found === null ? value : Buffer.from(found[1] ?? '', 'base64').toString();
};
