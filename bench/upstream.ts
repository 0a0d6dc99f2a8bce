/** A canned MCP server of both eras: one tool, a 1 KB answer, as little work as possible. `node bench/upstream.ts`; prints its port. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const PAD = 'All quiet on the western dock; three crates moved, none missing. '.repeat(14).slice(0, 870);
const reply = (id: string, result: string): string => `{"jsonrpc":"2.0","id":${id},"result":${result}}`;
const meta = '"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"canned","version":"1"}}';
const tool = '{"name":"echo","description":"Canned","inputSchema":{"type":"object","properties":{"text":{"type":"string","maxLength":200},"count":{"type":"integer","minimum":0},"tags":{"type":"array","items":{"type":"string"}}},"required":["text"]}}';
const RESULTS: Record<string, string> = {
  'tools/call': `{${meta},"content":[{"type":"text","text":"${PAD}"}]}`,
  'tools/list': `{${meta},"tools":[${tool}],"ttlMs":60000,"cacheScope":"public"}`,
  'server/discover': `{${meta},"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":60000,"cacheScope":"public"}`,
};

/** The same to legacy clients (2025-11-25), which name no method in a header. */
const LEGACY: Record<string, string> = {
  'tools/call': `{"content":[{"type":"text","text":"${PAD}"}]}`,
  'tools/list': `{"tools":[${tool}]}`,
  'initialize': '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"canned","version":"1"}}',
};

const server = createServer((req, res) => {
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => {
    const body = (chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)).toString('latin1');
    const id = /"id":("[^"]*"|\d+)/.exec(body)?.[1] ?? 'null';
    const named = req.headers['mcp-method'];
    const method = named === undefined ? (/"method":"([^"]*)"/.exec(body)?.[1] ?? '') : String(named);
    if (method.startsWith('notifications/')) return void res.writeHead(202).end();
    const result = named === undefined ? LEGACY[method] : RESULTS[method];
    const text = result === undefined ? `{"jsonrpc":"2.0","id":${id},"error":{"code":-32601,"message":"Method not found"}}` : reply(id, result);
    res.writeHead(result === undefined ? 404 : 200, { ...(method === 'initialize' ? { 'mcp-session-id': 'canned' } : {}), 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
