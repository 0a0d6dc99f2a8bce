import type { Answer, Journaled } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import { eventBlock } from '../../lib/sse.ts';
import { bare, isObject, worded } from '../answer.ts';
import { SELF } from '../envelope.ts';
import { go, type Done, type Room } from '../room.ts';
import { LEGACY_CHANGES, type ListKind, modernChanges, type OpenStream, SUBSCRIPTION_ID, subscriptionMeta, type Wanted } from '../streams.ts';
import { closing, opening } from './channel.ts';
import { error } from './say.ts';
import { MAX_WATCHED, type Watching } from './watching.ts';
import type { Watched } from './updated.ts';

/** A legacy GET where no server is asked: open until somebody closes it, for what the gateway has to tell this session. */
export const stream = (call: Journaled, room: Room): Promise<Done> => new Promise((resolve) => {
  hold(call, room, opening(call, room), LEGACY_CHANGES, () => {
    closing(call, room);
    resolve(go(bare(200, call.session, 'done')));
  });
});

/** So many subscriptions of one stream are begun at a time: one request must not become a hundred at once. */
const AT_A_TIME = 8;
/** After so long no further one is begun, ms: the client waits for its acknowledgement. */
const BEGIN_MS = 30_000;

/**
 * A modern `subscriptions/listen` where no server is asked. Acknowledges exactly what will be told: `kinds` are the lists of which the
 * gateway hears at this endpoint; a resource, if the caller might subscribe to it and its server accepts.
 */
export function listen(call: Journaled, room: Room, kinds: readonly ListKind[], watching: Watching): Done | Promise<Done> {
  const wanted = call.message.params['notifications'];
  if (!isObject(wanted)) return error(call, 400, -32602, 'Invalid params: `notifications` says what to listen for.');
  const honoured = kinds.filter((kind) => wanted[`${kind}ListChanged`] === true);
  const uris = wanted['resourceSubscriptions'];
  const asked = Array.isArray(uris) ? [...new Set(uris.filter((uri) => typeof uri === 'string'))].slice(0, MAX_WATCHED) : [];
  const watched = asked.map((uri) => watching.find(call, uri)).filter((found) => found !== null);
  if (watched.length > 0) return watchAll(call, room, honoured, watching, watched);
  const ack = acknowledge(call, honoured, null);
  if (honoured.length > 0) return new Promise((resolve) => void hold(call, room, ack, modernChanges(honoured, call.message.rpcId), () => resolve(go(farewell(call)))));
  call.side.event(ack); // nothing will ever come: say so and end (MCP 2026-07-28 subscriptions)
  return go(farewell(call));
}

/** The acknowledgement comes first and names what the servers accepted; what they tell before it goes out after it. */
async function watchAll(call: Journaled, room: Room, lists: readonly ListKind[], watching: Watching, wanted: readonly Watched[]): Promise<Done> {
  const early = new Map<string, Buffer>();
  let open: OpenStream | null = null;
  const tell = (uri: string, block: Buffer): void => {
    if (open !== null) room.streams.tell(open, `resource ${uri}`, block);
    else if (early.size < MAX_WATCHED || early.has(uri)) early.set(uri, block);
  };
  const stops: (() => void)[] = [];
  const accepted = new Set<Watched>();
  const until = room.deps.clock.monotonic() + BEGIN_MS;
  const queue = wanted.values(); // shared: each worker takes the next
  const work = async (): Promise<void> => {
    for (const watched of queue) {
      if (call.signal.aborted || room.deps.clock.monotonic() > until) return;
      const stop = await watching.open(watched, tell).catch(() => null); // refused: left out of the acknowledgement
      if (stop === null) continue;
      stops.push(stop);
      accepted.add(watched);
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_A_TIME }, work));
    const ack = acknowledge(call, lists, wanted.filter((watched) => accepted.has(watched)).map((watched) => watched.shown));
    if (lists.length === 0 && accepted.size === 0) {
      call.side.event(ack);
      return go(farewell(call));
    }
    return await new Promise((resolve) => {
      open = hold(call, room, ack, modernChanges(lists, call.message.rpcId), () => resolve(go(farewell(call))));
      for (const [uri, block] of early) tell(uri, block);
    });
  } finally {
    for (const stop of stops) stop();
  }
}

function acknowledge(call: Journaled, lists: readonly ListKind[], uris: readonly string[] | null): Buffer {
  const notifications: JsonObject = { ...Object.fromEntries(lists.map((kind) => [`${kind}ListChanged`, true])), ...(uris === null ? {} : { resourceSubscriptions: uris }) };
  return eventBlock(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":${JSON.stringify(notifications)},"_meta":{${subscriptionMeta(call.message.rpcId)}}}}`);
}

function farewell(call: Journaled): Answer {
  const result = { resultType: 'complete', _meta: { [SUBSCRIPTION_ID]: call.message.rpcId, 'io.modelcontextprotocol/serverInfo': { ...SELF } } };
  const answer = worded(call.message.rpcId, 200, 'result', JSON.stringify(result), result, null, 'done');
  return { ...answer, event: eventBlock(answer.bytes) };
}

/** Opens the stream and keeps it until either side closes it; `onOver` is called once, perhaps before this returns. */
function hold(call: Journaled, room: Room, first: Buffer, wanted: Wanted, onOver: () => void): OpenStream {
  let forget: (() => void) | null = null;
  let isOver = false;
  const close = (): void => {
    if (isOver) return;
    isOver = true;
    forget?.();
    call.signal.removeEventListener('abort', close);
    onOver();
  };
  const opened: OpenStream = { call, send: (block) => call.side.event(block), close, wanted };
  call.signal.addEventListener('abort', close);
  if (call.signal.aborted || !call.side.event(first)) {
    close();
    return opened;
  }
  forget = room.streams.add(opened);
  return opened;
}
