import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { approval, callOf, type CallParts, openRig, person, removeFolder, type Rig } from '../../test/kit/approve-rig.ts';
import type { Known, Limited, Outcome } from '../call/call.ts';
import type { Obligation } from '../call/decision.ts';
import type { Json, JsonObject } from '../call/json.ts';
import type { AskOnStream } from './ask-user.ts';

const opened: Rig[] = [];
interface Asking extends Rig {
  readonly asked: string[];
  reply: Awaited<ReturnType<AskOnStream>> | (() => ReturnType<AskOnStream>);
  isCurrent: boolean;
}
async function rigOf(config: object = {}): Promise<Asking> {
  const asked: string[] = [];
  const state: { reply: Asking['reply']; isCurrent: boolean } = { reply: 'gone', isCurrent: true };
  const rig = await openRig(config, {
    users: {
      sealKey: randomBytes(32), isCurrent: () => state.isCurrent,
      askOnStream: (_call, method, params) => {
        asked.push(`${method} ${params}`);
        return typeof state.reply === 'function' ? state.reply() : Promise.resolve(state.reply);
      },
    },
  });
  opened.push(rig);
  return Object.assign(state, rig, { asked });
}
afterEach(async () => {
  for (const rig of opened.splice(0)) {
    await rig.close();
    removeFolder(rig);
  }
});
const reason: Obligation = { id: 'r', by: 'approve', kind: 'reason', why: '' };
const ticket: Obligation = { id: 't', by: 'approve', kind: 'ticket', why: '', pattern: 'CHG-[0-9]+' };
const sure: Obligation = { id: 'c', by: 'approve', kind: 'confirm', why: '' };
const yes = { verdict: 'approve', rationale: 'ok', narrowing: null, channel: 'api' } as const;

interface Parts extends CallParts { readonly elicitation?: Json; readonly method?: string; readonly server?: string | null; readonly text?: string }
function modern({ elicitation = {}, method = 'tools/call', server = 'bank', params = {}, ...parts }: Parts = {}): Limited {
  const meta = { 'io.modelcontextprotocol/clientCapabilities': elicitation === null ? {} : { elicitation }, ...(params['_meta'] as JsonObject | undefined) };
  const call = callOf({ ...parts, params: { ...params, _meta: meta } });
  return { ...call, era: 'modern', door: 'mcp', server, message: { ...call.message, method, text: JSON.stringify({ params: call.message.params }) } } as Limited;
}
function legacy(elicitation: Json | undefined, parts: CallParts = {}): Limited {
  const call = callOf(parts);
  return { ...call, era: 'legacy', door: 'mcp', server: 'bank', session: { declared: elicitation === undefined ? {} : { elicitation } }, message: { ...call.message, text: JSON.stringify({ params: call.message.params }) } } as unknown as Limited;
}
interface Form { readonly state: string; readonly message: string; readonly properties: JsonObject; readonly required: readonly string[] }
/** The question that a verdict asks; fails when it asks none. */
async function formFor(rig: Rig, call: Limited): Promise<Form> {
  const verdict = await rig.approve.stage.run(call);
  if (!('stop' in verdict) || verdict.stop.asks === undefined) throw new Error(`asks nothing: ${JSON.stringify(verdict)}`);
  expect(verdict.stop.code).toBe('approve.input_required');
  const result = JSON.parse(verdict.stop.asks);
  const { params } = result.inputRequests['sallyport-approve'];
  expect(result).toMatchObject({ resultType: 'input_required', inputRequests: { 'sallyport-approve': { method: 'elicitation/create', params: { mode: 'form' } } } });
  return { state: result.requestState, message: params.message, properties: params.requestedSchema.properties, required: params.requestedSchema.required };
}
const answered = (state: string, answer: Json): { params: JsonObject } => ({ params: { requestState: state, inputResponses: { 'sallyport-approve': answer } } });
const accepted = (content: JsonObject): JsonObject => ({ action: 'accept', content });
const CONFIRM = accepted({ confirm: true });

