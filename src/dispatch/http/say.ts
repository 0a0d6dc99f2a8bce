import type { Json, JsonObject } from '../../call/json.ts';
import { LOG_LEVELS } from '../../call/session.ts';
import { textAt } from '../../lib/json-spans.ts';
import { isObject, refusalOfStatus } from '../answer.ts';
import type { Link } from './link.ts';
import { talk, type LegacySaying, type Told } from './talk.ts';
import { UpstreamFault, type Change, type Exchange, type RequestOptions } from '../upstream.ts';

/** What both eras need to speak with a server in a caller's name. */
export interface Voice {
  readonly link: Link;
  readonly monotonic: () => number;
  readonly nextId: () => number;
  /** The server said so on some stream. */
  readonly onChange: (change: Change) => void;
}

/** The gateway's own sessions are kept under a principal that no credential can have: the catalog's requests belong to nobody. */
export const CONTROL = '';
/** Something nobody gives up. */
const NEVER = { aborted: false, addEventListener: () => undefined, removeEventListener: () => undefined } as const;
/** How the gateway asks in its own name. */
export const own = (timeoutMs: number, maxBytes: number): RequestOptions => ({
  principalId: CONTROL, capabilities: '{}', logLevel: null, onQuestion: null, signal: NEVER, timeoutMs, maxBytes, onNotification: () => undefined, progressToken: false,
});

const CHANGES: ReadonlyMap<unknown, Change> = new Map([
  ['notifications/tools/list_changed', 'tools'], ['notifications/prompts/list_changed', 'prompts'], ['notifications/resources/list_changed', 'resources'],
]);
/** Which list the server says has changed; null: it says something else. */
export const changeOf = (message: JsonObject): Change | null => CHANGES.get(message['method']) ?? null;
/** The rank of a log level, -1 for none. */
export const rankOf = (level: Json | undefined): number => LOG_LEVELS.findIndex((known) => known === level);

/** One request with all that may come before its answer. `headers` are without the credential, `body` has this id. */
export function say(voice: Voice, id: number, headers: readonly string[], body: string, options: RequestOptions, onGiveUp: () => void, legacy: LegacySaying | null): Promise<Told> {
  const { signal, timeoutMs, maxBytes } = options;
  const onNotification = (message: JsonObject, text: string): boolean => heard(voice, id, options, message, text);
  return talk(voice.link, { headers, body, id, signal, timeoutMs, maxBytes, onNotification, onGiveUp, legacy }, voice.monotonic);
}

/** True: progress of this request. */
function heard(voice: Voice, id: number, options: RequestOptions, message: JsonObject, text: string): boolean {
  const { method } = message;
  const params = isObject(message['params']) ? message['params'] : {};
  if (method === 'notifications/progress') {
    if (!options.progressToken || params['progressToken'] !== id) return false; // CVE-2026-25536: of another request
    pass(options, method, text);
    return true;
  }
  if (method === 'notifications/message') {
    const wanted = rankOf(options.logLevel ?? undefined);
    if (wanted >= 0 && rankOf(params['level']) >= wanted) pass(options, method, text);
    return false;
  }
  const change = changeOf(message);
  if (change !== null) voice.onChange(change);
  return false;
}
function pass(options: RequestOptions, method: string, text: string): void {
  try {
    options.onNotification(method, textAt(text, ['params']) ?? '{}');
  } catch {
    // The reader's fault is no reason to lose the answer.
  }
}

/** What the server answered; throws an UpstreamFault when it did not answer in JSON-RPC. */
export function exchangeOf(told: Told): Exchange {
  if (told.text === null || told.message === null) throw new UpstreamFault({ ...refusalOfStatus(told.status), effect: told.status >= 400 && told.status < 500 ? 'none' : 'unknown' });
  const member = told.message['result'] === undefined ? 'error' : 'result';
  const text = textAt(told.text, [member]);
  const parsed = told.message[member];
  if (!isObject(parsed)) throw new UpstreamFault({ code: 'dispatch.bad_answer', effect: 'unknown' });
  return { result: member === 'result' ? text : null, error: member === 'error' ? text : null, parsed };
}
