import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Answer, Journaled } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import { made, type CallOptions } from '../../../test/kit/dispatch-rig.ts';
import { go, stop, type Done } from '../room.ts';
import { worded } from '../answer.ts';
import { fromAggregate } from './result.ts';

const call = (more: Partial<CallOptions> = {}, method = 'tools/call'): Journaled => {
  const { call } = made(JSON.stringify({ jsonrpc: '2.0', id: 1, method }), { server: null, ...more });
  return { ...call, target: { ...call.target, server: 'gh-1' } };
};
const run = (text: string, member: 'result' | 'error' = 'result', of = call()): Answer => {
  const done = fromAggregate(() => go(worded(1, 200, member, text, JSON.parse(text) as JsonObject, null, 'done')))(of) as Done;
  if ('stop' in done) throw new Error('refused');
  expect(JSON.parse(done.go.answer.bytes.toString())).toEqual(done.go.answer.message);
  return done.go.answer;
};
const shown = (...args: Parameters<typeof run>): string => /^\{"jsonrpc":"2.0","id":1,"(?:result|error)":(.*)\}$/s.exec(run(...args).bytes.toString())?.[1] ?? '';

describe('URIs by which a server hands out resources', () => {
  test.each<[string, string, string]>([
    ['a link', '{"content":[ {"uri":"a:b","type" : "resource_link","name":"n"} ]}', '{"content":[ {"uri":"sp.gh-1+a:b","type" : "resource_link","name":"n"} ]}'],
    ['a link, spelled oddly', '{"content":[{"type":"resource\\u005flink","uri":"a:\\/\\u0062"},{"type":"resource_link","uri":"c"}]}', '{"content":[{"type":"resource\\u005flink","uri":"sp.gh-1+a:\\/\\u0062"},{"type":"resource_link","uri":"sp.gh-1+c"}]}'],
    ['a link that passes for another server’s', '{"content":[{"type":"resource_link","uri":"sp.other+a:b"}]}', '{"content":[{"type":"resource_link","uri":"sp.gh-1+sp.other+a:b"}]}'],
    ['an embedded resource', '{"content":[{"type":"resource","uri":"not this","resource":{"uri":"a:b","text":"a:b"}}]}', '{"content":[{"type":"resource","uri":"not this","resource":{"uri":"sp.gh-1+a:b","text":"a:b"}}]}'],
    ['an embedded page', '{"content":[{"type":"resource","resource":{"uri":"ui://x","mimeType":"text/html","_meta":{"ui":{},"k":1}}}]}', '{"content":[{"type":"resource","resource":{"uri":"sp.gh-1+ui://x","mimeType":"text/html","_meta":{"k":1}}}]}'],
    ['contents', '{"contents":[{"uri":"a:b","blob":"AA=="},{"uri":"a:c","text":""}],"ttlMs":5}', '{"contents":[{"uri":"sp.gh-1+a:b","blob":"AA=="},{"uri":"sp.gh-1+a:c","text":""}],"ttlMs":5}'],
    ['prompt messages, one item or several', '{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"a:b"}}},{"role":"user","content":[{"type":"resource_link","uri":"a:c"},{"type":"text","text":"a:d"}]}]}', '{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"sp.gh-1+a:b"}}},{"role":"user","content":[{"type":"resource_link","uri":"sp.gh-1+a:c"},{"type":"text","text":"a:d"}]}]}'],
    ['a page bound to text', '{"content":[{"type":"text","text":"t","_meta":{"ui/resourceUri":"ui://x"}}],"_meta":{"ui":{"resourceUri":"ui://x"},"n":12345678901234567890}}', '{"content":[{"type":"text","text":"t","_meta":{}}],"_meta":{"n":12345678901234567890}}'],
  ])('%s', (_, before, after) => expect(shown(before)).toBe(after));
  test('in the error that says which is not there', () => {
    const error = '{"code":-32002,"message":"a:b","data":{"uri":"a:b","x":1E400}}';
    expect(shown(error, 'error', call({}, 'resources/read'))).toBe('{"code":-32002,"message":"a:b","data":{"uri":"sp.gh-1+a:b","x":1E400}}');
    expect(shown(error, 'error', call({}, 'tools/call'))).toBe(error);
  });
  test.each([
    '{"content":[{"type":"text","text":"file:///a","uri":"a:b"}],"structuredContent":{"uri":"a:b","type":"resource_link"},"uri":"a:b"}',
    '{"content":[{"type":"resource_link","uri":7},{"type":"resource","resource":"a:b"},{"type":"resource"},3,null]}', '{"content":{"uri":"a:b","type":"resource_link"}}', '{"contents":"a:b"}', '{"messages":[{"content":"a:b"},{}]}', '{}',
    '{"resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create","params":{"mode":"url","url":"a:b","uri":"a:b"}}}}', '{"completion":{"values":["a:b"]}}', '{"_meta":{"ui-kit":1}}',
  ])('and nothing else: %s', (text) => expect(shown(text)).toBe(text));
});

test('an answer at the server’s own endpoint, or without links, is the very same object', () => {
  const link = worded(1, 200, 'result', '{"content":[{"type":"resource_link","uri":"a:b"}]}', { content: [{ type: 'resource_link', uri: 'a:b' }] }, null, 'done');
  const plain = worded(1, 200, 'result', '{"content":[{"type":"text","text":"x"}]}', { content: [{ type: 'text', text: 'x' }] }, null, 'done');
  const own = fromAggregate(() => go(link))(call({ server: 'gh-1' })) as { go: { answer: Answer } };
  expect(own.go.answer).toBe(link);
  expect((fromAggregate(() => go(plain))(call()) as { go: { answer: Answer } }).go.answer).toBe(plain);
});
test('a refusal passes; an event carries the changed answer', async () => {
  expect(await fromAggregate(async () => stop({ code: 'dispatch.timeout' }))(call())).toEqual(stop({ code: 'dispatch.timeout' }));
  const text = '{"contents":[{"uri":"a:b"}]}';
  const streamed = { ...worded(1, 200, 'result', text, JSON.parse(text) as JsonObject, null, 'done'), event: Buffer.from('data: old\n\n') };
  const done = (await fromAggregate(async () => go(streamed))(call())) as { go: { answer: Answer } };
  expect(done.go.answer.event?.toString()).toContain(`data: ${done.go.answer.bytes.toString()}\n`);
});
test('whatever else stands in a result survives, and stays JSON', () => {
  const item = fc.oneof(fc.record({ type: fc.constantFrom('resource_link', 'text', 'resource'), uri: fc.string(), resource: fc.record({ uri: fc.string(), text: fc.string() }), x: fc.json() }), fc.jsonValue());
  fc.assert(fc.property(fc.record({ content: fc.array(item), messages: fc.jsonValue(), contents: fc.jsonValue(), _meta: fc.jsonValue(), other: fc.jsonValue() }, { requiredKeys: [] }), fc.nat(3), (value, space) => {
    const text = JSON.stringify(value, null, space);
    const after = shown(text);
    expect(after.replaceAll('"sp.gh-1+', '"')).toBe(text);
  }));
});