describe('the form', () => {
  it('asks for what is owed and nothing else', async () => {
    const rig = await rigOf();
    expect(Object.keys((await formFor(rig, modern({ duties: [reason, approval()] }))).properties)).toEqual(['reason']);
    const both = await formFor(rig, modern({ duties: [reason, ticket, approval()], params: { _meta: { 'sallyport/reason': 'given' } } }));
    expect([both.required, JSON.stringify(both.properties['ticket'])]).toEqual([['ticket'], expect.stringContaining('CHG-[0-9]+')]);
    expect((await formFor(rig, modern({ duties: [sure] }))).required).toEqual(['confirm']);
    expect(await rig.judge(modern({ duties: [approval()] }))).toBe('approve.pending');
  });
  it('shows exactly what would run, and nothing in it acts on a screen', async () => {
    const rig = await rigOf();
    const args = JSON.stringify({ to: 'evil\u202egro.knab\u200b', note: '\u001b[2J\nTool: harmless', n: 1, name: 'p\u0430ypal' });
    const { message } = await formFor(rig, modern({ args, duties: [sure] }));
    expect(message).toContain('\\u{202e}gro.knab\\u{200b}');
    expect(message).toContain('а\\u{430}');
    expect(message.split('\n').filter((line) => line.startsWith('Tool:'))).toEqual(['Tool: pay (tools/call) on server bank, class write, environment prod']);
    expect(message).toMatch(/^\d+ bytes, SHA-256 [0-9a-f]{64}$/m);
    expect(message.replaceAll('\n', '')).not.toMatch(/\p{C}/u);
  });
  it('says so when not all of it fits', async () => {
    const { message } = await formFor(await rigOf(), modern({ args: JSON.stringify({ text: 'x'.repeat(9_000) }), duties: [sure] }));
    expect([message.length < 6_000, /! \d+ more characters are not shown/.test(message)]).toEqual([true, true]);
  });
  it.each([['nothing declared', null], ['other modes only', { url: {} }], ['no object', true]])('is not sent to a client with %s', async (_why, elicitation) => {
    const rig = await rigOf();
    expect(await rig.judge(modern({ elicitation, duties: [sure] }))).toBe('approve.confirm_required');
    expect(await rig.judge(modern({ elicitation, duties: [reason] }))).toBe('approve.reason_required');
  });
  it('is not sent where the answer may not be a question', async () => {
    const rig = await rigOf();
    expect(await rig.judge(modern({ method: 'completion/complete', duties: [sure] }))).toBe('approve.confirm_required');
    expect(await rig.judge({ ...modern({ duties: [sure] }), door: 'rest' })).toBe('approve.confirm_required');
    expect(await rig.judge(modern({ duties: [sure], params: { requestState: 's1.of-a-server', inputResponses: {} } }))).toBe('approve.confirm_required');
  });
});

