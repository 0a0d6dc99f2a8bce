import type { Era } from '../../call/call.ts';
import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { isObject } from '../answer.ts';
import { createChanges, type Changes } from './changes.ts';
import { Hearing } from './hearing.ts';
import { Legacy } from './legacy.ts';
import type { Link, Log } from './link.ts';
import { Modern } from './modern.ts';
import { Nap } from './nap.ts';
import { initialize, NoStreamableHttp, probe, type Found } from './probe.ts';
import type { Voice } from './say.ts';
import { SessionsFull } from './up-sessions.ts';
import { UpstreamFault, type Exchange, type Change, type RequestOptions, type Upstream, type UpstreamInfo } from '../upstream.ts';

export interface HttpUpstream extends Upstream {
  /** Somebody could not reach it: look again now. */
  readonly suspect: () => void;
  /** Every era it speaks; `era` is the one the gateway itself uses. */
  readonly eras: () => readonly Era[];
}

/** A stream that ended sooner counts as a failure, so that a server which closes at once is not asked again at once, ms. */
const STEADY_MS = 10_000;
const SWEEP_MS = 60_000;
/** An MCP server over Streamable HTTP, to which the gateway is the client. `request` and `watch` throw `NoStreamableHttp`, and `onNoStreamableHttp` is called, when it may be an HTTP+SSE server. */
export function createHttpUpstream(link: Link, deps: { readonly clock: Clock; readonly log: Log; readonly onNoStreamableHttp?: () => void }): HttpUpstream {
  return new Http(link, deps.clock, deps.log, deps.onNoStreamableHttp ?? (() => undefined));
}

/** What a look at the server showed. */
interface Seen {
  readonly found: Found;
  readonly eras: readonly Era[];
}

class Http implements HttpUpstream {
  readonly name: string;
  readonly transport = 'http';
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #onNoStreamableHttp: () => void;
  readonly #changes: Changes = createChanges();
  readonly #voice: Voice;
  readonly #legacy: Legacy;
  readonly #modern: Modern;
  readonly #hearing: Hearing;
  readonly #nap = new Nap();
  #found: Found | null = null;
  #info: UpstreamInfo | null = null;
  #hasLogging = false;
  #eras: readonly Era[];
  #cause: string | null = 'not connected yet';
  #lastId = 0;
  #closed = false;
  #connecting: Promise<void> | null = null;
  #sweeper: NodeJS.Timeout | null = null;
  #refresher: NodeJS.Timeout | undefined;

  constructor(link: Link, clock: Clock, log: Log, onNoStreamableHttp: () => void) {
    this.name = link.name;
    this.#link = link;
    this.#clock = clock;
    this.#log = log;
    this.#onNoStreamableHttp = onNoStreamableHttp;
    this.#eras = link.config.era === 'auto' ? [] : [link.config.era];
    this.#voice = { link, monotonic: clock.monotonic, nextId: () => ++this.#lastId, onChange: this.#changes.heard };
    this.#legacy = new Legacy(this.#voice, () => this.suspect());
    this.#modern = new Modern(this.#voice);
    this.#hearing = new Hearing(this.#voice, this.#legacy, () => this.suspect());
  }

