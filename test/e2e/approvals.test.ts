import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Deciding, launchDeciding, refusalIn } from '../kit/approvals.ts';
import { type CallResult, legacyClient, modernClient, type OfficialClient, textOf, type User } from '../kit/clients.ts';
import { startFixture, type RunningFixture } from '../kit/fixture/http.ts';
import { records, type Reply } from '../kit/gateway.ts';

/** MISSION A1, A2, A4 from outside: official clients of both eras, REST, clients that cannot ask, a crash in between. */
const SERVERS = ['plain', 'why', 'sure', 'short', 'both'];
let fixture: RunningFixture;
let gateway: Deciding;
const configOf = (url: string): Record<string, unknown> => ({
  approve: { groups: ['approvers'], max_pending_per_caller: 1_000 },
  authorize: {
    rules: [
      { id: 'plain', effect: 'allow', tools: ['plain__*'], needs: { approval: true } },
      { id: 'prompts', effect: 'allow', servers: ['plain'], methods: ['prompts/get'], needs: { approval: true } },
      { id: 'why', effect: 'allow', tools: ['why__*'], needs: { approval: true, reason: true, change_ticket: 'CHG[0-9]{3}' } },
      { id: 'sure', effect: 'allow', tools: ['sure__*'], needs: { approval: false, confirmation: true } },
      { id: 'short', effect: 'allow', tools: ['short__*'], needs: { approval: { expires: '2s' } } },
      { id: 'both', effect: 'allow', tools: ['both__*'], needs: { approval: true, confirmation: true } },
    ],
  },
  limit: { rates: { tools: { '*': '1000000/minute' }, classes: { discovery: '1000000/minute' }, callers: { '*': '1000000/minute' } }, concurrency: { default: 10_000, streams_per_caller: 1_000 } },
  dispatch: { servers: Object.fromEntries(SERVERS.map((name) => [name, { url, allow_loopback: true }])) },
});
beforeAll(async () => {
  fixture = await startFixture();
  gateway = await launchDeciding({ config: configOf(fixture.url), keys: { alice: ['--user', 'alice'], bob: ['--user', 'bob'] } });
});
afterAll(async () => {
  await gateway.stop('SIGKILL');
  gateway.clean();
  await fixture.close();
});

/** How often a call with this text was executed. */
const ran = (text: string): number => fixture.ran.filter(([, args]) => (args as { text?: string }).text === text).length;
const refusalOf = (result: CallResult): ReturnType<typeof refusalIn> => (result as { _meta?: Record<string, object> })._meta?.['sallyport/refusal'] ?? {};
const tool = (key: string, text: string, server = 'plain', more: object = {}): Promise<Reply> => gateway.post('/tool', { tool: `${server}__echo`, inputs: { text }, ...more }, { 'x-api-key': gateway.keys[key] as string });
const poll = async (key: string, id: string): Promise<{ status: number; body: { result: Record<string, unknown> } }> => {
  const answer = await fetch(`${gateway.url}/approvals/${id}`, { headers: { 'x-api-key': gateway.keys[key] as string } });
  return { status: answer.status, body: (await answer.json()) as { result: Record<string, unknown> } };
};
const filled: User = () => ({ action: 'accept', content: { reason: 'quarterly clean-up', ticket: 'CHG123' } });
const yes: User = () => ({ action: 'accept', content: { confirm: true } });

