import type { Era, Message } from '../call/call.ts';
import { cutAt, splice, without } from '../lib/json-spans.ts';
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
