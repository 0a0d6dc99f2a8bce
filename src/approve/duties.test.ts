import { afterEach, describe, expect, it } from 'vitest';
import { approval, callOf, openRig, person, removeFolder, type Rig } from '../../test/kit/approve-rig.ts';
import type { Known, Outcome } from '../call/call.ts';
import type { Obligation } from '../call/decision.ts';
import type { JsonObject } from '../call/json.ts';
import type { Ask, Said } from './index.ts';

const opened: Rig[] = [];
const rigOf = async (...of: Parameters<typeof openRig>): Promise<Rig> => {
  const rig = await openRig(...of);
  opened.push(rig);
  return rig;
};
afterEach(async () => {
  for (const rig of opened.splice(0)) {
    await rig.close();
    removeFolder(rig);
  }
});
const reason: Obligation = { id: 'r', by: 'approve', kind: 'reason', why: '' };
const ticket = { id: 't', by: 'approve', kind: 'ticket', why: '', pattern: 'CHG-[0-9]+' } satisfies Obligation;
const dry: Obligation = { id: 'd', by: 'approve', kind: 'dry_run', why: '', argument: 'dry' };
const sure: Obligation = { id: 'c', by: 'approve', kind: 'confirm', why: '' };
const meta = (fields: JsonObject): { params: { _meta: JsonObject } } => ({ params: { _meta: fields } });
const yes = { verdict: 'approve', rationale: 'ok', narrowing: null, channel: 'api' } as const;

it('a duty of a kind that this room does not know is met by nobody', async () => {
  const rig = await rigOf();
  expect(await rig.judge(callOf({ duties: [{ id: 'z', by: 'approve', kind: 'oath', why: '' } as unknown as Obligation] }))).toBe('go null ');
});

describe('reason', () => {
  it.each([{}, { 'sallyport/reason': '' }, { 'sallyport/reason': ' \u200b' }, { 'sallyport/reason': 7 }, { 'sallyport/reason': 'x'.repeat(1_001) }])('%j is none', async (fields) => {
    const rig = await rigOf();
    expect(await rig.judge(callOf({ duties: [reason], ...meta(fields) }))).toBe('approve.reason_required');
    expect(await rig.judge(callOf({ duties: [reason, approval()], ...meta(fields) }))).toBe('approve.reason_required');
    expect(await rig.approve.approvals.list()).toEqual([]);
  });
  it('is recorded, and stands with the request', async () => {
    const rig = await rigOf();
    expect(await rig.judge(callOf({ duties: [reason], ...meta({ 'sallyport/reason': 'invoice 7' }) }))).toBe('go null r');
    expect(rig.notes).toMatchObject([{ event: 'approval.stated', details: { reason: 'invoice 7' } }]);
    expect(await rig.judge(callOf({ duties: [reason, approval()], ...meta({ 'sallyport/reason': 'invoice 7' }) }))).toBe('approve.pending');
    const [request] = await rig.approve.approvals.list();
    expect(request?.reason).toBe('invoice 7');
    await rig.approve.approvals.decide(request?.id ?? '', person('ann'), yes);
    expect(await rig.judge(callOf({ duties: [reason, approval()] }))).toBe('go approved r,a');
  });
});

describe('ticket', () => {
  const judged = async (rig: Rig, text: string | null, duty: Obligation = ticket): Promise<string> => rig.judge(callOf({ duties: [duty], ...(text === null ? {} : meta({ 'sallyport/ticket': text })) }));
  it('is asked for, in the form of the rule and of the configuration', async () => {
    const rig = await rigOf({ ticket: { pattern: '.{6}' } });
    expect(await judged(rig, null)).toBe('approve.ticket_required');
    expect(await judged(rig, 'CHG-12')).toBe('go null t');
    for (const text of ['CHG-1', 'XCHG-1', 'CHG-1x', 'chg-12']) expect(await judged(rig, text), text).toBe('approve.ticket_refused');
    expect(await judged(rig, '123456', { ...ticket, pattern: null })).toBe('go null t');
    expect(await judged(rig, 'CHG-12', { ...ticket, pattern: '(' })).toBe('approve.unavailable');
  });
  it('is shown to whoever keeps them; no answer is a no', async () => {
    const rig = await rigOf({}, { checkTicket: (text) => (text === 'CHG-9' ? Promise.reject(new Error('down')) : Promise.resolve(text === 'CHG-1' ? 'ok' : text === 'CHG-2' ? 'unknown' : 'unavailable')) });
    expect(await judged(rig, 'CHG-1')).toBe('go null t');
    expect(await judged(rig, 'CHG-2')).toBe('approve.ticket_refused');
    expect(await judged(rig, 'CHG-3')).toBe('approve.ticket_refused');
    expect(await judged(rig, 'CHG-9')).toBe('approve.unavailable');
  });
});

