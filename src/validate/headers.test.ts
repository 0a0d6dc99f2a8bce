import { describe, expect, test } from 'vitest';
import type { Authorized } from '../call/call.ts';
import type { JsonObject } from '../call/json.ts';
import type { Tool } from '../call/target.ts';
import { validateConfig } from './config.ts';
import { createValidate } from './index.ts';

const inputSchema: JsonObject = {
  type: 'object',
  properties: {
    region: { type: 'string', 'x-mcp-header': 'Region' }, count: { type: 'integer', 'x-mcp-header': 'Count' }, dry: { type: 'boolean', 'x-mcp-header': 'Dry' },
    in: { type: 'object', properties: { tenant: { type: 'string', 'x-mcp-header': 'Tenant' } } }, free: { type: 'string' },
  },
};
const definition = JSON.stringify({ name: 't', inputSchema });
const tool: Tool = { server: 's', name: 't', id: 's__t', risk: 'read', digest: 'd', definition, inputSchema };
const room = createValidate(validateConfig.parse({}));

/** The refusal, or null. `args` is the text of the arguments. */
function judge(args: string, headers: Readonly<Record<string, string>>, over: object = {}): { readonly code: string; readonly note?: string } | null {
  const message = { params: { name: 't', arguments: JSON.parse(args) as JsonObject }, argumentsText: args, inexact: [] };
  const mirrored = [['mcp-name', 't'], ...Object.entries(headers).map(([name, value]) => [`mcp-param-${name}`, value])];
  const verdict = room.stage.run({ target: { method: 'tools/call', tool }, message, mirrored, era: 'modern', door: 'mcp', ...over } as unknown as Authorized);
  if (verdict instanceof Promise) throw new Error('judging must not wait');
  return 'stop' in verdict ? verdict.stop : null;
}
const mismatch = (why: string): object => ({ code: 'validate.header_mismatch', note: expect.stringContaining(why) as string });

describe('headers that repeat arguments', () => {
  test.each([
    ['{"region":"eu","count":3,"dry":false,"in":{"tenant":"a"}}', { region: 'eu', count: '3', dry: 'false', tenant: 'a' }],
    ['{"region":"Grüße"}', { region: '=?base64?R3LDvMOfZQ==?=' }],
    ['{"region":""}', { region: '=?base64??=' }],
    ['{"region":"eu"}', { region: '=?base64?ZXU=?=' }],
    ['{"count":42}', { count: '42.0' }],
    ['{"count":1e2}', { count: '100' }],
    ['{"count":12345678901234567890}', { count: '12345678901234567890' }],
    ['{"region":"SGVsbG8="}', { region: 'SGVsbG8=' }],
    ['{}', {}],
    ['{"free":"x"}', { free: 'y', other: '=?base64?!?=' }],
  ] as [string, Record<string, string>][])('agree: %s', (args, headers) => expect(judge(args, headers)).toBeNull());
  test.each([
    ['missing', '{"region":"eu"}', {}],
    ['missing', '{"region":""}', {}],
    ['missing', '{"count":0}', {}],
    ['missing', '{"dry":false}', {}],
    ['missing', '{"in":{"tenant":"a"}}', {}],
    ['differs', '{"region":"eu"}', { region: 'us' }],
    ['differs', '{"region":"eu"}', { region: 'EU' }],
    ['differs', '{"region":"42"}', { region: '42.0' }],
    ['differs', '{"dry":true}', { dry: 'True' }],
    ['differs', '{"count":42}', { count: '43' }],
    ['differs', '{"count":12345678901234567890}', { count: '12345678901234567891' }],
    ['differs', '{"count":100}', { count: '1e2' }],
    ['differs', '{"count":26}', { count: '0x1a' }],
    ['differs', '{"count":0}', { count: '' }],
    [`differs`, `{"count":1.${'0'.repeat(20_000)}}`, { count: '1' }],
    ['badly encoded', '{"region":"Hello"}', { region: '=?base64?SGVsbG8?=' }],
    ['badly encoded', '{"region":"Hello"}', { region: '=?base64?SGVs!!!bG8=?=' }],
    ['badly encoded', '{"region":"\u00fffd"}', { region: '=?base64?/w==?=' }],
    ['badly encoded', '{"region":"caf\u00e9"}', { region: 'caf\u00e9' }],
    ['no value', '{}', { region: 'eu' }],
    ['no value', '{"in":{}}', { tenant: 'a' }],
    ['no value', '{"in":{"tenant":null}}', { tenant: 'a' }],
    ['no value', '{}', { region: '' }],
  ] as [string, string, Record<string, string>][])('%s: %s', (why, args, headers) => expect(judge(args, headers)).toMatchObject(mismatch(why)));
  test('come before the arguments: what a router decided by is told first', () => expect(judge('{"region":"eu","unknown":1}', { region: 'us' })).toMatchObject(mismatch('differs')));
  test('a value that fits no header is the schema’s to refuse', () => expect(judge('{"region":["eu"]}', {})).toMatchObject({ code: 'validate.arguments' }));
  test('are not asked for by older clients, nor at the REST door', () => {
    expect(judge('{"region":"eu"}', { region: 'us' }, { era: 'legacy' })).toBeNull();
    expect(judge('{"region":"eu"}', {}, { door: 'rest' })).toBeNull();
  });
});
