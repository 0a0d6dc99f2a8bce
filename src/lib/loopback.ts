const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1|\[::1\])$/i;
const isLoopback = (host: string): boolean => LOOPBACK.test(host);

/**
 * What is wrong with where the gateway would listen, or null. Checked again at the start, because the command line may move the
 * listener. Stops credentials from crossing a network in the clear (CWE-319; MCP authorization: HTTPS for all but loopback).
 */
export function listenFault(config: { readonly host: string; readonly tls: object | null; readonly tls_terminated_by_proxy: boolean }): string | null {
  if (isLoopback(config.host) || config.tls !== null || config.tls_terminated_by_proxy) return null;
  return 'listens beyond this machine without TLS: set `tls: {cert: file:…, key: file:…}`, or `tls_terminated_by_proxy: true` if a proxy in front does it, or `host: 127.0.0.1`';
}
