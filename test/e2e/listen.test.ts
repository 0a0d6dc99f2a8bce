import { afterAll, beforeAll, expect, test } from 'vitest';
import { fileURLToPath } from 'node:url';
import { startFixture, type RunningFixture } from '../kit/fixture/http.ts';
import { launch, META, type Launched } from '../kit/gateway.ts';

/** One client hears of resources and lists of servers of every era and transport, in its own era, at the aggregate and at one server. */
const SERVERS = ['old', 'new', 'pipe'] as const;
const WATCHED = 'test://watched-resource';
const STDIO = fileURLToPath(new URL('../kit/fixture/stdio.ts', import.meta.url));
let fixtures: RunningFixture[];
let gateway: Launched;
beforeAll(async () => {
  fixtures = [await startFixture({ eras: ['legacy'] }), await startFixture({ eras: ['modern'] })];
  gateway = await launch({
    config: {
      dispatch: { servers: { old: { url: fixtures[0]?.url, allow_loopback: true }, new: { url: fixtures[1]?.url, allow_loopback: true }, pipe: { command: [process.execPath, STDIO] } } },
      authorize: { rules: [
        { id: 'all', why: 'This test', effect: 'allow', callers: ['alice'], servers: [...SERVERS], classes: ['discovery', 'read', 'write'], require_confirmation: false },
        { id: 'calls', why: 'This test', effect: 'allow', callers: ['bob'], servers: [...SERVERS], tools: ['*'], classes: ['write'], require_confirmation: false },
      ] },
      limit: { rates: { tools: { '*': '100000/minute' }, callers: { '*': '100000/minute' } } },
    },
    keys: { alice: [], bob: [] },
  });
}, 60_000);
afterAll(async () => {
  await gateway.stop();
  gateway.clean();
  for (const fixture of fixtures) await fixture.close();
});

interface Heard { readonly messages: Record<string, unknown>[]; readonly close: () => void; readonly head: () => Response; readonly over: Promise<void> }
/** Opens a stream and collects what is said on it. */
function hear(path: string, init: { method: string; headers: Record<string, string>; body?: string }): Heard {
  const controller = new AbortController();
  const messages: Record<string, unknown>[] = [];
  let head: Response | null = null;
  const read = async (): Promise<void> => {
    head = await fetch(gateway.url + path, { ...init, signal: controller.signal });
    let text = '';
    for await (const chunk of head.body ?? []) {
      text += Buffer.from(chunk as Uint8Array).toString();
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) if (block.includes('data: ')) messages.push(JSON.parse(block.slice(block.indexOf('data: ') + 6)) as Record<string, unknown>);
    }
  };
  return { messages, close: () => controller.abort(), head: () => head as Response, over: read().catch(() => undefined) };
}
const listen = (key: string, path: string, notifications: object): Heard => hear(path, {
  method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', id: 'sub', method: 'subscriptions/listen', params: { notifications, _meta: META } }),
  headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'x-api-key': gateway.keys[key] ?? '', 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'subscriptions/listen' },
});
const until = async (claim: () => boolean, what: () => unknown): Promise<void> => {
  for (const end = performance.now() + 10_000; !claim(); await new Promise((done) => setTimeout(done, 20))) if (performance.now() > end) throw new Error(`not in time: ${JSON.stringify(what())}`);
};
const trigger = async (server: string, name = 'test_update_resource'): Promise<void> => {
  const { body } = await gateway.modern('alice', '/mcp', 'tools/call', { name: `${server}__${name}`, arguments: {} });
  expect(JSON.stringify(body)).toContain('told');
};
const urisOf = ({ messages }: Heard): unknown[] => messages.filter((m) => m['method'] === 'notifications/resources/updated').map((m) => (m['params'] as { uri: string }).uri);
const allowedOf = ({ messages }: Heard): unknown => (messages[0]?.['params'] as { notifications?: unknown } | undefined)?.notifications;

test('a modern client at the aggregate: the resources of all servers on one stream', async () => {
  const uris = SERVERS.map((server) => `sp.${server}+${WATCHED}`);
  const heard = listen('alice', '/mcp', { promptsListChanged: true, resourceSubscriptions: [...uris, 'sp.nobody+x', WATCHED] });
  await until(() => heard.messages.length > 0, () => heard.messages);
  expect(heard.messages[0]).toMatchObject({ method: 'notifications/subscriptions/acknowledged', params: { notifications: { promptsListChanged: true, resourceSubscriptions: uris }, _meta: { 'io.modelcontextprotocol/subscriptionId': 'sub' } } });
  for (const server of SERVERS) await trigger(server);
  await until(() => uris.every((uri) => urisOf(heard).includes(uri)), () => heard.messages);
  for (const server of SERVERS) await trigger(server, 'test_trigger_prompt_change');
  await until(() => heard.messages.some((m) => m['method'] === 'notifications/prompts/list_changed'), () => heard.messages);
  expect(heard.messages.every((m) => (m['params'] as { _meta: Record<string, unknown> })._meta['io.modelcontextprotocol/subscriptionId'] === 'sub')).toBe(true);
  heard.close();
  await until(() => fixtures[0]?.ran.some(([what]) => what === 'resources/unsubscribe') === true, () => fixtures[0]?.ran);
}, 60_000);

test('who may only call tools watches nothing', async () => {
  const heard = listen('bob', '/mcp', { toolsListChanged: true, resourceSubscriptions: SERVERS.map((server) => `sp.${server}+${WATCHED}`) });
  await until(() => heard.messages.length > 0, () => heard.messages);
  expect(allowedOf(heard)).toEqual({ toolsListChanged: true });
  heard.close();
});

test.each(['/mcp', '/s/new/mcp', '/s/pipe/mcp'])('a legacy session at %s: subscribed, told on its GET stream', async (path) => {
  const headers = { 'x-api-key': gateway.keys['alice'] ?? '' };
  const first = await gateway.post(path, { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } } }, headers);
  const session = { ...headers, 'mcp-session-id': first.headers.get('mcp-session-id') ?? '', 'mcp-protocol-version': '2025-11-25' };
  expect(first.body.result.capabilities.resources).toMatchObject({ subscribe: true, listChanged: true });
  await gateway.post(path, { jsonrpc: '2.0', method: 'notifications/initialized' }, session);
  const servers = path === '/mcp' ? SERVERS : ([path.split('/')[2]] as string[]);
  const uris = servers.map((server) => (path === '/mcp' ? `sp.${server}+${WATCHED}` : WATCHED));
  for (const uri of uris) expect((await gateway.post(path, { jsonrpc: '2.0', id: 2, method: 'resources/subscribe', params: { uri } }, session)).body).toEqual({ jsonrpc: '2.0', id: 2, result: {} });
  const heard = hear(path, { method: 'GET', headers: { ...session, accept: 'text/event-stream' } });
  for (const server of servers) await trigger(server);
  await until(() => uris.every((uri) => urisOf(heard).includes(uri)), () => heard.messages);
  expect(heard.messages.every((m) => (m['params'] as { _meta?: unknown } | undefined)?._meta === undefined)).toBe(true);
  expect((await fetch(gateway.url + path, { method: 'DELETE', headers: session })).status).toBe(200);
  await heard.over; // a stream ends with its session
}, 60_000);
