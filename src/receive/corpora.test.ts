import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { post, raw, type RoomUnderTest, startRoom } from '../../test/kit/receive-room.ts';

const folder = fileURLToPath(new URL('../../../shared/corpora/', import.meta.url));
const present = existsSync(folder);
const rows = (file: string): any[] => (present ? readFileSync(folder + file, 'utf8').trim().split('\n').map((line) => JSON.parse(line)) : []);
if (!present) console.warn('skipped: ../shared/corpora is absent');

let room: RoomUnderTest;
beforeAll(async () => {
  room = await startRoom();
});
afterAll(() => room.receive.drain(0));

const call = (args: string): string => `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ALLOWED","arguments":${args}}}`;

describe.skipIf(!present)('JSONTestSuite', () => {
  it.each(rows('json/jsontestsuite.jsonl').map((row) => [row.id, row] as const))('%s', async (_, row) => {
    const bytes = row.b64 === undefined ? Buffer.from(row.id.includes('object') ? '[{"":'.repeat(50_000) : '['.repeat(100_000)) : Buffer.from(row.b64, 'base64');
    room.calls.length = 0;
    const bare = await post(room.port, bytes);
    // The suite's documents are no messages: always refused. Inside a message, what is not JSON must be refused all the same.
    expect(bare.status).toBe(400);
    expect(room.calls).toEqual([]);
    const [head = '', tail = ''] = call('{"a":@}').split('@');
    const inside = await post(room.port, Buffer.concat([Buffer.from(head), bytes, Buffer.from(tail)]));
    expect([200, 400]).toContain(inside.status);
    if (row.expect === 'must_reject_400_-32700') expect([bare.json.error.code, inside.status, inside.json.error.code]).toEqual([-32700, 400, -32700]);
    if (row.expect === 'must_accept') expect([bare.json.error.code, inside.status]).toEqual([-32600, 200]);
    if (/duplicate|same_key|nfc|invalid_codepoint/.test(row.id)) expect(inside.status).toBe(400);
    if (inside.status === 200) expect(JSON.parse(room.calls[0]?.message.argumentsText ?? '')).toEqual(room.calls[0]?.message.params['arguments']);
  });
});

/** What the rows leave to be made. */
function bodyOf(row: any): Buffer | null {
  const made: Record<string, () => string> = {
    'rpc-batch-10000': () => `[${Array.from({ length: 10_000 }, () => call('{}')).join()}]`,
    'rpc-deep-1000': () => call('{"a":'.repeat(1000) + '1' + '}'.repeat(1000)),
    'rpc-keys-1e6': () => call(`{${Array.from({ length: 400_000 }, (_, i) => `"${i.toString(36)}":1`).join()}}`),
    'rpc-arg-huge-array': () => call(`{"ids":[${Array.from({ length: 100_000 }, (_, i) => i).join()}]}`),
  };
  const make = made[row.id];
  if (make !== undefined) return Buffer.from(make());
  if (row.id === 'rpc-uni-overlong-bytes') return Buffer.concat([Buffer.from(call('{"q":"').slice(0, -2)), Buffer.from([0xc0, 0xae]), Buffer.from('"}}}')]);
  return typeof row.body === 'string' && /^[[{"n\d)]/.test(row.body) && !row.body.includes('@@') ? Buffer.from(row.body) : null;
}
/** Rows that must not pass this room; all others may, unchanged, for later stages to judge. */
const REFUSED = /^rpc-(dup-|case-|name-(array|object)|arguments-array|pp-proto|batch|deep|keys|uni-(lone|reversed|overlong)|syn-|ver-|result-and-method|meta-reserved|id-(null|float|object|array|bool)|arg-extra-prop|method-\$)/;

describe.skipIf(!present)('JSON-RPC abuse', () => {
  it.each(rows('json/jsonrpc_abuse.jsonl').map((row) => [row.id, row] as const))('%s', async (id, row) => {
    const body = bodyOf(row);
    if (body === null) return expect(['rpc-id-reuse', 'rpc-request-state-tamper']).toContain(id); // not one request: tested where it belongs
    room.calls.length = 0;
    const before = performance.now();
    const answer = await post(room.port, body);
    expect(performance.now() - before).toBeLessThan(1000);
    expect(answer.status).toBeLessThan(500);
    if (REFUSED.test(id)) {
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(room.calls).toEqual([]);
    } else if (answer.status < 300) {
      expect(room.calls).toHaveLength(1);
      expect(room.calls[0]?.message.bytes.equals(body)).toBe(true);
    }
    if (/-32602/.test(row.expect) && answer.status >= 400) expect(answer.json.error.code).toBe(-32602);
    expect(({} as any).polluted).toBeUndefined();
  });
  it('reports numbers that a double cannot hold', async () => {
    room.calls.length = 0;
    for (const n of ['9007199254740993', '18446744073709551616', '1e400', '-0', '1E+2']) await post(room.port, call(`{"amount":${n}}`));
    expect(room.calls.map((c) => c.message.inexact.map((x) => x.literal)[0])).toEqual(['9007199254740993', '18446744073709551616', '1e400', undefined, undefined]);
  });
});

/** Fills in what the row leaves open. `@@REPLACE X: y` takes the place of the header X. */
function bytesOf(row: any): string {
  let text = String(row.raw).replaceAll('$TOKEN', 't').replace(/@@REPEAT:(.):(\d+)/g, (_, c: string, n: string) => c.repeat(Number(n)));
  const replaced = /@@REPLACE ([^:]+): ([^\r]*)\r\n/.exec(text);
  if (replaced !== null) {
    text = text.replace(replaced[0], '').replace(new RegExp(`${replaced[1]}: [^\\r]*`), `${replaced[1]}: ${replaced[2]}`);
  }
  return text;
}
/** Requests that are good HTTP once their odd part is ignored; everything else must be refused or time out. */
const MAY_PASS = new Set([
  'http-cl-underscore', 'http-hdr-high-bytes', 'http-hdr-upgrade-h2c', 'http-hdr-upgrade-ws', 'http-hdr-connection-strip-auth', 'http-hdr-x-http-method', 'http-line-http10',
  'http-chunk-trailer', 'http-hdr-bare-lf-headers', 'http-hdr-obs-fold',
]);

describe.skipIf(!present)('HTTP', () => {
  it.each(rows('http/http_cases.jsonl').filter((row) => row.raw !== undefined).map((row) => [row.id, row] as const))('%s', async (id, row) => {
    room.calls.length = 0;
    room.refusals.length = 0;
    const { text, closed } = await raw(room.port, bytesOf(row), 250);
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0);
    expect(status).toBeLessThan(500);
    expect(text.match(/HTTP\/1\.[01] \d{3}/g)?.length ?? 0).toBeLessThanOrEqual(1); // never a second answer
    if (id.startsWith('http-spoof-')) {
      expect(status).toBe(401);
    } else if (MAY_PASS.has(id)) {
      for (const passed of room.calls) {
        expect(passed).toMatchObject({ message: { method: 'tools/list', text: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' }, presented: { authorization: 'Bearer t', apiKey: null }, sessionId: null });
      }
    } else {
      expect(room.calls).toEqual([]);
      if (id.startsWith('http-te-') || id.startsWith('http-cl-')) expect([status, closed, room.refusals.length]).toEqual([status === 413 ? 413 : 400, true, 1]);
      else if (status !== 0) expect([400, 401, 403, 404, 405, 406, 413, 415, 431]).toContain(status);
    }
  });
});
