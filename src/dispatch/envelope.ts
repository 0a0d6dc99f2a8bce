import type { Era } from '../call/call.ts';
import type { LogLevel } from '../call/session.ts';
import { cutAt, withFirst, without } from '../lib/json-spans.ts';

/** The revision of each era that the gateway itself speaks to servers. */
export const MODERN = '2026-07-28';
export const LEGACY = '2025-11-25';
/** What channels are for. */
export const OLDEST = '2024-11-05';
/** Legacy revisions that this release can speak, newest first. */
export const LEGACY_VERSIONS: readonly string[] = [LEGACY, '2025-06-18', '2025-03-26', OLDEST];

/** How the gateway introduces itself to both sides. Self-reported: nobody may trust it. */
export const SELF = { name: 'sallyport', title: 'Sallyport', version: '0.1.0' } as const;
export const SELF_TEXT = JSON.stringify(SELF);

/** What a request says about the client behind it; part of `RequestOptions`. */
export interface Declared {
  /** JSON text of the client capabilities. */
  readonly capabilities: string;
  readonly logLevel: LogLevel | null;
  readonly progressToken: boolean;
}
/** The gateway's own requests: nobody behind them can be asked anything. */
export const NOBODY: Declared = { capabilities: '{}', logLevel: null, progressToken: false };

const PREFIX = 'io.modelcontextprotocol/';
/** Never taken over from `_meta`: the gateway is the sender here, and a caller's token could name another caller's request (CVE-2026-25536). */
const OWN_META = [`${PREFIX}protocolVersion`, `${PREFIX}clientCapabilities`, `${PREFIX}clientInfo`, `${PREFIX}logLevel`, 'progressToken'];

/**
 * The params' text with what the server's era wants in `_meta`: modern, the envelope that every request carries (MCP 2026-07-28 base
 * protocol); both, the request's id as its progress token when progress is wanted. What else `_meta` holds keeps its bytes.
 */
export function enveloped(params: string, era: Era, id: number, declared: Declared): string {
  const token = declared.progressToken ? `"progressToken":${id}` : '';
  const own = era === 'legacy' ? token : envelope(declared) + (token === '' ? '' : `,${token}`);
  // A name may be written with escapes, so a backslash-u is looked into.
  const cut = params.includes('_meta') || params.includes('\\u') ? cutAt(params, ['_meta']) : null;
  if (cut === null) return own === '' ? params : withFirst(params, `"_meta":{${own}}`);
  const given = params.slice(cut.start, cut.end);
  const kept = given.startsWith('{') ? without(given, OWN_META) : '{}';
  return withFirst(without(params, ['_meta']), `"_meta":${own === '' ? kept : withFirst(kept, own)}`);
}

function envelope({ capabilities, logLevel }: Declared): string {
  const level = logLevel === null ? '' : `,"${PREFIX}logLevel":"${logLevel}"`;
  return `"${PREFIX}protocolVersion":"${MODERN}","${PREFIX}clientCapabilities":${capabilities},"${PREFIX}clientInfo":${SELF_TEXT}${level}`;
}

/** A request's text, in the era of the server. `params`: the text of an object. */
export function requestText(id: number, method: string, params: string, era: Era, declared: Declared): string {
  return `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)},"params":${enveloped(params, era, id, declared)}}`;
}

/** The params of a legacy `initialize`, with exactly these client capabilities. */
export const initializeParams = (capabilities: string): string => `{"protocolVersion":"${LEGACY}","capabilities":${capabilities},"clientInfo":${SELF_TEXT}}`;
export const INITIALIZED = '{"jsonrpc":"2.0","method":"notifications/initialized"}';
export const cancelled = (id: number): string => `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id}}}`;