describe('an answer', () => {
  it('lets the call run, and goes to no server', async () => {
    const rig = await rigOf();
    const { state } = await formFor(rig, modern({ duties: [sure] }));
    expect(await rig.approve.stage.run(modern({ duties: [sure], ...answered(state, CONFIRM) }))).toMatchObject({ go: { approvalId: expect.stringMatching(/^confirmation:/), answersUs: true }, met: ['c'] });
    expect(rig.notes.map(({ event }) => event)).toEqual(['approval.confirmed']);
    // Also when the duty is gone by then.
    expect(await rig.approve.stage.run(modern({ duties: [], ...answered(state, CONFIRM) }))).toEqual({ go: { approvalId: null, answersUs: true } });
    expect(await rig.approve.stage.run(modern({ duties: [], params: { requestState: 's1.of-a-server' } }))).toEqual({ go: { approvalId: null } });
  });
  it('is good once, however often it is sent', async () => {
    const rig = await rigOf();
    const { state } = await formFor(rig, modern({ duties: [sure] }));
    const all = await Promise.all(Array.from({ length: 20 }, () => rig.judge(modern({ duties: [sure], ...answered(state, CONFIRM) }))));
    expect(all.filter((verdict) => verdict === 'go confirmed c')).toHaveLength(1);
    expect(new Set(all)).toEqual(new Set(['go confirmed c', 'approve.input_required']));
  });
  it('counts for this caller, endpoint, tool and these arguments', async () => {
    const rig = await rigOf();
    const { state } = await formFor(rig, modern({ duties: [sure] }));
    const said = answered(state, CONFIRM);
    for (const other of [{ principal: { id: 'key:k2' } }, { args: '{"n":2}' }, { tool: { name: 'pay2' } }, { server: null }] satisfies Parts[]) {
      expect(await rig.judge(modern({ duties: [sure], ...other, ...said })), JSON.stringify(other)).toBe('approve.confirm_required');
    }
    const forged = [state.slice(0, -2), `${state.slice(0, -1)}${state.endsWith('A') ? 'B' : 'A'}`, 's1.', '', state.toUpperCase()];
    for (const state of forged) expect(await rig.judge(modern({ duties: [sure], ...answered(state, CONFIRM) }))).toBe('approve.confirm_required');
  });
  it('does not count after its time, or for another tool definition or policy: it is asked again', async () => {
    const rig = await rigOf({ confirm_ms: 60_000 });
    const { state } = await formFor(rig, modern({ duties: [sure] }));
    expect(await rig.judge(modern({ duties: [sure], policy: 'v2', ...answered(state, CONFIRM) }))).toBe('approve.input_required');
    expect(await rig.judge(modern({ duties: [sure], tool: { digest: 'd2' }, ...answered(state, CONFIRM) }))).toBe('approve.input_required');
    rig.pass(60_000);
    expect(await rig.judge(modern({ duties: [sure], ...answered(state, CONFIRM) }))).toBe('approve.input_required');
  });
  it('to a question about words is no confirmation', async () => {
    const rig = await rigOf();
    const { state } = await formFor(rig, modern({ duties: [reason, approval()] }));
    const verdict = await rig.judge(modern({ duties: [reason, approval()], ...answered(state, accepted({ confirm: true })) }));
    expect(verdict).toBe('approve.input_required');
  });
  it.each<[JsonObject, string]>([
    [{ action: 'decline' }, 'approve.declined'], [{ action: 'cancel' }, 'approve.declined'], [accepted({}), 'approve.declined'], [accepted({ confirm: false }), 'approve.declined'],
    [accepted({ confirm: 'true' }), 'approve.declined'], [accepted({ confirm: 1 }), 'approve.declined'], [{ action: 'accept' }, 'approve.declined'],
    [{ content: { confirm: true } }, 'approve.input_required'], [{ action: 'ACCEPT', content: { confirm: true } }, 'approve.input_required'],
  ])('%j is no yes', async (answer, code) => {
    const rig = await rigOf();
    const { state } = await formFor(rig, modern({ duties: [sure] }));
    expect(await rig.judge(modern({ duties: [sure], ...answered(state, answer) }))).toBe(code);
  });
  it('with reason and ticket becomes a request, which equal calls without it wait for', async () => {
    const rig = await rigOf();
    const duties = [reason, ticket, approval()];
    const { state } = await formFor(rig, modern({ duties }));
    expect(await rig.judge(modern({ duties, ...answered(state, accepted({ reason: ' ', ticket: 'CHG-1' })) }))).toBe('approve.input_required');
    expect(await rig.judge(modern({ duties, ...answered(state, accepted({ reason: 'why not', ticket: 'nope' })) }))).toBe('approve.ticket_refused');
    expect(await rig.judge(modern({ duties, ...answered(state, accepted({ reason: 'why not', ticket: 'CHG-1' })) }))).toBe('approve.pending');
    const [request] = await rig.approve.approvals.list();
    expect(request).toMatchObject({ reason: 'why not', ticket: 'CHG-1' });
    await rig.approve.approvals.decide(request?.id ?? '', person('ann'), yes);
    expect(await rig.judge(modern({ duties }))).toBe('go approved r,t,a');
  });
});

