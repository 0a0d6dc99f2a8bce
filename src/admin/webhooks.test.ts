import { createHmac } from 'node:crypto';
import { afterEach, expect, it } from 'vitest';
import { type AdminRig, openAdminRig, openReceiver } from '../../test/kit/admin-rig.ts';
import { callOf } from '../../test/kit/approve-rig.ts';
import { webhooksConfig } from './config.ts';
import { mrkdwn } from './payload.ts';

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});
const SECRET = 's3cret-of-at-least-24-characters';
type Receiver = Awaited<ReturnType<typeof openReceiver>>;
async function scene(hook: object = {}, answers?: readonly number[]): Promise<{ rig: AdminRig; receiver: Receiver }> {
  const receiver = await openReceiver(answers);
  undo.push(receiver.close);
  const rig = await openAdminRig({ webhooks: [{ url: receiver.url, secret: 'env:HOOK', allow_loopback: true, ...hook }], secrets: { HOOK: SECRET, URL: receiver.url } });
  undo.push(rig.close);
  return { rig, receiver };
}

it('tells what happens, signed, without the arguments', async () => {
  const { rig, receiver } = await scene();
  const { id } = await rig.waiting({ args: '{"n":1,"note":"canary-4711"}' });
  await rig.decide(id, rig.key.dora);
  await receiver.wait(2);
  const [asked, decided] = receiver.got;
  expect(asked?.body).toMatchObject({ event: 'requested', approval: { id, tool: 'bank__pay', caller: 'bot', risk: 'write', state: 'pending', quorum: [{ groups: ['ops'], quorum: 1 }] } });
  expect(decided?.body).toMatchObject({ event: 'decided', decision: { by: 'dora', verdict: 'approve', rationale: 'looked at it', channel: 'api' } });
  for (const { headers, text } of receiver.got) {
    expect(text).not.toContain('canary-4711');
    const signature = createHmac('sha256', SECRET).update(`${String(headers['sallyport-timestamp'])}.${text}`).digest('hex');
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'sallyport-signature': `v1=${signature}`, 'sallyport-delivery': JSON.parse(text).delivery, 'sallyport-event': JSON.parse(text).event });
  }
});

it('sends arguments only when told to, and only wanted events', async () => {
  const { rig, receiver } = await scene({ include_arguments: true, events: ['decided'] });
  const { id } = await rig.waiting({ args: '{"n":1}' });
  await rig.decide(id, rig.key.dora);
  await receiver.wait(1);
  expect(receiver.got.map(({ body }) => [body.event, body.arguments_text])).toEqual([['decided', '{"n":1}']]);
});

it('tries again with the same id, and holds up nobody', async () => {
  const { rig, receiver } = await scene({}, [500, 302, 200]);
  await rig.waiting();
  expect(await rig.rig.judge(callOf())).toBe('approve.pending');
  await receiver.wait(3);
  expect(new Set(receiver.got.map(({ headers }) => headers['sallyport-delivery'])).size).toBe(1);
  expect(rig.logs.join()).toContain('status 500');
  expect(rig.logs.join()).not.toContain(SECRET);
}, 20_000);

it('signs with no secret that could be guessed', async () => {
  const { rig, receiver } = await scene({ secret: 'env:URL' }); // long enough
  await rig.waiting();
  await receiver.wait(1);
  const weak = await scene({ secret: 'env:NONE' });
  await weak.rig.waiting();
  while (weak.rig.logs.length === 0) await new Promise((done) => setTimeout(done, 5));
  expect(weak.rig.logs[0]).toContain('at least 24');
  expect(weak.receiver.got).toEqual([]);
});

it('reaches declared addresses only, and the log never names the URL', async () => {
  const { rig, receiver } = await scene({ url: { secret: 'env:URL' }, allow_loopback: false, allow_private: true });
  await rig.waiting();
  while (rig.logs.length === 0) await new Promise((done) => setTimeout(done, 5));
  expect(rig.logs[0]).toContain('refused address');
  expect(rig.logs.join()).not.toContain('token=s3');
  expect(receiver.got).toEqual([]);
});

it('Slack: whatever comes from outside is plain text', async () => {
  const evil = '<!channel> <https://evil.example|Approve> *bold* @here &amp; \u202e';
  const { rig, receiver } = await scene({ format: 'slack', secret: null, include_arguments: true });
  await rig.waiting({ args: JSON.stringify({ n: 1, note: evil }), tool: { name: evil }, principal: { caller: evil } });
  await receiver.wait(1);
  const [{ body } = { body: null }] = receiver.got;
  const { text, blocks, ...flags } = body as { text: string; blocks: { type: string }[] };
  expect(flags).toEqual({ mrkdwn: false, parse: 'none', link_names: false, unfurl_links: false, unfurl_media: false });
  expect(text).not.toMatch(/[<>*@|]|:\/\/|\u202e/);
  expect(JSON.stringify(blocks)).not.toContain('"mrkdwn"');
  expect(JSON.stringify(blocks)).not.toContain('\u202e');
  expect(JSON.stringify(blocks)).not.toContain('actions');
  expect(mrkdwn('a & <b>')).toBe('a &amp; &lt;b&gt;');
});

it('settings that would be unsafe are faults', () => {
  const ok = { url: 'https://h.example/x', secret: 'env:S' };
  const fails = (hook: object): boolean => !webhooksConfig.safeParse([hook]).success;
  expect(fails(ok)).toBe(false);
  expect(fails({ ...ok, secret: null })).toBe(true);
  expect(fails({ ...ok, format: 'slack', secret: null })).toBe(false);
  expect(fails({ ...ok, callback: true })).toBe(true);
  expect(fails({ ...ok, url: 'http://h.example/x' })).toBe(true);
  expect(fails({ ...ok, secret: 'plain text' })).toBe(true);
});
