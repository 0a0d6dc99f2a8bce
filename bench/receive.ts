// What receive and respond cost alone: the room with a constant corridor against a bare node:http echo, same client, same run.
// Usage: node bench/receive.ts [requests]
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { createReceive, receiveConfig } from '../src/receive/index.ts';
import { systemClock } from '../src/lib/clock.ts';
import type { SafeResult } from '../src/call/call.ts';

const total = Number(process.argv[2] ?? 200_000);
const params = { name: 'filesystem__read_file', arguments: { path: '/srv/work/reports/2026/q3.md', head: 200, options: { encoding: 'utf8', follow: false } } };
const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} }, 'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1' } };
const body = JSON.stringify({ jsonrpc: '2.0', id: 12, method: 'tools/call', params: { ...params, _meta: meta } });
const answer = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 12, result: { content: [{ type: 'text', text: 'x'.repeat(900) }], resultType: 'complete' } }));
const request = Buffer.from(
  `POST /s/fs/mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: keep-alive\r\nauthorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789\r\naccept: application/json, text/event-stream\r\n` +
    `content-type: application/json\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: filesystem__read_file\r\nuser-agent: bench\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
);

/** CPU µs of this process per request; the client is in it too, the same for both. */
async function measure(port: number): Promise<number> {
  const each = Math.floor(total / 32);
  const before = process.cpuUsage();
  await Promise.all(Array.from({ length: 32 }, () => new Promise<void>((done, fail) => {
    let left = each;
    let seen = 0;
    let size = 0;
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    socket.on('data', (chunk: Buffer) => {
      if (size === 0) {
        const head = chunk.indexOf('\r\n\r\n');
        size = head + 4 + answer.length;
        if (!chunk.subarray(0, 12).toString().endsWith('200')) fail(new Error(chunk.toString()));
      }
      seen += chunk.length;
      if (seen < size) return;
      seen = size = 0;
      if (--left > 0) socket.write(request);
      else { socket.destroy(); done(); }
    });
  })));
  const used = process.cpuUsage(before);
  return (used.user + used.system) / (each * 32);
}

const bare = createServer((req, res) => {
  const chunks: Buffer[] = [];
  req.on('data', (c: Buffer) => chunks.push(c));
  req.on('end', () => {
    res.writeHead(200, ['content-type', 'application/json', 'content-length', String(answer.length)]);
    res.end(answer);
  });
});
await new Promise<void>((done) => bare.listen(0, '127.0.0.1', done));
const result = { status: 200, bytes: answer, event: null, session: null, success: true, summary: '', classification: 'internal', findings: [], effect: 'done', warnings: [] } as unknown as SafeResult;
const receive = createReceive(receiveConfig.parse({ port: 0 }), {
  handle: () => Promise.resolve({ effect: 'done', result }), refuse: () => Promise.resolve(), serverExists: () => true,
  health: () => ({ ready: true, causes: [], servers: {} }), stillValid: () => true, clock: systemClock, log: console.error,
});
const { port } = await receive.listen();
for (let round = 0; round < 3; round++) {
  const a = await measure((bare.address() as AddressInfo).port);
  const b = await measure(port);
  console.log(`bare ${a.toFixed(1)} µs, receive ${b.toFixed(1)} µs, difference ${(b - a).toFixed(1)} µs per request (client included in both)`);
}
bare.close();
bare.closeAllConnections();
await receive.drain(0);
