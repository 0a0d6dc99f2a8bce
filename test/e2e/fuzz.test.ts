import * as fc from 'fast-check';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, type Launched } from '../kit/gateway.ts';
import { memberTexts, numberText, objectOf, order, shuffled, spaces, stringText, valueText } from '../kit/json-texts.ts';
import { startRaw, type RawServer } from '../kit/raw-server.ts';
import { OPEN, openTalk, until, type Talk } from '../kit/scene.ts';

/**
 * Nothing is lost: generated messages through the real gateway. In the same era every byte arrives as it was sent, both ways; between
 * eras every member that translation does not own keeps its text. `FUZZ_SEED` and `FUZZ_RUNS` choose other messages, and more.
 */
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_260_728);
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 10_000);
let raw: RawServer;
let gateway: Launched;
let talks: Record<string, Talk>;
const agent = new Agent({ connections: 4, pipelining: 1 });

beforeAll(async () => {
  console.log(`fuzz: seed ${SEED}, ${RUNS} messages in the same era, ${RUNS / 5} between eras`);
  raw = await startRaw();
  const at = { url: raw.url, allow_loopback: true };
  gateway = await launch({
    config: { ...OPEN, dispatch: { servers: { 'is-modern': { ...at, era: 'modern' }, 'is-legacy': { ...at, era: 'legacy' } } } },
    keys: { fuzzer: [] },
  });
  await until('both are known', 10_000, async () => (await Promise.all(['is-modern', 'is-legacy'].map((name) => gateway.tool('fuzzer', `${name}__any`, {})))).every(({ status }) => status === 200));
  talks = Object.fromEntries(await Promise.all(['is-modern', 'is-legacy'].map(async (name) => [name, await openTalk(gateway, 'fuzzer', `/s/${name}/mcp`)] as const)));
});
afterAll(async () => {
  await agent.close();
  await gateway?.stop('SIGKILL');
  gateway?.clean();
  await raw?.close();
});

type Era = 'modern' | 'legacy';
/** The methods that carry something to a server and bring something back, with what names their aim. */
const METHODS = [
  { method: 'tools/call', aim: '"name" : "any"', name: 'any', body: 'content', piece: '"type":"x-new\\u002fkind"' },
  { method: 'resources/read', aim: '"uri":"raw:\\/\\/thing"', name: 'raw://thing', body: 'contents', piece: '"uri":"raw://thing","text":"t"' },
  { method: 'prompts/get', aim: '"name":"p"', name: 'p', body: 'messages', piece: '"role":"user"' },
  { method: 'completion/complete', aim: '"ref":{"type":"ref/prompt","name":"p"}', name: null, body: 'completion', piece: '"values":[]' },
] as const;
const ENVELOPE = (capabilities: string): string[] => ['"io.modelcontextprotocol/protocolVersion":"2026-07-28"', `"io.modelcontextprotocol/clientCapabilities" :${capabilities}`];

/** Everything that is chosen for one exchange; texts, not values. */
const exchange = fc.record({
  what: fc.constantFrom(...METHODS),
  id: fc.oneof(fc.integer({ min: -5, max: 2 ** 31 }).map(String), fc.constantFrom('"s"', '"é-ü"', '"a\\u0062c"', '9007199254740991')),
  args: fc.tuple(memberTexts, spaces),
  extra: memberTexts,
  meta: memberTexts.map((all) => all.map((member) => member.replace('"x', '"com.example/x'))), // a bare name in `_meta` is kept from servers of another era
  top: memberTexts,
  order, spaces,
  token: fc.option(fc.constantFrom('7', '"t-é"', '"p/1"'), { nil: null }),
  answer: fc.record({
    kind: fc.constantFrom('json', 'json', 'sse', 'sse', 'error'),
    items: fc.array(fc.tuple(memberTexts, spaces), { maxLength: 3 }),
    members: memberTexts, order, spaces, value: valueText, number: numberText, words: stringText,
    /** What precedes the answer on its stream. */
    events: fc.array(fc.record({ comment: fc.option(fc.constantFrom(': keep-alive', ':', ':x: y'), { nil: null }), id: fc.option(fc.constantFrom('id: 1', 'id:é/2', 'id'), { nil: null }), retry: fc.option(fc.constantFrom('retry: 3000', 'retry:1'), { nil: null }), name: fc.constantFrom(null, 'event: message', 'event:message'), colon: fc.constantFrom('data: ', 'data:'), progress: numberText, more: memberTexts }), { maxLength: 3 }),
    end: fc.constantFrom('\n', '\r\n'),
    cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 }),
  }),
});
type Exchange = typeof exchange extends fc.Arbitrary<infer T> ? T : never;