const ERAS = ['2026-07-28, mirrored', '2026-07-28, aggregate', '2025-11-25, mirrored', '2025-11-25, aggregate', '2024-11-05, channel'] as const;
describe.each(ERAS)('an official client: %s', (era) => {
  const isAggregate = era.includes('aggregate');
  const at = async (server: string, user?: User): Promise<{ client: OfficialClient; echo: (text: string) => Promise<CallResult> }> => {
    const url = isAggregate ? `${gateway.url}/mcp` : `${gateway.url}/s/${server}/mcp`;
    const key = gateway.keys['alice'] as string;
    const client = await (era.startsWith('2026') ? modernClient(url, key, user) : legacyClient(url, key, user, era.startsWith('2024') ? 'sse' : 'streamable'));
    return { client, echo: (text) => client.call(isAggregate ? `${server}__echo` : 'echo', { text }) };
  };

  it('is asked for reason and ticket, waits, is approved, executes once, and waits anew', async () => {
    const questions: string[] = [];
    const { client, echo } = await at('why', (question) => {
      questions.push(question.message);
      return filled(question);
    });
    const text = `why ${era}`;
    const first = refusalOf(await echo(text));
    expect(first).toMatchObject({ code: 'approve.pending', retry_after_ms: expect.any(Number), expires_at: expect.any(String) });
    expect(refusalOf(await echo(text))).toMatchObject({ code: 'approve.pending', approval_id: first.approval_id });
    expect(questions).toHaveLength(1);
    expect(questions[0]).toContain(JSON.stringify({ text }));
    expect(ran(text)).toBe(0);
    expect(await gateway.decide('approve', first.approval_id ?? '')).toBe(0);
    expect(textOf(await echo(text))).toContain(text);
    expect(ran(text)).toBe(1);
    const third = refusalOf(await echo(text));
    expect(third).toMatchObject({ code: 'approve.pending' });
    expect(third.approval_id).not.toBe(first.approval_id);
    expect(ran(text)).toBe(1);
    await client.close();
  });
  it('runs what its own user confirms, each time anew; not what he declines', async () => {
    const { client, echo } = await at('sure', yes);
    const text = `sure ${era}`;
    expect(textOf(await echo(text))).toContain(text);
    expect(textOf(await echo(text))).toContain(text);
    expect(ran(text)).toBe(2);
    await client.close();
    for (const user of [() => ({ action: 'decline' as const }), () => ({ action: 'accept' as const, content: { confirm: false } }), () => ({ action: 'accept' as const, content: {} })]) {
      const other = await at('sure', user);
      await other.echo(`no ${era}`).then((result) => expect(refusalOf(result).code).toBe('approve.declined'), () => undefined); // the v2 client itself refuses answers that do not fit the form
      await other.client.close();
    }
    expect(ran(`no ${era}`)).toBe(0);
  });
  it('needs no elicitation where nothing but an approval is asked; a confirmation it cannot give', async () => {
    const { client, echo } = await at('plain');
    const text = `plain ${era}`;
    const { approval_id: id } = refusalOf(await echo(text));
    expect(await gateway.decide('approve', id ?? '')).toBe(0);
    expect(textOf(await echo(text))).toContain(text);
    expect([ran(text), refusalOf(await echo(text)).code]).toEqual([1, 'approve.pending']);
    await client.close();
    const mute = await at('sure');
    expect(refusalOf(await mute.echo(`mute ${era}`)).code).toBe('approve.confirm_required');
    expect(ran(`mute ${era}`)).toBe(0);
    await mute.client.close();
  });
  it('confirms once more when the approval is there, where both are asked', async () => {
    const { client, echo } = await at('both', yes);
    const text = `both ${era}`;
    const { approval_id: id } = refusalOf(await echo(text));
    expect(await gateway.decide('approve', id ?? '')).toBe(0);
    expect(textOf(await echo(text))).toContain(text);
    expect([ran(text), refusalOf(await echo(text)).code]).toEqual([1, 'approve.pending']);
    await client.close();
  });
});

describe('a server that asks, too', () => {
  it('is heard after the yes, under the same yes, and its last leg runs once', async () => {
    const key = gateway.keys['alice'] as string;
    const client = await modernClient(`${gateway.url}/s/plain/mcp`, key, () => ({ action: 'accept', content: { response: 'blue' } }));
    const ask = (): Promise<CallResult> => client.call('test_elicitation', { message: 'Which colour?' });
    const { approval_id: id } = refusalOf(await ask());
    expect(await gateway.decide('approve', id ?? '')).toBe(0);
    expect(textOf(await ask())).toContain('blue');
    expect(refusalOf(await ask()).code).toBe('approve.pending');
    await client.close();
  });
  it('does so after a confirmation of the gateway’s own', async () => {
    const asked: string[] = [];
    const client = await modernClient(`${gateway.url}/s/sure/mcp`, gateway.keys['alice'] as string, ({ message }) => {
      asked.push(message.slice(0, 11));
      return { action: 'accept', content: message.startsWith('The gateway') ? { confirm: true } : { response: 'green' } };
    });
    expect(textOf(await client.call('test_elicitation', { message: 'Which colour?' }))).toContain('green');
    expect(asked).toEqual(['The gateway', 'Which colou']);
    await client.close();
  });
});

