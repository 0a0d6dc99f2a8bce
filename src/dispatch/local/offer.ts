import type { Era, Journaled } from '../../call/call.ts';
import type { Json, JsonObject } from '../../call/json.ts';
import { eventBlock } from '../../lib/sse.ts';
import { CAPABILITIES, INSTRUCTIONS } from '../aggregate/offer.ts';
import { isObject, parseObject } from '../answer.ts';
import { SELF } from '../envelope.ts';
import type { Room } from '../room.ts';
import { LIST_KINDS, type ListKind } from '../streams.ts';
import type { Upstream, UpstreamInfo } from '../upstream.ts';

/** What an endpoint says of itself in `initialize` and `server/discover`. */
export interface Offer {
  readonly capabilities: JsonObject;
  readonly serverInfo: JsonObject;
  readonly instructions: string | null;
}

/** Tasks bind their ids to one wire format and one lane (PROTOCOL 1.7): outside the mirror lane they are not carried. */
const TASKS = 'io.modelcontextprotocol/tasks';

/** What the servers behind this endpoint can do and the gateway can carry; `tools` always, because the list is the gateway's own. */
export function offerOf(call: Journaled, upstreams: ReadonlyMap<string, Upstream>, room: Room): Offer {
  if (call.server === null) return { capabilities: CAPABILITIES, serverInfo: { ...SELF }, instructions: INSTRUCTIONS };
  const upstream = upstreams.get(call.server);
  const info = upstream?.info() ?? null;
  if (upstream === undefined || info === null) return { capabilities: { tools: { listChanged: true } }, serverInfo: { ...SELF }, instructions: null };
  return { capabilities: capabilitiesOf(info.capabilities, upstream.era(), call.era), ...screened(info, call, room) };
}

/** The lists of whose changes the gateway hears at this endpoint: its own list of tools, others where a server says that it tells. */
export function kindsOf(call: Journaled, upstreams: ReadonlyMap<string, Upstream>): readonly ListKind[] {
  if (call.server === null) return LIST_KINDS; // as it offers: servers come and go
  const upstream = upstreams.get(call.server);
  return LIST_KINDS.filter((kind) => kind === 'tools' || tells(upstream, kind));
}
/** Does this server say that it tells when the list changes? */
export const tells = (upstream: Upstream | undefined, kind: ListKind): boolean => flag(capabilitiesAt(upstream)[kind], 'listChanged');
/** Does it have such a list at all? */
export const lists = (upstream: Upstream, kind: ListKind): boolean => capabilitiesAt(upstream)[kind] !== undefined;

const capabilitiesAt = (upstream: Upstream | undefined): JsonObject => upstream?.info()?.capabilities ?? {};
const flag = (capability: Json | undefined, name: string): boolean => isObject(capability) && capability[name] === true;
/** Only what is true is said: an absent member is how these protocols say no. */
const flags = (of: Record<string, boolean>): JsonObject => Object.fromEntries(Object.entries(of).filter(([, isTrue]) => isTrue));

function capabilitiesOf(has: JsonObject, from: Era | null, to: Era): JsonObject {
  const sameEra = from === to;
  // In the same era members that the gateway does not know are left as they are; across eras nobody knows what they would mean.
  const kept = (name: string): JsonObject => (sameEra && isObject(has[name]) ? has[name] : {});
  return {
    tools: { ...kept('tools'), listChanged: true },
    ...(has['prompts'] === undefined ? {} : { prompts: { ...kept('prompts'), ...flags({ listChanged: flag(has['prompts'], 'listChanged') }) } }),
    ...(has['resources'] === undefined ? {} : { resources: { ...kept('resources'), ...flags({ subscribe: flag(has['resources'], 'subscribe'), listChanged: flag(has['resources'], 'listChanged') }) } }),
    ...(has['completions'] === undefined ? {} : { completions: kept('completions') }),
    ...(has['logging'] === undefined ? {} : { logging: kept('logging') }),
    ...(sameEra && isObject(has['experimental']) ? { experimental: has['experimental'] } : {}),
    ...(sameEra && isObject(has['extensions']) ? { extensions: Object.fromEntries(Object.entries(has['extensions']).filter(([id]) => id !== TASKS)) } : {}),
  };
}

/**
 * `instructions` go into the model's prompt word for word, and a server may write what it likes there (tool poisoning, PROTOCOL 5.14). The
 * inspection of handshakes looks at their size alone, so what a server says of itself is judged here as any of its events is.
 */
function screened(info: UpstreamInfo, call: Journaled, room: Room): Pick<Offer, 'serverInfo' | 'instructions'> {
  const said = { serverInfo: typeof info.serverInfo['name'] === 'string' ? info.serverInfo : { ...SELF }, instructions: info.instructions };
  const block = eventBlock(JSON.stringify(said));
  const judged = room.deps.screen(block, call);
  if (judged === block) return said;
  const text = judged === null ? null : /^data: (.*)$/m.exec(judged.toString('utf8'))?.[1];
  const value = text == null ? null : parseObject(text);
  const { serverInfo, instructions } = value ?? {};
  return { serverInfo: isObject(serverInfo) ? serverInfo : { ...SELF }, instructions: typeof instructions === 'string' ? instructions : null };
}