let count = 0;
/** The request's text; `nonce` stands in an unknown member of its params. */
function requestText(x: Exchange, era: Era, nonce: string): string {
  const meta = [...x.meta, ...(x.token === null ? [] : [`"progressToken":${x.token}`]), ...(era === 'modern' ? ENVELOPE('{ "elicitation":{"form" : {}}}') : [])];
  const params = [x.what.aim, `"xnonce":"${nonce}"`, ...x.extra.map((member) => member.replace('"x', '"y')), ...(x.what.method === 'tools/call' ? [`"arguments":${objectOf(x.args[0], x.args[1])}`] : x.what.method === 'completion/complete' ? ['"argument":{"name":"a","value":"b"}'] : []), ...(meta.length === 0 ? [] : [`"_meta":${objectOf(meta, x.spaces)}`])];
  const message = ['"jsonrpc":"2.0"', `"id":${x.id}`, `"method" : "${x.what.method.replace('/', '\\/')}"`, `"params":${objectOf(shuffled(params, x.order), x.spaces)}`, ...x.top];
  return `${x.spaces[0] ?? ''}${objectOf(shuffled(message, x.order), x.spaces)}${x.spaces.at(-1) ?? ''}`;
}
/** One space after the colon is not part of the line (WHATWG HTML, event stream interpretation). */
const dataLines = (text: string, colon: string, end: string): string => text.split('\n').map((line) => `${line.startsWith(' ') ? 'data: ' : colon}${line}${end}`).join('');
/** The answer's message, without what carries it. */
function answerText({ what, answer }: Exchange, era: Era, id: string): string {
  const complete = era === 'modern' ? ['"resultType" : "complete"'] : [];
  const hints = era === 'modern' && what.method === 'resources/read' ? ['"ttlMs":0', '"cacheScope":"private"'] : [];
  const items = answer.items.map(([members, odd]) => objectOf([what.piece, ...members], odd));
  const body = what.body === 'completion' ? `{${what.piece}}` : `[${items.join(' , ')}]`;
  const result = objectOf(shuffled([`"${what.body}":${body}`, ...complete, ...hints, ...answer.members, `"yvalue":${answer.value}`, `"ynumber":${answer.number}`], answer.order), answer.spaces);
  const error = `{"message":${answer.words},"code" : -31999,"data":${answer.value},"ynumber":${answer.number}}`;
  return objectOf(shuffled(['"jsonrpc":"2.0"', `"id":${id}`, answer.kind === 'error' ? `"error":${error}` : `"result":${result}`, '"ytop":[1.0]'], answer.order), answer.spaces);
}
/** The bytes of the server's answer. */
function bodyText(x: Exchange, era: Era, id: string, token: string): string {
  const text = answerText(x, era, id);
  if (x.answer.kind !== 'sse') return `${text}${x.answer.spaces[0] ?? ''}`;
  const { end } = x.answer;
  const block = (event: Exchange['answer']['events'][number], data: string): string =>
    [event.comment, event.id, event.name, event.retry].filter((line) => line !== null).map((line) => `${line}${end}`).join('') + dataLines(data, event.colon, end) + end;
  const before = token === 'undefined' ? [] : x.answer.events;
  const told = before.map((event, n) => block(event, objectOf(['"jsonrpc":"2.0"', '"method":"notifications/progress"', `"params":${objectOf([`"progressToken":${token}`, `"progress":${n + 1}`, `"yextra":${event.progress}`, ...event.more], x.answer.spaces)}`], x.answer.spaces)));
  return told.join('') + block(x.answer.events[0] ?? { comment: null, id: null, retry: null, name: 'event: message', colon: 'data: ', progress: '0', more: [] }, text);
}