describe('POST /tool', () => {
  it('answers 202 with a URL to poll, and executes once after the yes', async () => {
    const first = await tool('alice', 'rest');
    expect(first.status).toBe(202);
    const { id, url } = first.body.approval as { id: string; url: string };
    expect(first.body).toMatchObject({ status: 'pending', approval: { id, url: `/approvals/${id}`, expires_at: expect.any(String) }, result: { code: 'approve.pending' } });
    expect([first.headers.get('location'), Number(first.headers.get('retry-after')) > 0]).toEqual([url, true]);
    expect(await poll('alice', id)).toMatchObject({ status: 200, body: { result: { id, state: 'pending' } } });
    expect(await gateway.decide('approve', id)).toBe(0);
    expect((await poll('alice', id)).body.result['state']).toBe('approved');
    expect([(await tool('alice', 'rest')).status, ran('rest')]).toEqual([200, 1]);
    expect((await poll('alice', id)).body.result['state']).toBe('used');
    expect([(await tool('alice', 'rest')).status, ran('rest')]).toEqual([202, 1]);
  });
  it('tells nobody else that there is such a request', async () => {
    const { approval_id: id } = refusalIn(await tool('alice', 'private'));
    const [other, invented] = [await poll('bob', id ?? ''), await poll('bob', '01a00000-0000-7000-8000-000000000000')];
    expect([other.status, invented.status]).toEqual([404, 404]);
    expect(other.body.result).toEqual(invented.body.result);
    expect((await fetch(`${gateway.url}/approvals/${id}`)).status).toBe(401);
    expect((await fetch(`${gateway.url}/approvals/${id}`, { method: 'POST', headers: { 'x-api-key': gateway.keys['alice'] as string } })).status).toBe(405);
    expect((await fetch(`${gateway.url}/approvals/${id}/decision`, { headers: { 'x-api-key': gateway.keys['alice'] as string } })).status).toBe(404);
  });
  it('takes reason and ticket in the body, and says what is missing or wrong', async () => {
    expect(refusalIn(await tool('alice', 'w', 'why')).code).toBe('approve.reason_required');
    expect(refusalIn(await tool('alice', 'w', 'why', { reason: '\u200b \u202e' })).code).toBe('approve.reason_required');
    expect(refusalIn(await tool('alice', 'w', 'why', { reason: 'because' })).code).toBe('approve.ticket_required');
    expect(refusalIn(await tool('alice', 'w', 'why', { reason: 'because', ticket: 'CHG12' })).code).toBe('approve.ticket_refused');
    expect((await tool('alice', 'w', 'why', { reason: 'because', ticket: 'CHG125' })).status).toBe(202);
    expect((await tool('alice', 'w', 'why', { reason: 7 })).status).toBe(400);
    expect((await tool('alice', 'w', 'why', { reason: 'x'.repeat(5_000) })).status).toBe(400);
    expect(refusalIn(await tool('alice', 'w', 'sure')).code).toBe('approve.confirm_required');
  });
  it('tells a no and why', async () => {
    const { approval_id: id } = refusalIn(await tool('alice', 'refused'));
    expect(await gateway.decide('deny', id ?? '')).toBe(0);
    expect((await poll('alice', id ?? '')).body.result).toMatchObject({ state: 'denied', rationale: 'seen and judged' });
    const again = await tool('alice', 'refused');
    expect([again.status, refusalIn(again).code, ran('refused')]).toEqual([403, 'approve.denied', 0]);
  });
});

