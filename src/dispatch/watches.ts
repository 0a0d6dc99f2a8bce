import { UpstreamFault, type Upstream } from './upstream.ts';

/** How one server is told what is watched. */
export interface WatchPort {
  /** Resolves once updates of this URI will come; rejects with an UpstreamFault when the server refuses. */
  readonly subscribe: (uri: string) => Promise<void>;
  /** Nobody watches it any more. Resolves when the server has heard of it, or will not; never rejects. */
  readonly unsubscribe: (uri: string) => Promise<void>;
}
/** Who watches which resource of one server: one subscription there for all who watch the same URI. */
export interface Watches {
  readonly watch: Upstream['watch'];
  /** The server said that a resource changed: the text of the params. */
  readonly updated: (uri: string, paramsText: string) => void;
  /**
   * The connection is a new one: all of these (by default all there are) are subscribed again. What changed in between nobody said,
   * so each watcher is told that its resource may have; one that the server now refuses is kept for the next time.
   */
  readonly again: (uris?: readonly string[]) => Promise<void>;
  /** What is watched, in the order of the subscriptions. */
  readonly uris: () => readonly string[];
}

/** CWE-770: URIs that may be watched at one server at once, and the length of each. */
const MAX_URIS = 1_000, MAX_LENGTH = 8_192;

interface Watched {
  readonly listeners: Set<(paramsText: string) => void>;
  /** Settles when the server has answered the first subscription. */
  readonly ready: Promise<void>;
}

export function createWatches(port: WatchPort): Watches {
  const watched = new Map<string, Watched>();
  /** Over HTTP two requests may overtake each other: a URI is subscribed again only when its last end has got there. */
  const leaving = new Map<string, Promise<void>>();
  const leave = (uri: string, one: Watched, listener: (paramsText: string) => void): void => {
    if (!one.listeners.delete(listener) || one.listeners.size > 0 || watched.get(uri) !== one) return;
    watched.delete(uri);
    const left = port.unsubscribe(uri).then(() => void (leaving.get(uri) === left && leaving.delete(uri)));
    leaving.set(uri, left);
  };
  const tell = (one: Watched, paramsText: string): void => {
    for (const listener of one.listeners) {
      try {
        listener(paramsText);
      } catch {
        // The reader of one stream must not silence the others.
      }
    }
  };
  const begin = (uri: string): Watched => {
    if (uri.length > MAX_LENGTH) throw refused(`a URI of ${uri.length} characters`);
    if (watched.size >= MAX_URIS) throw refused(`${MAX_URIS} resources are watched`);
    const one: Watched = { listeners: new Set(), ready: leaving.get(uri)?.then(() => port.subscribe(uri)) ?? port.subscribe(uri) };
    watched.set(uri, one);
    return one;
  };
  return {
    watch: async (uri, onUpdated) => {
      const one = watched.get(uri) ?? begin(uri);
      const listener = (paramsText: string): void => onUpdated(paramsText); // the same function may watch twice
      one.listeners.add(listener);
      try {
        await one.ready;
      } catch (thrown) {
        if (watched.get(uri) === one) watched.delete(uri);
        throw thrown;
      }
      return () => leave(uri, one, listener);
    },
    updated: (uri, paramsText) => {
      // It may be a part of what is watched that changed (MCP 2025-11-25 resources, subscriptions).
      for (const [base, one] of watched) if (uri === base || isWithin(uri, base)) tell(one, paramsText);
    },
    again: async (uris = [...watched.keys()]) => {
      await Promise.all(uris.map(async (uri) => {
        const one = watched.get(uri);
        if (one === undefined) return;
        try {
          await port.subscribe(uri);
          tell(one, `{"uri":${JSON.stringify(uri)}}`);
        } catch {
          // It waits for the next connection.
        }
      }));
    },
    uris: () => [...watched.keys()],
  };
}

const refused = (note: string): UpstreamFault => new UpstreamFault({ code: 'dispatch.unavailable', note, effect: 'none' });
/** `file:///a/b` is within `file:///a`, `file:///ab` is not. */
const isWithin = (uri: string, base: string): boolean => uri.startsWith(base) && (base.endsWith('/') || '/?#'.includes(uri.charAt(base.length)));
