import ipaddr from 'ipaddr.js';

type V4 = InstanceType<typeof ipaddr.IPv4>;
type V6 = InstanceType<typeof ipaddr.IPv6>;

/** What the operator declared for one destination. Nothing declared: public addresses only. */
export interface Allowed {
  readonly loopback: boolean;
  /** RFC 1918, RFC 6598 and unique local addresses. */
  readonly private: boolean;
}
/** What an address is, as far as it matters here. `never`: no declaration opens it. */
export type AddressKind = 'public' | 'loopback' | 'private' | 'never';

/**
 * Metadata and host services of clouds: whoever reaches them gets the machine's credentials (CWE-918). They lie within private,
 * shared or even public ranges, so a declaration for private addresses must not open them.
 */
const METADATA = [
  '168.63.129.16/32', // Azure wire server, a public address
  '100.100.100.200/32', // Alibaba Cloud, within RFC 6598
  '192.0.0.192/32', // Oracle Cloud
  '169.254.0.0/16', // AWS, Google, Azure and others; link-local as a whole
  'fd00:ec2::/32', // AWS over IPv6, within the unique local range
  'fd20:ce::254/128', // Google over IPv6
  'fd00:c1::a9fe:a9fe/128', // Oracle over IPv6
].map((cidr) => ipaddr.parseCIDR(cidr));

/**
 * Judges an address literal as a name look-up or WHATWG URL parsing returns it, brackets or not. Whatever is not understood is `never`.
 * IPv6 forms that carry an IPv4 address are unpacked and judged by what they carry: they end up there (RFC 4291 2.5.5, RFC 6052).
 */
export function kindOf(literal: string): AddressKind {
  const text = literal.startsWith('[') && literal.endsWith(']') ? literal.slice(1, -1) : literal;
  // Zone ids choose an interface; only link-local addresses have them. Other spellings than the four-part one are left to nobody.
  // A dotted tail after other words than these is the deprecated `::1.2.3.4`, which parsers disagree on.
  if (text.includes(':') && text.includes('.') && !/^(?:::ffff|(?:0{1,4}:){5}ffff|64:ff9b:):/i.test(text)) return 'never';
  if (text.includes('%') || !(ipaddr.IPv6.isValid(text) || ipaddr.IPv4.isValidFourPartDecimal(text))) return 'never';
  const address = ipaddr.parse(text);
  return isV6(address) ? kindOfV6(address) : kindOfV4(address);
}

/** May this address be connected to? */
export function admits(allowed: Allowed, literal: string): boolean {
  const kind = kindOf(literal);
  return kind === 'public' || (kind === 'loopback' && allowed.loopback) || (kind === 'private' && allowed.private);
}

function kindOfV4(address: V4): AddressKind {
  if (isMetadata(address)) return 'never';
  const range = address.range();
  if (range === 'unicast') return 'public';
  if (range === 'loopback') return 'loopback';
  // Everything else is no place for a server: unspecified, broadcast, multicast, link-local, reserved, benchmarks, documentation, AS112, AMT.
  return range === 'private' || range === 'carrierGradeNat' ? 'private' : 'never';
}

function kindOfV6(address: V6): AddressKind {
  if (isMetadata(address)) return 'never';
  const range = address.range();
  if (range === 'ipv4Mapped') return kindOfV4(address.toIPv4Address());
  if (range === 'loopback') return 'loopback';
  if (range === 'uniqueLocal') return 'private';
  const carried = carriedBy(address);
  if (carried !== null) return kindOfV4(carried);
  // Of what the registry calls global unicast only 2000::/3 is given out; `::127.0.0.1` (RFC 4291, deprecated) would pass as unicast too.
  return range === 'unicast' && ((address.parts[0] ?? 0) & 0xe000) === 0x2000 ? 'public' : 'never';
}

/** The IPv4 address that 64:ff9b::/96 (NAT64) and ISATAP interface ids carry. 6to4, Teredo and local NAT64 prefixes are refused as ranges: no server lives there. */
function carriedBy({ parts }: V6): V4 | null {
  const nat64 = parts[0] === 0x64 && parts[1] === 0xff9b && parts.slice(2, 6).every((p) => p === 0);
  const isatap = ((parts[4] ?? 0) & 0xfdff) === 0 && parts[5] === 0x5efe && ((parts[0] ?? 0) & 0xe000) === 0x2000;
  if (!nat64 && !isatap) return null;
  const [high, low] = [parts[6] ?? 0, parts[7] ?? 0];
  const v4 = new ipaddr.IPv4([high >> 8, high & 0xff, low >> 8, low & 0xff]);
  // ISATAP lies within somebody's prefix: a public one inside proves nothing about the documentation or reserved prefix around it.
  return nat64 || kindOfV4(v4) !== 'public' ? v4 : null;
}

const isV6 = (address: V4 | V6): address is V6 => address.kind() === 'ipv6';
const isMetadata = (address: V4 | V6): boolean => METADATA.some(([net, bits]) => net.kind() === address.kind() && address.match(net, bits));
