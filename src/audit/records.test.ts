import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { callOf, linesOf, newFolder, openIn, principal, recordsOf, refusalOf, resultOf, runCall } from '../../test/kit/audit/calls.ts';
import type { Known } from '../call/call.ts';
import type { Clock } from '../lib/clock.ts';
import { sha256 } from '../lib/hash.ts';
import { readLink } from './chain.ts';
import { FIELDS } from './fields.ts';
import { verifyAudit } from './index.ts';
import { seal } from './writer.ts';

const ALL = ['timestamp', 'event', 'seq', ...FIELDS, 'prev_hash', 'hash'];
const fixed: Clock = { now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6), monotonic: () => 0 };
const id = '01890000-0000-7000-8000-000000000001';
/** A call that ended at some stage, with what is known by then. */
const known = (over: Partial<Known>, leave: readonly (keyof Known)[] = []): Known => {
  const call: Record<string, unknown> = { ...callOf('write', '{"a":1}', { id: id as never, receivedAt: fixed.now() - 12 }), ...over };
  for (const name of leave) delete call[name];
  return call as unknown as Known;
};

describe('the golden record', () => {
  it('is, byte for byte, what the format says', async () => {
    const dir = newFolder();
    const audit = await openIn(dir, { clock: fixed });
    await runCall(audit, callOf('read', '{"path":"/tmp/ä.txt"}', { id: id as never, receivedAt: fixed.now() - 12, modelRequestId: 'm"1', approvalId: 'ap1' }), resultOf());
    await audit.close();
    const who = `"correlation_id":"${id}","caller_id":"key:k1","caller_team":"search","user_id":null,"workspace_id":"w1","environment":"prod","agent_id":"a\\"1","client_id":null,"tenant_id":"acme","caller_groups":["sre"],"caller_roles":[],"model_request_id":"m\\"1","mcp_server":"files","tool":"read_file","tool_risk":"read","decision":"allow","reason_code":"ok","policy_ids":["defaults.read"],"policy_version":"v1","shadow_rules":null,"token_audience":null,"scopes":["files:read"],"approval_id":"ap1"`;
    const input = sha256('{"path":"/tmp/ä.txt"}');
    const [head = '', intent = '', finish = ''] = linesOf(dir);
    const headHash = /"hash":"([0-9a-f]{64})"\}$/.exec(head)?.[1] ?? '';
    const first = `{"timestamp":"2026-01-02T03:04:05.006Z","event":"call.intended","seq":2,${who},"tool_input":{"path":"/tmp/ä.txt"},"input_hash":"${input}","output_summary":null,"output_hash":null,"output_classification":null,"downstream_resource":"files/read_file","success":null,"effect":null,"error":null,"latency_ms":null,"prev_hash":"${headHash}"`;
    expect(intent).toBe(`${first},"hash":"${sha256(first)}"}`);
    const second = `{"timestamp":"2026-01-02T03:04:05.006Z","event":"call.finished","seq":3,${who},"tool_input":null,"input_hash":"${input}","output_summary":"one file","output_hash":"${sha256('{"jsonrpc":"2.0","id":1,"result":{}}')}","output_classification":"internal","downstream_resource":"files/read_file","success":true,"effect":"done","error":null,"latency_ms":12,"prev_hash":"${sha256(first)}"`;
    expect(finish).toBe(`${second},"hash":"${sha256(second)}"}`);
  });
  it('has a hash that never changes with this program', () => {
    const { bytes, hash } = seal('{"timestamp":"2026-01-02T03:04:05.006Z","event":"key.created","seq":', 7, ',"correlation_id":null,"tool":"ä"', '0'.repeat(64));
    expect(hash).toBe('f99f971dc78d0a30304bbc845785adc8fa59fdfb41fc5a2c06dc47bc1494023b'); // sha256sum says the same
    expect(readLink(bytes.subarray(0, -1))).toMatchObject({ seq: 7, event: 'key.created', prevHash: '0'.repeat(64), hash });
  });
});

