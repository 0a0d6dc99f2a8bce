import type { Era, Message } from '../call/call.ts';
import type { Json, JsonObject } from '../call/json.ts';
import { decodeHeader } from '../call/param-headers.ts';
import type { Refusal } from '../call/refusal.ts';
import type { Heads } from './headers.ts';
import { isObject } from './message.ts';

/** Revisions served, newest first. */
export const MODERN_VERSIONS = ['2026-07-28'] as const;
export const LEGACY_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const;
/** What a client without a version header speaks (MCP 2025-06-18 transports). */
export const UNSAID_VERSION = '2025-03-26';

/** What opens a channel, and is spoken on it until `initialize` agrees on something else. */
export const CHANNEL_VERSION = '2024-11-05';

export type Spoken = { readonly era: Era; readonly version: string } | { readonly refusal: Refusal; readonly data?: Json };

const VERSION = 'io.modelcontextprotocol/protocolVersion';
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
const CLIENT_INFO = 'io.modelcontextprotocol/clientInfo';
/** Revisions are dates: later than the last legacy one means modern, also when we do not know it. */
const isModern = (version: string): boolean => version >= MODERN_VERSIONS[MODERN_VERSIONS.length - 1]!;

/**
 * Which era and revision a message is of, judged by its body; headers that say otherwise are refused, because whatever stands
 * between us and the client may have decided by them (MCP 2026-07-28 Streamable HTTP, "Server Validation").
 */
export function spokenOf(message: Message, heads: Heads): Spoken {
  if (message.kind === 'response') return legacy(message, heads);
  const meta = message.params['_meta'];
  const claim = isObject(meta) && Object.hasOwn(meta, VERSION) ? meta : null;
  const modernHeader = heads.version !== null && isModern(heads.version);
  // `initialize` is the legacy handshake, unless it carries a whole modern envelope: then it is an unknown modern method.
  if (message.method === 'initialize' && (claim === null || envelopeFault(claim, message) !== null || !isModern(String(claim[VERSION])))) {
    return modernHeader ? mismatch('initialize with a modern version header') : legacy(message, heads);
  }
  if (claim !== null) return modern(message, heads, claim);
  if (!modernHeader) return legacy(message, heads);
  if (message.kind === 'request') return { refusal: { code: 'receive.meta', note: 'modern version header, no version in _meta' } };
  return MODERN_VERSIONS.includes(heads.version as never) ? checked(heads, message, heads.version ?? '') : unsupported(MODERN_VERSIONS, heads.version ?? '');
}

function legacy(message: Message, heads: Heads): Spoken {
  const header = heads.version;
  if (header !== null && !LEGACY_VERSIONS.includes(header as never)) return unsupported([...MODERN_VERSIONS, ...LEGACY_VERSIONS], header);
  if (header !== null) return { era: 'legacy', version: header };
  const asked = message.method === 'initialize' ? message.params['protocolVersion'] : undefined;
  return { era: 'legacy', version: typeof asked === 'string' && LEGACY_VERSIONS.includes(asked as never) ? asked : UNSAID_VERSION };
}

function modern(message: Message, heads: Heads, claim: JsonObject): Spoken {
  const wrong = envelopeFault(claim, message);
  if (wrong !== null) return { refusal: { code: 'receive.meta', note: wrong } };
  const version = String(claim[VERSION]);
  if (heads.version !== null && heads.version !== version) return mismatch('MCP-Protocol-Version differs from _meta');
  if (heads.method !== null && heads.method !== message.method) return mismatch('Mcp-Method differs from method');
  if (!MODERN_VERSIONS.includes(version as never)) return unsupported(MODERN_VERSIONS, version);
  return checked(heads, message, version);
}

/** The headers that must be there, on requests only: for notifications the standard names none. */
function checked(heads: Heads, message: Message, version: string): Spoken {
  if (heads.method !== null && heads.method !== message.method) return mismatch('Mcp-Method differs from method');
  if (message.kind === 'request') {
    if (heads.version === null) return mismatch('MCP-Protocol-Version is missing');
    if (heads.method === null) return mismatch('Mcp-Method is missing');
  }
  const field = NAMED_BY.get(message.method);
  if (field !== undefined) {
    const said = message.params[field];
    if (heads.name === null) {
      if (typeof said === 'string' && message.kind === 'request') return mismatch('Mcp-Name is missing');
    } else {
      const decoded = decodeHeader(heads.name);
      if (decoded === null) return mismatch('Mcp-Name is badly encoded');
      if (decoded !== said) return mismatch('Mcp-Name differs from the body');
    }
  }
  return { era: 'modern', version };
}
const NAMED_BY: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'], ['prompts/get', 'name'], ['resources/read', 'uri'], ['tasks/get', 'taskId'], ['tasks/update', 'taskId'], ['tasks/cancel', 'taskId'],
]);

function envelopeFault(claim: JsonObject, message: Message): string | null {
  if (typeof claim[VERSION] !== 'string') return 'the version in _meta is not a text';
  if (message.kind !== 'request') return null;
  if (!isObject(claim[CAPABILITIES])) return 'no client capabilities in _meta';
  return claim[CLIENT_INFO] === undefined || isObject(claim[CLIENT_INFO]) ? null : 'clientInfo is not an object';
}

const mismatch = (note: string): Spoken => ({ refusal: { code: 'receive.header_mismatch', note } });
/** The standard wants `requested` echoed: only as much of it as cannot carry anything else. */
function unsupported(supported: readonly string[], requested: string): Spoken {
  return { refusal: { code: 'receive.version' }, data: { supported, requested: /^[A-Za-z0-9._-]{1,32}$/.test(requested) ? requested : 'unknown' } };
}
