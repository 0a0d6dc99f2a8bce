import type { Journaled } from '../../call/call.ts';
import { isObject } from '../../call/json.ts';
import type { Refusal } from '../../call/refusal.ts';
import { cutAt, type Member, membersOf, splice } from '../../lib/json-spans.ts';
import type { Room } from '../room.ts';
import type { Trip } from './trip.ts';

/** What goes to the server, or, with a ticket, what belongs to a call that is there already. */
export interface Outgoing {
  /** JSON text of the params, without the envelope. */
  readonly text: string;
  /** The gateway's own state, opened. */
  readonly ticket: string | null;
}

/**
 * Of `_meta` the server gets what has a prefix and so a meaning that others know (MCP base protocol, `_meta`), and the trace context.
 * A bare `token` or `authorization` is some client's own habit, and what it carries is likely meant for the gateway (a token that
 * was copied into `_meta` reached every server behind Lunar).
 */
const BARE: ReadonlySet<string> = new Set(['traceparent', 'tracestate', 'baggage']);
/** What in `_meta` is between the client and the gateway. */
const OURS: ReadonlySet<string> = new Set([
  'io.modelcontextprotocol/protocolVersion', 'io.modelcontextprotocol/clientInfo', 'io.modelcontextprotocol/clientCapabilities', 'io.modelcontextprotocol/logLevel',
]);
const NAMED_BY: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'], ['prompts/get', 'name'], ['resources/read', 'uri'], ['resources/subscribe', 'uri'], ['resources/unsubscribe', 'uri'],
]);
const LISTS: ReadonlySet<string> = new Set(['prompts/list', 'resources/list', 'resources/templates/list']);
const UNKNOWN: Refusal = { code: 'dispatch.state', effect: 'none' };
const LEAVE = '';

/**
 * The client's params as its server gets them: the judged arguments letter for letter, the server's own names for what is named, nothing
 * that is between client and gateway; whatever else the client wrote keeps its bytes. A refusal when a state or cursor is not ours to it.
 */
export function paramsOf(trip: Trip, room: Pick<Room, 'sealed'>): Outgoing | Refusal {
  const { call } = trip;
  if (call.door === 'rest') return { text: `{"name":${JSON.stringify(call.target.name)},"arguments":${call.input.text}}`, ticket: null };
  const { text } = call.message;
  const params = cutAt(text, ['params']);
  const kept: string[] = [];
  let ticket: string | null = null;
  let hasArguments = false;
  for (const member of params === null ? [] : membersOf(text, params.start)) {
    hasArguments ||= member.name === 'arguments';
    if (member.name === 'requestState' && call.era === 'modern') {
      const opened = stateOf(call, room);
      if (opened === null) return UNKNOWN;
      if ('ticket' in opened) ticket = opened.ticket;
      else if (trip.era !== 'legacy') kept.push(`"requestState":${JSON.stringify(opened.state)}`);
      continue;
    }
    if (member.name === 'cursor' && LISTS.has(call.message.method) && call.message.params['cursor'] !== null) {
      const { cursor } = call.message.params;
      const opened = typeof cursor === 'string' ? room.sealed.open('cursor', call, cursor) : null;
      if (opened === null) return UNKNOWN;
      kept.push(`"cursor":${JSON.stringify(opened)}`);
      continue;
    }
    const value = valueOf(member, text, trip);
    if (value !== LEAVE) kept.push(`${text.slice(member.key, member.start)}${value}`);
  }
  if (call.target.tool !== null && !hasArguments) kept.push(`"arguments":${call.input.text}`);
  return { text: `{${kept.join(',')}}`, ticket };
}

/** The text to send in a member's place; empty: nothing. */
function valueOf(member: Member, text: string, trip: Trip): string {
  const { call } = trip;
  const said = (): string => text.slice(member.start, member.end);
  switch (member.name) {
    case 'name': case 'uri': return NAMED_BY.get(call.message.method) === member.name ? aimed(said(), call.message.params[member.name], call) : said();
    case 'arguments': return call.target.tool === null ? said() : call.input.text; // what was judged is what is sent (CWE-367)
    case 'ref': return withOwnName(said(), call);
    case '_meta': return withoutOurs(said());
    // Tasks are not carried in this lane; a server that is not asked for one answers plainly (MCP 2025-11-25 tasks).
    case 'task': return LEAVE;
    // A legacy client could hand a modern server a state of its own making; a legacy server knows neither (PROTOCOL 1.5).
    case 'requestState': case 'inputResponses': return call.era === 'modern' ? (trip.era === 'legacy' ? LEAVE : said()) : (trip.era === 'legacy' ? said() : LEAVE);
    default: return said();
  }
}

/** The name as the server knows it: behind the aggregate the client's has a prefix. */
const aimed = (text: string, named: unknown, call: Journaled): string => {
  const own = call.target.tool?.name ?? call.target.name;
  return own === null || own === named ? text : JSON.stringify(own);
};

function withOwnName(text: string, call: Journaled): string {
  const { ref } = call.message.params;
  if (!isObject(ref)) return text;
  const key = ref['type'] === 'ref/resource' ? 'uri' : 'name';
  const cut = cutAt(text, [key]);
  return cut === null ? text : splice(text, cut, aimed(text.slice(cut.start, cut.end), ref[key], call));
}

function withoutOurs(text: string): string {
  const kept = membersOf(text).filter(({ name }) => (name.includes('/') || BARE.has(name)) && !OURS.has(name) && !name.startsWith('sallyport/'));
  return kept.length === 0 ? LEAVE : `{${kept.map((m) => text.slice(m.key, m.end)).join(',')}}`;
}

/** A server's state comes back only from the client, for the call and within the time it was given out for; ours the same. */
function stateOf(call: Journaled, room: Pick<Room, 'sealed'>): { readonly state: string } | { readonly ticket: string } | null {
  const sealed = call.message.params['requestState'];
  if (typeof sealed !== 'string') return null;
  const state = room.sealed.open('state', call, sealed);
  if (state !== null) return { state };
  const ticket = room.sealed.open('ticket', call, sealed);
  return ticket === null ? null : { ticket };
}

/** The same params for the next round of a call whose server asked: only this round's answers, and the state byte for byte (MCP 2026-07-28 MRTR). */
export function nextRound(text: string, responses: string | null, state: string | null): string {
  const members = membersOf(text).map((m) => text.slice(m.key, m.end));
  if (responses !== null) members.push(`"inputResponses":${responses}`);
  if (state !== null) members.push(`"requestState":${state}`);
  return `{${members.join(',')}}`;
}
