import type { Answer, Journaled } from '../../call/call.ts';
import { eventBlock } from '../../lib/sse.ts';
import { bare, isObject, worded } from '../answer.ts';
import { SELF } from '../envelope.ts';
import { go, type Done, type Room } from '../room.ts';
import { HELLO, LEGACY_TOOLS_CHANGED, modernToolsChanged, subscriptionMeta } from '../streams.ts';

/** A legacy GET where no server is asked: open until somebody closes it, for `notifications/tools/list_changed`. */
export const stream = (call: Journaled, room: Room): Promise<Done> => hold(call, room, HELLO, LEGACY_TOOLS_CHANGED, () => bare(200, call.session, 'done'));

/** A modern `subscriptions/listen` where no server is asked: acknowledges what the gateway can tell, which is that tools changed. */
export function listen(call: Journaled, room: Room): Done | Promise<Done> {
  const { rpcId, params } = call.message;
  const wanted = params['notifications'];
  if (!isObject(wanted)) {
    const error = { code: -32602, message: 'Invalid params: `notifications` says what to listen for.' };
    return go(worded(rpcId, 400, 'error', JSON.stringify(error), error, null, 'none'));
  }
  const isWanted = wanted['toolsListChanged'] === true;
  const ack = eventBlock(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":${isWanted ? '{"toolsListChanged":true}' : '{}'},${subscriptionMeta(rpcId)}}}`);
  if (isWanted) return hold(call, room, ack, modernToolsChanged(rpcId), () => farewell(call));
  call.side.event(ack); // nothing will ever come: say so and end (MCP 2026-07-28 subscriptions)
  return go(farewell(call));
}

function farewell(call: Journaled): Answer {
  const result = { resultType: 'complete', _meta: { 'io.modelcontextprotocol/subscriptionId': call.message.rpcId, 'io.modelcontextprotocol/serverInfo': { ...SELF } } };
  const text = JSON.stringify(result);
  const answer = worded(call.message.rpcId, 200, 'result', text, result, null, 'done');
  return { ...answer, event: eventBlock(answer.bytes) };
}

function hold(call: Journaled, room: Room, first: Buffer, toolsChanged: Buffer, last: () => Answer): Promise<Done> {
  return new Promise((resolve) => {
    let forget: (() => void) | null = null;
    let isOver = false;
    const close = (): void => {
      if (isOver) return;
      isOver = true;
      forget?.();
      call.signal.removeEventListener('abort', close);
      resolve(go(last()));
    };
    call.signal.addEventListener('abort', close);
    if (call.signal.aborted || !call.side.event(first)) return close();
    forget = room.streams.add({ call, send: (block) => call.side.event(block), close, toolsChanged });
  });
}
