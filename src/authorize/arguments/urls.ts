import { skeleton } from '../../lib/look-alike.ts';
import { compileRanges } from './addresses.ts';
import type { Constraint } from './constraint.ts';
import { type Finding, PolicyFault, type Say, type TextCheck } from './finding.ts';
import { compileHosts, isHostName } from './hosts.ts';
import { ALIKE, partedFault } from './text.ts';

type UrlConstraint = NonNullable<Constraint['url']>;
interface Parsed {
  readonly url: URL;
  readonly host: string;
  readonly isAddress: boolean;
}

const PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'ws:': 80, 'https:': 443, 'wss:': 443, 'ftp:': 21 };
const SHAPE = /^([A-Za-z]+):\/\/([^/?#]+)(?:(\/[^?#]*)(?:\?[^#]*)?)?$/;
/** What WHATWG parsing makes of every host whose last label is a number. */
const DOTTED = /^\d+\.\d+\.\d+\.\d+$/;
/** Encoded letters, dots, slashes, backslashes, percent signs, semicolons and controls: decoded once or twice they are another path (CWE-174, CWE-177). */
const ENCODED = /%(?:[01][0-9a-f]|2[35def]|3[0-9bf]|4[1-9a-f]|5[0-9acf]|6[1-9a-f]|7[0-9aef])/i;

/**
 * Reads a URL, or says why it cannot be judged. WHATWG parsing must give the text back, but for the case of scheme and host and the slash after a bare host: everything it
 * mends, another parser mends otherwise (CWE-436). User names, fragments and dots after the host are refused.
 */
export function readUrl(text: string): Parsed | string {
  if (!/^[\x21-\x7e]+$/.test(text) || text.includes('\\')) return 'holds characters that a URL must not';
  const shape = SHAPE.exec(text);
  const [scheme = '', authority = '', path = ''] = shape?.slice(1) ?? [];
  if (shape === null) return 'is not a plain URL: scheme, host, path and query, without fragment';
  if (authority.includes('@')) return 'names a user before the host';
  const url = URL.parse(text);
  if (url === null) return 'is not a URL';
  const head = `${scheme}://${authority}`;
  if (`${head.toLowerCase()}${text.slice(head.length) || '/'}` !== url.href) return 'is not in its normal form';
  const host = url.hostname;
  const isAddress = host.startsWith('[') || DOTTED.test(host);
  if (!isAddress && !isHostName(host)) return 'has no plain host name';
  return pathFault(path) ?? { url, host: host.startsWith('[') ? host.slice(1, -1) : host, isAddress };
}

function pathFault(path: string): string | null {
  if (path.includes('//') || path.includes(';') || ENCODED.test(path)) return 'has empty segments, parameters or encoded characters in its path';
  if (!path.includes('%')) return null;
  try {
    return partedFault(decodeURIComponent(path)) === null ? null : 'has encoded characters in its path that cannot be judged';
  } catch {
    return 'has encoded characters in its path that are not UTF-8'; // `%c0%af` is a slash to a careless decoder
  }
}

/** Compiles `url`. Throws PolicyFault. */
export function urlCheck(wanted: UrlConstraint, say: Say): TextCheck {
  if (wanted.hosts === undefined && wanted.cidr === undefined) throw new PolicyFault('`url` needs `hosts`, or `cidr` for addresses; any host is `hosts: ["**"]`');
  const tests = [schemes(wanted, say), hosts(wanted, say), ports(wanted, say), ...(wanted.path_under === undefined ? [] : [folders(wanted.path_under, say)])];
  return (value) => {
    const parsed = readUrl(value);
    if (typeof parsed === 'string') return say.error(parsed);
    let unclear: Finding | null = null;
    for (const test of tests) {
      const finding = test(parsed);
      if (finding?.kind === 'no') return finding;
      unclear ??= finding;
    }
    return unclear;
  };
}

type UrlTest = (parsed: Parsed) => Finding | null;
function schemes({ schemes: wanted = ['https'] }: UrlConstraint, say: Say): UrlTest {
  const other = say.no('has another scheme than the rule allows');
  return ({ url }) => (wanted.some((scheme) => `${scheme}:` === url.protocol) ? null : other);
}

/** An address as host is judged by `cidr` alone: `hosts: ["**"]` must not let in 169.254.169.254 (CWE-918). */
function hosts({ hosts: globs = [], cidr }: UrlConstraint, say: Say): UrlTest {
  const isNamed = compileHosts(globs);
  const ranges = cidr === undefined ? null : compileRanges(cidr);
  const [other, unlisted] = [say.no('has another host than the rule allows'), say.error('has an address instead of a host name')];
  return ({ host, isAddress }) => {
    if (!isAddress) return isNamed(host) ? null : other;
    const is = ranges === null ? null : ranges.holds(host);
    return is === null ? unlisted : typeof is === 'string' ? say.error(is) : is ? null : other;
  };
}

function ports({ ports: wanted }: UrlConstraint, say: Say): UrlTest {
  const other = say.no('has another port than the rule allows');
  return ({ url }) => {
    if (wanted === undefined) return url.port === '' ? null : other;
    return wanted.includes(url.port === '' ? (PORTS[url.protocol] ?? -1) : Number(url.port)) ? null : other;
  };
}

function folders(written: string | readonly string[], say: Say): UrlTest {
  const roots = [written].flat().map((root) => {
    if (!/^(?:\/[A-Za-z0-9._~-]+)*\/?$/.test(root) || root === '' || /\/\.{1,2}(?:\/|$)/.test(root)) throw new PolicyFault('`path_under` is a path such as `/api/v1`, of letters, digits and `.`, `_`, `~`, `-`');
    return root.endsWith('/') ? root : `${root}/`;
  });
  const looks = roots.map(skeleton);
  const [outside, alike] = [say.no('has a path outside those that the rule names'), say.error(ALIKE)];
  return ({ url }) => {
    const path = `${url.pathname}/`;
    if (roots.some((root) => path.startsWith(root))) return null;
    const look = skeleton(path);
    return looks.some((root) => look.startsWith(root)) ? alike : outside;
  };
}
