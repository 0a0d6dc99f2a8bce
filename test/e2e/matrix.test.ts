import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startByHand } from '../kit/by-hand/http.ts';
import type { Version } from '../kit/by-hand/server.ts';
import { startFixture } from '../kit/fixture/http.ts';
import { startSseFixture } from '../kit/fixture/sse.ts';
import { launch, records, type Launched } from '../kit/gateway.ts';
import { MATRIX_CLIENTS, type MatrixClient } from '../kit/hand-clients.ts';
import { OPEN, stdioFixture, until } from '../kit/scene.ts';

/**
 * Every client to every server: clients of five revisions, by hand and by both official SDKs, to servers of every revision over every
 * transport, by hand and by an SDK, through one gateway. Whoever asks whomever: same lists, same answers, same refusals, same records.
 */
const dir = mkdtempSync(join(tmpdir(), 'sallyport-matrix-'));
const BY_HAND = fileURLToPath(new URL('../kit/by-hand/stdio.ts', import.meta.url));

interface Row {
  /** The server's part of the gateway's configuration. */
  readonly config: object;
  /** Every tool that ran and every one that was cancelled. */
  readonly ran: () => readonly string[];
  /** Repeats numbers digit by digit; a server on a JavaScript SDK reads them as doubles. */
  readonly exact: boolean;
  /** Request bodies as they came, where they can be seen. */
  readonly bodies: (() => readonly string[]) | null;
  readonly faults?: readonly string[];
  readonly close: () => Promise<void>;
}
const nothing = async (): Promise<void> => undefined;
const logged = (log: string) => (): string[] => {
  try {
    return readFileSync(log, 'utf8').split('\n').filter(Boolean).map((line) => String((JSON.parse(line) as unknown[])[0]));
  } catch {
    return [];
  }
};
const byHand = (version: Version) => async (): Promise<Row> => {
  const server = await startByHand(version);
  return { config: { url: server.url, allow_loopback: true }, ran: () => server.ran.map(([what]) => what), exact: true, bodies: null, faults: server.faults, close: server.close };
};
const pipe = (command: (log: string) => readonly string[], name: string, more: object, exact: boolean) => async (): Promise<Row> => {
  const log = join(dir, `${name}.log`);
  return { config: { command: command(log), processes: 'per_caller', ...more }, ran: logged(log), exact, bodies: null, close: nothing };
};
const byHandPipe = (version: Version) => pipe((log) => [process.execPath, BY_HAND, version, log], `by-hand-${version}`, {}, true);
const sdk = (start: () => ReturnType<typeof startFixture>) => async (): Promise<Row> => {
  const fixture = await start();
  return { config: { url: fixture.url, allow_loopback: true }, ran: () => fixture.ran.map(([what]) => what), exact: false, bodies: () => fixture.seenBodies, close: fixture.close };
};

const SERVERS: Readonly<Record<string, { readonly is: string; readonly start: () => Promise<Row> }>> = {
  'sdk-modern': { is: 'SDK v2, 2026-07-28, HTTP', start: sdk(() => startFixture({ eras: ['modern'] })) },
  'sdk-legacy': { is: 'SDK v2, 2025-11-25, HTTP', start: sdk(() => startFixture({ eras: ['legacy'] })) },
  'sdk-sse': { is: 'SDK v1, HTTP+SSE', start: sdk(() => startSseFixture()) },
  'sdk-pipe-modern': { is: 'SDK v2, 2026-07-28, stdio', start: pipe((log) => stdioFixture(log).command, 'modern', {}, false) },
  'sdk-pipe-legacy': { is: 'SDK v2, 2025-11-25, stdio', start: pipe((log) => stdioFixture(log).command, 'legacy', { era: 'legacy' }, false) },
  'hand-2026-07-28': { is: 'by hand, 2026-07-28, HTTP', start: byHand('2026-07-28') },
  'hand-2025-11-25': { is: 'by hand, 2025-11-25, HTTP', start: byHand('2025-11-25') },
  'hand-2025-06-18': { is: 'by hand, 2025-06-18, HTTP', start: byHand('2025-06-18') },
  'hand-2025-03-26': { is: 'by hand, 2025-03-26, HTTP', start: byHand('2025-03-26') },
  'hand-sse': { is: 'by hand, 2024-11-05, HTTP+SSE', start: byHand('2024-11-05') },
  'hand-pipe-2026-07-28': { is: 'by hand, 2026-07-28, stdio', start: byHandPipe('2026-07-28') },
  'hand-pipe-2024-11-05': { is: 'by hand, 2024-11-05, stdio', start: byHandPipe('2024-11-05') },
};
const NAMES = Object.keys(SERVERS);
const keyOf = (client: string): string => client.toLowerCase().replace(/[^a-z0-9]+/g, '-');

