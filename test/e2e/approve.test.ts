import { afterAll, expect, test } from 'vitest';
import { startFixture } from '../kit/fixture/http.ts';
import { cli, launch, records } from '../kit/gateway.ts';

const undo: (() => unknown)[] = [];
afterAll(async () => {
  for (const step of undo.toReversed()) await step();
});

test('a call that needs an approval waits, runs once after it, and all of it is on record', async () => {
  const fixture = await startFixture();
  undo.push(() => fixture.close());
  const gateway = await launch({
    config: {
      dispatch: { servers: { fixture: { url: fixture.url, allow_loopback: true } } },
      authorize: { rules: [{ id: 'echo', why: 'Echoes reach customers', effect: 'allow', callers: ['bot'], tools: ['fixture__echo'], require_confirmation: true }] },
      approve: { groups: ['ops'] }, admin: { port: 0 },
    },
    keys: { bot: ['--scope', 'fixture:write'] },
  });
  undo.push(() => gateway.clean(), () => gateway.stop());
  const made = await cli(['admin', 'create', 'dora', '--user', 'dora', '--group', 'ops', '--data', gateway.data]);
  expect(made.code, made.err).toBe(0);
  const admin = /decide at (\S+)/.exec(gateway.err())?.[1] ?? '';
  const asDora = (path: string, body?: object): Promise<Response> =>
    fetch(admin + path, { method: body === undefined ? 'GET' : 'POST', headers: { authorization: `Bearer ${made.out.trim()}`, 'content-type': 'application/json' }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  const echo = (text: string): ReturnType<typeof gateway.tool> => gateway.tool('bot', 'fixture__echo', { text });
  const ran = (): number => fixture.ran.filter(([tool]) => tool === 'echo').length;

  const first = await echo('hello');
  expect([first.status, first.body.result.code]).toEqual([202, 'approve.pending']);
  const { approvals } = (await (await asDora('/approvals?state=pending')).json()) as { approvals: { id: string }[] };
  expect(approvals).toHaveLength(1);
  const decided = await asDora(`/approvals/${approvals[0]?.id ?? ''}/decision`, { verdict: 'approve', rationale: 'agreed with the customer' });
  expect(decided.status, await decided.text()).toBe(200);
  expect((await echo('hello, all')).status).toBe(202);
  expect(ran()).toBe(0);
  const all = await Promise.all(Array.from({ length: 10 }, () => echo('hello')));
  expect(all.filter((answer) => answer.status === 200)).toHaveLength(1);
  expect(ran()).toBe(1);

  await echo('a longer text');
  const pending = (await (await asDora('/approvals?state=pending')).json()) as { approvals: { id: string }[] };
  for (const { id } of pending.approvals) await asDora(`/approvals/${id}/decision`, { verdict: 'approve', rationale: 'short ones only', narrowing: { text: { max_length: 5 } } });
  const narrowed = await echo('a longer text');
  expect([narrowed.status, narrowed.body.result.code]).toEqual([403, 'approve.narrowed']);
  expect(narrowed.body.result.message).toContain('dora allows only: text: ');
  expect(ran()).toBe(1);
  const trail = (await records(gateway.data)).filter((record) => record['approval_id'] === approvals[0]?.id).map((record) => record['event']);
  expect(trail).toEqual(['approval.requested', 'call.refused', 'approval.decided', 'approval.used', 'call.intended', 'call.finished']);
});
