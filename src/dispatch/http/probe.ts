import type { JsonObject } from '../../call/json.ts';
import { isObject, refusalOfStatus } from '../answer.ts';
import { INITIALIZED, initializeParams, LEGACY_VERSIONS, MODERN, NOBODY, requestText } from '../envelope.ts';
import type { Link } from './link.ts';
import { talk, type Saying, type Told } from './talk.ts';
import { UpstreamFault, type UpstreamInfo } from '../upstream.ts';

export type Info = Omit<UpstreamInfo, 'askedAt'>;
/** A legacy session that the gateway opened for itself. */
export interface UpSession {
  /** null: the server keeps none. */
  readonly id: string | null;
  readonly version: string;
}
export type Found = { readonly era: 'modern'; readonly info: Info } | { readonly era: 'legacy'; readonly info: Info; readonly session: UpSession };

/**
 * `initialize` was answered 400, 404 or 405, and not in JSON-RPC: there is no Streamable HTTP here, but there may be a 2024-11-05
 * HTTP+SSE server (MCP 2026-07-28 transports, backwards compatibility).
 */
export class NoStreamableHttp extends UpstreamFault {
  constructor(status: number) {
    super({ code: 'dispatch.upstream', note: `initialize: status ${status}`, effect: 'none' });
  }
}
const NO_ENDPOINT: ReadonlySet<number> = new Set([400, 404, 405]);

const HANDSHAKE_MS = 15_000;
const quiet = { signal: null, timeoutMs: HANDSHAKE_MS, onNotification: () => false, onGiveUp: () => undefined, legacy: null } as const;

/**
 * Finds out which era a server speaks: modern first, `initialize` when the answer is not a modern one (MCP 2026-07-28 versioning).
 * 401, 403, 5xx, silence and refused connections say nothing about the era: a fault, and the question stays open.
 */
export async function probe(link: Link, pin: 'auto' | 'modern' | 'legacy', nextId: () => number, monotonic: () => number): Promise<Found> {
  if (pin !== 'legacy') {
    const found = await discover(link, nextId(), monotonic);
    if (found !== null) return found;
    if (pin === 'modern') throw new UpstreamFault({ code: 'dispatch.translation', note: `the server does not speak ${MODERN}`, effect: 'none' });
  }
  const { session, info } = await initialize(link, nextId(), '{}', monotonic);
  return { era: 'legacy', info, session };
}

async function discover(link: Link, id: number, monotonic: () => number): Promise<Found | null> {
  const saying: Saying = {
    ...quiet, id, maxBytes: link.maxBytes,
    headers: ['mcp-protocol-version', MODERN, 'mcp-method', 'server/discover'],
    body: requestText(id, 'server/discover', '{}', 'modern', NOBODY),
  };
  const told = await talk(link, saying, monotonic);
  // Nor do "too many requests" and "too slow" say anything about the era.
  if (told.status >= 500 || told.status === 408 || told.status === 429) throw new UpstreamFault({ ...refusalOfStatus(told.status), effect: 'none' });
  const result = told.message?.['result'];
  const error = told.message?.['error'];
  if (isObject(error) && error['code'] === -32022) refuseNewer(error);
  if (!isObject(result)) return null;
  const versions = result['supportedVersions'];
  if (!Array.isArray(versions) || !versions.includes(MODERN)) return null;
  const meta = isObject(result['_meta']) ? result['_meta']['io.modelcontextprotocol/serverInfo'] : undefined;
  return { era: 'modern', info: infoOf(result, isObject(meta) ? meta : result['serverInfo'], MODERN) };
}

/** A server that speaks only later revisions is no legacy server: `initialize` would be a wrong guess. */
function refuseNewer(error: JsonObject): void {
  const supported = isObject(error['data']) ? error['data']['supported'] : undefined;
  if (!Array.isArray(supported) || !supported.some((version) => typeof version === 'string' && version > MODERN)) return;
  throw new UpstreamFault({ code: 'dispatch.translation', note: 'the server speaks only revisions that this release does not know', effect: 'none' });
}

/** Opens a legacy session that declares exactly these client capabilities. */
export async function initialize(link: Link, id: number, capabilities: string, monotonic: () => number): Promise<{ readonly session: UpSession; readonly info: Info }> {
  const told = await talk(link, { ...quiet, id, maxBytes: link.maxBytes, headers: [], body: requestText(id, 'initialize', initializeParams(capabilities), 'legacy', NOBODY) }, monotonic);
  if (told.message === null && NO_ENDPOINT.has(told.status)) throw new NoStreamableHttp(told.status);
  const result = told.message?.['result'];
  if (!isObject(result)) throw new UpstreamFault({ ...refusalOfStatus(told.status), note: noteOf(told), effect: 'none' });
  const version = result['protocolVersion'];
  if (typeof version !== 'string' || !(LEGACY_VERSIONS.includes(version) || version === '2024-11-05')) {
    throw new UpstreamFault({ code: 'dispatch.translation', note: 'initialize: a revision that this release does not know', effect: 'none' });
  }
  const session: UpSession = { id: told.sessionId, version };
  await talk(link, { ...quiet, id: null, maxBytes: link.maxBytes, headers: sessionHeaders(session), body: INITIALIZED }, monotonic);
  return { session, info: infoOf(result, result['serverInfo'], version) };
}

export const sessionHeaders = (session: UpSession): string[] => [
  'mcp-protocol-version', session.version, ...(session.id === null ? [] : ['mcp-session-id', session.id]),
];

const noteOf = (told: Told): string => {
  const error = told.message?.['error'];
  return `initialize: status ${told.status}${isObject(error) ? `, error ${String(error['code'])}` : ''}`;
};
const infoOf = (result: JsonObject, serverInfo: JsonObject[string] | undefined, version: string): Info => ({
  capabilities: isObject(result['capabilities']) ? result['capabilities'] : {},
  serverInfo: isObject(serverInfo) ? serverInfo : {},
  instructions: typeof result['instructions'] === 'string' ? result['instructions'] : null,
  version,
});
