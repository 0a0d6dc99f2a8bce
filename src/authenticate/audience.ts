/** One of our audiences, and the only server at whose endpoint it is good; null: everywhere. */
export interface Reach {
  readonly audience: string;
  readonly server: string | null;
}

/**
 * Finds the audience by which a token is meant for this endpoint; null: it is not. The comparison is exact, character by character
 * (RFC 3986 section 6.2.1, RFC 8707): no prefix, no case folding, no added slash. A token for `…/s/<server>/mcp` is good for that server alone:
 * accepted at another it would carry rights its holder was never given there (CVE-2025-69196 class).
 */
export function fittingAudience(token: readonly string[], accepted: readonly string[], server: string | null): Reach | null {
  let fitting: Reach | null = null;
  for (const audience of token) {
    if (!accepted.includes(audience)) continue;
    const reach = reachOf(audience);
    if (reach.server === null) return reach;
    if (reach.server === server) fitting = reach;
  }
  return fitting;
}

function reachOf(audience: string): Reach {
  const path = URL.parse(audience)?.pathname;
  const found = path === undefined ? null : /\/s\/([^/]+)(?:\/mcp)?\/?$/.exec(path);
  return { audience, server: found?.[1] ?? null };
}
