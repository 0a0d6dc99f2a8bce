import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../call/json.ts';
import { type ArgumentsConfig, argumentsSchema, compileArguments, explainArguments } from './index.ts';

type Short = 'match' | 'no' | 'error';
const parse = (text: string): JsonObject => JSON.parse(text) as JsonObject;
function judge(config: unknown, text: string): Short {
  const verdict = compileArguments(argumentsSchema.parse(config) as ArgumentsConfig)({ value: parse(text), text });
  return verdict === 'match' ? 'match' : verdict === 'no_match' ? 'no' : 'error';
}
/** One argument, `x`, as JSON text. */
const one = (constraint: object, json: string): Short => judge({ x: constraint }, `{"x":${json}}`);

describe('numbers', () => {
  test.each<[object, string, Short]>([
    [{ max: 1000 }, '1000', 'match'], [{ max: 1000 }, '1e3', 'match'], [{ max: 1000 }, '1000.00', 'match'], [{ max: 1000 }, '1001', 'no'], [{ max: 1000 }, '1000.01', 'no'],
    [{ max: 1000 }, '"1000"', 'error'], [{ max: 1000 }, 'true', 'error'], [{ max: 1000 }, 'null', 'error'], [{ max: 1000 }, '[1]', 'error'], [{ max: 1000 }, '{"a":1}', 'error'],
    [{ max: 1000 }, '1000.0000000000000001', 'error'], [{ max: 1000 }, '999.99999999999999999999', 'match'], [{ max: 1000 }, '1000.1000000000000000000001', 'no'],
    [{ min: 1 }, '1e400', 'error'], [{ max: 1000 }, '1e400', 'error'], [{ max: 1000 }, '-1e400', 'error'], [{ max: 0 }, '1e-400', 'error'], [{ min: 0 }, '1e-400', 'match'], [{ min: 0 }, '1e-9999999999', 'error'], [{ min: 0 }, '-0', 'match'], [{ min: 0 }, '-1', 'no'],
    [{ max: 1000 }, `1${'0'.repeat(500)}`, 'error'], [{ max: 1000 }, `0.${'0'.repeat(500)}1`, 'error'],
    [{ max: '9007199254740993' }, '9007199254740993', 'match'], [{ max: '9007199254740993' }, '9007199254740995', 'no'], [{ max: '9007199254740992' }, '9007199254740993', 'error'],
    [{ min: '0.1' }, '0.1', 'match'], [{ min: 0.1 }, '0.09', 'no'], [{ max: 0.3 }, '0.30000000000000004', 'no'],
    [{ equals: 5 }, '5.0', 'match'], [{ equals: 5 }, '5.00000000000000000001', 'error'], [{ enum: [1, 2] }, '3', 'no'], [{ enum: [1, 2] }, '2e0', 'match'], [{ enum: [1, 2] }, '"2"', 'error'],
    [{ not_in: [1, 2] }, '3', 'match'], [{ not_in: [1, 2] }, '2', 'no'], [{ not_in: [1, 2] }, '2.00000000000000000001', 'error'], [{ not_in: [1, 2] }, '"3"', 'error'],
    [{ integer: true }, '5', 'match'], [{ integer: true }, '5.0', 'match'], [{ integer: true }, '5.5', 'no'], [{ integer: true }, '5.00000000000000000001', 'error'], [{ integer: true, min: 1 }, '0', 'no'],
    [{ enum: [1], min: 1, max: 3 }, '1', 'match'],
  ])('%j of %.40s: %s', (constraint, json, verdict) => expect(one(constraint, json)).toBe(verdict));

  test('are judged by their own text: a text that is not of the value is no proof', () => {
    const check = compileArguments({ x: { max: 1000 } });
    expect(check({ value: { x: 5 }, text: '{"x":5000}' })).toEqual({ error: 'x: is a number that cannot be read exactly' });
    expect(check({ value: { x: 5 }, text: '{}' })).toEqual({ error: 'x: is a number that cannot be read exactly' });
  });
  test('are found wherever they stand', () => {
    const rule = { 'a.b[].c': { max: '9007199254740993' }, 'a.z': { any: true } };
    expect(judge(rule, '{"a": {"z":{"c":1}, "b" : [ {"c" : 1}, {"c": 9007199254740993} ] } }')).toBe('match');
    expect(judge(rule, '{"a": {"z":{"c":1}, "b" : [ {"c" : 9007199254740997}, {"c": 9007199254740999} ] } }')).toBe('no');
  });
});