  era = (): Era | null => this.#found?.era ?? (this.#link.config.era === 'auto' ? null : this.#link.config.era);
  eras = (): readonly Era[] => this.#eras;
  info = (): ReturnType<Upstream['info']> => this.#info;
  state = (): ReturnType<Upstream['state']> => (this.#cause === null ? { ok: true } : { ok: false, cause: this.#cause });
  onChanged = (listener: (change: Change) => void): void => this.#changes.add(listener);

  start = (): void => {
    if (this.#sweeper !== null || this.#closed) return;
    this.#sweeper = setInterval(this.#legacy.sweep, SWEEP_MS).unref();
    this.#refreshLater();
    void this.#live();
  };
  suspect = (): void => {
    // While it is known to be away, back-off decides when to look: callers must not become a load on a server that comes up.
    if (this.#closed || this.#connecting !== null || this.#cause !== null) return;
    this.#hearing.stop();
    this.#nap.wake();
  };
  close = async (): Promise<void> => {
    this.#closed = true;
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    clearTimeout(this.#refresher);
    this.#changes.close();
    this.#hearing.close();
    this.#nap.wake();
    this.#legacy.clear();
  };

  request = async (method: string, paramsText: string, options: RequestOptions): Promise<Exchange> => {
    if (this.#cause !== null || this.#found === null) await this.#connect();
    const found = this.#found;
    if (found === null) throw new UpstreamFault({ code: 'dispatch.unavailable', effect: 'none' });
    try {
      return await (found.era === 'modern' ? this.#modern.request(method, paramsText, options) : this.#legacy.request(method, paramsText, options, this.#hasLogging));
    } catch (thrown) {
      if (thrown instanceof UpstreamFault && !(thrown instanceof SessionsFull) && (thrown.refusal.code === 'dispatch.unavailable' || thrown.refusal.code === 'dispatch.crashed')) this.suspect();
      throw thrown;
    }
  };

  watch: Upstream['watch'] = async (uri, onUpdated) => {
    if (this.#cause !== null || this.#found === null) await this.#connect();
    return this.#hearing.watch(uri, onUpdated);
  };

  /** Connects, listens for news, and begins again when the line breaks. */
  async #live(): Promise<void> {
    let failures = 0;
    while (!this.#closed) {
      const since = this.#clock.monotonic();
      try {
        await this.#connect();
        await this.#hearing.stay();
        failures = this.#clock.monotonic() - since > STEADY_MS ? 0 : failures + 1;
      } catch {
        failures++; // #connect has noted the cause
      }
      if (!this.#closed) await this.#nap.sleep(backoffMs(failures));
    }
  }

  #connect(): Promise<void> {
    return (this.#connecting ??= this.#reach().finally(() => (this.#connecting = null)));
  }
  async #reach(): Promise<void> {
    if (this.#closed) throw new UpstreamFault({ code: 'dispatch.unavailable', note: 'closed', effect: 'none' });
    try {
      this.#adopt(await this.#look());
    } catch (thrown) {
      const fault = thrown instanceof UpstreamFault ? thrown : new UpstreamFault({ code: 'dispatch.unavailable', note: String(thrown), effect: 'none' });
      if (this.#cause !== fault.message) this.#log('server not reachable', { server: this.name, cause: fault.message });
      this.#cause = fault.message;
      if (fault instanceof NoStreamableHttp) this.#onNoStreamableHttp();
      throw fault instanceof NoStreamableHttp ? fault : new UpstreamFault({ ...fault.refusal, effect: 'none' }); // whatever broke, the caller's request was not sent
    }
  }
  async #look(): Promise<Seen> {
    const { era } = this.#link.config;
    const found = await probe(this.#link, era, this.#voice.nextId, this.#clock.monotonic);
    return { found, eras: found.era === 'modern' && era === 'auto' && (await this.#speaksLegacy()) ? ['modern', 'legacy'] : [found.era] };
  }
  #adopt({ found, eras }: Seen): void {
    const before = this.#found?.era ?? found.era;
    // What runs in sessions of an era that is over comes to its end there.
    if (found.era === 'modern') this.#legacy.clear();
    else this.#legacy.adopt(found.session);
    if (this.#closed) this.#legacy.clear();
    this.#hearing.begin(found);
    this.#eras = eras;
    this.#found = found;
    this.#info = { ...found.info, askedAt: this.#clock.now() };
    this.#hasLogging = isObject(found.info.capabilities['logging']);
    if (before !== found.era) this.#log('server changed its era', { server: this.name, from: before, to: found.era });
    if (this.#cause !== null) this.#log('server connected', { server: this.name, era: found.era });
    this.#cause = null;
    this.#changes.connected();
  }
  /** Many modern servers still take the handshake: their legacy clients can be mirrored too. */
  async #speaksLegacy(): Promise<boolean> {
    try {
      const { session } = await initialize(this.#link, this.#voice.nextId(), '{}', this.#clock.monotonic);
      void this.#legacy.end(session);
      return true;
    } catch {
      return false;
    }
  }

  /** Whether it still is what it was is asked now and then; a little earlier at random, so that many servers are not asked at once. */
  #refreshLater(): void {
    const ms = this.#link.eraRefreshMs;
    this.#refresher = setTimeout(() => void this.#refresh().finally(() => this.#closed || this.#refreshLater()), backoffMs(1, ms, ms)).unref();
  }
  async #refresh(): Promise<void> {
    if (this.#cause !== null || this.#connecting !== null) return; // it is being asked anyway
    let found: Found;
    let eras: readonly Era[];
    try {
      ({ found, eras } = await this.#look());
    } catch {
      return; // silence and faults say nothing about the era
    }
    if (found.era === 'legacy') void this.#legacy.end(found.session);
    const before = this.#found;
    if (this.#closed || before === null || this.#cause !== null) return;
    // What differs is taken up as after a broken line: by a new look, with everything that hangs on it. Calls that run go on.
    if (found.era !== before.era || JSON.stringify(found.info) !== JSON.stringify(before.info)) return this.suspect();
    this.#eras = eras;
    this.#info = { ...found.info, askedAt: this.#clock.now() };
  }
}
