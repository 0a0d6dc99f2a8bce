import type { JsonObject } from '../../call/json.ts';
import { isObject } from '../answer.ts';
import { type Change, UpstreamFault } from '../upstream.ts';
import { createWatches, type Watches } from '../watches.ts';
import type { Hello } from './hello.ts';
import { OWN, type PipeLog, type Talk } from './talk.ts';

/** Of a flood of list changes one is heard, ms. */
const CHANGED_MS = 100;
/** How long a server may take to confirm a subscription, ms. */
const CONFIRM_MS = 15_000;
const KINDS = ['tools', 'prompts', 'resources'] as const;
const FOREVER = { ...OWN, timeoutMs: Infinity };

/** What a server tells of itself: which of its lists changed, and which of the watched resources. */
export class News {
  private readonly name: string;
  private readonly log: PipeLog;
  private readonly announce: (change: Change) => void;
  private readonly watches: Watches;
  private readonly changed = new Map<Change, NodeJS.Timeout>();
  /** The gateway's own pipe; null: none is up. */
  private line: { readonly talk: Talk; readonly hello: Hello } | null = null;
  /** Open `subscriptions/listen` requests of a modern server, by URI. */
  private readonly listening = new Map<string, number>();
  /** The same by id, until they are confirmed. */
  private readonly confirming = new Map<number, () => void>();

  constructor(name: string, deps: { readonly log: PipeLog }, announce: (change: Change) => void) {
    this.name = name;
    this.log = deps.log;
    this.announce = announce;
    this.watches = createWatches({ subscribe: (uri) => this.subscribe(uri), unsubscribe: (uri) => this.unsubscribe(uri) });
  }

  /** The gateway's own pipe is up, for the first time or again. */
  connected(talk: Talk, hello: Hello): void {
    this.line = { talk, hello };
    if (hello.era === 'modern') this.listen(talk, hello);
    void this.watches.again();
  }
  gone(): void {
    this.line = null;
    this.listening.clear();
    this.confirming.clear();
  }
  close(): void {
    this.gone();
    for (const timer of this.changed.values()) clearTimeout(timer);
    this.changed.clear();
  }

  watch = (uri: string, onUpdated: (paramsText: string) => void): Promise<() => void> => this.watches.watch(uri, onUpdated);

  /** A notification that belongs to no request. Lists are heard of from every pipe; resources are watched over the gateway's own. */
  hear(from: Talk, method: string, params: JsonObject, paramsText: string): void {
    const kind = KINDS.find((kind) => method === `notifications/${kind}/list_changed`);
    if (kind !== undefined) return this.changedSoon(kind);
    if (from !== this.line?.talk) return;
    if (method === 'notifications/resources/updated' && typeof params['uri'] === 'string') this.watches.updated(params['uri'], paramsText);
    if (method !== 'notifications/subscriptions/acknowledged') return;
    const meta = params['_meta'];
    const id = isObject(meta) ? meta['io.modelcontextprotocol/subscriptionId'] : undefined;
    if (typeof id === 'number') this.confirming.get(id)?.();
  }

  private changedSoon(change: Change): void {
    if (this.changed.has(change)) return;
    this.changed.set(change, setTimeout(() => {
      this.changed.delete(change);
      this.announce(change);
    }, CHANGED_MS).unref());
  }

  /** Since 2026-07-28 a server tells of changed lists only who listens. The request stays open for as long as the pipe. */
  private listen(talk: Talk, hello: Hello): void {
    const wanted = KINDS.filter((kind) => {
      const capability = hello.capabilities[kind];
      return isObject(capability) && capability['listChanged'] === true;
    });
    if (wanted.length === 0) return;
    const params = JSON.stringify({ notifications: Object.fromEntries(wanted.map((kind) => [`${kind}ListChanged`, true])) });
    talk.ask('subscriptions/listen', params, 'modern', FOREVER).then(
      () => this.log('the server no longer tells of changed lists', { server: this.name }),
      () => undefined, // the pipe ended; the next one is asked again
    );
  }

  private async subscribe(uri: string): Promise<void> {
    const { line } = this;
    if (line === null) throw new UpstreamFault({ code: 'dispatch.unavailable', note: 'the server is away', effect: 'none' });
    if (line.hello.era === 'modern') return this.listenTo(line.talk, uri);
    const { resources } = line.hello.capabilities;
    if (!isObject(resources) || resources['subscribe'] !== true) throw new UpstreamFault({ code: 'dispatch.translation', note: 'the server has no resource subscriptions', effect: 'none' });
    const { error } = await line.talk.ask('resources/subscribe', uriText(uri), 'legacy', OWN);
    if (error !== null) throw refused(error);
  }

  /** One request for each URI: they are confirmed, refused and ended one by one. */
  private listenTo(talk: Talk, uri: string): Promise<void> {
    return new Promise((resolve, reject) => {
      let id = 0;
      const over = (): void => {
        clearTimeout(timer);
        this.confirming.delete(id);
      };
      const timer = setTimeout(() => {
        over();
        talk.drop(id);
      }, CONFIRM_MS);
      const ended = (thrown: UpstreamFault): void => {
        over();
        if (this.listening.get(uri) === id) this.listening.delete(uri);
        reject(thrown);
      };
      talk.ask('subscriptions/listen', `{"notifications":{"resourceSubscriptions":[${JSON.stringify(uri)}]}}`, 'modern', FOREVER, (given) => {
        id = given;
        this.listening.set(uri, id);
        this.confirming.set(id, () => {
          over();
          resolve();
        });
      }).then(({ error }) => ended(refused(error ?? '{}')), ended);
    });
  }

  private async unsubscribe(uri: string): Promise<void> {
    const { line } = this;
    const id = this.listening.get(uri);
    this.listening.delete(uri);
    if (line === null) return;
    if (line.hello.era === 'modern') return void (id !== undefined && line.talk.drop(id));
    await line.talk.ask('resources/unsubscribe', uriText(uri), 'legacy', OWN).catch(() => undefined);
  }
}

const uriText = (uri: string): string => `{"uri":${JSON.stringify(uri)}}`;
const refused = (error: string): UpstreamFault => new UpstreamFault({ code: 'dispatch.upstream', note: `the server refused the subscription: ${error.slice(0, 200)}`, effect: 'none' });