const rows = new Map<string, Row>();
let gateway: Launched;
beforeAll(async () => {
  for (const name of NAMES) rows.set(name, await (SERVERS[name] as (typeof SERVERS)[string]).start());
  const classes = { echo: 'read', test_tool_with_progress: 'read', test_input_required_result_elicitation: 'write', slow: 'write', crash: 'destructive' };
  gateway = await launch({
    config: {
      limit: OPEN.limit,
      resolve: { tools: Object.fromEntries(Object.entries(classes).map(([tool, of]) => [`*__${tool}`, { class: of }])) },
      authorize: { rules: [
        { id: 'everything', why: 'The matrix is about revisions', effect: 'allow', servers: ['*'], classes: ['discovery', 'read', 'write'], require_confirmation: false },
        { id: 'never-crash', why: 'Refused in every cell', effect: 'deny', tools: ['*__crash'] },
      ] },
      dispatch: { servers: Object.fromEntries(NAMES.map((name) => [name, rows.get(name)?.config])) },
    },
    keys: Object.fromEntries([...Object.keys(MATRIX_CLIENTS).map(keyOf), 'rest'].map((id) => [id, []])),
  });
  await until('every server is known', 30_000, async () => {
    const told = await Promise.all(NAMES.map((name) => gateway.tool('rest', `${name}__echo`, { text: 'ready?' })));
    return told.every(({ status }) => status === 200);
  }).catch((fault: unknown) => { throw new Error(`${String(fault)}\n${gateway.err().slice(-4_000)}`); });
}, 120_000);
afterAll(async () => {
  await gateway?.stop('SIGKILL');
  gateway?.clean();
  for (const row of rows.values()) await row.close();
  rmSync(dir, { recursive: true, force: true });
});

const BIG = ['9007199254740993', '-123456789012345678901234567890'] as const;
const WORDS = 'ünïcödé ✓ \u2028 🦜 "quoted" \\';

/** Steps that every cell takes. A failure is named: server × client × step. */
describe.each(NAMES)('%s', (server) => {
  const row = (): Row => rows.get(server) as Row;
  let listed: string | null = null;

  describe.each(Object.keys(MATRIX_CLIENTS))('%s', (name) => {
    const { version, asks, open } = MATRIX_CLIENTS[name] as (typeof MATRIX_CLIENTS)[string];
    const asked: string[] = [];
    let client: MatrixClient;
    beforeAll(async () => {
      client = await open(`${gateway.url}/s/${server}/mcp`, gateway.keys[keyOf(name)] as string, ({ message }) => {
        asked.push(message);
        return { action: 'accept', content: { name: 'Ada ✓' } };
      });
    });
    afterAll(() => client?.close());

    it('speaks a revision it knows', () => {
      expect(client.version).toMatch(/^20\d\d-\d\d-\d\d$/);
      if (version !== '') expect(client.version <= version, client.version).toBe(true);
    });
    it('lists the same tools, none that policy hides', async () => {
      const tools = JSON.stringify(await client.tools());
      listed ??= tools;
      expect(tools).toBe(listed);
      expect(tools).toContain('"echo"');
      expect(tools).not.toContain('"crash"');
    });
    it('echoes unicode and every digit', async () => {
      for (const number of BIG) {
        const answer = await client.call('echo', `{"text":${JSON.stringify(WORDS)},"number":${number}}`);
        if (row().exact) expect(answer.words).toBe(`{"text":${JSON.stringify(WORDS)},"number":${number}}`);
        else expect(JSON.parse(answer.words), answer.raw).toEqual({ text: WORDS, number: Number(number) });
        if (row().bodies !== null) expect(row().bodies?.().findLast((body) => body.includes('tools/call')), 'what the server got').toMatch(new RegExp(`"number": ?${number}\\b`));
      }
    });
    it('is refused what policy refuses, as if it were not there', async () => {
      const refused = await client.call('crash', '{}');
      const absent = await client.call('no_such_tool', '{}');
      for (const { error } of [refused, absent]) expect(error?.code).toBe(-32602);
      expect([refused.refusal, absent.refusal]).toEqual(['resolve.unknown_tool', 'resolve.unknown_tool']);
      expect(refused.error?.message).toBe(absent.error?.message);
      expect(row().ran()).not.toContain('crash');
    });
    it('is told what is wrong with its arguments', async () => {
      const refused = await client.call('echo', '{"number":"not a number"}');
      expect({ refusal: refused.refusal, isError: refused.isError, error: refused.error }).toEqual({ refusal: 'validate.arguments', isError: true, error: null });
      expect(refused.words).toContain('number: must be an integer');
    });
    it('hears progress in its order', async () => {
      const heard: number[] = [];
      const answer = await client.call('test_tool_with_progress', '{}', { onProgress: ({ progress }) => heard.push(progress) });
      expect(answer.error ?? answer.isError, answer.raw).toBe(false);
      expect(heard).toEqual([0, 50, 100]);
    });
    it(asks ? 'is asked, and its answer arrives' : 'is not asked, as it never declared it could be, and is told so', async () => {
      asked.length = 0;
      const answer = await client.call('test_input_required_result_elicitation', '{}');
      if (asks) {
        expect(answer.words, answer.raw).toBe('Hello, Ada ✓!');
        expect(asked).toHaveLength(1);
        expect(asked[0]).toContain('What is your name?');
      } else {
        expect(asked).toEqual([]);
        expect(answer.isError || answer.error !== null, answer.raw).toBe(true);
        expect(answer.words).not.toContain('Hello');
      }
    });
    it('reads a resource; one that is not there is an error', async () => {
      expect((await client.read('test://static-text')).words).toBe('Text of a static resource.');
      // -32602 since 2026-07-28, -32002 before; SDK v2 says -32602 in every revision, and to its own contemporaries that passes as it is.
      const isEarly = /^sdk-(?:legacy|sse|pipe-legacy)$/.test(server);
      expect((await client.read('test://not-there')).error?.code).toBe(version === '2026-07-28' || isEarly ? -32602 : -32002);
    });
    it('gets a prompt', async () => {
      expect((await client.prompt('test_prompt_with_arguments', '{"arg1":"één","arg2":"two"}')).words).toBe("arg1='één', arg2='two'");
    });
    it('gives up a call, and the server hears of it', async () => {
      const count = (what: string): number => row().ran().filter((ran) => ran === what).length;
      const before = [count('slow'), count('slow cancelled')] as const;
      const stop = new AbortController();
      const running = client.call('slow', '{"ms":20000}', { signal: stop.signal }).then(({ words }) => words || 'given up', () => 'given up');
      await until('it runs', 10_000, () => count('slow') === before[0] + 1);
      stop.abort();
      await until('the server was told', 10_000, () => count('slow cancelled') === before[1] + 1);
      expect(await running).toBe('given up');
      expect((await client.call('echo', '{"text":"still here"}')).words).toContain('still here');
    });
  });
  it('was never spoken to against its revision', () => {
    expect(row().faults ?? []).toEqual([]);
  });
});

