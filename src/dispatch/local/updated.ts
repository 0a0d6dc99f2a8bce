import type { Journaled } from '../../call/call.ts';
import { cutAt, splice, withFirst, without } from '../../lib/json-spans.ts';
import { eventBlock } from '../../lib/sse.ts';
import { isObject, parseObject } from '../answer.ts';
import type { Room } from '../room.ts';
import { SUBSCRIPTION_ID, subscriptionMeta } from '../streams.ts';

/** One resource that a client watches. */
export interface Watched {
  /** What the client did to watch it; only its target and its rights count. */
  readonly call: Journaled;
  readonly server: string;
  /** As the server knows it. */
  readonly uri: string;
  /** As the client wrote it. */
  readonly shown: string;
  /** What the client calls another resource of that server. */
  readonly show: (uri: string) => string;
}

/**
 * The event that tells a client what its server said in `notifications/resources/updated`, and the client's name for the resource.
 * null: not for this client, or nothing that every parser reads alike. The server's words stay but for the URI, which is the client's
 * own, and the subscription id: whatever the server wrote there would belong to the gateway's own subscription or to somebody else's.
 */
export function updatedBlock(watched: Watched, paramsText: string, room: Room): { readonly block: Buffer; readonly uri: string } | null {
  const params = parseObject(paramsText);
  const cut = params === null ? null : cutAt(paramsText, ['uri']);
  const uri = params?.['uri'];
  if (params === null || cut === null || typeof uri !== 'string') return null;
  const { call } = watched;
  // A server may name a part of what is watched (MCP resources, "sub-resource"); a part may be forbidden where the whole is not.
  if (uri !== watched.uri && !room.deps.mayUse(call.principal, watched.server, 'resources/subscribe', uri)) return null;
  const shown = uri === watched.uri ? watched.shown : watched.show(uri);
  const text = withMeta(splice(paramsText, cut, JSON.stringify(shown)), params['_meta'], call);
  const block = room.deps.screen(eventBlock(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":${text}}`), call);
  return block === null ? null : { block, uri: shown };
}

function withMeta(text: string, meta: unknown, call: Journaled): string {
  const stamp = call.era === 'modern' ? subscriptionMeta(call.message.rpcId) : null;
  const cut = cutAt(text, ['_meta']);
  if (cut === null || !isObject(meta as never)) return stamp === null ? without(text, ['_meta']) : withFirst(without(text, ['_meta']), `"_meta":{${stamp}}`);
  const kept = without(text.slice(cut.start, cut.end), [SUBSCRIPTION_ID]);
  if (stamp !== null) return splice(text, cut, withFirst(kept, stamp));
  return kept === '{}' ? without(text, ['_meta']) : splice(text, cut, kept);
}
