import { isIP } from 'node:net';
import { type Allowed, admits, kindOf } from './address.ts';
import { EgressRefused } from './connect.ts';

/**
 * Reads a URL as everything after will read it, WHATWG's way (so `0x7f.1`, `①②⑦.0.0.1` and the like are what they are), and throws
 * `EgressRefused` unless it is https, or http where a loopback or private destination is declared; without userinfo, and not the
 * literal of a refused address. Names are judged when they are resolved.
 */
export function judgeUrl(text: string, allowed: Allowed): URL {
  const url = URL.parse(text);
  // Never echo the text: it may hold a credential.
  if (url === null) throw new EgressRefused('not a URL');
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new EgressRefused('not an http URL');
  if (url.username !== '' || url.password !== '') throw new EgressRefused('a URL with credentials in it');
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
  if (isIP(host) !== 0 && !admits(allowed, host)) throw new EgressRefused(`${host} is a refused address`);
  // `127.0.0.1..` and the like: no name ends in a number (WHATWG URL), and some resolvers read it as an address.
  if (isIP(host) === 0 && !NAME.test(host)) throw new EgressRefused('not the name of a host');
  if (url.protocol === 'http:' && (!(allowed.loopback || allowed.private) || (isIP(host) !== 0 && kindOf(host) === 'public'))) throw new EgressRefused('https is required');
  return url;
}

/** Labels of letters, digits, `-` and `_`, the last one not a number; one dot may end it. */
const NAME = /^(?:[a-z0-9_-]{1,63}\.)*(?!\d+\.?$)[a-z0-9_-]{1,63}\.?$/;