describe('amounts', () => {
  const eur = { x: { amount: { max: 1000, currency: 'EUR', currency_at: 'currency' } } };
  test.each<[string, Short]>([
    ['{"x":1000,"currency":"EUR"}', 'match'], ['{"x":"999.99","currency":"EUR"}', 'match'], ['{"x":0,"currency":"EUR"}', 'match'], ['{"x":1000.01,"currency":"EUR"}', 'no'], ['{"x":"1000.01","currency":"EUR"}', 'no'],
    ['{"x":1e3,"currency":"EUR"}', 'error'], ['{"x":-5,"currency":"EUR"}', 'error'], ['{"x":-0,"currency":"EUR"}', 'error'], ['{"x":"-5","currency":"EUR"}', 'error'], ['{"x":"+5","currency":"EUR"}', 'error'], ['{"x":" 5","currency":"EUR"}', 'error'],
    ['{"x":"05","currency":"EUR"}', 'error'], ['{"x":"1,000","currency":"EUR"}', 'error'], ['{"x":"1e2","currency":"EUR"}', 'error'], ['{"x":"NaN","currency":"EUR"}', 'error'], ['{"x":"٥","currency":"EUR"}', 'error'], ['{"x":"5\\n","currency":"EUR"}', 'error'],
    ['{"x":1.005,"currency":"EUR"}', 'error'], ['{"x":"0x10","currency":"EUR"}', 'error'], ['{"x":"","currency":"EUR"}', 'error'], ['{"x":[5],"currency":"EUR"}', 'error'], ['{"x":true,"currency":"EUR"}', 'error'], ['{"x":1e400,"currency":"EUR"}', 'error'],
    ['{"x":5}', 'error'], ['{"x":5,"currency":null}', 'error'], ['{"x":5,"currency":["EUR"]}', 'error'], ['{"x":5,"currency":"eur"}', 'error'], ['{"x":5,"currency":"ЕUR"}', 'error'], ['{"x":5,"currency":"USD"}', 'no'], ['{"currency":"EUR"}', 'error'],
    ['{"x":5,"currency":"EUR","Currency":"USD"}', 'error'],
  ])('%s: %s', (text, verdict) => expect(judge(eur, text)).toBe(verdict));
  test('have a least, other places, and currencies that belong to their own object', () => {
    expect(judge({ x: { amount: { max: 10, min: 5 } } }, '{"x":4.99}')).toBe('no');
    expect(judge({ x: { amount: { max: 10, decimals: 0 } } }, '{"x":5.5}')).toBe('error');
    expect(judge({ x: { amount: { max: 10, decimals: 3 } } }, '{"x":5.555}')).toBe('match');
    const nested = { 'items[].price': { amount: { max: 10, currency: 'EUR', currency_at: 'unit' } } };
    expect(judge(nested, '{"items":[{"price":1,"unit":"EUR"},{"price":2,"unit":"EUR"}]}')).toBe('match');
    expect(judge(nested, '{"items":[{"price":1,"unit":"EUR"},{"price":2}]}')).toBe('error');
    expect(judge(nested, '{"items":[{"price":1,"unit":"USD"},{"price":2,"unit":"USD"}]}')).toBe('no');
  });
  test('that are optional bring no currency, but one that is there needs it', () => {
    const rule = { x: { amount: { max: 10, currency: 'EUR', currency_at: 'c' }, optional: true } };
    expect(judge(rule, '{}')).toBe('match');
    expect(judge(rule, '{"x":1}')).toBe('error');
    expect(judge({ ...rule, c: { enum: ['EUR', 'USD'] } }, '{"x":1,"c":"USD"}')).toBe('no');
  });
});

