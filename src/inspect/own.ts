import type { Answer } from '../call/call.ts';
import type { JsonObject } from '../call/json.ts';
import { withData } from '../lib/sse.ts';

/** What stands where a credential of the gateway's own stood. */
const HIDDEN = '[redacted:own_credential]';

/**
 * What the gateway signs in with at a server must not reach a client through it: servers put request headers into error texts, debug
 * tools print their environment (CWE-201, CWE-209). Found is the value letter for letter, not a value that was encoded. The same
 * answer when there is none. Throws when what is left is no JSON.
 */
export function withoutOwn(answer: Answer, own: readonly string[]): Answer {
  if (!own.some((value) => answer.bytes.includes(value))) return answer;
  const text = hide(answer.bytes.toString('utf8'), own);
  const message = JSON.parse(text) as JsonObject; // it was an object before, and only texts in it have changed
  return { ...answer, message, bytes: Buffer.from(text), event: answer.event === null ? null : Buffer.from(withData(answer.event.toString('utf8'), text)) };
}

/** The same for an event that precedes the answer. */
export function eventWithoutOwn(block: Buffer, own: readonly string[]): Buffer {
  return own.some((value) => block.includes(value)) ? Buffer.from(hide(block.toString('utf8'), own)) : block;
}

const hide = (text: string, own: readonly string[]): string => own.reduce((left, value) => left.replaceAll(value, HIDDEN), text);