describe('dry run', () => {
  const ran = (call: ReturnType<typeof callOf>, success: boolean, bytes = '{}'): Parameters<Rig['approve']['ended']> => [call as Known, { effect: 'done', result: { success, bytes: Buffer.from(bytes) } } as unknown as Outcome];
  const duties = [dry];
  it('comes before the call in earnest, for this caller and these arguments', async () => {
    const rig = await rigOf();
    const first = callOf({ args: '{"dry":true,"n":9007199254740993}', duties });
    const earnest = callOf({ args: '{"n":9007199254740993}', duties });
    expect(await rig.judge(earnest)).toBe('approve.dry_run_required');
    expect(await rig.judge(first)).toBe('go null d');
    await rig.approve.ended(...ran(first, false));
    await rig.approve.ended(first as Known, { effect: 'none', refusal: { code: 'dispatch.timeout' } });
    expect(await rig.judge(earnest)).toBe('approve.dry_run_required');
    await rig.approve.ended(...ran(first, true, '{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{}}}')); // asked back: it has not run yet
    expect(await rig.judge(earnest)).toBe('approve.dry_run_required');
    await rig.approve.ended(...ran(first, true));
    expect(await rig.judge(earnest)).toBe('go null d');
    expect(await rig.judge(callOf({ args: '{"n":9007199254740993,"dry":false}', duties }))).toBe('go null d');
    for (const args of ['{"n":9007199254740992}', '{"n":9007199254740993,"dry":"true"}', '{"n":9007199254740993,"dry":1}', '{"n":9007199254740993,"dry":null}']) expect(await rig.judge(callOf({ args, duties })), args).toBe('approve.dry_run_required');
    expect(await rig.judge(callOf({ args: '{"n":9007199254740993}', duties, principal: { id: 'key:k2' } }))).toBe('approve.dry_run_required');
    expect(await rig.judge(callOf({ args: '{"n":9007199254740993}', duties, tool: { digest: 'd2' } }))).toBe('approve.dry_run_required');
    rig.pass(3_600_000);
    expect(await rig.judge(earnest)).toBe('approve.dry_run_required');
  });
  it('a call in earnest is none', async () => {
    const rig = await rigOf();
    const earnest = callOf({ duties });
    await rig.approve.ended(...ran(earnest, true));
    expect(await rig.judge(earnest)).toBe('approve.dry_run_required');
  });
  it('remembers so many for one caller', async () => {
    const rig = await rigOf();
    for (let n = 0; n < 205; n++) await rig.approve.ended(...ran(callOf({ args: `{"dry":true,"n":${n}}`, duties }), true));
    expect((await rig.store.list('dry_run')).length).toBe(200);
  });
  it('comes before anybody is asked', async () => {
    const rig = await rigOf();
    expect(await rig.judge(callOf({ duties: [dry, approval()] }))).toBe('approve.dry_run_required');
    expect(await rig.approve.approvals.list()).toEqual([]);
  });
});

describe('confirmation', () => {
  const SAID: Said = { reason: null, ticket: null, confirmed: true };
  const asking = (said: Said): Ask => ({ isOurs: () => false, ask: () => ({ said }), pending: () => ({ code: 'approve.pending' }) });
  it('cannot be had from a client that cannot ask its user', async () => {
    const rig = await rigOf();
    expect(await rig.judge(callOf({ duties: [sure], ...meta({ 'sallyport/confirmed': true, confirmed: true }) }))).toBe('approve.confirm_required');
  });
  it('is a record of its own kind, for one call', async () => {
    const rig = await rigOf({}, { ask: asking(SAID) });
    expect(await rig.judge(callOf({ duties: [sure] }))).toBe('go confirmed c');
    expect(rig.notes.map((note) => note.event)).toEqual(['approval.confirmed']);
    expect(await rig.judge(callOf({ duties: [approval()] }))).toBe('approve.pending');
  });
  it('that was given earlier is used once, in time, by the same caller, for the same call', async () => {
    const rig = await rigOf({ confirm_ms: 1_000 });
    const { approvals } = rig.approve;
    const who = { principalId: 'key:k1', caller: 'bot', user: null, identities: [] };
    await approvals.confirm('b1', who);
    expect(await approvals.takeConfirmation('b2', who)).toBeNull();
    expect(await approvals.takeConfirmation('b1', { ...who, principalId: 'key:k2' })).toBeNull();
    const taken = await Promise.all(Array.from({ length: 20 }, () => approvals.takeConfirmation('b1', who)));
    expect(taken.filter((id) => id !== null)).toHaveLength(1);
    await approvals.confirm('b1', who);
    rig.time.steady += 1_000;
    expect(await approvals.takeConfirmation('b1', who)).toBeNull();
  });
  it('does not stand for an approval, and an approval is not used up while it is missing', async () => {
    let said = SAID;
    const rig = await rigOf({}, { ask: { ...asking(SAID), ask: () => ({ said }) } });
    const duties = [sure, approval()];
    expect(await rig.judge(callOf({ duties }))).toBe('approve.pending');
    const [request] = await rig.approve.approvals.list();
    await rig.approve.approvals.decide(request?.id ?? '', person('ann'), yes);
    said = { ...SAID, confirmed: false };
    expect(await rig.judge(callOf({ duties }))).toBe('approve.confirm_required');
    said = SAID;
    expect(await rig.judge(callOf({ duties }))).toBe('go approved c,a');
  });
});
