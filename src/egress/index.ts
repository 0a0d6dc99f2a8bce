import { Agent, type Dispatcher, Pool } from 'undici';
import type { Allowed } from './address.ts';
import type { EgressConfig } from './config.ts';
import { createConnector, type Resolve, resolveBySystem } from './connect.ts';
import { createFetchJson, type FetchJson } from './fetch-json.ts';
import { createPostJson, type PostJson } from './post-json.ts';
import { judgeUrl } from './url.ts';

export { EgressRefused } from './connect.ts';
export type { FetchJson, FetchOptions } from './fetch-json.ts';
export type { PostJson } from './post-json.ts';

/** A destination as the operator declared it. */
export interface Destination {
  readonly name: string;
  readonly url: string;
  readonly allow_private: boolean;
  readonly allow_loopback: boolean;
  /** null: as many as are asked for. */
  readonly connections: number | null;
}

/** The one door out: whoever wants to reach something goes through here, and reaches only what is declared (MISSION E1). */
export interface Egress {
  /**
   * Connections to the origin of this URL and to nothing else: keep-alive, one request at a time on each, no timers on headers and bodies, no
   * redirects, no HTTP/2. Throws `EgressRefused` when the URL itself is refused; requests fail with it when an address is.
   */
  readonly dispatcher: (destination: Destination) => Dispatcher;
  /** GET of a small JSON document, for key sets and metadata. Never follows a redirect. */
  readonly fetchJson: FetchJson;
  /** POST of a JSON text, for webhooks. Never follows a redirect; the answer is not read. */
  readonly postJson: PostJson;
  readonly close: () => Promise<void>;
}

/** `resolve`: how names become addresses; the system's resolver when left out. */
export function createEgress(config: EgressConfig, deps: { readonly resolve?: Resolve } = {}): Egress {
  const resolve = deps.resolve ?? resolveBySystem;
  const open = new Set<Dispatcher>();
  const kept = <D extends Dispatcher>(dispatcher: D): D => {
    open.add(dispatcher);
    return dispatcher;
  };
  const shared = {
    pipelining: 1, // a second request behind one that hangs would hang too
    keepAliveTimeout: config.keep_alive_ms,
    keepAliveMaxTimeout: Math.max(config.keep_alive_ms, 60_000),
    headersTimeout: 0,
    bodyTimeout: 0,
    allowH2: false,
  };
  const connector = (allowed: Allowed): ReturnType<typeof createConnector> => createConnector(allowed, resolve, config.connect_timeout_ms);
  const documents: Allowed = { loopback: config.fetch_allow_loopback, private: config.fetch_allow_private };
  const agent = (allowed: Allowed): Agent => kept(new Agent({ ...shared, connections: 4, connect: connector(allowed) }));
  return {
    dispatcher: ({ url, allow_private, allow_loopback, connections }) => {
      const allowed: Allowed = { private: allow_private, loopback: allow_loopback };
      return kept(new Pool(judgeUrl(url, allowed).origin, { ...shared, connect: connector(allowed), ...(connections === null ? {} : { connections }) }));
    },
    fetchJson: createFetchJson(config.fetch_timeout_ms, documents, agent),
    postJson: createPostJson(config.fetch_timeout_ms, documents, agent),
    close: async () => {
      const closing = [...open].map((dispatcher) => dispatcher.destroy());
      open.clear();
      await Promise.all(closing);
    },
  };
}
