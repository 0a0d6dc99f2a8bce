import { afterEach, describe, expect, it } from 'vitest';
import { type AdminRig, openAdminRig, openReceiver } from '../../test/kit/admin-rig.ts';
import { approval, callOf } from '../../test/kit/approve-rig.ts';
import { createLinks } from './links.ts';
import { callbackSignature, signatureOf } from './sign.ts';

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});
const SECRET = 'a-shared-secret-of-32-characters';
interface Scene { readonly rig: AdminRig; readonly receiver: Awaited<ReturnType<typeof openReceiver>> }
async function scene(hook: object = {}): Promise<Scene> {
  const receiver = await openReceiver();
  undo.push(receiver.close);
  const rig = await openAdminRig({
    admin: { public_url: 'http://approve.example:7443/' }, secrets: { HOOK: SECRET, OTHER: 'another-secret-of-32-characters!' },
    webhooks: [{ url: receiver.url, secret: 'env:HOOK', approver: 'dora', callback: true, allow_loopback: true, events: ['requested', 'escalated'], ...hook }, { url: receiver.url, secret: 'env:OTHER', approver: 'eli', allow_loopback: true, events: ['digest'] }],
  });
  undo.push(rig.close);
  return { rig, receiver };
}
const FORM = ['content-type', 'application/x-www-form-urlencoded', 'host', 'approve.example:7443', 'origin', 'http://approve.example:7443'] as const;
const YES = 'verdict=approve&rationale=agreed';
/** The path of the link in the first message. */
async function linkOf({ receiver }: Scene, nth = 1): Promise<string> {
  await receiver.wait(nth);
  const url = new URL(receiver.got[nth - 1]?.body.links.decide as string);
  expect(url.origin).toBe('http://approve.example:7443');
  return url.pathname;
}

it('a link shows, and decides by its form, once, as its person', async () => {
  const s = await scene();
  const { rig } = s;
  const { id } = await rig.waiting({ args: '{"n":1,"note":"<script>alert(1)</script>\\u202e"}' });
  const link = await linkOf(s);
  for (let scanner = 0; scanner < 3; scanner++) {
    const page = await rig.ask('GET', link, { headers: ['host', 'approve.example:7443'] });
    expect(page.status).toBe(200);
    expect(page.text).not.toMatch(/<script|javascript:|\u202e| on\w+=/i);
    expect(page.text).toContain('&lt;script&gt;');
    expect(page.text).toContain('as <strong>dora</strong>');
    expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/=]+'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'$/);
    expect(page.headers).toMatchObject({ 'cache-control': 'no-store', 'referrer-policy': 'same-origin', 'x-frame-options': 'DENY' });
  }
  expect((await rig.rig.approve.approvals.get(id))?.state).toBe('pending');
  expect((await rig.ask('POST', link, { headers: FORM, body: 'verdict=approve&rationale=+' })).status).toBe(400);
  expect((await rig.ask('POST', link, { headers: FORM, body: YES })).text).toContain('You said yes');
  expect(await rig.rig.approve.approvals.get(id)).toMatchObject({ state: 'approved', decisions: [{ by: 'dora', identity: 'admin:dora', channel: 'link', rationale: 'agreed' }] });
  expect((await rig.ask('POST', link, { headers: FORM, body: 'verdict=deny&rationale=again' })).status).toBe(404);
  expect((await rig.ask('GET', link)).status).toBe(404);
});

it('of 50 at once one counts', async () => {
  const s = await scene();
  const { id } = await s.rig.waiting({ duties: [approval({ quorum: 2 })] });
  const link = await linkOf(s);
  const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => s.rig.ask('POST', link, { headers: FORM, body: i % 2 === 0 ? YES : 'verdict=deny&rationale=no' })));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  const after = await s.rig.rig.approve.approvals.get(id);
  expect(after?.decisions).toHaveLength(1);
});

it('two processes that opened it at once: one uses it', async () => {
  const { rig } = await scene();
  const request = await rig.waiting();
  const key = Buffer.alloc(32, 7);
  const clock = { now: () => rig.rig.time.now, monotonic: () => 0 };
  const [one, two] = [createLinks(key, rig.rig.store, rig.keys, clock), createLinks(key, rig.rig.store, rig.keys, clock)];
  const sealed = one.make(request, 'admin:dora');
  const [a, b] = [await one.open(sealed), await two.open(sealed)];
  if (a === null || b === null) throw new Error('not opened');
  expect([await one.use(a), await two.use(b)]).toEqual([true, false]);
});

it('a used link shows nothing any more, though the call still waits for others', async () => {
  const s = await scene();
  const { id } = await s.rig.waiting({ duties: [approval({ quorum: 2 })] });
  const link = await linkOf(s);
  await s.rig.ask('POST', link, { headers: FORM, body: YES });
  expect((await s.rig.rig.approve.approvals.get(id))?.state).toBe('pending');
  expect((await s.rig.ask('GET', link)).status).toBe(404);
});

it('a link is nobody else’s, nothing else’s, and not for ever', async () => {
  const s = await scene();
  const { rig } = s;
  await rig.waiting();
  const link = await linkOf(s);
  const other = link.at(-1) === 'A' ? 'B' : 'A';
  for (const path of [`${link.slice(0, -1)}${other}`, `${link}=`, '/links/s1.AAAA', `/links/${rig.key.dora}`, '/links/x']) expect((await rig.ask('GET', path)).status, path).toBe(404);
  expect((await rig.ask('GET', `${link}?verdict=approve`)).status).toBe(400);
  await rig.keys.revoke('dora');
  expect((await rig.ask('POST', link, { headers: FORM, body: YES })).status).toBe(404);
  rig.rig.pass(60_000);
  await rig.waiting({ args: '{"n":2}' });
  rig.rig.pass(3_600_000);
  expect((await rig.ask('GET', await linkOf(s, 2))).status).toBe(404);
});

