import { isObject, type JsonObject } from '../../call/json.ts';
import { randomToken } from '../../lib/ids.ts';
import { cutAt, splice, withFirst, without } from '../../lib/json-spans.ts';
import { foldKey } from '../../lib/strict-json.ts';
import { mayAnswer } from '../capabilities.ts';
import type { Reply } from '../upstream.ts';
import type { Trip } from './trip.ts';

/** A question as the client may see it, or what the server hears instead. undeclared: the caller never said that it can be asked this. */
export type Judged = { readonly ask: string } | { readonly instead: Reply; readonly undeclared: boolean };

/** So many questions in one answer: a server that asks without end fills our memory and the user's screen (CWE-770). On streams the upstreams count. */
export const MAX_QUESTIONS = 16;
export const NOT_FOUND: Reply = { error: '{"code":-32601,"message":"Method not found"}' };
const DECLINED: Reply = { result: '{"action":"decline"}' };

/**
 * Judges what a server wants of the user or model behind the client. Only what this caller declared, less what the config removes, is
 * ever asked: a server that asks for more would reach past that (MCP security best practices; PROTOCOL 1.5).
 */
export function judge(method: string, paramsText: string, params: JsonObject, trip: Trip): Judged {
  if (!mayAnswer(method, params, trip.declared)) return { instead: NOT_FOUND, undeclared: true };
  if (method !== 'elicitation/create') return { ask: bare(paramsText, params, trip) };
  if (hasStray(params, ['mode', 'url']) || (params['mode'] === 'url' && !isOpenable(params['url']))) return { instead: DECLINED, undeclared: false };
  return { ask: bare(named(withId(paramsText, params, trip), params, trip), params, trip) };
}

/** A word of the protocol in another case: we would pass over it, a client that folds case would not (CVE-2026-27896). */
export const hasStray = (value: JsonObject, words: readonly string[]): boolean =>
  Object.keys(value).some((key) => words.some((word) => key !== word && key.length === word.length && foldKey(key) === foldKey(word)));

/** Without what ties the question to the server's own channel: a progress token there means nothing to the client, tasks are not carried. */
function bare(text: string, params: JsonObject, trip: Trip): string {
  const untasked = trip.call.era === trip.era ? text : without(text, ['task']);
  const meta = isObject(params['_meta']) ? cutAt(untasked, ['_meta']) : null;
  return meta === null ? untasked : splice(untasked, meta, without(untasked.slice(meta.start, meta.end), ['progressToken']));
}

/** `elicitationId` names a URL elicitation in 2025-11-25 only. */
function withId(text: string, params: JsonObject, trip: Trip): string {
  if (trip.call.era === 'modern') return without(text, ['elicitationId']);
  return params['mode'] === 'url' && params['elicitationId'] === undefined ? withFirst(text, `"elicitationId":"${randomToken(16)}"`) : text;
}

/** Clients make clear which server asks, but behind the aggregate they see the gateway only: so the text says it (MCP elicitation, security). */
function named(text: string, params: JsonObject, trip: Trip): string {
  const { message } = params;
  const cut = trip.call.server === null && typeof message === 'string' ? cutAt(text, ['message']) : null;
  return cut === null ? text : splice(text, cut, JSON.stringify(`[${trip.upstream.name}] ${String(message)}`));
}

/**
 * Clients open such a URL in a browser: nothing but https, or http to this machine, and nothing hidden in it (`javascript:`, `file:`,
 * credentials before the host, line breaks; PROTOCOL 5.8, CWE-601).
 */
function isOpenable(url: unknown): boolean {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (typeof url !== 'string' || /[\u0000-\u0020\u007f\\]/.test(url)) return false;
  const parsed = URL.parse(url);
  if (parsed === null || parsed.username !== '' || parsed.password !== '') return false;
  return parsed.protocol === 'https:' || (parsed.protocol === 'http:' && LOOPBACK.has(parsed.hostname));
}
const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);
