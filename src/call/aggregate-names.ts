/**
 * The names by which the aggregate endpoint and `POST /tool` call what belongs to one server. Here and nowhere else: what resolve/ takes
 * apart, dispatch/ puts together. Reversible without a table, so a name lives as long as what it names. Server names are lower-case letters,
 * digits and `-` (dispatch/config.ts), so the first `__` and the first `+` part them from the rest.
 */
export interface Owned {
  readonly server: string;
  /** As the server itself says it. */
  readonly name: string;
}

/** MCP 2026-07-28 tools: names are unique per server only, so a proxy puts its own name of the server in front. */
const SEPARATOR = '__';
/** MCP 2026-07-28 tools, "Tool Names": what a name in front of clients must be. */
const FITS = /^[A-Za-z0-9_.-]{1,128}$/;
/** Makes a scheme of RFC 3986 section 3.1 of any server name: it begins with a letter and holds no other character than letters, digits, `+`, `-`, `.`. */
const SCHEME = /^sp\.([a-z0-9][a-z0-9-]{0,31})\+/;

/** A tool or prompt: `server__name`. */
export const namespaced = (server: string, name: string): string => `${server}${SEPARATOR}${name}`;
/** May such a name be shown to clients? */
export const fitsAggregate = (name: string): boolean => FITS.test(name);
/** null: no server stands in front. */
export function ownerOfName(name: string): Owned | null {
  const at = name.indexOf(SEPARATOR);
  return at > 0 ? { server: name.slice(0, at), name: name.slice(at + SEPARATOR.length) } : null;
}

/** A resource: `sp.server+uri`. The same for URI templates (RFC 6570): what is put in front is literal text, so they expand as before. */
export const namespacedUri = (server: string, uri: string): string => `sp.${server}+${uri}`;
/** null: no server stands in front. */
export function ownerOfUri(uri: string): Owned | null {
  const found = SCHEME.exec(uri);
  return found?.[1] === undefined ? null : { server: found[1], name: uri.slice(found[0].length) };
}

/**
 * Pages of a server's own that a client shows (MCP Apps). One may call "the tools of its server", and at the aggregate all servers look
 * like one: a hostile page could call another's. So they are neither listed nor read there.
 */
export const isPage = (uri: string): boolean => /^\s*ui:/i.test(uri);
