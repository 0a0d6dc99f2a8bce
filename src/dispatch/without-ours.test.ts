import { expect, it } from 'vitest';
import type { Journaled } from '../call/call.ts';
import type { JsonObject } from '../call/json.ts';
import { withoutOurs } from './without-ours.ts';

const callOf = (text: string, more: Partial<{ answersUs: true; lane: string }> = {}): Journaled => {
  const params = (JSON.parse(text) as { params: JsonObject }).params;
  return { target: { lane: more.lane ?? 'mirror' }, ...(more.answersUs && { answersUs: true }), message: { params, text, bytes: Buffer.from(text), argumentsText: '{"n": 9007199254740993}' } } as unknown as Journaled;
};
const sent = (call: Journaled): string => {
  const { message } = withoutOurs(call);
  expect(message.bytes.toString()).toBe(message.text);
  expect(JSON.parse(message.text).params).toEqual(JSON.parse(JSON.stringify(message.params)));
  return message.text;
};

it('is the call itself where there is nothing of ours', () => {
  const call = callOf('{"params":{"name":"x","requestState":"of the server","_meta":{"a":1,"sallyport":2,"xsallyport/reason":3}}}');
  expect(withoutOurs(call)).toBe(call);
});
it('cuts what is ours out of _meta, in whatever case or spelling, and leaves every other byte', () => {
  expect(sent(callOf('{"params": {"_meta" : {"sallyport/reason":"secret", "k": 1.0 ,"Sallyport/X":2,"sallyport\\u002fticket":"CHG"}, "arguments": {"n": 9007199254740993}}}')))
    .toBe('{"params": {"_meta" : {"k": 1.0}, "arguments": {"n": 9007199254740993}}}');
  expect(sent(callOf('{"params":{"name":"x","_meta":{"sallyport/reason":"secret"}}}'))).toBe('{"params":{"name":"x"}}');
});
it('cuts answers to the gateway out in every lane, and those to a server in none', () => {
  const text = '{"params":{"name":"x","inputResponses":{"sallyport-approve":{"action":"accept"}},"requestState":"s1.ours"}}';
  for (const lane of ['mirror', 'own', 'local']) {
    expect(sent(callOf(text, { lane, answersUs: true }))).toBe('{"params":{"name":"x"}}');
    expect(sent(callOf(text, { lane }))).toBe(text);
  }
});
it('sends nothing when the params do not stand where they were read', () => {
  const call = { ...callOf('{"params":{}}'), answersUs: true } as Journaled;
  expect(() => withoutOurs({ ...call, message: { ...call.message, text: '{}' } })).toThrow('params');
});
