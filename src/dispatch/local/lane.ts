import type { Journaled } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import { LOG_LEVELS } from '../../call/session.ts';
import { eventBlock } from '../../lib/sse.ts';
import { bare, worded } from '../answer.ts';
import { LEGACY, LEGACY_VERSIONS, MODERN, OLDEST } from '../envelope.ts';
import { kindsOf, offerOf } from './offer.ts';
import { openSession } from '../open-session.ts';
import { go, stop, type Done, type Room } from '../room.ts';
import { answer, error } from './say.ts';
import { listen, stream } from './stream.ts';
import { createSubscriptions } from './subscribe.ts';
import { createToolList } from './tool-list.ts';
import type { Upstream } from '../upstream.ts';
import { createWatching } from './watching.ts';

/** Methods that one era has and the other has not (MCP 2026-07-28, changes): absent there, not answered out of courtesy. */
const LEGACY_ONLY: ReadonlySet<string> = new Set(['initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe']);
const MODERN_ONLY: ReadonlySet<string> = new Set(['server/discover', 'subscriptions/listen']);

/** The local lane: the gateway answers. */
export function createLocal(upstreams: ReadonlyMap<string, Upstream>, room: Room, lists: (call: Journaled) => Promise<Done>): (call: Journaled) => Done | Promise<Done> {
  const toolList = createToolList(room.deps, upstreams);
  const watching = createWatching(upstreams, room);
  const subscriptions = createSubscriptions(room, watching);

  return (call) => {
    const { kind, method } = call.message;
    if (kind === 'stream') return stream(call, room);
    if (kind === 'end') return end(call, room);
    if (kind === 'poll') return approvalState(call, room);
    if (kind !== 'request') return hear(call, room);
    if ((call.era === 'modern' ? LEGACY_ONLY : MODERN_ONLY).has(method)) return missing(call);
    switch (method) {
      case 'tools/list': return tools(call, toolList);
      case 'ping': return answer(call, {});
      case 'logging/setLevel': return setLevel(call);
      case 'initialize': return initialize(call, room, upstreams);
      case 'server/discover': return answer(call, discovered(call, room, upstreams));
      case 'subscriptions/listen': return listen(call, room, kindsOf(call, upstreams), watching);
      case 'resources/subscribe': return subscriptions.subscribe(call);
      case 'resources/unsubscribe': return subscriptions.unsubscribe(call);
      case 'prompts/list': case 'resources/list': case 'resources/templates/list': return lists(call);
      default: return missing(call);
    }
  };
}

const missing = (call: Journaled): Done => error(call, call.era === 'modern' ? 404 : 200, -32601, 'Method not found');

function tools(call: Journaled, toolList: ReturnType<typeof createToolList>): Done {
  // The list is one page, so no cursor was ever given out (MCP pagination: unknown cursors are invalid params).
  if (call.message.params['cursor'] !== undefined && call.message.params['cursor'] !== null) return error(call, 200, -32602, 'Unknown cursor.');
  const list = toolList(call);
  const listed = worded(call.message.rpcId, 200, 'result', list.text, list.value, call.session, 'done');
  return go(call.session?.streamed === true ? { ...listed, event: eventBlock(listed.bytes) } : listed);
}

/** Which log messages the session wants; the lanes that carry them ask the session. */
function setLevel(call: Journaled): Done {
  const level = LOG_LEVELS.find((known) => known === call.message.params['level']);
  if (level === undefined) return error(call, 200, -32602, 'Invalid params: `level` is not a log level.');
  if (call.session !== null) call.session.logLevel = level;
  return answer(call, {});
}

function initialize(call: Journaled, room: Room, upstreams: ReadonlyMap<string, Upstream>): Done {
  const { deps } = room;
  const isChannel = call.session?.kind === 'channel';
  const wanted = call.message.params['protocolVersion'];
  const version = typeof wanted === 'string' && LEGACY_VERSIONS.includes(wanted) ? wanted : isChannel ? OLDEST : LEGACY;
  const session = openSession(call, version, null, deps.clock.now());
  if (!isChannel) deps.sessions.admit(session); // a channel is there from the moment its stream is open
  const { capabilities, serverInfo, instructions } = offerOf(call, upstreams, room);
  const value: JsonObject = { protocolVersion: version, capabilities, serverInfo, ...(instructions === null ? {} : { instructions }) };
  return go(worded(call.message.rpcId, 200, 'result', JSON.stringify(value), value, session, 'done'));
}

function discovered(call: Journaled, room: Room, upstreams: ReadonlyMap<string, Upstream>): JsonObject {
  const { capabilities, serverInfo, instructions } = offerOf(call, upstreams, room);
  return {
    resultType: 'complete', supportedVersions: [MODERN], capabilities, ...(instructions === null ? {} : { instructions }), ttlMs: 0, cacheScope: 'private',
    _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo },
  };
}

/**
 * Notifications are heard and stay here: progress answers questions that are asked elsewhere, and a changed list of roots belongs to
 * sessions the gateway itself has opened. Responses are taken from the session that was asked, once.
 */
function hear(call: Journaled, room: Room): Done {
  if (call.message.kind === 'response' && (call.session === null || !room.questions.answered(call.session, call.message))) {
    room.deps.log('dropped a response that nobody asked for', { correlation_id: call.id });
  }
  const id = call.message.params['requestId'];
  if (call.message.method === 'notifications/cancelled' && call.session !== null && (typeof id === 'string' || typeof id === 'number')) room.inFlight.cancel(call.session, id);
  return go(bare(202, call.session, 'done'));
}

/** State only, and only to the requester: another's request looks like one that does not exist (CWE-639, CWE-203). */
async function approvalState(call: Journaled, room: Room): Promise<Done> {
  const { id } = call.message.params;
  const state = typeof id === 'string' ? ((await room.deps.approvalOf?.(call.principal, id)) ?? null) : null;
  return state === null ? stop({ code: 'approve.unknown', effect: 'none' }) : go(worded(call.message.rpcId, 200, 'result', JSON.stringify(state), state, null, 'done'));
}

function end(call: Journaled, room: Room): Done {
  if (call.session === null) return stop({ code: 'dispatch.session', effect: 'none' });
  room.deps.sessions.end(call.session.id);
  return go(bare(200, call.session, 'done'));
}
