import type { News } from './news.ts';
import { UpstreamFault } from '../upstream.ts';

/** Opens a `subscriptions/listen` for the updates of these resources. */
export type OpenWatch = (uris: readonly string[]) => News;

const ACK_MS = 15_000;

/**
 * The resources that are watched at a modern server, on one stream for all of them. When they change, a new stream is opened and
 * acknowledged before the old one is closed, so that no update falls between the two.
 */
export class ModernWatch {
  readonly #open: OpenWatch;
  /** The stream ended although something is watched. */
  readonly #onLost: () => void;
  readonly #wanted = new Set<string>();
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>();
  #current: News | null = null;
  #covered: ReadonlySet<string> = new Set();
  #isBusy = false;
  #isStale = false;

  constructor(open: OpenWatch, onLost: () => void) {
    this.#open = open;
    this.#onLost = onLost;
  }

  subscribe(uri: string): Promise<void> {
    if (this.#covered.has(uri) && this.#wanted.has(uri)) return Promise.resolve();
    this.#wanted.add(uri);
    const waiting = this.#waiting.get(uri) ?? Promise.withResolvers<void>();
    this.#waiting.set(uri, waiting);
    void this.#sync();
    return waiting.promise;
  }
  unsubscribe(uri: string): void {
    if (this.#wanted.delete(uri)) void this.#sync();
  }
  /** Forgets everything. */
  clear(): void {
    this.#wanted.clear();
    for (const uri of this.#waiting.keys()) this.#settle(uri, 'closed');
    this.#drop();
  }

  async #sync(): Promise<void> {
    this.#isStale = true;
    if (this.#isBusy) return;
    this.#isBusy = true;
    while (this.#isStale) {
      await Promise.resolve(); // all that are asked for at once go into one stream
      this.#isStale = false;
      await this.#reissue();
    }
    this.#isBusy = false;
  }

  async #reissue(): Promise<void> {
    const uris = [...this.#wanted];
    if (uris.length === 0) return this.#drop();
    const next = this.#open(uris);
    const timer = setTimeout(next.close, ACK_MS);
    const honoured = (await next.opened)?.['resourceSubscriptions'];
    clearTimeout(timer);
    const covered = new Set(Array.isArray(honoured) ? honoured.filter((uri) => typeof uri === 'string') : []);
    if (this.#wanted.size === 0 || covered.size === 0) next.close(); // cleared meanwhile, or refused: what there was goes on
    else this.#replace(next, covered);
    for (const uri of uris) {
      if (!this.#covered.has(uri)) this.#wanted.delete(uri);
      this.#settle(uri, this.#covered.has(uri) ? null : 'the server does not tell of this resource');
    }
  }

  #replace(next: News, covered: ReadonlySet<string>): void {
    const old = this.#current;
    this.#current = next;
    this.#covered = covered;
    old?.close();
    void next.over.then(() => {
      if (this.#current !== next) return;
      this.#current = null;
      this.#covered = new Set();
      if (this.#wanted.size > 0) this.#onLost();
    });
  }
  #drop(): void {
    const old = this.#current;
    this.#current = null;
    this.#covered = new Set();
    old?.close();
  }
  #settle(uri: string, fault: string | null): void {
    const waiting = this.#waiting.get(uri);
    this.#waiting.delete(uri);
    if (fault === null) waiting?.resolve();
    else waiting?.reject(new UpstreamFault({ code: 'dispatch.upstream', note: fault, effect: 'none' }));
  }
}