describe('what is absent, null or not named', () => {
  test.each<[object, string, Short]>([
    [{ x: { equals: 'a' } }, '{}', 'error'], [{ x: { equals: 'a', optional: true } }, '{}', 'match'], [{ x: { equals: 'a', optional: true } }, '{"x":null}', 'error'], [{ x: { equals: 'a', optional: true } }, '{"x":"b"}', 'no'],
    [{ x: { equals: 'a', unless_absent: true } }, '{}', 'no'], [{ x: { equals: 'a', unless_absent: true } }, '{"x":"a"}', 'match'], [{ x: { equals: 'a', unless_absent: true } }, '{"x":null}', 'error'],
    [{ x: { any: true } }, '{}', 'match'], [{ x: { any: true } }, '{"x":null}', 'match'], [{ x: { any: true } }, '{"x":{"y":[1]}}', 'match'],
    [{ x: { absent: true } }, '{}', 'match'], [{ x: { absent: true } }, '{"x":1}', 'no'], [{ x: { absent: true } }, '{"x":null}', 'error'],
    [{ x: { boolean: true } }, '{"x":false}', 'match'], [{ x: { boolean: true } }, '{"x":"false"}', 'error'], [{ x: { boolean: true } }, '{"x":0}', 'error'], [{ x: { equals: true } }, '{"x":false}', 'no'], [{ x: { equals: false } }, '{"x":false}', 'match'], [{ x: { not_in: [true] } }, '{"x":true}', 'no'],
    [{}, '{}', 'match'], [{}, '{"x":1}', 'error'], [{ closed: false }, '{"x":1}', 'match'],
    [{ x: { any: true } }, '{"x":1,"y":1}', 'error'], [{ x: { equals: 'a' } }, '{"x":"b","y":1}', 'no'], [{ x: { equals: 'a' }, closed: false }, '{"x":"a","y":1}', 'match'],
    [{ x: { equals: 'a', optional: true }, closed: false }, '{"X":"b"}', 'error'], [{ xo: { equals: 'a', optional: true }, closed: false }, '{"xо":"b"}', 'error'], [{ x: { equals: 'a', optional: true }, closed: false }, '{"x\\u200b":"b"}', 'error'],
    [{ '"closed"': { equals: true } }, '{"closed":true}', 'match'], [{ arguments: { equals: 'a' } }, '{"arguments":"a"}', 'match'], [{ toString: { equals: 'a' } }, '{}', 'error'], [{ toString: { equals: 'a', optional: true } }, '{}', 'match'],
  ])('%j of %s: %s', (config, text, verdict) => expect(judge(config, text)).toBe(verdict));
});

describe('lists and objects', () => {
  const labels = { 'labels[]': { enum: ['a', 'b'] } };
  test.each<[object, string, Short]>([
    [labels, '{"labels":["a","b"]}', 'match'], [labels, '{"labels":["c","d"]}', 'no'], [labels, '{"labels":["a","c"]}', 'error'], [labels, '{"labels":["c","a"]}', 'error'], [labels, '{"labels":["c",null]}', 'error'], [labels, '{"labels":[]}', 'error'], [labels, '{"labels":"a"}', 'error'],
    [labels, '{"labels":{"0":"a"}}', 'error'], [labels, '{"labels":[["a"]]}', 'error'], [labels, '{"labels":null}', 'error'], [labels, '{}', 'error'], [labels, '{"labels":["a",null]}', 'error'],
    [{ 'labels[]': { enum: ['a'], empty: true } }, '{"labels":[]}', 'match'], [{ 'labels[]': { enum: ['a'], empty: true } }, '{}', 'error'], [{ 'labels[]': { enum: ['a'], optional: true } }, '{}', 'match'], [{ 'labels[]': { enum: ['a'], optional: true } }, '{"labels":[]}', 'error'],
    [{ 'labels[]': { enum: ['a'] }, labels: { max_items: 1 } }, '{"labels":["a","a"]}', 'no'], [{ labels: { min_items: 1 } }, '{"labels":[]}', 'no'], [{ labels: { max_items: 1 } }, '{"labels":[7]}', 'match'], [{ labels: { max_items: 1 } }, '{"labels":"x"}', 'error'],
    [{ 'm[][]': { max: 3 } }, '{"m":[[1,2],[3]]}', 'match'], [{ 'm[][]': { max: 3 } }, '{"m":[[1,2],[4]]}', 'error'], [{ 'm[][]': { max: 3 } }, '{"m":[[1],[]]}', 'error'],
    [{ 'p.a': { max: 3 } }, '{"p":{"a":3}}', 'match'], [{ 'p.a': { max: 3 } }, '{"p":{"a":3,"b":1}}', 'error'], [{ 'p.a': { max: 3 } }, '{"p":[{"a":3}]}', 'error'], [{ 'p.a': { max: 3 } }, '{"p":"{\\"a\\":3}"}', 'error'], [{ 'p.a': { max: 3 } }, '{"p":null}', 'error'],
    [{ 'p.a': { max: 3 }, p: { any: true } }, '{"p":{"a":3,"b":1}}', 'match'], [{ 'p.a': { max: 3 }, p: { any: true } }, '{"p":{"a":3,"A":9}}', 'error'], [{ 'p.a': { max: 3 }, p: { any: true } }, '{"p":null}', 'error'], [{ 'p.a': { max: 3 }, p: { any: true } }, '{}', 'error'], [{ 'p.a': { max: 3 }, p: { optional: true } }, '{}', 'match'],
    [{ 'p.a': { max: 3, optional: true } }, '{}', 'match'], [{ 'p.a': { max: 3, optional: true }, 'p.b': { any: true } }, '{"p":{}}', 'match'],
    [{ 'p.a': { max: 3, optional: true } }, '{"p":[]}', 'error'], [{ 'p.a': { max: 3, optional: true } }, '{"p":""}', 'error'], [{ 'p.a': { max: 3, optional: true } }, '{"p":5}', 'error'],
    [{ x: { max: 3 }, y: { max: 3 }, closed: false }, '{"x":1,"y":2,"z":9}', 'match'],
    [{ '"a.b"': { max: 3 } }, '{"a.b":3}', 'match'], [{ '"a.b"."[]"': { max: 3 } }, '{"a.b":{"[]":4}}', 'no'],
    [{ path: { path: 'a' } }, '{"paths":[]}', 'error'], [{ path: { path: 'a' } }, '{"path":"a","paths":["/etc"]}', 'error'], [{ path: { path: 'a' } }, '{"path":["a"]}', 'error'],
  ])('%j of %s: %s', (config, text, verdict) => expect(judge(config, text)).toBe(verdict));

  test('no element of a deny rule’s list is hidden behind another, whatever the pairing', () => {
    const deny = { 'i[].x': { equals: 'A' }, 'i[].y': { equals: 'B' } };
    expect(judge(deny, '{"i":[{"x":"A","y":"B"},{"x":"-","y":"-"}]}')).toBe('error');
    expect(judge(deny, '{"i":[{"x":"A","y":"-"},{"x":"-","y":"B"}]}')).toBe('no');
  });
});

