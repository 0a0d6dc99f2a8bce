import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, records, referenceServer, type Launched } from '../kit/gateway.ts';

/** The official reference servers, which nobody here wrote, behind the real gateway; official SDK clients in front of it. */
const work = mkdtempSync(join(tmpdir(), 'workspace-'));
const EVERYTHING_PORT = 21_000 + (process.pid % 8_000);
let everything: ChildProcess;
let gateway: Launched;

beforeAll(async () => {
  mkdirSync(join(work, 'reports'));
  writeFileSync(join(work, 'reports', 'week.md'), 'Three crates moved.\n');
  writeFileSync(join(work, 'long.txt'), 'line of a long file\n'.repeat(6_000));
  everything = spawn(process.execPath, [referenceServer('server-everything'), 'streamableHttp'], { env: { ...process.env, PORT: String(EVERYTHING_PORT) }, stdio: ['ignore', 'ignore', 'pipe'] });
  await new Promise<void>((done) => everything.stderr?.on('data', (chunk: Buffer) => { if (chunk.includes('listening')) done(); }));
  gateway = await launch({
    config: {
      dispatch: {
        servers: {
          files: { command: ['node', referenceServer('server-filesystem'), work] },
          everything: { command: ['node', referenceServer('server-everything'), 'stdio'] },
          'everything-http': { url: `http://127.0.0.1:${EVERYTHING_PORT}/mcp`, allow_loopback: true },
          memory: { command: ['node', referenceServer('server-memory')], env: { MEMORY_FILE_PATH: join(work, 'memory.jsonl') } },
        },
        timeouts: { tools: { 'everything__trigger-long-running-operation': { timeout_ms: 1_000 } } },
      },
      resolve: { tools: {
        'files__read_*': { class: 'read' }, 'files__list_*': { class: 'read' }, files__write_file: { class: 'write' }, files__move_file: { class: 'destructive' },
        'everything*__echo': { class: 'read' }, 'everything__get-sum': { class: 'read' }, 'everything*__trigger-long-running-operation': { class: 'read' }, memory__read_graph: { class: 'read' },
        memory__create_entities: { class: 'write' },
      } },
      authorize: { rules: [{ id: 'writes', why: 'operators write', effect: 'allow', scopes: ['files:write', 'memory:write'], tools: ['files__write_file', 'memory__create_entities'], require_confirmation: false }] },
      limit: { rates: { tools: { 'everything__get-sum': '3/minute' } } },
      inspect: { max_bytes: 20_000 },
    },
    keys: {
      research: ['--scope', 'files:read', '--scope', 'everything:read', '--scope', 'everything-http:read', '--scope', 'memory:read'],
      operator: ['--scope', 'files:read', '--scope', 'files:write', '--scope', 'memory:read', '--scope', 'memory:write', '--team', 'operations'],
    },
  });
}, 60_000);
afterAll(async () => {
  expect(await gateway.stop()).toBe(0);
  gateway.clean();
  everything.kill();
  rmSync(work, { recursive: true, force: true });
});