describe('the record', () => {
  /** What differs from call to call, from caller to caller, or with what the server itself said. */
  const OWN = new Set(['timestamp', 'seq', 'prev_hash', 'hash', 'correlation_id', 'caller_id', 'mcp_server', 'latency_ms', 'output_summary', 'output_hash', 'input_hash', 'tool_input', 'downstream_resource', 'policy_version', 'error', 'model_request_id']);
  it('says the same of every cell: event, decision, reason, rules, class, effect, and the same fields', async () => {
    const all = (await records(gateway.data)).filter((record) => String(record['event']).startsWith('call.') && record['caller_id'] !== 'key:rest');
    expect(new Set(all.map((record) => Object.keys(record).join())).size, 'one shape of record').toBe(1);
    const cells = new Map<string, Map<string, Set<string>>>();
    for (const record of all) {
      const step = String(record['tool']);
      if (!/^(?:echo|crash|no_such_tool|test_tool_with_progress|resources\/read|prompts\/get|tools\/list)/.test(step)) continue;
      if (step === 'resources/read' && record['success'] === false) continue; // each revision has its own code for it, and the code tells the effect
      const cell = `${String(record['mcp_server'])} × ${String(record['caller_id'])}`;
      const stable = Object.fromEntries(Object.entries(record).filter(([field]) => !OWN.has(field)));
      const steps = cells.get(cell) ?? cells.set(cell, new Map()).get(cell) as Map<string, Set<string>>;
      const lines = steps.get(step) ?? steps.set(step, new Set()).get(step) as Set<string>;
      lines.add(JSON.stringify(stable));
    }
    const [[, first] = ['', new Map<string, Set<string>>()]] = cells;
    for (const [cell, steps] of cells) {
      for (const [step, lines] of first) expect([...(steps.get(step) ?? [])].toSorted(), `${cell} × ${step}`).toEqual([...lines].toSorted());
      expect([...steps.keys()].toSorted(), cell).toEqual(['crash', 'echo', 'no_such_tool', 'prompts/get', 'resources/read', 'test_tool_with_progress', 'tools/list']);
    }
    expect([...cells.keys()].toSorted()).toEqual(NAMES.flatMap((server) => Object.keys(MATRIX_CLIENTS).map((client) => `${server} × key:${keyOf(client)}`)).toSorted());
  });
  it('ends every call it began, and verifies', async () => {
    const all = (await records(gateway.data)).filter((record) => String(record['event']).startsWith('call.'));
    for (const [id, events] of Map.groupBy(all, (record) => record['correlation_id'])) {
      expect([['call.intended', 'call.finished'], ['call.refused']], String(id)).toContainEqual(events.map((record) => record['event']));
    }
  });
});