describe('one yes', () => {
  it('is one execution among 100 parallel repeats', async () => {
    const { approval_id: id } = refusalIn(await tool('alice', 'race'));
    expect(await gateway.decide('approve', id ?? '')).toBe(0);
    const replies = await Promise.all(Array.from({ length: 100 }, () => tool('alice', 'race')));
    expect([replies.filter(({ status }) => status === 200).length, ran('race')]).toEqual([1, 1]);
  });
  it('is for this caller and these bytes', async () => {
    const { approval_id: id } = refusalIn(await tool('alice', 'mine'));
    expect(await gateway.decide('approve', id ?? '')).toBe(0);
    const [other, changed] = [refusalIn(await tool('bob', 'mine')), refusalIn(await tool('alice', 'minf'))];
    expect([other.code, changed.code]).toEqual(['approve.pending', 'approve.pending']);
    expect(new Set([id, other.approval_id, changed.approval_id]).size).toBe(3);
    expect([ran('mine'), ran('minf')]).toEqual([0, 0]);
    expect((await tool('alice', 'mine')).status).toBe(200);
  });
  it('ends with its time', async () => {
    const { approval_id: id } = refusalIn(await tool('alice', 'late', 'short'));
    expect(await gateway.decide('approve', id ?? '')).toBe(0);
    await new Promise((done) => setTimeout(done, 2_100));
    expect([refusalIn(await tool('alice', 'late', 'short')).code, ran('late')]).toEqual(['approve.expired', 0]);
  });
  it('survives the crash of the gateway, and is used up for good', async () => {
    const { approval_id: id } = refusalIn(await tool('alice', 'crash'));
    expect(await gateway.decide('approve', id ?? '')).toBe(0);
    await gateway.stop('SIGKILL');
    const keys = gateway.keys;
    gateway = { ...(await launchDeciding({ config: configOf(fixture.url), dir: gateway.dir })), keys };
    expect([(await tool('alice', 'crash')).status, ran('crash')]).toEqual([200, 1]);
    await gateway.stop('SIGKILL');
    gateway = { ...(await launchDeciding({ config: configOf(fixture.url), dir: gateway.dir })), keys };
    expect([(await tool('alice', 'crash')).status, ran('crash')]).toEqual([202, 1]);
  });
});

describe('other methods and the record', () => {
  it('prompts that need a yes get an error with the same facts, and are given once', async () => {
    const get = (): Promise<Reply> => gateway.modern(gateway.keys['alice'] as string, '/s/plain/mcp', 'prompts/get', { name: 'test_simple_prompt' });
    const first = await get();
    expect(first.body.error).toMatchObject({ code: -31030, data: { code: 'approve.pending', approval_id: expect.any(String), expires_at: expect.any(String), retry_after_ms: expect.any(Number) } });
    expect(await gateway.decide('approve', first.body.error.data.approval_id)).toBe(0);
    expect((await get()).body.result.messages).toHaveLength(1);
    expect((await get()).body.error.data.code).toBe('approve.pending');
  });
  it('servers never see reasons, tickets or what answered the gateway', () => {
    const seen = fixture.seenBodies.join('\n');
    expect(seen).not.toContain('quarterly clean-up');
    expect(seen).not.toContain('CHG12');
    expect(seen).not.toContain('sallyport-approve');
    expect(seen).not.toContain('sallyport/');
  });
  it('the record tells approval from confirmation, and a pending attempt from an execution', async () => {
    const all = await records(gateway.data);
    const pending = all.find((r) => r['event'] === 'call.refused' && r['reason_code'] === 'approve.pending');
    expect(pending).toMatchObject({ decision: 'deny', approval_id: expect.stringMatching(/^[0-9a-f-]{36}$/), success: false, effect: 'none' });
    const done = all.filter((r) => r['event'] === 'call.finished' && r['approval_id'] !== null && r['success'] === true);
    const [approved, confirmed] = [done.find((r) => !String(r['approval_id']).startsWith('confirmation:')), done.find((r) => String(r['approval_id']).startsWith('confirmation:'))];
    expect(confirmed).toBeDefined();
    expect(all.find((r) => r['event'] === 'approval.used' && r['approval_id'] === approved?.['approval_id'])).toMatchObject({ tool_input: { by: ['dora'] } });
    expect(all.some((r) => r['tool'] === '$approval' && r['event'] === 'call.finished')).toBe(true);
  });
});