async function post(server: string, client: Era, x: Exchange, text: string): Promise<{ readonly status: number; readonly type: string; readonly body: Buffer }> {
  const talk = talks[server] as Talk;
  const modern = { 'x-api-key': gateway.keys['fuzzer'] as string, 'mcp-protocol-version': '2026-07-28', 'mcp-method': x.what.method, ...(x.what.name === null ? {} : { 'mcp-name': x.what.name }) };
  const answer = await request(`${gateway.url}/s/${server}/mcp`, {
    method: 'POST', body: text, dispatcher: agent,
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...(client === 'modern' ? modern : talk.headers) },
  });
  return { status: answer.statusCode, type: String(answer.headers['content-type']), body: Buffer.from(await answer.body.arrayBuffer()) };
}
const run = (server: string, client: Era, runs: number, check: (x: Exchange, nonce: string, sent: string, got: { readonly type: string; readonly body: string }) => void): Promise<void> => {
  const era: Era = server === 'is-modern' ? 'modern' : 'legacy';
  return fc.assert(fc.asyncProperty(exchange, async (x) => {
    const nonce = `nonce-${++count}-`;
    const sent = requestText(x, client, nonce);
    raw.plan(nonce, { contentType: x.answer.kind === 'sse' ? 'text/event-stream' : 'application/json', body: (id, token) => bodyText(x, era, client === era ? x.id : id, client === era ? (x.token ?? 'undefined') : token), cuts: x.answer.cuts });
    const { body, type } = await post(server, client, x, sent);
    check(x, nonce, sent, { type, body: body.toString() });
  }), { seed: SEED, numRuns: Math.ceil(runs) });
};

describe('same era: bytes', () => {
  it.each([['is-modern', 'modern'], ['is-legacy', 'legacy']] as const)('%s', (server, era) => run(server, era, RUNS / 2, (x, nonce, sent, got) => {
    expect(raw.got(nonce)?.toString(), 'what the server got').toBe(sent);
    expect(got.body, 'what the client got').toBe(bodyText(x, era, x.id, x.token ?? 'undefined'));
    expect(got.type).toContain(x.answer.kind === 'sse' ? 'text/event-stream' : 'application/json');
  }), 600_000);
});

describe('between eras: every member keeps its text', () => {
  it.each([['is-legacy', 'modern'], ['is-modern', 'legacy']] as const)('%s, client %s', (server, client) => run(server, client, RUNS / 10, (x, nonce, _sent, got) => {
    const arrived = raw.got(nonce)?.toString() ?? `nothing arrived; the client was told ${got.body}`;
    const args = x.what.method === 'tools/call' ? [objectOf(x.args[0], x.args[1])] : [];
    expect(arrived.includes('io.modelcontextprotocol/protocolVersion'), 'it was carried to the other era').toBe(client === 'legacy');
    for (const member of [...x.extra.map((one) => one.replace('"x', '"y')), ...x.meta, ...args]) expect(arrived, 'what the server got').toContain(member);
    const wanted = x.answer.kind === 'error'
      ? [x.answer.words, `"data":${x.answer.value}`, `"ynumber":${x.answer.number}`]
      : [...x.answer.members, `"yvalue":${x.answer.value}`, `"ynumber":${x.answer.number}`, ...x.answer.items.flatMap(([members]) => (x.what.body === 'completion' ? [] : members))];
    // On a stream the newlines of a message stand between its `data:` lines.
    const said = got.type.includes('event-stream') ? got.body.replaceAll(/\r?\n\r?\n/g, '\u0000').replaceAll(/\r?\ndata: ?/g, '\n') : got.body;
    for (const member of wanted) expect(said, 'what the client got').toContain(member);
    if (x.token !== null && x.answer.kind === 'sse') for (const event of x.answer.events) for (const member of [...event.more, `"yextra":${event.progress}`]) expect(said, 'progress').toContain(member);
  }), 600_000);
});
