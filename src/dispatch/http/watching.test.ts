import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { startFixture } from '../../../test/kit/fixture/http.ts';
import { canned, event, json, sse, until, type Seen } from '../../../test/kit/dispatch-rig.ts';
import { asking, failure, newServer, oldServer, result, upstreamTo, type NewServer, type OldServer, type One } from '../../../test/kit/http-rig.ts';
import type { Change } from '../upstream.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const updated = (uri: string, more: object = {}): string => event({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri, ...more } });
const changed = (kind: string): string => event({ jsonrpc: '2.0', method: `notifications/${kind}/list_changed` });
const RESOURCES = { tools: {}, resources: { subscribe: true } };
function started(server: { readonly url: string; readonly close: () => Promise<void> }): One {
  open.push(server.close);
  const one = upstreamTo(server.url);
  open.push(one.close);
  one.upstream.start();
  return one;
}
const streamOf = (server: OldServer): ServerResponse => [...server.streams.values()].at(-1) as ServerResponse;

describe('watching at a legacy server', () => {
  const old = (): Promise<OldServer> => oldServer((seen, res) => json(res, result(seen)), RESOURCES);
  test('one subscription in the gateway’s own session; the server’s words reach every watcher', async () => {
    const server = await old();
    const one = started(server);
    const heard: string[] = [];
    const [stop] = await Promise.all([one.upstream.watch('r:1', (text) => heard.push(`a ${text}`)), one.upstream.watch('r:1', (text) => heard.push(`b ${text}`))]);
    await one.upstream.request('tools/call', '{}', asking());
    streamOf(server).write(`data: {"jsonrpc":"2.0","method":"notifications/resources/updated","params":{ "uri":"r:1","big":12345678901234567890}}\n\n`);
    streamOf(server).write(updated('r:2'));
    await until(() => heard.length === 2);
    expect(heard).toEqual(['a { "uri":"r:1","big":12345678901234567890}', 'b { "uri":"r:1","big":12345678901234567890}']);
    expect(server.calls('resources/subscribe')).toHaveLength(1);
    const [subscribed] = server.calls('resources/subscribe');
    expect(server.streams.has(String(subscribed?.headers['mcp-session-id']))).toBe(true);
    expect(server.calls('tools/call')[0]?.headers['mcp-session-id']).not.toBe(subscribed?.headers['mcp-session-id']);
    stop();
    await pause(20);
    expect(server.calls('resources/unsubscribe')).toHaveLength(0);
  });
  test('is taken up again in the new session after a broken line, and what was missed is made good', async () => {
    const server = await old();
    const one = started(server);
    const heard: string[] = [];
    const stop = await one.upstream.watch('r:1', (text) => heard.push(text));
    server.sessions.clear();
    streamOf(server).destroy();
    await until(() => server.calls('resources/subscribe').length === 2);
    await until(() => heard.length === 1);
    expect(heard).toEqual(['{"uri":"r:1"}']);
    const again = server.calls('resources/subscribe')[1];
    expect(server.sessions.has(String(again?.headers['mcp-session-id']))).toBe(true);
    streamOf(server).write(updated('r:1', { n: 1 }));
    await until(() => heard.length === 2);
    stop();
    await until(() => server.calls('resources/unsubscribe').length === 1);
  });
  test('a control session that a command finds forgotten is replaced, stream and all', async () => {
    const server = await old();
    const one = started(server);
    const heard: string[] = [];
    await one.upstream.watch('r:1', (text) => heard.push(text));
    server.sessions.clear();
    await one.upstream.watch('r:2', (text) => heard.push(text));
    await until(() => heard.length === 2);
    const id = server.calls('resources/subscribe').at(-1)?.headers['mcp-session-id'];
    expect(server.streams.has(String(id))).toBe(true);
    streamOf(server).write(updated('r:2'));
    await until(() => heard.length === 3);
  });
  test('a stream that is closed in good order goes on in the same session from the last event', async () => {
    const gets: Seen[] = [];
    let stream: ServerResponse | null = null;
    const server = await oldServer((seen, res) => json(res, result(seen)), RESOURCES, (seen, res) => {
      gets.push(seen);
      stream = res;
      sse(res);
      res.write(`id: e${gets.length}\nretry: 100\ndata:\n\n`);
    });
    const one = started(server);
    const heard: string[] = [];
    const seen: Change[] = [];
    await one.upstream.watch('r:1', (text) => heard.push(text));
    one.upstream.onChanged((change) => seen.push(change));
    (stream as ServerResponse | null)?.end();
    await until(() => gets.length === 2);
    expect(gets.map((get) => get.headers['last-event-id'])).toEqual([undefined, 'e1']);
    (stream as ServerResponse | null)?.write(updated('r:1'));
    await until(() => heard.length === 1);
    expect(server.calls('initialize')).toHaveLength(1);
    expect(server.calls('resources/subscribe')).toHaveLength(1);
    expect(seen).toEqual([]);
    // A line that breaks may be a server that was started afresh: it is looked at again.
    (stream as ServerResponse | null)?.destroy();
    await until(() => seen.includes('connected'));
    expect(server.calls('initialize')).toHaveLength(2);
  });
  test('a server without sessions whose stream is a 404 has none: it is not a broken line', async () => {
    const server = await canned((seen, res) => {
      if (seen.json['method'] === 'initialize') return json(res, result(seen, { protocolVersion: '2025-06-18', capabilities: RESOURCES, serverInfo: { name: 'x' } }));
      if (seen.json['method'] === 'notifications/initialized') return void res.writeHead(202).end();
      json(res, failure(seen, -32601), 404);
    });
    const one = started(server);
    await expect(one.upstream.watch('r:1', () => undefined)).rejects.toMatchObject({ refusal: { code: 'dispatch.translation' } });
    await pause(1_200);
    expect(server.seen.filter((seen) => seen.json['method'] === 'initialize')).toHaveLength(1);
  });
  test('refusals are faults: by the server, without the capability, without a stream', async () => {
    const silent = await oldServer((seen, res) => json(res, result(seen)), RESOURCES, false);
    const incapable = await oldServer((seen, res) => json(res, result(seen)), { tools: {}, resources: {} });
    for (const server of [silent, incapable]) {
      await expect(started(server).upstream.watch('r:1', () => undefined)).rejects.toMatchObject({ name: 'UpstreamFault', refusal: { effect: 'none' } });
      expect(server.calls('resources/subscribe')).toHaveLength(0);
    }
    const fixture = await startFixture({ eras: ['legacy'] });
    await expect(started(fixture).upstream.watch('file:///etc/passwd', () => undefined)).rejects.toMatchObject({ refusal: { code: 'dispatch.upstream', effect: 'none' } });
  });
});

