import type { ServerResponse } from 'node:http';
import type { Heads } from './headers.ts';

/** Headers a listed browser origin may send: those of MCP and the two credentials. `Mcp-Param-*` have names of their own. */
const MAY_SEND = new Set([
  'authorization', 'x-api-key', 'content-type', 'accept', 'mcp-protocol-version', 'mcp-method', 'mcp-name', 'mcp-session-id', 'last-event-id', 'x-model-request-id',
]);
const MAY_READ = 'WWW-Authenticate, Mcp-Session-Id, Retry-After, X-Correlation-Id';

export const isPreflight = (method: string, heads: Heads): boolean => method === 'OPTIONS' && heads.fault === null && heads.contentLength === null && heads.transferEncoding === null;

/** For origins the operator listed, and no others: never `*`, never `Allow-Credentials` (CWE-942). */
export const corsHeaders = (heads: Heads): readonly string[] => ['access-control-allow-origin', heads.origin ?? 'null', 'vary', 'Origin', 'access-control-expose-headers', MAY_READ];

export function preflight(res: ServerResponse, heads: Heads): void {
  const asked = (heads.requestedHeaders ?? '').split(',').map((name) => name.trim().toLowerCase());
  const allowed = asked.filter((name) => MAY_SEND.has(name) || /^mcp-param-[a-z0-9_-]{1,64}$/.test(name));
  res.writeHead(204, [...corsHeaders(heads), 'access-control-allow-methods', 'POST, GET, DELETE', 'access-control-allow-headers', allowed.join(', '), 'access-control-max-age', '600', 'cache-control', 'no-store']);
  res.end();
}
