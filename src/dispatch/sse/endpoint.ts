import type { Link } from '../http/link.ts';

/** The longest address that is taken, characters. */
const MAX_LENGTH = 8_192;

/**
 * Path and query of the endpoint that a server named, or null when it is not of the server's own origin: every message goes there with the
 * gateway's own credential, so a foreign one would get that credential (CWE-522), or make the gateway call what the server cannot reach
 * itself (CWE-918).
 */
export function endpointPath(link: Pick<Link, 'origin' | 'path'>, named: string): string | null {
  if (named.length > MAX_LENGTH) return null;
  const url = URL.parse(named, link.origin + link.path);
  if (url === null || url.origin !== link.origin || url.username !== '' || url.password !== '') return null;
  return url.pathname + url.search;
}
