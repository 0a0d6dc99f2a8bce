import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Answer } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import type { Session } from '../../call/session.ts';
import { made, principal, rig, until, type Rig } from '../../../test/kit/dispatch-rig.ts';
import type { Done } from '../room.ts';

const resultOf = (done: Done): JsonObject => {
  if ('stop' in done) throw new Error(`refused: ${JSON.stringify(done.stop)}`);
  return done.go.answer.message?.['result'] as JsonObject;
};
const request = (id: number, method: string, params: object): string => JSON.stringify({ jsonrpc: '2.0', id, method, params });

describe('tasks of 2025-11-25 on server-everything', () => {
  let child: ChildProcess;
  let r: Rig;
  beforeAll(async () => {
    const free = createServer().listen(0, '127.0.0.1');
    await once(free, 'listening');
    const { port } = free.address() as AddressInfo;
    free.close();
    await once(free, 'close');
    child = spawn(process.execPath, ['node_modules/@modelcontextprotocol/server-everything/dist/index.js', 'streamableHttp'], { env: { PATH: process.env['PATH'], PORT: String(port) }, stdio: ['ignore', 'ignore', 'pipe'] });
    await new Promise<void>((resolve) => child.stderr?.on('data', (chunk: Buffer) => void (chunk.includes('listening') && resolve())));
    r = rig({ s: { url: `http://127.0.0.1:${port}/mcp` } });
  }, 30_000);
  afterAll(async () => {
    await r.close();
    child.kill('SIGKILL');
  });

  /** A caller with a session of its own. */
  async function caller(id: string): Promise<{ readonly session: Session; readonly make: (text: string) => ReturnType<typeof made>; readonly run: (text: string) => Promise<Done> }> {
    const who = principal(id);
    const hello = request(0, 'initialize', { protocolVersion: '2025-11-25', capabilities: { elicitation: {}, tasks: {} }, clientInfo: { name: 'c', version: '1' } });
    const done = await r.dispatch.stage.run(made(hello, { principal: who }).call);
    const session = ('go' in done ? (done.go.answer as Answer).session : null) as Session;
    const make = (text: string): ReturnType<typeof made> => made(text, { principal: who, session, timeoutMs: 30_000 });
    const run = async (text: string): Promise<Done> => r.dispatch.stage.run(make(text).call);
    await run('{"jsonrpc":"2.0","method":"notifications/initialized"}');
    return { session, make, run };
  }

  test('one caller’s runs from its making over a question to its result; the other’s session sees nothing of it', async () => {
    const [alice, mallory] = [await caller('key:alice'), await caller('key:mallory')];
    const made = resultOf(await alice.run(request(1, 'tools/call', { name: 'simulate-research-query', arguments: { topic: 'gates', ambiguous: true }, task: { ttl: 60_000 } })));
    const { taskId } = made['task'] as JsonObject;
    expect(typeof taskId).toBe('string');
    expect(resultOf(await alice.run(request(2, 'tasks/get', { taskId })))).toMatchObject({ taskId, status: 'working' });
    for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel']) expect(await mallory.run(request(3, method, { taskId }))).toEqual({ stop: { code: 'dispatch.state', effect: 'none' } });
    expect(resultOf(await mallory.run(request(4, 'tasks/list', {})))['tasks']).toEqual([]);
    expect((resultOf(await alice.run(request(4, 'tasks/list', {})))['tasks'] as JsonObject[]).map((task) => task['taskId'])).toEqual([taskId]);

    const waiting = alice.make(request(5, 'tasks/result', { taskId }));
    const ended = r.dispatch.stage.run(waiting.call);
    await until(() => waiting.events.some((event) => event.includes('elicitation/create')), 15_000);
    const [question] = [...alice.session.asked];
    expect(await alice.run(JSON.stringify({ jsonrpc: '2.0', id: question, result: { action: 'accept', content: { interpretation: 'technical' } } }))).toMatchObject({ go: { answer: { status: 202 } } });
    expect(JSON.stringify(resultOf(await ended))).toContain('gates');
  }, 40_000);
});
