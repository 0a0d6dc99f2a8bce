import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFixture, type RunningFixture } from '../kit/fixture/http.ts';
import { launch, type Launched, type Reply } from '../kit/gateway.ts';
import { OPEN, openTalk, stdioFixture, stdioLog, until } from '../kit/scene.ts';

/**
 * Access hidden in the list but not checked at the call (Obot, CVSS 9.6), an older protocol's handler that skips the check
 * (CVE-2026-11719), a search that reveals denied tools (ToolHive #4374): in every cell, list and call are one decision.
 */
const dir = mkdtempSync(join(tmpdir(), 'sallyport-visibility-'));
const log = join(dir, 'stdio.log');
const READS = ['echo', 'large', 'test_simple_text', 'json_schema_2020_12_tool'];
let fixture: RunningFixture;
let gateway: Launched;

beforeAll(async () => {
  fixture = await startFixture();
  gateway = await launch({
    config: {
      limit: OPEN.limit,
      dispatch: { servers: { http: { url: fixture.url, allow_loopback: true }, stdio: stdioFixture(log) } },
      resolve: { tools: Object.fromEntries([...READS.flatMap((name) => [[`http__${name}`, { class: 'read' }], [`stdio__${name}`, { class: 'read' }]]), ['*__crash', { class: 'destructive' }]]) },
      authorize: { rules: [
        { id: 'writer', effect: 'allow', callers: ['writer'], tools: ['*'], classes: ['read', 'write'], require_confirmation: false },
        { id: 'not-slow', effect: 'deny', callers: ['writer'], tools: ['http__slow', 'stdio__test_error*'] },
      ] },
    },
    keys: { reader: ['--scope', 'http:read'], writer: ['--scope', 'http:read', '--scope', 'http:write', '--scope', 'stdio:read', '--scope', 'stdio:write'], narrow: ['--scope', 'http:read', '--scope', 'stdio:read', '--allow', '*__echo', '--deny', 'stdio__*'], nobody: [] },
  });
  await until('both servers are listed', 10_000, async () => {
    const listed = toolsOf(await gateway.modern('writer', '/mcp', 'tools/list', {}));
    return ['http__echo', 'stdio__echo'].every((name) => listed.includes(name));
  });
});
afterAll(async () => {
  await gateway.stop('SIGKILL');
  gateway.clean();
  await fixture.close();
  rmSync(dir, { recursive: true });
});

const toolsOf = (reply: Reply): string[] => (reply.body.result.tools as { name: string }[]).map(({ name }) => name).toSorted();
/** An argument no schema knows: what may be called is refused by validation, so nothing runs and what is hidden still shows no difference. */
const NOT_AN_ARGUMENT = { 'no such argument': 1 };

interface Door {
  /** null: this door has no list of its own. */
  readonly list: ((key: string) => Promise<string[]>) | null;
  readonly call: (key: string, tool: string) => Promise<Reply>;
}
const modern = (path: string): Door => ({
  list: async (key) => toolsOf(await gateway.modern(key, path, 'tools/list', {})),
  call: (key, name) => gateway.modern(key, path, 'tools/call', { name, arguments: NOT_AN_ARGUMENT }),
});
const legacy = (path: string): Door => ({
  list: async (key) => toolsOf(await (await openTalk(gateway, key, path)).send({ id: 1, method: 'tools/list' })),
  call: async (key, name) => (await openTalk(gateway, key, path)).call(1, name, NOT_AN_ARGUMENT),
});
const DOORS: Readonly<Record<string, Door>> = {
  'modern /s/http/mcp': modern('/s/http/mcp'), 'legacy /s/http/mcp': legacy('/s/http/mcp'), 'modern /s/stdio/mcp': modern('/s/stdio/mcp'), 'legacy /s/stdio/mcp': legacy('/s/stdio/mcp'),
  'modern /mcp': modern('/mcp'), 'legacy /mcp': legacy('/mcp'), 'POST /tool': { list: null, call: (key, tool) => gateway.tool(key, tool, NOT_AN_ARGUMENT) },
};
const KEYS = ['reader', 'writer', 'narrow', 'nobody'];

/** All that a client sees, but for what differs between any two answers and the name it wrote itself. */
function shown({ status, headers, text }: Reply, name: string): string {
  const stable = [...headers].filter(([header]) => !['date', 'x-correlation-id', 'content-length'].includes(header));
  return JSON.stringify([status, stable, text.replaceAll(headers.get('x-correlation-id') as string, 'ID').replace(JSON.stringify(name), 'NAME').replace(/"latency_ms":\d+/, '')]);
}
/** Visible: policy let it pass, and validation had the next word. */
const isJudged = (reply: Reply): boolean => /validate\.(?:arguments|schema)/.test(reply.text);

describe('what is listed is what can be called, and what is hidden looks like what is not there', () => {
  it.each(Object.keys(DOORS))('%s', async (name) => {
    const door = DOORS[name] as Door;
    const aggregate = !name.includes('/s/');
    const everything = aggregate ? await modern('/mcp').list?.('writer') as string[] : await door.list?.('writer') as string[];
    const servers = aggregate ? ['http__', 'stdio__'] : [''];
    const all = [...new Set([...everything, ...servers.flatMap((s) => ['slow', 'crash', 'test_error_handling'].map((tool) => s + tool))])];
    const unknowns = servers.flatMap((s) => [`${s}no_such_tool`, s]).concat('nothing__at_all').filter((tool) => tool !== '');
    expect(all.length).toBeGreaterThan(20);
    for (const key of KEYS) {
      const unknown = shown(await door.call(key, unknowns[0] as string), unknowns[0] as string);
      for (const other of unknowns) expect(shown(await door.call(key, other), other), other).toBe(unknown);
      const callable: string[] = [];
      for (const tool of all) {
        const reply = await door.call(key, tool);
        if (isJudged(reply)) callable.push(tool);
        else expect(shown(reply, tool), `${key} ${tool}`).toBe(unknown);
      }
      const listed = door.list === null ? (await modern('/mcp').list?.(key)) : await door.list(key);
      expect(callable.toSorted(), key).toEqual(listed);
      expect(callable.toSorted(), key).toEqual(allowed(key, all, name));
    }
    expect([...fixture.ran, ...stdioLog(log).filter(([what]) => what !== 'pid')]).toEqual([]);
  });

  /** The policy above, said once more by hand. */
  function allowed(key: string, all: readonly string[], door: string): string[] {
    const bare = (tool: string): string => tool.replace(/^(?:http|stdio)__/, '');
    const isStdio = (tool: string): boolean => tool.startsWith('stdio__') || door.includes('/s/stdio');
    const may: Record<string, (tool: string) => boolean> = {
      reader: (tool) => !isStdio(tool) && READS.includes(bare(tool)),
      writer: (tool) => bare(tool) !== 'crash' && (isStdio(tool) ? !bare(tool).startsWith('test_error') : bare(tool) !== 'slow'),
      narrow: (tool) => !isStdio(tool) && bare(tool) === 'echo',
      nobody: () => false,
    };
    return all.filter((tool) => may[key]?.(tool)).toSorted();
  }
});

it('servers and methods that are not there look alike too', async () => {
  const refusals = await Promise.all(['/s/no-such/mcp', '/s/other/mcp'].map((path) => gateway.modern('nobody', path, 'tools/list', {})));
  expect(new Set(refusals.map((reply) => shown(reply, '')))).toHaveLength(1);
  expect(refusals[0]?.status).toBe(404);
});