test('max_amount 1000 EUR with a vendor allow-list', () => {
  const rule = { amount: { amount: { max: 1000, currency: 'EUR', currency_at: 'currency' } }, vendor: { enum: ['ACME GmbH', 'Initech'] }, note: { max_length: 200, optional: true } };
  expect(judge(rule, '{"amount":"999.50","currency":"EUR","vendor":"Initech","note":"May"}')).toBe('match');
  expect(judge(rule, '{"amount":1000,"currency":"EUR","vendor":"ACME GmbH"}')).toBe('match');
  expect(judge(rule, '{"amount":1000.01,"currency":"EUR","vendor":"Initech"}')).toBe('no');
  expect(judge(rule, '{"amount":10,"currency":"EUR","vendor":"Evil"}')).toBe('no');
  for (const odd of ['{"amount":10,"currency":"EUR","vendor":"lnitech "}', '{"amount":10,"currency":"EUR","vendor":"Іnitech"}', '{"amount":10,"currency":"EUR","vendor":["Initech"]}', '{"amount":-10,"currency":"EUR","vendor":"Initech"}', '{"amount":10,"vendor":"Initech"}', '{"amount":10,"currency":"EUR","vendor":"Initech","vendors":["Evil"]}']) expect(judge(rule, odd)).toBe('error');
});

describe('explanations', () => {
  test('name every path and reason, and quote nothing of the call', () => {
    const rule = argumentsSchema.parse({ vendor: { enum: ['Initech'] }, amount: { max: 5 }, 'l[]': { equals: 'a' }, b: { absent: true } }) as ArgumentsConfig;
    const text = '{"vendor":"SECRET","amount":7,"l":["a","SECRET"],"SECRET":1}';
    const { verdict, findings } = explainArguments(rule, { value: parse(text), text });
    expect(verdict).toBe('no_match');
    expect(findings.map(({ path, kind, why }) => `${kind} ${path} ${why}`)).toEqual([
      'no vendor is none of the values that the rule names', 'no amount is more than the rule allows', 'no l[] is none of the values that the rule names', 'error l has elements that hold and others that do not', 'error all arguments has members that the rule does not name',
    ]);
    expect(JSON.stringify([verdict, findings])).not.toContain('SECRET');
  });
  test('agree with the judge', () => {
    const text = '{"x":"a"}';
    expect(explainArguments({ x: { equals: 'a' } }, { value: parse(text), text })).toEqual({ verdict: 'match', findings: [] });
    expect(compileArguments({ y: { equals: 'a' } })({ value: parse(text), text })).toEqual({ error: 'y: is missing' });
  });
});