describe('every record', () => {
  it('has every field in order, whatever it tells', async () => {
    const dir = newFolder();
    const audit = await openIn(dir);
    await runCall(audit);
    await audit.finish(known({}, ['principal', 'target', 'decision', 'permit', 'approvalId']), refusalOf('authenticate.missing'));
    await audit.finish(known({}, ['permit', 'approvalId']), refusalOf('limit.rate'));
    await audit.refuse({ id: id as never, receivedAt: Date.now(), door: 'rest', server: 'nowhere', remoteAddress: '192.0.2.7', refusal: { code: 'receive.json', note: 'at byte 7' } });
    await audit.note('key.created', { caller_id: 'key:k2', tool_input: { name: 'ops' } });
    await audit.close();
    const lines = recordsOf(dir);
    for (const line of lines) expect(Object.keys(line)).toEqual(ALL);
    expect(lines.map((line) => line.event)).toEqual(['audit.segment_opened', 'call.intended', 'call.finished', 'call.refused', 'call.refused', 'call.refused', 'key.created']);
    expect(lines[3]).toMatchObject({ caller_id: null, tool: 'write_file', tool_risk: null, decision: null, reason_code: 'authenticate.missing', tool_input: { a: 1 }, effect: 'none', success: false });
    expect(lines[4]).toMatchObject({ caller_id: 'key:k1', decision: 'allow', reason_code: 'limit.rate', policy_ids: ['defaults.read'], downstream_resource: 'files/write_file' });
    expect(lines[5]).toMatchObject({ mcp_server: 'nowhere', reason_code: 'receive.json', error: 'at byte 7', tool_input: { door: 'rest', remote_address: '192.0.2.7' } });
    expect(verifyAudit(dir).ok).toBe(true);
  });
  it('names the rules of a decision that refused', async () => {
    const dir = newFolder();
    const audit = await openIn(dir);
    const decision = { effect: 'deny', ruleIds: ['deny.all'], policyVersion: 'v2', reason: 'authorize.rule', wantScopes: [] } as const;
    await audit.finish(known({}, ['decision']), { effect: 'none', refusal: { code: 'authorize.rule', decision } });
    await audit.close();
    expect(recordsOf(dir)[1]).toMatchObject({ event: 'call.refused', decision: 'deny', policy_ids: ['deny.all'], policy_version: 'v2' });
  });
  it('names rules on trial apart, in words that no search for an allowed call finds', async () => {
    const dir = newFolder();
    const audit = await openIn(dir);
    const shadows = [{ ruleId: 'rule:maybe', would: 'allow' }, { ruleId: 'rule:no', would: 'deny' }, { ruleId: 'rule:odd', would: 'error' }] as const;
    const decision = { effect: 'deny', ruleIds: ['default:write'], policyVersion: 'v2', reason: 'authorize.no_rule', wantScopes: [], shadows } as const;
    await audit.finish(known({}, ['decision']), { effect: 'none', refusal: { code: 'authorize.no_rule', decision } });
    await audit.close();
    expect(recordsOf(dir)[1]).toMatchObject({
      decision: 'deny', reason_code: 'authorize.no_rule', policy_ids: ['default:write'],
      shadow_rules: [{ rule: 'rule:maybe', would: 'would allow' }, { rule: 'rule:no', would: 'would deny' }, { rule: 'rule:odd', would: 'would error' }],
    });
    expect(linesOf(dir)[1]).not.toMatch(/"allow"/);
  });
  it('tells a refusal after the intent as call.finished, with the effect', async () => {
    const dir = newFolder();
    const audit = await openIn(dir);
    await runCall(audit, callOf('write'), { effect: 'unknown', refusal: { code: 'dispatch.timeout', note: 'after 30 s' } });
    await runCall(audit, callOf('read'), resultOf('x', ['injection.marker']));
    await audit.close();
    expect(recordsOf(dir)[2]).toMatchObject({ event: 'call.finished', reason_code: 'dispatch.timeout', success: false, effect: 'unknown', error: 'after 30 s', output_hash: null });
    expect(recordsOf(dir)[4]).toMatchObject({ success: true, error: 'inspect: injection.marker' });
  });
  it('describes what is not a tool by its method, params without _meta, and message bytes', async () => {
    const dir = newFolder();
    const audit = await openIn(dir);
    const base = callOf('read');
    const message = { ...base.message, method: 'resources/read', params: { uri: 'file:///a', _meta: { progressToken: 't' } } };
    await runCall(audit, { ...base, name: 'file:///a', message, target: { ...base.target, method: 'resources/read', name: 'file:///a', tool: null } });
    await audit.close();
    expect(recordsOf(dir)[1]).toMatchObject({ tool: 'resources/read', tool_input: { uri: 'file:///a' }, downstream_resource: 'file:///a', input_hash: sha256(message.bytes) });
  });
  it('hashes a big answer in slices to the same value', async () => {
    const dir = newFolder();
    const audit = await openIn(dir);
    const text = 'x'.repeat(3_000_000);
    await runCall(audit, callOf(), resultOf(text));
    await audit.close();
    expect(recordsOf(dir)[2]?.output_hash).toBe(sha256(text));
  });
});