/** Answers listen requests, and keeps their streams. */
async function listening(capabilities: object, honour: (uris: readonly string[]) => readonly string[] = (uris) => uris): Promise<{ server: NewServer; streams: { readonly wanted: Record<string, unknown>; readonly res: ServerResponse }[]; live: () => ServerResponse[] }> {
  const streams: { wanted: Record<string, unknown>; res: ServerResponse }[] = [];
  const server = await newServer((seen, res) => {
    if (seen.json['method'] !== 'subscriptions/listen') return json(res, result(seen, { resultType: 'complete' }));
    const wanted = (seen.json['params'] as { notifications: Record<string, unknown> }).notifications;
    sse(res);
    streams.push({ wanted, res });
    const uris = wanted['resourceSubscriptions'];
    const notifications = Array.isArray(uris) ? { resourceSubscriptions: honour(uris as string[]) } : wanted;
    setTimeout(() => res.write(event({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { notifications } })), 20);
  }, capabilities);
  return { server, streams, live: () => streams.filter(({ wanted, res }) => 'resourceSubscriptions' in wanted && !res.destroyed).map(({ res }) => res) };
}

describe('watching at a modern server', () => {
  test('one stream for all; the next one is acknowledged before the last is closed', async () => {
    const { server, streams, live } = await listening(RESOURCES);
    const one = started(server);
    const heard: string[] = [];
    const [stopA] = await Promise.all(['r:1', 'r:2'].map((uri) => one.upstream.watch(uri, (text) => heard.push(text))));
    await until(() => live().length === 1);
    expect(streams.at(-1)?.wanted).toEqual({ resourceSubscriptions: ['r:1', 'r:2'] });
    const first = live()[0];
    let sent = 0;
    const timer = setInterval(() => live().forEach((res) => res === first && res.write(updated('r:1', { n: sent++ }))), 2);
    await one.upstream.watch('r:3', (text) => heard.push(text));
    clearInterval(timer);
    await until(() => live().length === 1);
    expect(live()[0]).not.toBe(first);
    expect(streams.at(-1)?.wanted).toEqual({ resourceSubscriptions: ['r:1', 'r:2', 'r:3'] });
    expect(heard.length).toBeGreaterThan(3); // the old one was read until the new one stood
    const before = heard.length;
    live()[0]?.write(updated('r:2'));
    live()[0]?.write(updated('r:3'));
    await until(() => heard.length === before + 2);
    stopA?.();
    await until(() => streams.length === 3 && live().length === 1);
    expect(streams.at(-1)?.wanted).toEqual({ resourceSubscriptions: ['r:2', 'r:3'] });
  });
  test('what the server does not honour is refused, and the others go on', async () => {
    const { server, live } = await listening(RESOURCES, (uris) => uris.filter((uri) => uri !== 'r:bad'));
    const one = started(server);
    const heard: string[] = [];
    await one.upstream.watch('r:1', (text) => heard.push(text));
    await expect(one.upstream.watch('r:bad', () => undefined)).rejects.toMatchObject({ refusal: { code: 'dispatch.upstream', effect: 'none' } });
    await until(() => live().length === 1);
    live()[0]?.write(updated('r:1'));
    await until(() => heard.length === 1);
    const deaf = await newServer((seen, res) => json(res, failure(seen, -32601), 404), RESOURCES);
    await expect(started(deaf).upstream.watch('r:1', () => undefined)).rejects.toMatchObject({ refusal: { code: 'dispatch.upstream' } });
    expect(deaf.calls('server/discover')).toHaveLength(1); // it is not a broken line
  });
  test('a stream that breaks is opened again, and what was missed is made good', async () => {
    const { server, streams, live } = await listening(RESOURCES);
    const one = started(server);
    const heard: string[] = [];
    await one.upstream.watch('r:1', (text) => heard.push(text));
    live()[0]?.destroy();
    await until(() => heard.length === 1);
    expect(heard).toEqual(['{"uri":"r:1"}']);
    live()[0]?.write(updated('r:1', { n: 1 }));
    await until(() => heard.length === 2);
    expect(streams).toHaveLength(2);
  });
});