const legacy = async (key: string, path: string): Promise<Client> => {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(new URL(gateway.url + path), { requestInit: { headers: { 'x-api-key': gateway.keys[key] as string } } }));
  return client;
};
const modern = async (key: string, path: string): Promise<ModernClient> => {
  const client = new ModernClient({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(new ModernTransport(new URL(gateway.url + path), { requestInit: { headers: { 'x-api-key': gateway.keys[key] as string } } }));
  return client;
};
const textOf = (result: unknown): string => (result as { content: { text: string }[] }).content.map((c) => c.text).join('');

for (const [era, connect] of [['2025-11-25, SDK 1', legacy], ['2026-07-28, SDK 2', modern]] as const) {
  describe(`an official client of ${era}`, () => {
    it('sees its tools and no others, under namespaced and own names', async () => {
      const all = await connect('research', '/mcp');
      const names = (await all.listTools()).tools.map((tool) => tool.name);
      expect(names).toEqual(expect.arrayContaining(['files__read_text_file', 'everything__echo', 'everything-http__echo', 'memory__read_graph']));
      expect(names.filter((name) => /write|move|create|delete/.test(name))).toEqual([]);
      const one = await connect('operator', '/s/files/mcp');
      expect((await one.listTools()).tools.map((tool) => tool.name)).toEqual(expect.arrayContaining(['read_text_file', 'write_file']));
      await Promise.all([all.close(), one.close()]);
    });
    it('reads and writes through stdio servers', async () => {
      const client = await connect('operator', '/mcp');
      expect(textOf(await client.callTool({ name: 'files__read_text_file', arguments: { path: join(work, 'reports', 'week.md') } }))).toContain('Three crates');
      await client.callTool({ name: 'files__write_file', arguments: { path: join(work, 'new.md'), content: 'written through the gateway' } });
      expect(readFileSync(join(work, 'new.md'), 'utf8')).toBe('written through the gateway');
      await client.callTool({ name: 'memory__create_entities', arguments: { entities: [{ name: `crane-${era}`, entityType: 'crane', observations: ['back in service'] }] } });
      expect(textOf(await client.callTool({ name: 'memory__read_graph', arguments: {} }))).toContain('crane');
      await client.close();
    });
    it('calls the server over HTTP', async () => {
      const client = await connect('research', '/s/everything-http/mcp');
      expect(textOf(await client.callTool({ name: 'echo', arguments: { message: 'ahoy' } }))).toContain('ahoy');
      await client.close();
    });
    it('is told what to mend when arguments do not fit', async () => {
      const client = await connect('research', '/mcp');
      const result = await client.callTool({ name: 'files__read_text_file', arguments: { file: 'week.md' } });
      expect(result.isError).toBe(true);
      expect(textOf(result)).toMatch(/path/);
      expect(textOf(result)).not.toContain('week.md');
      await client.close();
    });
    it('cannot tell a tool it may not use from one that does not exist', async () => {
      const client = await connect('research', '/mcp');
      const said = async (name: string): Promise<string> => client.callTool({ name, arguments: {} }).then(() => 'answered', (error: Error) => error.message);
      expect(await said('files__write_file')).toBe(await said('files__no_such_tool'));
      await client.close();
    });
    it('gets a valid, marked, shorter result when the answer is too large', async () => {
      const client = await connect('research', '/mcp');
      const result = await client.callTool({ name: 'files__read_text_file', arguments: { path: join(work, 'long.txt') } });
      expect(textOf(result)).toMatch(/truncated by the gateway/);
      expect(JSON.stringify(result).length).toBeLessThan(25_000);
      await client.close();
    });
    it('hears progress, and of a time-out that nobody knows what happened', async () => {
      const client = await connect('research', '/mcp');
      const seen: number[] = [];
      await client.callTool({ name: 'everything-http__trigger-long-running-operation', arguments: { duration: 1, steps: 4 } }, ...(era.includes('SDK 1') ? [undefined, { onprogress: (p: { progress: number }) => seen.push(p.progress) }] : [{ onprogress: (p: { progress: number }) => seen.push(p.progress) }]) as never[]);
      expect(seen.length).toBeGreaterThan(0);
      const late = await client.callTool({ name: 'everything__trigger-long-running-operation', arguments: { duration: 30, steps: 1 } });
      expect(late.isError).toBe(true);
      expect(textOf(late)).toMatch(/not known whether/);
      await client.close();
    });
  });
}

describe('POST /tool', () => {
  it('answers status, result, metadata and warnings', async () => {
    const { status, body } = await gateway.tool('research', 'files__read_text_file', { path: join(work, 'reports', 'week.md') });
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'ok', metadata: { caller: 'research', tool: 'files__read_text_file' }, warnings: [] });
    expect(body.metadata).toHaveProperty('latency_ms');
    expect(body.metadata).toHaveProperty('correlation_id');
  });
  it('401 without a key or with a wrong one, 400 with two, 403 for what is not allowed, 400 for wrong arguments', async () => {
    const call = { tool: 'files__read_text_file', inputs: { path: 'x' } };
    expect((await gateway.post('/tool', call)).status).toBe(401);
    expect((await gateway.post('/tool', call, { 'x-api-key': `${gateway.keys['research']}x` })).status).toBe(401);
    expect((await gateway.post('/tool', call, { 'x-api-key': gateway.keys['research'] as string, authorization: `Bearer ${gateway.keys['research']}` })).status).toBe(400);
    expect((await gateway.tool('research', 'files__write_file', { path: 'x', content: '' })).status).toBe(403);
    expect((await gateway.tool('operator', 'files__move_file', { source: 'x', destination: 'y' })).status).toBe(403);
    expect((await gateway.tool('research', 'files__read_text_file', { path: 1 })).status).toBe(400);
  });
  it('429 with Retry-After once the limit is reached', async () => {
    const answers = [];
    for (let i = 0; i < 4; i++) answers.push(await gateway.tool('research', 'everything__get-sum', { a: i, b: 1 }));
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 429]);
    expect(Number(answers[3]?.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});

it('everything above is in the record: intents before outcomes, refusals with their reasons, no key', async () => {
  const all = await records(gateway.data);
  const byCall = Map.groupBy(all.filter((r) => String(r['event']).startsWith('call.')), (r) => r['correlation_id']);
  for (const events of byCall.values()) {
    const names = events.map((r) => r['event']);
    expect([['call.intended', 'call.finished'], ['call.refused']]).toContainEqual(names);
  }
  const reasons = new Set(all.map((r) => r['reason_code']));
  for (const code of ['ok', 'authenticate.missing', 'authenticate.malformed', 'authenticate.ambiguous', 'authorize.scope', 'authorize.class', 'resolve.unknown_tool', 'validate.arguments', 'limit.rate', 'dispatch.timeout']) {
    expect(reasons, code).toContain(code);
  }
  const text = JSON.stringify(all);
  for (const key of Object.values(gateway.keys)) expect(text).not.toContain(key.slice(3, 14));
});
