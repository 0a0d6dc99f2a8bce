import { afterEach, expect } from 'vitest';
import type { Journaled } from '../../src/call/call.ts';
import { isObject, type JsonObject } from '../../src/call/json.ts';
import type { Session } from '../../src/call/session.ts';
import type { Done } from '../../src/dispatch/room.ts';
import { answerOf, made, rig, session, tool, until, type CallOptions, type MadeCall, type Rig } from './dispatch-rig.ts';

/** For tests of what servers ask: the room connected to one server `s`, and calls of clients that can be asked. */
const open: (() => Promise<void>)[] = [];
export const closing = (close: () => Promise<void>): void => void open.push(close);
export const closeAll = (): void => {
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });
};

/** Everything a client could declare. */
export const ALL = '{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{"listChanged":true}}';
export const EVERY_CAPABILITY = { client_capabilities: ['elicitation', 'sampling', 'roots'] };

export async function connected(url: string, server: object = EVERY_CAPABILITY, config: object = {}, deps: object = {}): Promise<Rig> {
  const r = rig({ s: { url, ...server } }, { config, deps });
  closing(r.close);
  r.dispatch.start();
  await until(() => r.dispatch.health()['s']?.ok === true);
  return r;
}

export interface Asked extends CallOptions {
  readonly args?: string;
  /** JSON text of `inputResponses`. */
  readonly responses?: string;
  readonly state?: string;
  /** JSON text of what is declared. */
  readonly declares?: string;
  /** More members of `_meta`, `"a":1`. */
  readonly meta?: string;
  readonly id?: string | number;
  readonly definition?: object;
}

/** A modern client's `tools/call`. */
export function modernCall(name: string, more: Asked = {}): MadeCall {
  const given = [
    `"name":${JSON.stringify(name)}`, `"arguments":${more.args ?? '{}'}`,
    ...(more.responses === undefined ? [] : [`"inputResponses":${more.responses}`]),
    ...(more.state === undefined ? [] : [`"requestState":${JSON.stringify(more.state)}`]),
    `"_meta":{"io.modelcontextprotocol/clientCapabilities":${more.declares ?? ALL}${more.meta === undefined ? '' : `,${more.meta}`}}`,
  ];
  return made(`{"jsonrpc":"2.0","id":${JSON.stringify(more.id ?? 1)},"method":"tools/call","params":{${given.join(',')}}}`, { era: 'modern', lane: 'own', tool: tool('s', name, more.definition), ...more });
}

/** A legacy client's, in a session that declared `declares`. */
export function legacyCall(name: string, more: Asked = {}): MadeCall & { readonly session: Session } {
  const of = more.session ?? session(null, { declared: JSON.parse(more.declares ?? ALL) as JsonObject });
  const meta = more.meta === undefined ? '' : `,"_meta":{${more.meta}}`;
  return { ...made(`{"jsonrpc":"2.0","id":${JSON.stringify(more.id ?? 1)},"method":"tools/call","params":{"name":${JSON.stringify(name)},"arguments":${more.args ?? '{}'}${meta}}}`, { lane: 'own', tool: tool('s', name, more.definition), ...more, session: of }), session: of };
}

export const run = async (r: Rig, call: Journaled): Promise<Done> => r.dispatch.stage.run(call);
/** The text of a tool's result. */
export const textOf = (done: Done): string => {
  const result = answerOf(done).message?.['result'];
  const content = isObject(result) && Array.isArray(result['content']) ? (result['content'] as readonly JsonObject[]) : [];
  return String(content[0]?.['text']);
};

export interface Required {
  readonly keys: readonly string[];
  readonly requests: Readonly<Record<string, { readonly method: string; readonly params: JsonObject }>>;
  readonly state: string;
}
/** An answer that asks. */
export function requiredOf(done: Done): Required {
  const { message } = answerOf(done);
  const result = message?.['result'] as { resultType: string; inputRequests?: Required['requests']; requestState?: string };
  expect(result.resultType).toBe('input_required');
  expect(JSON.parse(answerOf(done).bytes.toString())).toEqual(message);
  return { keys: Object.keys(result.inputRequests ?? {}), requests: result.inputRequests ?? {}, state: result.requestState ?? '' };
}

/** The requests that came on the call's stream, oldest first. */
export const askedOf = (call: MadeCall): { readonly id: string; readonly method: string; readonly params: JsonObject }[] =>
  call.events.map((block) => JSON.parse(block.split('data: ')[1] ?? '{}') as { id: string; method: string; params: JsonObject }).filter((message) => message.id !== undefined && message.method !== undefined);
export const toldOf = (call: MadeCall): string[] => call.events.map((block) => (JSON.parse(block.split('data: ')[1] ?? '{}') as { method: string }).method);

/** The client's response to a question, posted in a session. */
export const respond = (r: Rig, of: Session, id: string, member: string): Promise<Done> => run(r, made(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},${member}}`, { lane: 'local', session: of }).call);