describe('watching at real servers', () => {
  test.each(['legacy', 'modern'] as const)('%s', async (era) => {
    const fixture = await startFixture({ eras: [era] });
    const one = started(fixture);
    const heard: string[] = [];
    const stop = await one.upstream.watch('test://watched-resource', (text) => heard.push(text));
    await one.upstream.request('tools/call', '{"name":"test_update_resource","arguments":{}}', asking());
    await until(() => heard.length === 1);
    expect(JSON.parse(heard[0] ?? '')).toMatchObject({ uri: 'test://watched-resource' });
    stop();
    if (era === 'legacy') await until(() => fixture.ran.some(([what]) => what === 'resources/unsubscribe'));
  });
});

describe('lists that change', () => {
  test('legacy: of each kind on the gateway’s stream, and on a call’s own; a flood is heard once', async () => {
    const server = await oldServer((seen, res) => {
      sse(res);
      res.write(changed('prompts'));
      res.end(event(result(seen)));
    });
    const one = started(server);
    const heard: Change[] = [];
    await until(() => server.streams.size === 1);
    one.upstream.onChanged((change) => heard.push(change));
    for (let i = 0; i < 50; i++) streamOf(server).write(changed('tools'));
    streamOf(server).write(changed('resources'));
    await until(() => heard.length === 2);
    await one.upstream.request('tools/call', '{}', asking());
    await until(() => heard.length === 3);
    expect(heard.toSorted()).toEqual(['prompts', 'resources', 'tools']);
  });
  test.each<[object, object | undefined]>([
    [{ tools: { listChanged: true }, prompts: {}, resources: { listChanged: true } }, { toolsListChanged: true, resourcesListChanged: true }],
    [{ tools: {}, prompts: { listChanged: true } }, { promptsListChanged: true }],
    [{ tools: { listChanged: false } }, undefined],
  ])('modern: exactly those are listened for that the server announces (%#)', async (capabilities, wanted) => {
    const { server, streams } = await listening(capabilities);
    const one = started(server);
    const heard: Change[] = [];
    await until(() => one.upstream.state().ok);
    await pause(30);
    expect(streams.map((stream) => stream.wanted)).toEqual(wanted === undefined ? [] : [wanted]);
    one.upstream.onChanged((change) => heard.push(change));
    for (const kind of wanted === undefined ? [] : Object.keys(wanted)) streams[0]?.res.write(changed(kind.replace('ListChanged', '')));
    await until(() => heard.length === Object.keys(wanted ?? {}).length);
  });
});
