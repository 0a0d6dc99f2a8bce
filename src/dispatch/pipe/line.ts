import { isUtf8 } from 'node:buffer';
import type { Era } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import { membersOf } from '../../lib/json-spans.ts';
import { type Declared, requestText } from '../envelope.ts';

/** One message of the server, or null when the line is none: not UTF-8, not JSON, no object, or a name twice at the top. */
export function readLine(line: Buffer): { readonly text: string; readonly message: JsonObject; readonly textOf: (name: string) => string | null } | null {
  if (line[0] !== 123 || !isUtf8(line)) return null; // banners mostly; batches are no longer in the protocol
  const text = line.toString('utf8');
  let message: JsonObject;
  try {
    message = JSON.parse(text) as JsonObject; // parse edge: it begins with `{`
  } catch {
    return null;
  }
  const members = membersOf(text);
  // Two answers in one line: which one counts would be the reader's taste (CWE-436).
  if (members.length !== Object.keys(message).length) return null;
  const textOf = (name: string): string | null => {
    for (const member of members) if (member.name === name) return text.slice(member.start, member.end);
    return null;
  };
  return { text, message, textOf };
}

/** A request in the server's era, on one line. `params` is the text of an object; its own `_meta` keeps what is not ours to say. */
export const requestLine = (id: number, method: string, params: string, era: Era, declared: Declared): string => oneLine(requestText(id, method, params, era, declared));

export const notificationLine = (method: string, params: string): string => oneLine(`{"jsonrpc":"2.0","method":${JSON.stringify(method)},"params":${params}}`);

/** What some reader takes for the end of a line: Node's readline splits at U+2028, Python's str.splitlines at U+0085. */
const ENDS = /[\r\n\u0085\u2028\u2029]/g;

/**
 * On stdio a line is a message, so a line break that is white space in JSON would end this message and begin another one that nobody
 * judged (request smuggling, CWE-93, CWE-444). Between tokens it becomes a space, inside strings (where only the last three can
 * stand) an escape: the value is the same.
 */
export function oneLine(text: string): string {
  if (text.search(ENDS) < 0) return text;
  return text.replace(ENDS, (c) => (c === '\n' || c === '\r' ? ' ' : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`));
}