describe('what comes from outside', () => {
  const redact = (text: string): string => text.replaceAll(/canary-\w+/g, '[redacted]').replaceAll('"break"', 'b"r');
  const inputOf = async (argumentsText: string, options: { redact?: (text: string) => string; stranger?: boolean } = {}): Promise<unknown> => {
    const dir = newFolder();
    const audit = await openIn(dir, { redact: options.redact ?? redact });
    if (options.stranger === true) await audit.finish({ ...callOf('read', argumentsText), principal: undefined, decision: undefined } as unknown as Known, refusalOf('authenticate.missing'));
    else await audit.journal.run(callOf('read', argumentsText));
    await audit.close();
    expect(verifyAudit(dir).ok).toBe(true);
    return recordsOf(dir)[1]?.tool_input;
  };
  it('is redacted', async () => expect(await inputOf('{"token":"canary-1"}')).toEqual({ token: '[redacted]' }));
  it('is kept as a text when redaction leaves no JSON', async () => expect(await inputOf('{"a":"break"}')).toBe('{"a":b"r}'));
  it('cannot begin a line of its own (CWE-117)', async () => {
    const forged = '{"a":\n{"timestamp":"x","event":"call.finished","seq":3,"correlation_id":null}\r\n}';
    expect(await inputOf(forged)).toEqual({ a: { timestamp: 'x', event: 'call.finished', seq: 3, correlation_id: null } });
    expect(await inputOf(`{"x":"canary-1",\n"y":1}`)).toEqual({ x: '[redacted]', y: 1 });
  });
  it('keeps numbers as they were written', async () => {
    const dir = newFolder();
    const audit = await openIn(dir);
    await audit.journal.run(callOf('read', '{"n":12345678901234567890}'));
    await audit.close();
    expect(linesOf(dir)[1]).toContain('"tool_input":{"n":12345678901234567890}');
  });
  it('is replaced by its size above 16 KiB', async () => {
    const text = `{"a":"${'ä'.repeat(10_000)}"}`;
    expect(await inputOf(text)).toEqual({ truncated: true, bytes: Buffer.byteLength(text) });
  });
  it('is replaced above 1 KiB when nobody knows who sent it (CWE-400)', async () => {
    const text = `{"a":"${'a'.repeat(2000)}"}`;
    expect(await inputOf(text)).toEqual({ a: 'a'.repeat(2000) });
    expect(await inputOf(text, { stranger: true })).toEqual({ truncated: true, bytes: text.length });
  });
  it('is withheld when redaction fails, and the record is still written', async () =>
    expect(await inputOf('{"a":1}', { redact: () => { throw new Error('no'); } })).toBe('[withheld: redaction failed]'));
  it('is redacted and cut in names, notes and ids too', async () => {
    const dir = newFolder();
    const audit = await openIn(dir, { redact });
    const call = known({ name: `canary-1${'n'.repeat(1000)}`, server: 'canary-2', modelRequestId: 'canary-3' }, ['target', 'decision', 'permit']);
    await audit.finish(call, refusalOf('resolve.unknown_tool', 'canary-4'));
    await audit.note('gateway.started', { error: 'canary-5', tool_input: { k: 'canary-6' } });
    await audit.close();
    expect(readFileSync(join(dir, 'audit-000000000001.jsonl'), 'utf8')).not.toContain('canary-');
    expect(recordsOf(dir)[1]?.tool?.length).toBeLessThanOrEqual(256);
  });
  it('cannot name an event', async () => {
    const audit = await openIn(newFolder());
    await expect(audit.note('a"b', {})).rejects.toThrow(/event name/);
    await audit.close();
  });
});
it('keeps principals apart', async () => {
  const dir = newFolder();
  const audit = await openIn(dir);
  await audit.journal.run(callOf('read', '{}', { principal: { ...principal, id: 'key:k2', team: null } }));
  await audit.journal.run(callOf('read'));
  await audit.close();
  expect(recordsOf(dir).map((one) => [one.caller_id, one.caller_team])).toEqual([[null, null], ['key:k2', null], ['key:k1', 'search']]);
});