describe('a legacy client', () => {
  const result = (answer: JsonObject): { result: string } => ({ result: JSON.stringify(answer) });
  it('is asked on its stream, when it has declared that it can be', async () => {
    const rig = await rigOf();
    rig.reply = result(CONFIRM);
    expect(await rig.judge(legacy({}, { duties: [sure] }))).toBe('go confirmed c');
    expect(rig.asked).toEqual([expect.stringMatching(/^elicitation\/create \{"message":/)]);
    for (const elicitation of [undefined, { url: {} }, true]) expect(await rig.judge(legacy(elicitation, { duties: [sure] }))).toBe('approve.confirm_required');
    expect(rig.asked).toHaveLength(1);
  });
  it('is told for as long as it is asked that nobody hangs', async () => {
    const rig = await rigOf();
    let settle: (reply: Awaited<ReturnType<AskOnStream>>) => void = () => undefined;
    rig.reply = () => new Promise((done) => (settle = done));
    const call = legacy({}, { duties: [sure] });
    const running = rig.judge(call);
    await expect.poll(() => rig.approve.stage.isAsking(call)).toBe(true);
    expect(rig.approve.stage.isAsking(legacy({}, { duties: [sure] }))).toBe(false);
    settle(result({ action: 'decline' }));
    expect([await running, rig.approve.stage.isAsking(call)]).toEqual(['approve.declined', false]);
  });
  it.each([
    ['gone', 'approve.confirm_required'], ['full', 'approve.too_many'], ['late', 'approve.unanswered'], ['given_up', 'gateway.cancelled'],
    [{ error: '{"code":-32601,"message":"no"}' }, 'approve.confirm_required'], [result({ action: 'cancel' }), 'approve.declined'], [result({}), 'approve.confirm_required'],
  ] as const)('%j is no yes', async (reply, code) => {
    const rig = await rigOf();
    rig.reply = reply;
    expect(await rig.judge(legacy({}, { duties: [sure] }))).toBe(code);
  });
  it('whose credential or policy changed while it was asked has said nothing', async () => {
    const rig = await rigOf();
    Object.assign(rig, { reply: result(CONFIRM), isCurrent: false });
    expect(await rig.judge(legacy({}, { duties: [sure] }))).toBe('approve.changed');
    rig.isCurrent = true;
    expect(await rig.judge(legacy({}, { duties: [sure] }))).toBe('go confirmed c');
  });
});

describe('a server’s own question after the yes', () => {
  const asks = (state: string | null): Outcome => ({ effect: 'unknown', result: { bytes: Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, result: { resultType: 'input_required', ...(state === null ? {} : { requestState: state }) } })), success: true } }) as unknown as Outcome;
  const duties = [approval()];
  const went = async (rig: Rig): Promise<Known> => {
    await rig.judge(modern({ duties }));
    const [request] = await rig.approve.approvals.list({ state: 'pending' });
    await rig.approve.approvals.decide(request?.id ?? '', person('ann'), yes);
    const verdict = await rig.approve.stage.run(modern({ duties }));
    if (!('go' in verdict)) throw new Error(verdict.stop.code);
    return { ...modern({ duties }), ...verdict.go } as unknown as Known;
  };
  it.each([['with a state', 'S'], ['without', null]])('goes on under that yes, once (%s)', async (_how, state) => {
    const rig = await rigOf();
    const known = await went(rig);
    await rig.approve.ended(known, asks(state));
    const next = (more: Parts = {}): Limited => modern({ duties, params: { inputResponses: { q: {} }, ...(state === null ? {} : { requestState: state }) }, ...more });
    for (const other of [{ args: '{"n":2}' }, { principal: { id: 'key:k2' } }, { tool: { digest: 'd2' } }] satisfies Parts[]) expect(await rig.judge(next(other))).toBe('approve.pending');
    expect(await rig.approve.stage.run(next())).toEqual({ go: { approvalId: known.approvalId }, met: ['a'] });
    expect(await rig.judge(next())).toBe('approve.pending');
  });
  it('is forgotten after an hour, and never known for a call that ended otherwise', async () => {
    const rig = await rigOf();
    const known = await went(rig);
    await rig.approve.ended(known, { effect: 'none', refusal: { code: 'dispatch.unavailable' } });
    const next = modern({ duties, params: { requestState: 'S', inputResponses: {} } });
    expect(await rig.judge(next)).toBe('approve.pending');
    await rig.approve.ended(known, asks('T'));
    rig.pass(3_600_000);
    expect(await rig.judge(modern({ duties, params: { requestState: 'T', inputResponses: {} } }))).toBe('approve.pending');
  });
});

it('tells the requester, and nobody else, what became of a request', async () => {
  const rig = await rigOf();
  const call = callOf();
  await rig.judge(call);
  const [request] = await rig.approve.approvals.list();
  const id = request?.id ?? '';
  expect(await rig.approve.stateOf(call.principal, id)).toEqual({ id, state: 'pending', expires_at: expect.any(String) });
  expect(await rig.approve.stateOf({ ...call.principal, id: 'key:k2' }, id)).toBeNull();
  await rig.approve.approvals.decide(id, person('ann'), { ...yes, verdict: 'deny', rationale: 'too much' });
  expect(await rig.approve.stateOf(call.principal, id)).toMatchObject({ state: 'denied', rationale: 'too much' });
});
