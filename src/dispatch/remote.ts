import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../lib/clock.ts';
import type { Link, Log } from './http/link.ts';
import { NoStreamableHttp } from './http/probe.ts';
import { createHttpUpstream, type HttpUpstream } from './http/upstream.ts';
import type { PipeUpstream } from './pipe/upstream.ts';
import { createSseUpstream } from './sse/upstream.ts';
import type { Change, Exchange, RequestOptions, Upstream } from './upstream.ts';

interface Deps {
  readonly clock: Clock;
  readonly log: Log;
}

/** A server with a `url`, over the transport that its config names or that it turns out to have. */
export function createRemoteUpstream(link: Link, deps: Deps): HttpUpstream {
  const { transport, era } = link.config;
  if (transport === 'sse') return withoutMirror(createSseUpstream(link, deps));
  return transport === 'streamable' || era === 'modern' ? createHttpUpstream(link, deps) : new Either(link, deps);
}

/** Nobody can be mirrored to a server with a separate event stream: its one stream is the gateway's. */
const withoutMirror = (sse: PipeUpstream): HttpUpstream & PipeUpstream => ({ ...sse, eras: () => [] });

/** Before a watch is taken to another transport, and again when that fails, ms. */
const MOVE_WAITS = [0, 250, 1_000, 5_000] as const;

interface Watch {
  readonly uri: string;
  readonly onUpdated: (paramsText: string) => void;
  stop: (() => void) | null;
}

/**
 * A server of unknown transport: Streamable HTTP first, and where that is answered like by something else, the separate event stream of
 * 2024-11-05 (MCP 2026-07-28 transports, backwards compatibility). What connects is kept until it breaks; then both are tried again.
 */
class Either implements HttpUpstream {
  readonly name: string;
  readonly transport = 'http';
  readonly #link: Link;
  readonly #deps: Deps;
  readonly #listeners: ((change: Change) => void)[] = [];
  readonly #watching = new Set<Watch>();
  #http: HttpUpstream | null = null;
  #sse: (HttpUpstream & PipeUpstream) | null = null;
  #active: HttpUpstream;
  #closed = false;

  constructor(link: Link, deps: Deps) {
    this.name = link.name;
    this.#link = link;
    this.#deps = deps;
    this.#active = this.#newHttp();
  }

  era: Upstream['era'] = () => (this.#isOpen() ? null : this.#active.era());
  eras: HttpUpstream['eras'] = () => (this.#isOpen() ? [] : this.#active.eras());
  info: Upstream['info'] = () => this.#active.info();
  onChanged = (listener: (change: Change) => void): void => void this.#listeners.push(listener);
  start = (): void => this.#http?.start();
  suspect = (): void => this.#active.suspect();
  state: Upstream['state'] = () => {
    const state = this.#active.state();
    const sse = this.#isOpen() ? this.#sse?.state() : undefined;
    return state.ok || sse === undefined || sse.ok ? state : { ok: false, cause: `${state.cause}; over sse: ${sse.cause}` };
  };
  close = async (): Promise<void> => {
    this.#closed = true;
    await Promise.all([this.#http?.close(), this.#sse?.close()]);
  };

  request = (method: string, paramsText: string, options: RequestOptions): Promise<Exchange> => this.#with((upstream) => upstream.request(method, paramsText, options));

  watch: Upstream['watch'] = async (uri, onUpdated) => {
    const watch: Watch = { uri, onUpdated, stop: await this.#with((upstream) => upstream.watch(uri, onUpdated)) };
    this.#watching.add(watch);
    return () => {
      this.#watching.delete(watch);
      watch.stop?.();
    };
  };

  /** `NoStreamableHttp` says that nothing was sent but the handshake. */
  async #with<T>(act: (upstream: Upstream) => Promise<T>): Promise<T> {
    try {
      return await act(this.#active);
    } catch (thrown) {
      if (!(thrown instanceof NoStreamableHttp) || this.#sse === null) throw thrown;
      return act(this.#sse);
    }
  }

  /** Which transport it has is not decided: it has shown no Streamable HTTP, and no event stream yet. */
  #isOpen(): boolean {
    return this.#sse !== null && this.#active === this.#http && !this.#active.state().ok;
  }

  #newHttp(): HttpUpstream {
    const http = createHttpUpstream(this.#link, { ...this.#deps, onNoStreamableHttp: () => this.#trySse() });
    http.onChanged((change) => this.#heard(http, change));
    this.#http = http;
    return http;
  }
  #trySse(): void {
    if (this.#closed || this.#sse !== null) return;
    const sse = withoutMirror(createSseUpstream(this.#link, this.#deps));
    sse.onChanged((change) => this.#heard(sse, change));
    sse.onDown(() => {
      if (!this.#closed && this.#active === sse && this.#http === null) this.#newHttp().start(); // perhaps another release came up
    });
    this.#sse = sse;
    sse.start();
  }

  #heard(from: HttpUpstream, change: Change): void {
    if (this.#closed || (from !== this.#http && from !== this.#sse)) return;
    if (change === 'connected') this.#adopt(from);
    if (this.#active === from) for (const listener of this.#listeners) listener(change);
  }
  #adopt(winner: HttpUpstream): void {
    const isHttp = winner === this.#http;
    const other = isHttp ? this.#sse : this.#http;
    if (isHttp) this.#sse = null;
    else this.#http = null;
    void other?.close();
    if (this.#active === winner) return;
    this.#active = winner;
    for (const watch of this.#watching) void this.#moved(watch, winner);
  }
  /** A server that has just connected may not be ready to be watched; one that refuses is left alone, and the reader's stream stays open. */
  async #moved(watch: Watch, to: HttpUpstream): Promise<void> {
    watch.stop = null; // the other one is closed
    for (const wait of MOVE_WAITS) {
      await pause(wait, undefined, { ref: false });
      if (this.#closed || this.#active !== to || !this.#watching.has(watch)) return;
      const stop = await to.watch(watch.uri, watch.onUpdated).catch(() => null);
      if (stop === null) continue;
      if (this.#active !== to || !this.#watching.has(watch)) return stop();
      watch.stop = stop;
      return watch.onUpdated(`{"uri":${JSON.stringify(watch.uri)}}`); // what changed in between nobody said
    }
  }
}
