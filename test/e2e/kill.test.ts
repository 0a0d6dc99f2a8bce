import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startFixture } from '../kit/fixture/http.ts';
import { cli, launch, records, type Launched } from '../kit/gateway.ts';
import { isReady, OPEN, openTalk, until } from '../kit/scene.ts';

/** 2 lanes of so many kills each, side by side. */
const KILLS = 26;
const READY_MS = 5_000;

/** One server twice, once as a class that waits for the operating system only and once as one that waits for the disk. */
const configFor = (url: string): Record<string, unknown> => ({
  ...OPEN,
  dispatch: { servers: { reads: { url, allow_loopback: true }, writes: { url, allow_loopback: true } } },
  resolve: { tools: { reads__echo: { class: 'read' }, writes__echo: { class: 'write' } } },
});

describe.concurrent('kill -9 with calls in flight', () => {
  it.each(['lane-a', 'lane-b'])(`${KILLS} kills, %s: no call without an earlier record, no record without an end`, async (lane) => {
    const answered: string[] = [];
    const unrecorded: string[] = [];
    let journal: Follower | null = null;
    const fixture = await startFixture({
      // Asked in the very moment the tool runs: is its intent in the file already?
      onRan: (tool, args) => { if (tool !== 'slow cancelled' && journal?.intends(args) !== true) unrecorded.push(JSON.stringify(args)); },
    });
    const config = configFor(fixture.url);
    let gateway = await launch({ config, keys: { caller: [] } });
    const key = gateway.keys['caller'] as string;
    const { dir, data } = gateway;
    const readyAfter: number[] = [];
    try {
      for (let round = 0; round < KILLS; round++) {
        journal = new Follower(join(data, 'audit'));
        const before = fixture.ran.length;
        const traffic = callAll(gateway, key, `${lane} ${round}`, 1_000 + round, answered);
        await until('traffic', 10_000, () => fixture.ran.length > before);
        await sleep(20 + Math.random() * 180);
        await gateway.stop('SIGKILL');
        await traffic;
        const start = performance.now();
        gateway = await launch({ config, dir });
        await until('ready', READY_MS, () => isReady(gateway));
        readyAfter.push(performance.now() - start);
      }
      expect(await gateway.stop()).toBe(0);
      const verified = await cli(['audit', 'verify', '--data', data]);
      expect(verified).toMatchObject({ code: 0, out: expect.stringMatching(/^good/) });

      expect(Math.max(...readyAfter)).toBeLessThan(READY_MS);
      expect(unrecorded).toEqual([]);
      const story = readStory(await records(data));
      const ran = fixture.ran.filter(([tool]) => tool !== 'slow cancelled').map(([, args]) => JSON.stringify(args));
      expect(ran.length).toBeGreaterThan(KILLS * 5);
      expect(ran.filter((args) => story.intents.get(args) !== 1), 'ran once, intended once').toEqual([]);
      expect(new Set(ran).size, 'nothing is sent twice').toBe(ran.length);
      expect(story.withoutOneEnd).toEqual([]);
      expect(answered.filter((args) => !story.finished.has(args)), 'no record, no answer').toEqual([]);
      expect(story.unknown).toBeGreaterThanOrEqual(KILLS); // at the least the slow call of each round
    } finally {
      await gateway.stop('SIGKILL');
      gateway.clean();
      await fixture.close();
    }
  });
});

/** Callers that call, one after the other and through every door, until the gateway is gone; and one slow call that never ends in time. */
async function callAll(gateway: Launched, key: string, prefix: string, ms: number, answered: string[]): Promise<void> {
  const call = async (door: string, n: number, tool: (args: object) => Promise<{ status: number }>): Promise<void> => {
    const args = { text: `${prefix} ${door} ${n}` };
    if ((await tool(args)).status === 200) answered.push(JSON.stringify(args));
  };
  const forEver = async (one: (n: number) => Promise<void>): Promise<void> => {
    try {
      for (let n = 0; ; n++) await one(n);
    } catch { /* the gateway was killed */ }
  };
  const doors = ['reads', 'writes'].flatMap((server) => [
    forEver((n) => call(`rest ${server}`, n, (args) => gateway.tool(key, `${server}__echo`, args))),
    forEver((n) => call(`modern ${server}`, n, (args) => gateway.modern(key, `/s/${server}/mcp`, 'tools/call', { name: 'echo', arguments: args }))),
    openTalk(gateway, key, `/s/${server}/mcp`).then((talk) => forEver((n) => call(`legacy ${server}`, n, (args) => talk.call(n, 'echo', args))), () => undefined),
  ]);
  await Promise.all([...doors, gateway.tool(key, 'writes__slow', { ms: 1_000 + ms }).catch(() => undefined)]);
}

/** Reads what is appended to the journal, as another process sees it. */
class Follower {
  private readonly seen = new Set<string>();
  private readonly at = new Map<string, number>();
  private readonly dir: string;
  constructor(dir: string) {
    this.dir = dir;
    this.catchUp();
  }
  intends(args: unknown): boolean {
    this.catchUp();
    return this.seen.has(JSON.stringify(args));
  }
  private catchUp(): void {
    for (const name of readdirSync(this.dir).filter((file) => file.startsWith('audit-'))) {
      const fd = openSync(join(this.dir, name), 'r');
      const from = this.at.get(name) ?? 0;
      const bytes = Buffer.alloc(fstatSync(fd).size - from);
      readSync(fd, bytes, 0, bytes.length, from);
      closeSync(fd);
      const whole = bytes.lastIndexOf(0x0a) + 1;
      this.at.set(name, from + whole);
      for (const line of bytes.toString('utf8', 0, whole).split('\n').filter(Boolean)) {
        const record = JSON.parse(line) as { event: string; tool_input: unknown };
        if (record.event === 'call.intended') this.seen.add(JSON.stringify(record.tool_input));
      }
    }
  }
}

/** From the exported record: how often each input was intended, which ended well, which intents have not exactly one later end. */
function readStory(all: readonly Record<string, unknown>[]): { intents: Map<string, number>; finished: Set<string>; withoutOneEnd: string[]; unknown: number } {
  const intents = new Map<string, number>();
  const finished = new Set<string>();
  const open = new Map<unknown, string>();
  const withoutOneEnd: string[] = [];
  let unknown = 0;
  for (const { event, correlation_id: id, tool_input: input } of all) {
    if (event === 'call.intended') {
      const args = JSON.stringify(input);
      intents.set(args, (intents.get(args) ?? 0) + 1);
      open.set(id, args);
    } else if (event === 'call.finished' || event === 'call.outcome_unknown') {
      const args = open.get(id);
      if (args === undefined || !open.delete(id)) withoutOneEnd.push(`${event} ${String(id)}`);
      else if (event === 'call.finished') finished.add(args);
      else unknown++;
    }
  }
  return { intents, finished, withoutOneEnd: [...withoutOneEnd, ...open.values()], unknown };
}
