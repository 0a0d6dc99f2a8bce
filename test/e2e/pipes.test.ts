import { afterAll, beforeAll, expect, test } from 'vitest';
import { join } from 'node:path';
import { startSseFixture, type RunningSseFixture } from '../kit/fixture/sse.ts';
import { launch, META, type Launched } from '../kit/gateway.ts';
import { OPEN, until } from '../kit/scene.ts';

/** Servers whose every word comes over one line, behind the whole gateway: what they ask reaches the caller it is about. */
let sse: RunningSseFixture;
let gateway: Launched;
beforeAll(async () => {
  sse = await startSseFixture();
  gateway = await launch({
    config: {
      ...OPEN,
      dispatch: {
        servers: {
          old: { url: sse.url, allow_loopback: true },
          own: { command: [process.execPath, join(import.meta.dirname, '../kit/fixture/stdio.ts')], era: 'legacy', processes: 'per_caller' },
          shared: { command: [process.execPath, join(import.meta.dirname, '../kit/fixture/stdio.ts')], era: 'legacy' },
        },
      },
    },
    keys: { alice: [], bob: [] },
  });
  await until('all servers are up', 20_000, async () => {
    const { body } = await gateway.modern('alice', '/mcp', 'tools/list', {});
    return ['old', 'own', 'shared'].every((server) => JSON.stringify(body).includes(`"${server}__echo"`));
  });
});
afterAll(async () => {
  await gateway?.stop();
  gateway?.clean();
  await sse?.close();
});

const elicits = { _meta: { ...META, 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } } };

test.each(['old', 'own'])('%s: a modern client answers what a legacy server asks, two callers at once', async (server) => {
  const ask = async (who: string): Promise<string> => {
    const params = { name: 'test_elicitation', arguments: { message: `for ${who}` }, ...elicits };
    const first = await gateway.modern(who, `/s/${server}/mcp`, 'tools/call', params);
    expect(first.body?.result, JSON.stringify(first.body)).toMatchObject({ resultType: 'input_required' });
    const [key, request] = Object.entries(first.body.result.inputRequests as Record<string, { params: { message: string } }>)[0] ?? ['', undefined];
    expect(request?.params.message).toContain(`for ${who}`);
    const second = await gateway.modern(who, `/s/${server}/mcp`, 'tools/call', {
      ...params, requestState: first.body.result.requestState, inputResponses: { [key]: { action: 'accept', content: { response: `of ${who}` } } },
    });
    return JSON.stringify(second.body);
  };
  const [alice, bob] = await Promise.all([ask('alice'), ask('bob')]);
  expect(alice).toContain('of alice');
  expect(bob).toContain('of bob');
});

test('shared: the server hears that nobody can be asked', async () => {
  const answer = await gateway.modern('alice', '/s/shared/mcp', 'tools/call', { name: 'test_elicitation', arguments: { message: 'x' }, ...elicits });
  expect(JSON.stringify(answer.body)).not.toContain('input_required');
  expect(JSON.stringify(answer.body)).not.toContain('sallyport/refusal":{"code":"a'); // what answers is the server
  expect(answer.body.result).toMatchObject({ isError: true });
});