it('another site’s form decides nothing (CSRF), nor does JSON', async () => {
  const s = await scene();
  const { id } = await s.rig.waiting();
  const link = await linkOf(s);
  const from = (...more: string[]): string[] => ['content-type', 'application/x-www-form-urlencoded', ...more];
  expect((await s.rig.ask('POST', link, { headers: from('origin', 'https://evil.example'), body: YES })).status).toBe(403);
  expect((await s.rig.ask('POST', link, { headers: from('origin', 'null'), body: YES })).status).toBe(403);
  expect((await s.rig.ask('POST', link, { headers: from('sec-fetch-site', 'cross-site'), body: YES })).status).toBe(415);
  expect((await s.rig.ask('POST', link, { headers: ['content-type', 'application/json'], body: '{"verdict":"approve","rationale":"x"}' })).status).toBe(415);
  expect((await s.rig.ask('POST', link, { headers: from(), body: `${YES}&verdict=deny` })).status).toBe(400);
  expect((await s.rig.rig.approve.approvals.get(id))?.decisions).toEqual([]);
});

it('who asked never decides, whoever’s link it is', async () => {
  const s = await scene({ approver: 'bot' });
  const { id } = await s.rig.waiting();
  const answer = await s.rig.ask('POST', await linkOf(s), { headers: FORM, body: YES });
  expect(answer.status).toBe(403);
  expect(answer.text).toContain('You are the requester');
  expect((await s.rig.rig.approve.approvals.get(id))?.state).toBe('pending');
});

it('no public URL, or no approver: no link', async () => {
  const s = await scene({ approver: null, callback: false });
  await s.rig.waiting();
  await s.receiver.wait(1);
  expect(s.receiver.got[0]?.body.links).toBeUndefined();
});

describe('callbacks', callbacks);
function callbacks(): void {
  const nonce = 'nonce-0123456789abcdef';
  const send = (rig: AdminRig, body: string, options: { secret?: string; at?: number; nonce?: string; signature?: string } = {}): ReturnType<AdminRig['ask']> => {
    const timestamp = String(Math.floor((options.at ?? rig.rig.time.now) / 1_000));
    const one = options.nonce ?? nonce;
    return rig.ask('POST', '/callbacks/approvals', { headers: ['content-type', 'application/json', 'sallyport-timestamp', timestamp, 'sallyport-nonce', one, 'sallyport-signature', options.signature ?? callbackSignature(options.secret ?? SECRET, timestamp, one, body)], body });
  };
  it('a signed callback decides as its approver, and never twice', async () => {
    const { rig } = await scene();
    const { id } = await rig.waiting({ duties: [approval({ quorum: 2 })] });
    const body = JSON.stringify({ approval: id, verdict: 'approve', rationale: 'ok in chat' });
    expect(await send(rig, body)).toMatchObject({ status: 200, body: { id, state: 'pending' } });
    expect(await rig.rig.approve.approvals.get(id)).toMatchObject({ decisions: [{ by: 'dora', channel: 'webhook' }] });
    expect(await send(rig, body)).toMatchObject({ status: 401, body: { code: 'admin.signature' } });
  });
  it('one secret for two people tells of neither', async () => {
    const rig = await openAdminRig({ secrets: { A: SECRET, B: SECRET }, webhooks: ['dora', 'eli'].map((approver, i) => ({ url: 'https://h.example/x', secret: `env:${'AB'[i]}`, approver, callback: true, events: ['digest'] })) });
    undo.push(rig.close);
    const { id } = await rig.waiting();
    expect(await send(rig, JSON.stringify({ approval: id, verdict: 'approve', rationale: 'ok' }))).toMatchObject({ status: 401 });
  });
  it('refuses what is forged, old, of a hook without callbacks, or our own message sent back', async () => {
    const s = await scene();
    const { rig } = s;
    const { id } = await rig.waiting();
    const body = JSON.stringify({ approval: id, verdict: 'approve', rationale: 'ok' });
    const refused = { status: 401, body: { code: 'admin.signature' } };
    expect(await send(rig, body, { secret: 'wrong-secret-of-32-characters!!!' })).toMatchObject(refused);
    expect(await send(rig, body, { secret: 'another-secret-of-32-characters!' })).toMatchObject(refused);
    expect(await send(rig, body, { at: rig.rig.time.now - 301_000 })).toMatchObject(refused);
    expect(await send(rig, body, { at: rig.rig.time.now + 301_000 })).toMatchObject(refused);
    expect(await send(rig, body, { nonce: 'short' })).toMatchObject(refused);
    expect(await send(rig, body, { signature: signatureOf(SECRET, String(Math.floor(rig.rig.time.now / 1_000)), body) })).toMatchObject(refused);
    expect(await rig.ask('POST', '/callbacks/approvals', { key: rig.key.dora, headers: ['content-type', 'application/json'], body })).toMatchObject(refused);
    expect((await rig.rig.approve.approvals.get(id))?.decisions).toEqual([]);
    expect(await rig.rig.judge(callOf())).toBe('approve.pending');
  });
}
