import { isUtf8 } from 'node:buffer';
import type { Era } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import { cutAt, membersOf, withFirst, without } from '../../lib/json-spans.ts';

export const MODERN_VERSION = '2026-07-28';
/** Newest first: the first is what we offer, the others are what we take. */
export const LEGACY_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const;
/** What the gateway says of itself to servers; never used for decisions by anyone sane. */
export const CLIENT_INFO = '{"name":"sallyport","version":"0.1.0"}';

const PREFIX = 'io.modelcontextprotocol/';
/** Every modern request says who asks and what it can do. Nothing: one process serves many callers, so none of their capabilities is declared. */
const ENVELOPE = `"${PREFIX}protocolVersion":"${MODERN_VERSION}","${PREFIX}clientCapabilities":{},"${PREFIX}clientInfo":${CLIENT_INFO}`;
/** Never taken over from a caller: the gateway is the sender here, and a caller's token could name another caller's request (CVE-2026-25536). */
const OWN_META = [`${PREFIX}protocolVersion`, `${PREFIX}clientCapabilities`, `${PREFIX}clientInfo`, `${PREFIX}logLevel`, 'progressToken'];

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
export function requestLine(id: number, method: string, params: string, era: Era, progress: boolean): string {
  const own = (era === 'modern' ? ENVELOPE : '') + (progress ? `${era === 'modern' ? ',' : ''}"progressToken":${id}` : '');
  return oneLine(`{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)},"params":${withMeta(params, own)}}`);
}

export const notificationLine = (method: string, params: string): string => `{"jsonrpc":"2.0","method":${JSON.stringify(method)},"params":${params}}`;

function withMeta(params: string, own: string): string {
  // A name may be written with escapes, so a backslash-u is looked into.
  const cut = params.includes('_meta') || params.includes('\\u') ? cutAt(params, ['_meta']) : null;
  if (cut === null) return own === '' ? params : withFirst(params, `"_meta":{${own}}`);
  const given = params.slice(cut.start, cut.end);
  const kept = given.startsWith('{') ? without(given, OWN_META) : '{}';
  return withFirst(without(params, ['_meta']), `"_meta":${own === '' ? kept : withFirst(kept, own)}`);
}

/** What some reader takes for the end of a line: Node's readline splits at U+2028, Python's str.splitlines at U+0085. */
const ENDS = /[\r\n\u0085\u2028\u2029]/g;

/**
 * On stdio a line is a message, so a line break that is white space in JSON would end this message and begin another one that nobody
 * judged (request smuggling, CWE-93, CWE-444). Between tokens it becomes a space, inside strings (where only the last three can
 * stand) an escape: the value is the same.
 */
function oneLine(text: string): string {
  if (text.search(ENDS) < 0) return text;
  return text.replace(ENDS, (c) => (c === '\n' || c === '\r' ? ' ' : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`));
}
