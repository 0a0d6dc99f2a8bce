import { lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { buildConnector } from 'undici';
import { type Allowed, admits, kindOf } from './address.ts';

/** No packet was sent: the address is not one the gateway may connect to, or the URL is not one it may follow. */
export class EgressRefused extends Error {
  override readonly name = 'EgressRefused';
  readonly code = 'EGRESS_REFUSED';
}

/** Resolves a name to all its addresses, like `dns.lookup` with `all`. */
export type Resolve = (hostname: string, done: (error: Error | null, addresses: readonly { readonly address: string; readonly family: number }[]) => void) => void;

export const resolveBySystem: Resolve = (hostname, done) => {
  systemLookup(hostname, { all: true }, (error, addresses) => done(error, addresses ?? []));
};

/** The most addresses one name may have; more is an attempt to hide one (or to have us dial for ever). */
const MAX_ADDRESSES = 64;

/**
 * A connector that dials only what was judged. The addresses the look-up returns are checked and handed to the socket as they are, so
 * there is no second look-up that could answer otherwise (DNS rebinding, CWE-350, CWE-367); literals, for which Node skips the
 * look-up, are checked before; and the peer of the connection is checked once more after. One bad address among a name's refuses the name.
 */
export function createConnector(allowed: Allowed, resolve: Resolve, timeoutMs: number): buildConnector.connector {
  const dialer = (mayDial: MayDial): buildConnector.connector =>
    buildConnector({ timeout: timeoutMs, allowH2: false, rejectUnauthorized: true, lookup: judgedLookup(resolve, mayDial) });
  const overTls: MayDial = (address) => admits(allowed, address);
  // The gateway's credential never crosses a public network in clear (CWE-319), wherever a name leads today.
  const inClear: MayDial = (address) => admits(allowed, address) && kindOf(address) !== 'public';
  const [dialTls, dialClear] = [dialer(overTls), dialer(inClear)];
  return (options, callback) => {
    const tls = options.protocol === 'https:';
    const mayDial = tls ? overTls : inClear;
    const { hostname } = options;
    const literal = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
    if (isIP(literal) !== 0 && !mayDial(literal)) return callback(new EgressRefused(`${literal} is a refused address`), null);
    (tls ? dialTls : dialClear)({ ...options, hostname: literal }, (...[error, socket]) => {
      if (error !== null) return callback(error, null);
      const peer = socket.remoteAddress ?? '';
      if (mayDial(peer)) return callback(null, socket);
      socket.destroy();
      callback(new EgressRefused(`connected to a refused address (${peer})`), null);
    });
  };
}

type MayDial = (address: string) => boolean;

function judgedLookup(resolve: Resolve, mayDial: MayDial): LookupFunction {
  return (hostname, options, done) => {
    resolve(hostname, (error, addresses) => {
      if (error !== null) return done(error, '', 0);
      const refuse = (why: string): void => done(new EgressRefused(`${hostname} ${why}`), '', 0);
      const first = addresses[0];
      if (first === undefined) return refuse('has no address');
      if (addresses.length > MAX_ADDRESSES) return refuse(`has more than ${MAX_ADDRESSES} addresses`);
      const bad = addresses.find(({ address }) => !mayDial(address));
      if (bad !== undefined) return refuse(`leads to a refused address (${bad.address})`);
      if (options.all === true) done(null, addresses.map(({ address, family }) => ({ address, family })));
      else done(null, first.address, first.family);
    });
  };
}
