import type { Say, TextCheck } from './finding.ts';
import { compileHosts, isHostName } from './hosts.ts';

/** Atoms of RFC 5321 without quotes, comments, routes (`%`, `!`) and lists: programs disagree where such an address goes (CWE-436). */
const LOCAL = /^[A-Za-z0-9_+'-]+(?:\.[A-Za-z0-9_+'-]+)*$/;

/** One bare address at one of the domains; the domain's case is folded. */
export function email(domains: readonly string[], say: Say): TextCheck {
  const isNamed = compileHosts(domains);
  const [malformed, other] = [say.error('is not one plain e-mail address'), say.no('is at another domain than the rule allows')];
  return (value) => {
    const at = value.indexOf('@');
    const domain = value.slice(at + 1).toLowerCase();
    // The regular expression first: beyond ASCII, toLowerCase makes `k` of the Kelvin sign.
    if (at < 1 || value.length > 254 || !/^[\x21-\x7e]+$/.test(value) || !LOCAL.test(value.slice(0, at)) || !isHostName(domain)) return malformed;
    return isNamed(domain) ? null : other;
  };
}
