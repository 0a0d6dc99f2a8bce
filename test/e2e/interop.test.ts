import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { legacyClient, modernClient, textOf, type OfficialClient, type User } from '../kit/clients.ts';
import { launch, type Launched } from '../kit/gateway.ts';
import { BUILD_MS, builtServer, LANGUAGES, startInterop, type Built } from '../kit/interop.ts';
import { OPEN, until } from '../kit/scene.ts';

/** Servers that other people's SDKs are made of, behind the gateway, used by the official clients of both eras. */
const CLIENTS: Readonly<Record<string, (url: string, key: string, user?: User) => Promise<OfficialClient>>> = { 'SDK v2, 2026-07-28': modernClient, 'SDK v1, 2025-11-25': legacyClient };
/** As found; or pinned to one era where the server speaks both, so that each client is translated for once. */
const WAYS = ['stdio', 'stdio-legacy', 'http', 'http-modern', 'http-legacy'] as const;
const TOOLS = ['add', 'ask_name', 'echo', 'fail', 'slow_progress'];
const GREETING = 'Grüße aus dem Server ✓';
/** 2^53 + 1, which no double holds. */
const BIG = '9007199254740993';

describe.each(LANGUAGES)('a server written with the %s SDK', (language) => {
  let built: Built = { missing: 'it was not built' };
  let gateway: Launched;
  let close: (() => Promise<void>) | null = null;
  const key = (): string => gateway.keys['tester'] as string;
  const urlOf = (way: string): string => `${gateway.url}/s/${language}-${way}/mcp`;
  /** Never silently green: without the toolchain the report says what is missing. */
  const needs = (ctx: TestContext): void => {
    if ('missing' in built) ctx.skip(built.missing);
  };

  beforeAll(async () => {
    built = await builtServer(language);
    if ('missing' in built) return;
    const { command, legacyPath } = built;
    const http = await startInterop(command);
    close = http.close;
    gateway = await launch({
      config: {
        ...OPEN,
        dispatch: { servers: {
          [`${language}-stdio`]: { command, processes: 'per_caller' },
          [`${language}-stdio-legacy`]: { command, processes: 'per_caller', era: 'legacy' },
          [`${language}-http`]: { url: http.origin + legacyPath, allow_loopback: true },
          [`${language}-http-modern`]: { url: `${http.origin}/mcp`, allow_loopback: true, era: 'modern' },
          [`${language}-http-legacy`]: { url: http.origin + legacyPath, allow_loopback: true, era: 'legacy' },
        } },
      },
      keys: { tester: [] },
    });
    await until('the gateway knows them all', 60_000, async () => {
      const told = await Promise.all(WAYS.map((way) => gateway.tool('tester', `${language}-${way}__add`, { a: 1, b: 1 })));
      return told.every(({ status }) => status === 200);
    }).catch((fault: unknown) => {
      throw new Error(`${String(fault)}\n${gateway.err().slice(-4_000)}`);
    });
  }, BUILD_MS + 120_000);
  afterAll(async () => {
    if (close === null) return;
    await gateway?.stop('SIGKILL');
    gateway?.clean();
    await close();
  });

  describe.each(WAYS)('%s', (way) => {
    it('REST: adds, keeps big integers and says why it failed', async (ctx) => {
      needs(ctx);
      const post = (body: string): ReturnType<Launched['post']> => gateway.post('/tool', body, { 'x-api-key': key() });
      const server = `${language}-${way}`;
      const said = async (reply: ReturnType<Launched['post']>): Promise<string> => textOf((await reply).body.result);
      expect(await said(gateway.tool('tester', `${server}__add`, { a: 2, b: 40 }))).toBe('42');
      expect(await said(post(`{"tool":"${server}__echo","inputs":{"text":"ünïcödé ✓","number":${BIG}}}`))).toBe(`ünïcödé ✓|${BIG}`);
      expect(JSON.stringify((await gateway.tool('tester', `${server}__fail`, {})).body)).toContain('failed on purpose');
    });

    describe.each(Object.keys(CLIENTS))('%s', (name) => {
      const connect = (user?: User): Promise<OfficialClient> => (CLIENTS[name] as (typeof CLIENTS)[string])(urlOf(way), key(), user);
      const using = async (ctx: TestContext, user: User, act: (client: OfficialClient) => Promise<void>): Promise<void> => {
        needs(ctx);
        const client = await connect(user);
        try {
          await act(client);
        } finally {
          await client.close();
        }
      };

      it('lists and calls, every digit kept', (ctx) => using(ctx, undefined, async (client) => {
        expect((await client.tools()).toSorted()).toEqual(TOOLS);
        expect(textOf(await client.call('add', { a: 2, b: 40 }))).toBe('42');
        expect(textOf(await client.call('add', { a: 9_007_199_254_740_992, b: 1 }))).toBe(BIG);
        expect(textOf(await client.call('echo', { text: 'ünïcödé ✓ \u2028 🦜', number: -7 }))).toBe('ünïcödé ✓ \u2028 🦜|-7');
      }));
      it('hears progress in its order', (ctx) => using(ctx, undefined, async (client) => {
        const heard: number[] = [];
        expect(textOf(await client.call('slow_progress', { steps: 5 }, { onProgress: ({ progress }) => heard.push(progress) }))).toBe('5 steps done');
        expect(heard).toEqual([1, 2, 3, 4, 5]);
      }));
      it('answers what the server asks its user', (ctx) => {
        const asked: string[] = [];
        return using(ctx, ({ message }) => {
          asked.push(message);
          return { action: 'accept', content: { name: 'Ada ✓' } };
        }, async (client) => {
          expect(textOf(await client.call('ask_name', {}))).toBe('Hello, Ada ✓!');
          expect(asked).toHaveLength(1);
          expect(asked[0]).toContain('What is your name?');
        });
      });
      it('reads, and gets a prompt', (ctx) => using(ctx, undefined, async (client) => {
        expect(JSON.stringify(await client.read('interop://greeting'))).toContain(GREETING);
        expect(JSON.stringify(await client.prompt('greet', { name: 'Grace' }))).toContain('Say hello to Grace.');
      }));
      it('is told of the failure, and nothing hangs', (ctx) => using(ctx, undefined, async (client) => {
        const failed = await client.call('fail', {});
        expect(failed.isError).toBe(true);
        expect(textOf(failed)).toContain('failed on purpose');
        expect(textOf(await client.call('add', { a: 1, b: 1 }))).toBe('2');
      }));
    });
  });
});
