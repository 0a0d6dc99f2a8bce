import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Deciding, launchDeciding } from '../kit/approvals.ts';
import { startByHand } from '../kit/by-hand/http.ts';
import type { Version } from '../kit/by-hand/server.ts';
import { records } from '../kit/gateway.ts';
import { MATRIX_CLIENTS, type MatrixClient, type Told } from '../kit/hand-clients.ts';
import { OPEN, until } from '../kit/scene.ts';

/**
 * Callers × servers × tools and methods × eras × transports, through the gateway as it runs: each cell decides as matrix.yaml says, whichever door and
 * revision the call comes through; lists show what may be called, and what may not reads like what does not exist (MISSION P1, P5).
 */
type Cell = 'run' | 'ask' | 'deny' | 'hide';
interface Oracle {
  readonly servers: Readonly<Record<string, { readonly speaks: Version; readonly over?: 'stdio'; readonly environment: string }>>;
  readonly classes: Readonly<Record<string, string>>;
  readonly callers: Readonly<Record<string, readonly string[]>>;
  readonly rules: readonly object[];
  readonly calls: Readonly<Record<string, { readonly tool: string; readonly arguments: string } | { readonly method: string }>>;
  readonly table: Readonly<Record<string, Readonly<Record<string, readonly Cell[]>>>>;
}
const oracle = parse(readFileSync(new URL('matrix.yaml', import.meta.url), 'utf8')) as Oracle;
const SERVERS = Object.keys(oracle.servers);
const CALLERS = Object.keys(oracle.callers);
const ROWS = Object.keys(oracle.calls);
const cellOf = (server: string, row: string, caller: string): Cell => oracle.table[server]?.[row]?.[CALLERS.indexOf(caller)] ?? 'hide';
const callOf = (row: string): { readonly tool: string | null; readonly text: string } => {
  const call = oracle.calls[row];
  return call !== undefined && 'tool' in call ? { tool: call.tool, text: call.arguments } : { tool: null, text: '' };
};
/** A tool is listed when any of its rows may be called. */
const listedFor = (server: string, caller: string): string[] =>
  [...new Set(ROWS.filter((row) => cellOf(server, row, caller) !== 'hide').flatMap((row) => callOf(row).tool ?? []))].toSorted();

const dir = mkdtempSync(join(tmpdir(), 'sallyport-policy-matrix-'));
const STDIO = fileURLToPath(new URL('../kit/by-hand/stdio.ts', import.meta.url));
const ran = new Map<string, () => readonly string[]>();
const closing: (() => Promise<void>)[] = [];
let gateway: Deciding;

