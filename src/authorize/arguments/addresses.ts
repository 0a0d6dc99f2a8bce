import ipaddr from 'ipaddr.js';
import type { Say, TextCheck } from './finding.ts';
import { PolicyFault } from './finding.ts';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
export interface Ranges {
  /** true or false, or why the text is no address in its one plain spelling. */
  readonly holds: (text: string) => boolean | string;
}

/** IPv6 forms that carry an IPv4 address and end up there (RFC 4291 2.5.5, RFC 6052, RFC 3056, RFC 4380): a range of IPv4 would not see them. */
const CARRIES_V4 = new Set(['ipv4Mapped', 'rfc6145', 'rfc6052', '6to4', 'teredo']);

/** Only `10.0.0.1` and RFC 5952: `010.0.0.1`, `0x7f.1` and `2130706433` mean different addresses to different programs (CWE-1389, CVE-2021-29922). */
function readAddress(text: string): Address | string {
  if (text.length > 45) return 'is not an IP address';
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) {
    const address = ipaddr.IPv4.parse(text);
    return address.toString() === text ? address : 'is not an IP address in its plain spelling';
  }
  if (text.includes('%') || !ipaddr.IPv6.isValid(text)) return 'is not an IP address in its plain spelling';
  const address = ipaddr.IPv6.parse(text);
  if (address.toRFC5952String() !== text) return 'is not an IP address in its plain spelling';
  const isCompatible = address.parts.slice(0, 6).every((part) => part === 0) && ((address.parts[6] ?? 0) > 0 || (address.parts[7] ?? 0) > 1);
  return isCompatible || CARRIES_V4.has(address.range()) ? 'is an IPv6 address that carries an IPv4 address' : address;
}

/** Compiles ranges such as `10.0.0.0/8` or single addresses. Throws PolicyFault. */
export function compileRanges(written: readonly string[]): Ranges {
  const ranges = written.map(parseRange);
  return {
    holds: (text) => {
      const address = readAddress(text);
      return typeof address === 'string' ? address : ranges.some(([net, bits]) => net.kind() === address.kind() && address.match(net, bits));
    },
  };
}

function parseRange(text: string): readonly [Address, number] {
  const [host = '', bits, ...rest] = text.split('/');
  const address = readAddress(host);
  if (typeof address === 'string') throw new PolicyFault(`the address in \`cidr\` ${address}; write it as 10.0.0.0/8 or 2001:db8::/32`);
  const width = address.kind() === 'ipv4' ? 32 : 128;
  if (rest.length > 0 || (bits !== undefined && (!/^(?:0|[1-9]\d{0,2})$/.test(bits) || Number(bits) > width))) throw new PolicyFault(`the prefix in \`cidr\` must be 0 to ${width}`);
  const length = bits === undefined ? width : Number(bits);
  const hasHostBits = address.toByteArray().some((byte, at) => (byte & (0xff >> Math.min(8, Math.max(0, length - at * 8)))) !== 0);
  if (hasHostBits) throw new PolicyFault('an address in `cidr` has bits set behind its prefix; write the first address of the range');
  return [address, length];
}

/** The text is an IP address within one of the ranges. */
export function cidr(ranges: readonly string[], say: Say): TextCheck {
  const { holds } = compileRanges(ranges);
  const outside = say.no('is outside the address ranges that the rule names');
  return (value) => {
    const is = holds(value);
    return typeof is === 'string' ? say.error(is) : is ? null : outside;
  };
}
