import type { Era, Journaled, Message } from '../call/call.ts';
import type { JsonObject } from '../call/json.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import { cutAt, membersOf, splice, textAt, without } from '../lib/json-spans.ts';
import { isObject } from './answer.ts';
import { CLIENT_CAPABILITIES, type Capability } from './config.ts';

/** Where a modern request declares what the client can do. */
const MODERN_KEY = 'io.modelcontextprotocol/clientCapabilities';
const MODERN_PATH = ['params', '_meta', MODERN_KEY] as const;
const LEGACY_PATH = ['params', 'capabilities'] as const;

/** Requests by which a server asks the client for something, and the capability each needs. */
const ASKS: ReadonlyMap<string, Capability | null> = new Map<string, Capability | null>([
  ['elicitation/create', 'elicitation'],
  ['sampling/createMessage', 'sampling'],
  ['roots/list', 'roots'],
  ['ping', null],
]);

/** May this server send the client such a request? Unknown methods: no. */
export function mayAsk(method: string, allowed: readonly Capability[]): boolean {
  const needs = ASKS.get(method);
  return needs === null || (needs !== undefined && allowed.includes(needs));
}

/**
 * What to forward of a message: its own bytes, or its text without the client capabilities that this server is not to know of.
 * Sampling and roots hand a server the user's model and files; what was never declared is never asked for (MCP security best
 * practices; PROTOCOL 1.5). Only the declaration changes, every other byte stays.
 */
export function withoutCapabilities(message: Message, era: Era, allowed: readonly Capability[]): Buffer | string {
  if (message.kind !== 'request' || allowed.length === CLIENT_CAPABILITIES.length) return message.bytes;
  if (era === 'legacy' && message.method !== 'initialize') return message.bytes;
  const meta = message.params['_meta'];
  const declared = era === 'legacy' ? message.params['capabilities'] : isObject(meta) ? meta[MODERN_KEY] : undefined;
  if (!isObject(declared)) return message.bytes;
  const unwanted = CLIENT_CAPABILITIES.filter((name) => declared[name] !== undefined && !allowed.includes(name));
  if (unwanted.length === 0) return message.bytes;
  const cut = cutAt(message.text, era === 'legacy' ? LEGACY_PATH : MODERN_PATH);
  if (cut === null) throw new Error('the declared capabilities do not stand where they were read'); // a differing parser: never forward
  return splice(message.text, cut, without(message.text.slice(cut.start, cut.end), unwanted));
}

const TASKS = 'io.modelcontextprotocol/tasks';
const APPS = 'io.modelcontextprotocol/ui';

/**
 * The client capabilities that the own lane declares to a server in the caller's name, as canonical JSON text: what this caller
 * declared, less what the server is not to know of, never more. Of what the gateway does not know, only extensions cross eras. Tasks
 * are not carried in this lane (their ids would have no way back), and user interfaces not behind the aggregate, where a page of one
 * server could call the tools of another (MCP Apps, PROTOCOL 1.7).
 */
export function capabilitiesFor(call: Journaled, server: Era, allowed: readonly Capability[]): string {
  const declared = declaredBy(call);
  if (declared === '{}') return declared;
  const kept: string[] = [];
  for (const member of membersOf(declared)) {
    const text = cutCapability(member.name, declared.slice(member.start, member.end), call, call.era === server, allowed);
    if (text !== null) kept.push(`${JSON.stringify(member.name)}:${text}`);
  }
  return kept.length === 0 ? '{}' : canonicalJson(`{${kept.join(',')}}`);
}

/** The text of what the caller declared: with this request in the modern era, at its handshake before. */
function declaredBy(call: Journaled): string {
  if (call.door === 'rest') return '{}';
  if (call.era === 'legacy') return call.session === null ? '{}' : JSON.stringify(call.session.declared);
  return textAt(call.message.text, MODERN_PATH) ?? '{}';
}

function cutCapability(name: string, text: string, call: Journaled, isSameEra: boolean, allowed: readonly Capability[]): string | null {
  if (text.charCodeAt(0) !== 123) return isSameEra && name !== 'tasks' && !isKnown(name) ? text : null; // a capability is an object
  if (isKnown(name)) return allowed.includes(name) ? (name === 'roots' ? without(text, ['listChanged']) : text) : null; // nothing tells the server that roots changed
  if (name === 'tasks') return null;
  if (name !== 'extensions') return isSameEra ? text : null;
  const carried = without(text, call.server === null ? [TASKS, APPS] : [TASKS]);
  return membersOf(carried).length === 0 ? null : carried;
}
const isKnown = (name: string): name is Capability => (CLIENT_CAPABILITIES as readonly string[]).includes(name);

/** May a client that declared this be asked that? A form needs no more than `elicitation`, unless that names other modes only; a URL must be named. */
export function mayAnswer(method: string, params: JsonObject, declared: JsonObject): boolean {
  const needs = ASKS.get(method);
  if (needs === undefined || needs === null) return false; // a ping is the gateway's own to answer
  const how = declared[needs];
  if (!isObject(how)) return false;
  if (needs !== 'elicitation') return true;
  const mode = params['mode'] ?? 'form';
  if (mode === 'url') return isObject(how['url']);
  return mode === 'form' && (isObject(how['form']) || how['url'] === undefined);
}
