import type { JsonObject } from '../../call/json.ts';
import { textAt } from '../../lib/json-spans.ts';
import { isObject } from '../answer.ts';
import { unasked } from '../asked.ts';
import { createWatches, type Watches } from '../watches.ts';
import type { Legacy } from './legacy.ts';
import { ModernWatch } from './modern-watch.ts';
import { Nap } from './nap.ts';
import { listen, listKinds, type News, type Wanted } from './news.ts';
import type { Found } from './probe.ts';
import { changeOf, type Voice } from './say.ts';
import { UpstreamFault, type Upstream } from '../upstream.ts';

/** How long somebody who watches waits for the stream on which updates come, ms. */
const OPEN_MS = 15_000;
/** Bounds of the wait before a stream that was closed in good order is taken up again, ms. */
const SHORTEST_MS = 100, LONGEST_MS = 30_000, USUAL_MS = 1_000;

/** What a server tells without being asked: lists that change, and the resources that are watched. */
export class Hearing {
  readonly #voice: Voice;
  readonly #legacy: Legacy;
  readonly #watches: Watches;
  readonly #modernWatch: ModernWatch;
  readonly #nap = new Nap();
  #found: Found | null = null;
  #news: News | null = null;
  /** What was watched before the line to the server was a new one. */
  #unheard: readonly string[] = [];
  /** Whether a legacy server keeps a stream for its news; settles when it is known. */
  #hears = Promise.withResolvers<boolean>();
  #isKnown = false;
  #closed = false;

  /** `onLost`: a stream for what is watched broke. */
  constructor(voice: Voice, legacy: Legacy, onLost: () => void) {
    this.#voice = voice;
    this.#legacy = legacy;
    const openWatch = (uris: readonly string[]): News => this.#listen({ era: 'modern', id: voice.nextId(), notifications: `{"resourceSubscriptions":${JSON.stringify(uris)}}` });
    this.#modernWatch = new ModernWatch(openWatch, onLost);
    this.#watches = createWatches({ subscribe: (uri) => this.#subscribe(uri), unsubscribe: (uri) => this.#unsubscribe(uri) });
  }

  /** The line to the server is a new one. */
  begin(found: Found): void {
    this.#found = found;
    this.#unheard = this.#watches.uris();
    if (this.#isKnown) this.#hears = Promise.withResolvers();
    this.#isKnown = false;
    if (found.era === 'legacy') this.#modernWatch.clear();
  }
  /** Listens until the server has to be looked at again. */
  async stay(): Promise<void> {
    const found = this.#found;
    if (found === null) return;
    if (found.era === 'modern') void this.#watches.again(this.#unheard);
    let wanted = this.#wantedOf(found);
    while (wanted !== null && !this.#closed) {
      const news = this.#listen(wanted);
      this.#news = news;
      void news.opened.then((open) => open !== null && this.#know(news, true));
      const end = await news.over;
      if (end === 'none') this.#know(news, false);
      this.#news = null;
      if (end === 'none') break;
      const { lastId, retryMs } = news.at();
      // Closed in good order and with a place to begin again: the session stands, and the server has kept what we miss.
      if (end === 'broken' || lastId === null || wanted.era === 'modern' || wanted.session.id === null) return;
      wanted = { ...wanted, lastId };
      await this.#nap.sleep(Math.min(LONGEST_MS, Math.max(SHORTEST_MS, retryMs ?? USUAL_MS)));
      if (this.#found !== found) return;
    }
    if (!this.#closed) await this.#nap.sleep(null); // the server keeps no stream: until someone suspects it
  }
  /** Ends `stay`. */
  stop(): void {
    this.#news?.close();
    this.#nap.wake();
  }
  close(): void {
    this.#closed = true;
    this.stop();
    this.#modernWatch.clear();
    this.#hears.resolve(false);
  }

  readonly watch: Upstream['watch'] = (uri, onUpdated) => this.#watches.watch(uri, onUpdated);

  async #subscribe(uri: string): Promise<void> {
    if (this.#found?.era === 'modern') return this.#modernWatch.subscribe(uri);
    const resources = this.#found?.info.capabilities['resources'];
    if (!isObject(resources) || resources['subscribe'] !== true) throw unwatchable('the server has no resource subscriptions');
    if (!(await within(this.#hears.promise, OPEN_MS, false))) throw unwatchable('the server keeps no stream on which it could tell');
    await this.#legacy.command('resources/subscribe', `{"uri":${JSON.stringify(uri)}}`);
  }
  async #unsubscribe(uri: string): Promise<void> {
    if (this.#found?.era === 'modern') return this.#modernWatch.unsubscribe(uri);
    if (!this.#closed) await this.#legacy.command('resources/unsubscribe', `{"uri":${JSON.stringify(uri)}}`).catch(() => undefined);
  }

  /** The first stream of a new line: what is watched is subscribed once updates can arrive. */
  #know(news: News, isOpen: boolean): void {
    if (this.#news !== news || this.#isKnown) return;
    this.#isKnown = true;
    this.#hears.resolve(isOpen);
    if (isOpen && this.#found?.era === 'legacy') void this.#watches.again(this.#unheard);
  }
  #wantedOf(found: Found): Wanted | null {
    if (found.era === 'legacy') return { era: 'legacy', session: found.session, lastId: null };
    const notifications = listKinds(found.info.capabilities);
    return notifications === null ? null : { era: 'modern', id: this.#voice.nextId(), notifications };
  }
  #listen(wanted: Wanted): News {
    const session = wanted.era === 'legacy' ? wanted.session : null;
    return listen(this.#voice.link, wanted, {
      notification: (message, text) => this.#heard(message, text),
      request: (message, text) => session !== null && this.#legacy.aside(session, unasked(message, text)),
    });
  }
  #heard(message: JsonObject, text: string): void {
    const change = changeOf(message);
    if (change !== null) return this.#voice.onChange(change);
    const { method, params } = message;
    if (method === 'notifications/resources/updated' && isObject(params) && typeof params['uri'] === 'string') this.#watches.updated(params['uri'], textAt(text, ['params']) ?? '{}');
  }
}

const unwatchable = (note: string): UpstreamFault => new UpstreamFault({ code: 'dispatch.translation', note, effect: 'none' });

/** What it settles to, or `other` when that takes longer. */
function within<T>(promise: Promise<T>, ms: number, other: T): Promise<T> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, other);
    void promise.then(resolve).finally(() => clearTimeout(timer));
  });
}
