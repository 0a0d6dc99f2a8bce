/** The part of a listener's settings that names it. */
export interface Named {
  readonly host: string;
  readonly hosts: readonly string[];
  readonly origins: readonly string[];
  readonly public_url: string | null;
}
/** Judges who the client thinks it talks to, and which web page it speaks for. */
export interface OriginGuard {
  readonly hostAllowed: (host: string | null) => boolean;
  readonly originAllowed: (origin: string | null, host: string | null) => boolean;
  /** True for origins the operator listed: those get CORS headers. */
  readonly isListed: (origin: string | null) => boolean;
}

const AUTHORITY = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;

/**
 * DNS rebinding (MCP transports, "validate the Origin header"; CWE-350, CVE-2025-66414): a web page whose name suddenly points at
 * 127.0.0.1 sends its own name as Host and as Origin. Both must be names we know; forwarding headers are never asked.
 */
export function createOriginGuard(config: Named): OriginGuard {
  const names = new Set(['localhost', '127.0.0.1', '[::1]']);
  const exact = new Set<string>();
  if (!isWildcard(config.host)) names.add(bracketed(config.host.toLowerCase()));
  for (const host of config.hosts) (/:\d{1,5}$/.test(host) && !host.endsWith(']') ? exact : names).add(host.toLowerCase());
  const listed = new Set(config.origins.map((origin) => origin.toLowerCase()));
  if (config.public_url !== null) {
    const url = new URL(config.public_url);
    exact.add(url.host);
    exact.add(`${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`);
  }
  let lastAllowed = ''; // nearly every client sends the same one
  const hostAllowed = (host: string | null): boolean => {
    if (host === null) return false;
    if (host === lastAllowed) return true;
    const parts = AUTHORITY.exec(host);
    if (parts?.[1] === undefined || Number(parts[2] ?? 0) > 65_535 || !(names.has(parts[1].toLowerCase()) || exact.has(host.toLowerCase()))) return false;
    lastAllowed = host;
    return true;
  };
  const isListed = (origin: string | null): boolean => origin !== null && listed.has(origin.toLowerCase());
  return {
    hostAllowed,
    isListed,
    // No Origin: not a browser. Same origin as the (allowed) Host: a page the gateway itself served.
    originAllowed: (origin, host) => origin === null || isListed(origin) || (host !== null && hostAllowed(host) && /^https?:\/\//i.test(origin) && origin.slice(origin.indexOf('//') + 2).toLowerCase() === host.toLowerCase()),
  };
}

const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::';
const bracketed = (host: string): string => (host.includes(':') && !host.startsWith('[') ? `[${host}]` : host);
