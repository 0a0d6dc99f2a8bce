/** Where tokens with one of our audiences are good: `any`, or only at the named server's own endpoint. */
type Reach = { readonly audience: string; readonly server: string | null };

/**
 * Finds the audience by which a token is meant for this endpoint; null: it is not. The comparison is exact, character by character
 * (RFC 3986 section 6.2.1, RFC 8707): no prefix, no case folding, no added slash. A token for `…/s/<server>/mcp` is good for that server alone:
 * accepted at another it would carry rights its holder was never given there (CVE-2025-69196 class).
 */
export function fittingAudience(token: readonly string[], accepted: readonly string[], server: string | null): string | null {
  let fitting: string | null = null;
  for (const audience of token) {
    if (!accepted.includes(audience)) continue;
    const reach = reachOf(audience);
    if (reach.server === null) return audience;
    if (reach.server === server) fitting = audience;
  }
  return fitting;
}

function reachOf(audience: string): Reach {
  const path = URL.parse(audience)?.pathname;
  const found = path === undefined ? null : /\/s\/([^/]+)(?:\/mcp)?\/?$/.exec(path);
  return { audience, server: found?.[1] ?? null };
}
