import { describe, expect, test } from 'vitest';
import { decodeHeader, encodeHeader, paramHeaders, paramHeadersOf } from './param-headers.ts';

const schema = (properties: object): never => ({ type: 'object', properties }) as never;
const marked = (name: unknown, type: unknown = 'string'): object => ({ type, 'x-mcp-header': name });

describe('which arguments a tool wants in headers', () => {
  test('at any depth of properties, in lower case', () => {
    const nested = { a: marked('Region'), b: { type: 'object', properties: { c: marked('Level', 'integer'), 'x-mcp-header': { type: 'string' } } } };
    expect(paramHeadersOf(schema(nested))).toEqual([{ header: 'mcp-param-region', path: ['a'] }, { header: 'mcp-param-level', path: ['b', 'c'] }]);
  });
  test.each([
    ['empty', { a: marked('') }], ['no token', { a: marked('a b') }], ['a line break', { a: marked('a\r\nx') }], ['not a text', { a: marked(1) }],
    ['a number', { a: marked('A', 'number') }], ['an object', { a: marked('A', 'object') }], ['two types', { a: marked('A', ['string', 'null']) }], ['twice up to case', { a: marked('A'), b: marked('a') }],
    ['in items', { a: { type: 'array', items: marked('A') } }], ['in a branch', { a: { anyOf: [marked('A')] } }], ['in $defs', { a: { $defs: { x: marked('A') } } }],
  ])('a tool is not to be offered: %s', (_why, properties) => expect(paramHeadersOf(schema(properties))).toBeNull());
  test('at the root; in a schema without a bottom', () => {
    expect(paramHeadersOf({ type: 'string', 'x-mcp-header': 'A' })).toBeNull();
    let deep: object = marked('A');
    for (let i = 0; i < 100; i++) deep = { type: 'object', properties: { a: deep } };
    expect(paramHeadersOf(schema({ a: deep }))).toBeNull();
  });
  test('what only looks like a mark is data', () => expect(paramHeadersOf(schema({ a: { type: 'string', default: { 'x-mcp-header': '' }, enum: [{ 'x-mcp-header': 1 }] } }))).toEqual([]));
});

describe('headers from arguments', () => {
  const declared = [{ header: 'mcp-param-a', path: ['a'] }, { header: 'mcp-param-b', path: ['o', 'b'] }];
  test.each([
    ['{"a":"x","o":{"b":true}}', ['mcp-param-a', 'x', 'mcp-param-b', 'true']],
    ['{"a":null,"o":{}}', []],
    ['{"a":{"b":1},"o":[1]}', []],
    ['{"a":12345678901234567890123}', ['mcp-param-a', '12345678901234567890123']],
    ['{"a":-7}', ['mcp-param-a', '-7']],
    ['{"a":1e3}', ['mcp-param-a', '1000']],
    ['{"a":42.0}', ['mcp-param-a', '42']],
    ['{"a":-0}', ['mcp-param-a', '0']],
    ['{"a":1.5}', ['mcp-param-a', '1.5']],
    ['{"a":1e999999999}', ['mcp-param-a', '1e999999999']],
    ['{"a":"\\u00e9"}', ['mcp-param-a', '=?base64?w6k=?=']],
    ['{"\\u0061":"x"}', ['mcp-param-a', 'x']],
  ])('%s', (text, headers) => expect(paramHeaders(declared, text)).toEqual(headers));
  test('a literal that goes on for ever is not worked out', () => expect(paramHeaders(declared, `{"a":1.${'0'.repeat(100_000)}}`)).toEqual([]));
});

describe('values in headers', () => {
  test.each([['us-west1', 'us-west1'], ['a b\tc', 'a b\tc'], ['', '=?base64??='], [' x', '=?base64?IHg=?='], ['x\t', '=?base64?eAk=?='], ['a\r\nb', '=?base64?YQ0KYg==?='], ['=?base64?x?=', '=?base64?PT9iYXNlNjQ/eD89?='], ['é', '=?base64?w6k=?=']])('%j', (value, header) => {
    expect(encodeHeader(value)).toBe(header);
    expect(decodeHeader(header)).toBe(value);
  });
  test.each(['=?base64?SGVsbG8?=', '=?base64?SGVs!!!bG8=?=', '=?base64?SGVsbG9=?=', '=?base64?/w==?=', '=?base64?=', 'caf\u00e9', 'a\u0000b'])('%j is badly encoded', (header) => expect(decodeHeader(header)).toBeNull());
  test.each(['SGVsbG8=', '=?base64?SGVsbG8=', 'SGVsbG8=?=', '=?BASE64?SGVsbG8=?='])('%j stands for itself', (header) => expect(decodeHeader(header)).toBe(header));
});
