/** The doors of the gateway. */
export type Route =
  | { readonly to: 'mcp'; readonly server: string | null }
  /** Where the messages of a 2024-11-05 channel are sent to. `id` finds the channel and proves nothing. */
  | { readonly to: 'channel'; readonly server: string | null; readonly id: string }
  /** Where the requester asks what became of an approval. The id proves nothing. */
  | { readonly to: 'approval'; readonly id: string }
  | { readonly to: 'rest' | 'health' | 'ready' }
  | { readonly to: 'nowhere'; readonly why: 'path' | 'query' };

const AGGREGATE: Route = { to: 'mcp', server: null };
const REST: Route = { to: 'rest' };
const HEALTH: Route = { to: 'health' };
const READY: Route = { to: 'ready' };
const UNKNOWN: Route = { to: 'nowhere', why: 'path' };
const QUERY: Route = { to: 'nowhere', why: 'query' };
const SERVER = /^\/s\/([A-Za-z0-9][A-Za-z0-9._-]{0,63})\/mcp$/;
/** Ends in a session's id: 256 bits, base64url. */
const CHANNEL = /^(?:\/s\/([A-Za-z0-9][A-Za-z0-9._-]{0,63}))?\/sse\/([A-Za-z0-9_-]{43})$/;

/** One spelling of a UUID. */
const APPROVAL = /^\/approvals\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/**
 * Compares the request target exactly: no decoding, no dots, no second spelling of any path, so that no two programs can see two
 * paths in one (CWE-22, CWE-647). A query is refused: a credential in it would be written into logs along the way
 * (MCP authorization, "access tokens in the URI query string").
 */
export function routeOf(target: string): Route {
  if (target === '/mcp') return AGGREGATE;
  if (target === '/tool') return REST;
  if (target === '/health') return HEALTH;
  if (target === '/ready') return READY;
  const server = SERVER.exec(target)?.[1];
  if (server !== undefined) return { to: 'mcp', server };
  const channel = CHANNEL.exec(target);
  if (channel?.[2] !== undefined) return { to: 'channel', server: channel[1] ?? null, id: channel[2] };
  const approval = APPROVAL.exec(target)?.[1];
  if (approval !== undefined) return { to: 'approval', id: approval };
  const query = target.indexOf('?');
  return query > 0 && routeOf(target.slice(0, query)).to !== 'nowhere' ? QUERY : UNKNOWN;
}
