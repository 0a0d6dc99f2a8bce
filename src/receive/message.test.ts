import { describe, expect, it } from 'vitest';
import { readMessage } from './message.ts';

const LIMITS = { maxDepth: 64, maxKeys: 10_000 };
const refusalOf = (text: string): object | null => {
  const read = readMessage(Buffer.from(text), LIMITS);
  return 'refusal' in read ? { code: read.refusal.code, note: read.refusal.note } : null;
};
const message = (note: string): object => ({ code: 'receive.message', note });
const params = (note: string): object => ({ code: 'receive.params', note });
const request = (more: string): string => `{"jsonrpc":"2.0","id":1,"method":"ping"${more === '' ? '' : `,${more}`}}`;
const of = (method: string, text: string): string => `{"jsonrpc":"2.0","id":1,"method":"${method}","params":${text}}`;
const CASE = 'a protocol key in another case';

describe('what a message must be', () => {
  it.each([
    request(''), request('"params":{}'), '{"jsonrpc":"2.0","id":"x","method":"m"}', '{"jsonrpc":"2.0","method":"m"}', '{"jsonrpc":"2.0","id":1,"result":{}}',
    '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}', of('ping', '{"_meta":{"progressToken":"x"}}'), of('ping', '{"x":{"Name":1,"name":2}}').replace('"Name":1,', ''), of('tools/call', '{"name":"n","arguments":{"Name":1}}'),
  ])('%s', (text) => expect(refusalOf(text)).toBeNull());
  it.each([
    ['{"id":1,"method":"m"}', 'jsonrpc is not "2.0"'], ['{"jsonrpc":"2","id":1,"method":"m"}', 'jsonrpc is not "2.0"'], ['"x"', 'not an object'], ['[]', 'a batch'],
    ['{"jsonrpc":"2.0","id":null,"method":"m"}', 'id is neither a string nor an integer'], ['{"jsonrpc":"2.0","id":1.5,"method":"m"}', 'id is neither a string nor an integer'],
    ['{"jsonrpc":"2.0","id":9007199254740992,"method":"m"}', 'id is neither a string nor an integer'], ['{"jsonrpc":"2.0","id":1.00000000000000001,"method":"m"}', 'id is not exact'],
    ['{"jsonrpc":"2.0","id":1,"method":5}', 'method is not a text'], ['{"jsonrpc":"2.0","id":1,"method":""}', 'method is not a text'], ['{"jsonrpc":"2.0","id":1,"method":"$stream"}', 'method begins with $'],
    [request('"result":{}'), 'both a request and a response'], [request('"error":{"code":1,"message":"m"}'), 'both a request and a response'], [request('"params":[]'), 'params is not an object'],
    ['{"jsonrpc":"2.0","id":1}', 'neither a request nor one response'], ['{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"m"}}', 'neither a request nor one response'],
    ['{"jsonrpc":"2.0","result":{}}', 'a response without an id'], ['{"jsonrpc":"2.0","id":1,"result":{},"params":{}}', 'a response with params'], ['{"jsonrpc":"2.0","id":1,"result":[]}', 'result is not an object'],
    ['{"jsonrpc":"2.0","id":1,"error":"e"}', 'error is not an error object'], ['{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":"m"}}', 'error is not an error object'], ['{"jsonrpc":"2.0","id":1,"error":{"code":1}}', 'error is not an error object'],
    [request('"Params":{}'), CASE],
  ])('not %s', (text, note) => expect(refusalOf(text)).toEqual(message(note)));
  it.each([
    [of('ping', '{"_meta":[]}'), '_meta is not an object'], [of('ping', '{"_meta":{"progressToken":1.5}}'), 'progressToken is neither a string nor an integer'], [of('ping', '{"_meta":{"progressToken":{}}}'), 'progressToken is neither a string nor an integer'],
    [of('ping', '{"_meta":{"ProgressToken":1}}'), CASE], [of('ping', '{"Arguments":{}}'), CASE], [of('ping', '{"task\\u0049D":"t"}'), CASE], [of('x', '{"requeſtState":"t"}'), CASE],
    [of('tools/call', '{}'), 'name is not a text'], [of('prompts/get', '{"name":1}'), 'name is not a text'], [request('').replace('ping', 'tools/call'), 'name is not a text'],
    [of('resources/read', '{"uri":1}'), 'uri is not a text'], [request('').replace('ping', 'resources/read'), 'uri is not a text'], [of('prompts/get', '{"name":"n","arguments":[]}'), 'arguments is not an object'],
  ])('with params that are not %s', (text, note) => expect(refusalOf(text)).toEqual(params(note)));
});