async function serverOf(name: string): Promise<object> {
  const { speaks, over, environment } = oracle.servers[name] as Oracle['servers'][string];
  if (over === 'stdio') {
    const log = join(dir, `${name}.log`);
    ran.set(name, () => linesOf(log).map((line) => String((JSON.parse(line) as unknown[])[0])));
    return { command: [process.execPath, STDIO, speaks, log], processes: 'per_caller', environment };
  }
  const server = await startByHand(speaks);
  closing.push(server.close);
  ran.set(name, () => server.ran.map(([what]) => what));
  return { url: server.url, allow_loopback: true, environment };
}
function linesOf(log: string): string[] {
  try {
    return readFileSync(log, 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}
beforeAll(async () => {
  const servers = Object.fromEntries(await Promise.all(SERVERS.map(async (name) => [name, await serverOf(name)] as const)));
  gateway = await launchDeciding({
    config: {
      limit: OPEN.limit,
      approve: { groups: ['approvers'], max_pending_per_caller: 1_000 },
      resolve: { tools: Object.fromEntries(Object.entries(oracle.classes).map(([tool, of]) => [`*__${tool}`, { class: of }])) },
      authorize: { rules: oracle.rules },
      dispatch: { servers },
    },
    keys: oracle.callers,
  });
  await until('every server is known', 30_000, async () => {
    const told = await Promise.all(SERVERS.map((name) => gateway.tool('writer', `${name}__echo`, { text: 'ready?' })));
    return told.every(({ status }) => status === 200);
  });
}, 60_000);
afterAll(async () => {
  await gateway?.stop('SIGKILL');
  gateway?.clean();
  for (const close of closing) await close();
  rmSync(dir, { recursive: true, force: true });
});

const UNKNOWN = 'resolve.unknown_tool';
const REFUSED: Readonly<Record<Cell, string | null>> = { run: null, ask: 'approve.pending', deny: UNKNOWN, hide: UNKNOWN };
/** What a caller can learn from an answer. */
const seen = ({ words, isError, error, refusal }: Told): string => JSON.stringify([words, isError, error, refusal]).replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID');

/** Calls every row of a server; gives, for each tool, how often it must have run. */
async function walk(client: MatrixClient, server: string, caller: string, prefix: string): Promise<readonly string[]> {
  const must: string[] = [];
  const unknown = seen(await client.call(`${prefix}no_such_tool`, '{}'));
  for (const row of ROWS) {
    const { tool, text } = callOf(row);
    if (tool === null) continue;
    const cell = cellOf(server, row, caller);
    const told = await client.call(prefix + tool, text);
    expect(told.refusal, `${row}: ${told.raw}`).toBe(REFUSED[cell]);
    if (cell === 'run') must.push(tool);
    if (cell === 'run' && tool === 'echo') expect(told.words).toContain(JSON.parse(text).text);
    if (cell === 'hide' || cell === 'deny') expect(seen(told), row).toBe(unknown);
  }
  return must;
}
const countOf = (names: readonly string[]): ReadonlyMap<string, number> => new Map([...Map.groupBy(names, (name) => name)].map(([name, all]) => [name, all.length] as const).toSorted(([a], [b]) => (a < b ? -1 : 1)));
/** Waits for what stdio servers still have to write down; more than must be is found too. */
async function ranSince(server: string, before: number, must: readonly string[]): Promise<void> {
  const after = (): readonly string[] => ran.get(server)?.().slice(before) ?? [];
  await until(`${server} has written it down`, 5_000, () => after().length >= must.length);
  expect(countOf(after())).toEqual(countOf(must));
}

describe.each(SERVERS)('%s', (server) => {
  it.each(Object.keys(MATRIX_CLIENTS))('%s: every caller', async (name) => {
    const before = ran.get(server)?.().length ?? 0;
    const must = await Promise.all(CALLERS.map(async (caller) => {
      const client = await (MATRIX_CLIENTS[name] as (typeof MATRIX_CLIENTS)[string]).open(`${gateway.url}/s/${server}/mcp`, gateway.keys[caller] as string, undefined);
      expect([...(await client.tools())].toSorted(), caller).toEqual(listedFor(server, caller));
      const done = await walk(client, server, caller, '');
      await methods(client, server, caller);
      await client.close();
      return done;
    }));
    await ranSince(server, before, must.flat());
  });
});

/** What is no tool: by the same decision. */
async function methods(client: MatrixClient, server: string, caller: string): Promise<void> {
  const asks = { resource: () => client.read('test://static-text'), prompt: () => client.prompt('test_prompt_with_arguments', '{"arg1":"1","arg2":"2"}') };
  const absent = { resource: () => client.read('test://not-there'), prompt: () => client.prompt('not-there', '{}') };
  const words = { resource: 'Text of a static resource.', prompt: "arg1='1', arg2='2'" };
  for (const row of ['resource', 'prompt'] as const) {
    const told = await asks[row]();
    if (cellOf(server, row, caller) === 'run') expect(told.words, `${caller} ${row}: ${told.raw}`).toBe(words[row]);
    else {
      expect(told.words + String(told.error?.code), `${caller} ${row}: ${told.raw}`).toMatch(/^-\d+$/);
      expect(seen(told), `${caller} ${row}`).toBe(seen(await absent[row]()));
    }
  }
}

describe('all servers at once', () => {
  it.each(['2024-11-05 by hand', '2025-11-25 by hand', '2026-07-28 by hand'])('%s: every caller', async (name) => {
    const before = new Map(SERVERS.map((server) => [server, ran.get(server)?.().length ?? 0]));
    const must = await Promise.all(CALLERS.map(async (caller) => {
      const client = await (MATRIX_CLIENTS[name] as (typeof MATRIX_CLIENTS)[string]).open(`${gateway.url}/mcp`, gateway.keys[caller] as string, undefined);
      expect([...(await client.tools())].toSorted(), caller).toEqual(SERVERS.flatMap((server) => listedFor(server, caller).map((tool) => `${server}__${tool}`)).toSorted());
      const done: (readonly [string, readonly string[]])[] = [];
      for (const server of SERVERS) done.push([server, await walk(client, server, caller, `${server}__`)]);
      await client.close();
      return done;
    }));
    for (const server of SERVERS) await ranSince(server, before.get(server) ?? 0, must.flat().filter(([of]) => of === server).flatMap(([, tools]) => tools));
  });
  it('POST /tool: every caller', async () => {
    const status: Readonly<Record<Cell, number>> = { run: 200, ask: 202, deny: 403, hide: 403 };
    for (const server of SERVERS) {
      const before = ran.get(server)?.().length ?? 0;
      const must: string[] = [];
      for (const caller of CALLERS) for (const row of ROWS) {
        const { tool, text } = callOf(row);
        if (tool === null) continue;
        const reply = await gateway.tool(caller, `${server}__${tool}`, JSON.parse(text));
        const cell = cellOf(server, row, caller);
        expect(reply.status, `${caller} ${server} ${row}: ${reply.text}`).toBe(status[cell]);
        if (cell === 'run') must.push(tool);
        if (cell === 'hide' || cell === 'deny') expect(reply.body.result).toEqual((await gateway.tool(caller, `${server}__no_such_tool`, {})).body.result);
      }
      await ranSince(server, before, must);
    }
  });
});

describe('the record', () => {
  it('knows what callers are not told: which rule denied, which was in error, what the rule on trial would have said', async () => {
    const all = (await records(gateway.data)).filter(({ event }) => event === 'call.refused' || event === 'call.finished');
    const told = (caller: string, server: string, tool: string): readonly string[] =>
      [...new Set(all.filter((one) => one['caller_id'] === `key:${caller}` && one['mcp_server'] === server && one['tool'] === tool).map((one) => JSON.stringify([one['decision'], one['reason_code'], one['policy_ids'], one['shadow_rules']])))];
    const trial = [{ rule: 'rule:on-trial', would: 'would deny' }];
    expect(told('root', 'east', 'crash')).toEqual([JSON.stringify(['deny', 'authorize.error', ['rule:broken'], trial])]);
    expect(told('writer', 'south', 'slow')).toEqual([JSON.stringify(['deny', 'authorize.rule', ['rule:not-in-production'], trial])]);
    expect(told('writer', 'north', 'slow')).toEqual([JSON.stringify(['allow', 'ok', ['rule:writers'], trial])]);
    expect(told('agent', 'west', 'slow')).toEqual([JSON.stringify(['deny', 'authorize.rule', ['rule:no-agents'], trial])]);
    expect(told('nobody', 'north', 'echo')).toEqual([JSON.stringify(['deny', 'authorize.scope', ['default:read'], trial])]);
    expect(new Set(all.filter((one) => one['policy_ids'] !== null).map((one) => one['policy_version'])).size).toBe(1);
  });
});
