import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Range = readonly [Address, number];

/** Reads `10.0.0.0/8`, `2001:db8::/32` or one address; null when it is none, has host bits set (a typo that widens or narrows unseen) or is an IPv4-mapped range. */
export function parseRange(text: string): Range | null {
  const [host = '', bits, ...rest] = text.split('/');
  const address = parseAddress(host);
  if (address === null || rest.length > 0 || /^::ffff:/i.test(host)) return null;
  const width = address.kind() === 'ipv4' ? 32 : 128;
  if (bits === undefined) return [address, width];
  if (!/^(?:0|[1-9]\d{0,2})$/.test(bits) || Number(bits) > width) return null;
  const range: Range = [address, Number(bits)];
  return hasHostBits(range) ? null : range;
}

/** Only the plain spellings: `010.0.0.1`, `0x7f.1` or `2130706433` mean different addresses to different programs (CWE-1389). */
function parseAddress(text: string): Address | null {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  return ipaddr.IPv6.isValid(text) ? ipaddr.process(text) : null; // ::ffff:a.b.c.d is the IPv4 address it carries
}
function hasHostBits([address, bits]: Range): boolean {
  const bytes = address.toByteArray();
  return bytes.some((byte, at) => (byte & (0xff >> Math.min(8, Math.max(0, bits - at * 8)))) !== 0);
}

/**
 * Compiles a key's ranges into a test for the socket's address. No `X-Forwarded-For`, which anybody can write (CWE-348). An address
 * that cannot be read is outside. Remembers its last answer: a client calls from the same address again and again.
 */
export function compileSources(ranges: readonly string[]): ((address: string) => boolean) | null {
  if (ranges.length === 0) return null;
  const parsed = ranges.map((text) => {
    const range = parseRange(text);
    if (range === null) throw new Error(`not a range of addresses: ${text}`);
    return range;
  });
  let last = '';
  let answer = false;
  return (text) => {
    if (text === last) return answer;
    const address = parseAddress(text.replace(/%.*$/, '')); // a zone names our own interface, not the peer
    answer = address !== null && parsed.some(([net, bits]) => address.kind() === net.kind() && address.match(net, bits));
    last = text;
    return answer;
  };
}
