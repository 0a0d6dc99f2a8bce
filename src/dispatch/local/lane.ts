import type { Journaled } from '../../call/call.ts';
import type { Json, JsonObject } from '../../call/json.ts';
import { eventBlock } from '../../lib/sse.ts';
import { bare, worded } from '../answer.ts';
import { LEGACY, LEGACY_VERSIONS, MODERN, SELF } from '../envelope.ts';
import { listen, stream } from './stream.ts';
import { openSession } from '../open-session.ts';
import { go, stop, type Done, type Room } from '../room.ts';
import { createToolList } from './tool-list.ts';
import type { Upstream } from '../upstream.ts';

/** What the own lane carries to a server and so may be declared in its name. `logging` and `tasks` are not: their messages have no way back. */
const CARRIED = ['prompts', 'resources', 'completions'] as const;

/** The local lane: the gateway answers. */
export function createLocal(upstreams: ReadonlyMap<string, Upstream>, room: Room): (call: Journaled) => Done | Promise<Done> {
  const toolList = createToolList(room.deps);
  const infoOf = (call: Journaled): ReturnType<Upstream['info']> => (call.server === null ? null : (upstreams.get(call.server)?.info() ?? null));

  return (call) => {
    const { kind, method } = call.message;
    if (kind === 'stream') return stream(call, room);
    if (kind === 'end') return end(call, room);
    if (kind !== 'request') return hear(call, room);
    switch (method) {
      case 'tools/list': return tools(call, toolList);
      case 'ping':
      case 'logging/setLevel': return answer(call, call.era === 'modern' ? { resultType: 'complete' } : {});
      case 'initialize': return initialize(call, room, infoOf(call));
      case 'server/discover': return answer(call, discovered(infoOf(call)));
      case 'subscriptions/listen': return listen(call, room);
      case 'prompts/list': return answer(call, emptyList(call, 'prompts'));
      case 'resources/list': return answer(call, emptyList(call, 'resources'));
      case 'resources/templates/list': return answer(call, emptyList(call, 'resourceTemplates'));
      default: return error(call, call.era === 'modern' ? 404 : 200, -32601, 'Method not found');
    }
  };
}

const answer = (call: Journaled, value: JsonObject): Done => go(worded(call.message.rpcId, 200, 'result', JSON.stringify(value), value, call.session, 'done'));
function error(call: Journaled, status: number, code: number, message: string): Done {
  const value = { code, message };
  return go(worded(call.message.rpcId, status, 'error', JSON.stringify(value), value, call.session, 'none'));
}

function tools(call: Journaled, toolList: ReturnType<typeof createToolList>): Done {
  // The list is one page, so no cursor was ever given out (MCP pagination: unknown cursors are invalid params).
  if (call.message.params['cursor'] !== undefined && call.message.params['cursor'] !== null) return error(call, 200, -32602, 'Unknown cursor.');
  const list = toolList(call);
  const listed = worded(call.message.rpcId, 200, 'result', list.text, list.value, call.session, 'done');
  return go(call.session?.streamed === true ? { ...listed, event: eventBlock(listed.bytes) } : listed);
}

const emptyList = (call: Journaled, member: string): JsonObject => ({ [member]: [], ...(call.era === 'modern' ? { resultType: 'complete', ttlMs: 0, cacheScope: 'private' } : {}) });

function initialize(call: Journaled, room: Room, info: ReturnType<Upstream['info']>): Done {
  const { deps } = room;
  const wanted = call.message.params['protocolVersion'];
  const version = typeof wanted === 'string' && LEGACY_VERSIONS.includes(wanted) ? wanted : LEGACY;
  const session = openSession(call, version, null, deps.clock.now());
  deps.sessions.admit(session);
  const value: JsonObject = { protocolVersion: version, capabilities: capabilitiesOf(info), serverInfo: serverInfoOf(info), ...instructionsOf(info) };
  return go(worded(call.message.rpcId, 200, 'result', JSON.stringify(value), value, session, 'done'));
}

const discovered = (info: ReturnType<Upstream['info']>): JsonObject => ({
  resultType: 'complete', supportedVersions: [MODERN], capabilities: capabilitiesOf(info), ...instructionsOf(info), ttlMs: 0, cacheScope: 'private',
  _meta: { 'io.modelcontextprotocol/serverInfo': serverInfoOf(info) },
});

/** What the server can do and the gateway can carry; `tools` always, because the list is the gateway's own. */
function capabilitiesOf(info: ReturnType<Upstream['info']>): JsonObject {
  const carried: [string, Json][] = info === null ? [] : CARRIED.filter((name) => info.capabilities[name] !== undefined).map((name) => [name, {}]);
  return { tools: { listChanged: true }, ...Object.fromEntries(carried) };
}
const serverInfoOf = (info: ReturnType<Upstream['info']>): JsonObject => (info === null || typeof info.serverInfo['name'] !== 'string' ? { ...SELF } : info.serverInfo);
const instructionsOf = (info: ReturnType<Upstream['info']>): JsonObject => (info?.instructions == null ? {} : { instructions: info.instructions });

/** Notifications are heard; responses answer a question that was never asked here. */
function hear(call: Journaled, room: Room): Done {
  const id = call.message.params['requestId'];
  if (call.message.method === 'notifications/cancelled' && call.session !== null && (typeof id === 'string' || typeof id === 'number')) room.inFlight.cancel(call.session, id);
  return go(bare(202, call.session, 'done'));
}

function end(call: Journaled, room: Room): Done {
  if (call.session === null) return stop({ code: 'dispatch.session', effect: 'none' });
  room.deps.sessions.end(call.session.id);
  return go(bare(200, call.session, 'done'));
}
