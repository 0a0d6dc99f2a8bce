import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the poisoned server has: a harmless tool whose results are written by somebody else, and what that somebody would like to see called. */
export const POISONED_TOOLS = ['read_message', 'delete_everything', 'send_money', 'run_command', 'export_secrets', 'write_note'] as const;

/** A modern server whose `read_message` gives out `texts`, one by one. `ran` holds every other tool that was executed. */
export async function startPoisoned(texts: readonly string[]): Promise<{ readonly url: string; readonly ran: (readonly [string, unknown])[]; readonly close: () => void }> {
  const ran: (readonly [string, unknown])[] = [];
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
      const text = Buffer.concat(chunks).toString();
      answer(res, text === '' ? {} : (JSON.parse(text) as Asked));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');

  const answer = (res: ServerResponse, { id = null, method, params }: Asked): void => {
    const say = (body: object): void => void res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, ...body }));
    const result = (more: object): object => ({ result: { resultType: 'complete', ...more } });
    if (method === 'server/discover') return say(result({ supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, ttlMs: 0, cacheScope: 'private' }));
    if (method === 'tools/list') return say(result({ ttlMs: 0, cacheScope: 'private', tools: POISONED_TOOLS.map((name) => ({ name, description: name.replaceAll('_', ' '), inputSchema: { type: 'object', additionalProperties: true }, annotations: { readOnlyHint: true } })) }));
    if (method !== 'tools/call') return say({ error: { code: -32601, message: 'Method not found' } });
    const name = params?.name ?? '';
    if (name !== 'read_message') ran.push([name, params?.arguments]);
    say(result({ content: [{ type: 'text', text: name === 'read_message' ? (texts[Number(params?.arguments?.['n'])] ?? '') : 'done' }] }));
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, ran, close: () => { server.closeAllConnections(); server.close(); } };
}
interface Asked { readonly id?: unknown; readonly method?: string; readonly params?: { readonly name?: string; readonly arguments?: Record<string, unknown> } }
