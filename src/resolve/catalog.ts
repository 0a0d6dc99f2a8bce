import { setTimeout as pause } from 'node:timers/promises';
import { fitsAggregate, type Owned, ownerOfName } from '../call/aggregate-names.ts';
import type { Era } from '../call/call.ts';
import type { JsonObject } from '../call/json.ts';
import type { Risk, Tool } from '../call/target.ts';
import type { Clock } from '../lib/clock.ts';
import { mostSpecific } from '../lib/glob-order.ts';
import { sha256 } from '../lib/hash.ts';
import { inferRisk } from './classify.ts';
import type { ResolveConfig } from './config.ts';
import { createShelf, type Shelf, type ShelfState } from './shelf.ts';

/** What resolve/ must know of a server before it can aim at it. */
export interface ServerFacts {
  readonly name: string;
  readonly transport: 'http' | 'stdio';
  /** null: not probed yet. */
  readonly era: Era | null;
  /** All eras a client can be mirrored in; one server may speak both. */
  readonly eras: readonly Era[];
}

/** Where the catalog reads from. Implemented by dispatch/. */
export interface CatalogSource {
  readonly servers: () => readonly ServerFacts[];
  /** The raw JSON text of each tool definition, all pages, in the server's order. Rejects when the server cannot be asked. */
  readonly listTools: (server: string) => Promise<readonly string[]>;
  /** Called when a server said `list_changed` or was reconnected. */
  readonly onChanged: (listener: (server: string) => void) => void;
}

/** All tools of all servers, in memory. Answers at once from what is known. */
export interface Catalog {
  /** Changes when any tool changes. */
  readonly version: () => number;
  /** In stable order: by server name, then the server's own order. null: the aggregate, under `id`; else that server, under `name`. */
  readonly tools: (server: string | null) => readonly Tool[];
  /** By `server__tool` when the server is null, else by the server's own name. */
  readonly find: (server: string | null, name: string) => Tool | undefined;
  readonly state: (server: string) => ShelfState;
  /** Told the server whose tools are no longer what they were. */
  readonly onChange: (listener: (server: string) => void) => void;
}
export interface LiveCatalog extends Catalog {
  /** The server a namespaced name belongs to, whether or not it has such a tool. */
  readonly ownerOf: (id: string) => string | undefined;
  /** Asks for a fresh list because a name was not found; at most every 5 s per server. Does not wait. */
  readonly missed: (server: string) => void;
  /** Waits, no longer than `first_load_ms`, for a server whose tools are not known. False: still not. Costs nothing when they are. */
  readonly ready: (server: string) => boolean | Promise<boolean>;
  readonly start: () => Promise<void>;
  readonly close: () => void;
}

/** Between two refreshes that misses or dead servers cause, ms: a caller who guesses names must not become a load on the server. */
const MISS_EVERY_MS = 5_000;
/** Between two refreshes that `list_changed` causes, ms: a server may say it a thousand times a second. */
const CHANGED_EVERY_MS = 1_000;

export interface CatalogDeps {
  readonly source: CatalogSource;
  readonly clock: Clock;
  readonly log: (message: string, fields?: object) => void;
}

export function createCatalog(config: ResolveConfig, deps: CatalogDeps): LiveCatalog {
  const timers = new Set<NodeJS.Timeout>();
  const shelves = new Map<string, Shelf>();
  let version = 1;
  let all: { readonly version: number; readonly loaded: string; readonly tools: readonly Tool[] } | null = null;
  let closed = false;

  const classOf = createClassOf(config);
  const listeners: ((server: string) => void)[] = [];
  const toolsOf = (server: string): void => {
    version++;
    for (const listener of listeners) listener(server);
  };
  const shelfOf = (server: string): Shelf | undefined => {
    const known = shelves.get(server);
    if (known !== undefined || !deps.source.servers().some((s) => s.name === server)) return known;
    const shelf = createShelf(server, { list: deps.source.listTools, classOf, clock: deps.clock, log: deps.log, onTools: () => toolsOf(server), limits: config });
    shelves.set(server, shelf);
    return shelf;
  };
  const after = (ms: number, act: () => void): void => {
    if (closed) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      act();
    }, ms);
    timer.unref();
    timers.add(timer);
  };
  // A server that did not answer is asked again sooner, but not in a tight loop.
  const pauseFor = (shelf: Shelf): number => (shelf.state().ok ? config.refresh_ms : Math.min(config.refresh_ms, MISS_EVERY_MS));
  const keepFresh = (shelf: Shelf): void => after(spread(shelf.server, pauseFor(shelf)), () => void shelf.refresh().then(() => keepFresh(shelf)));

  const waiting = new Set<string>();
  const changed = (server: string): void => {
    const shelf = shelfOf(server);
    if (shelf === undefined || waiting.has(server) || closed) return;
    waiting.add(server); // one refresh for all that is said until it starts
    after(Math.max(0, shelf.askedAt() + CHANGED_EVERY_MS - deps.clock.monotonic()), () => {
      waiting.delete(server);
      // A refresh that runs may have read the list before it changed: wait it out, then read again.
      if (shelf.isLoading()) void shelf.refresh().then(() => changed(server));
      else void shelf.refresh();
    });
  };

  const inOrder = (): readonly Shelf[] => [...shelves.values()].toSorted((a, b) => (a.server < b.server ? -1 : 1));
  const aggregate = (): readonly Tool[] => {
    const loaded = inOrder().filter((s) => s.isLoaded()).map((s) => s.server).join();
    if (all?.version !== version || all.loaded !== loaded) all = { version, loaded, tools: inOrder().flatMap((s) => s.aggregated()) };
    return all.tools;
  };
  const owned = (id: string): Owned | null => {
    const part = ownerOfName(id);
    return part !== null && shelfOf(part.server) !== undefined ? part : null;
  };

  return {
    version: () => version,
    tools: (server) => (server === null ? aggregate() : (shelfOf(server)?.tools() ?? [])),
    find: (server, name) => {
      if (server !== null) return shelfOf(server)?.find(name);
      const part = fitsAggregate(name) ? owned(name) : null;
      return part === null ? undefined : shelfOf(part.server)?.find(part.name);
    },
    state: (server) => shelfOf(server)?.state() ?? { ok: false, cause: 'no such server' },
    onChange: (listener) => void listeners.push(listener),
    ownerOf: (id) => owned(id)?.server,
    missed: (server) => {
      const shelf = shelfOf(server);
      if (shelf !== undefined && deps.clock.monotonic() - shelf.askedAt() >= MISS_EVERY_MS) void shelf.refresh();
    },
    ready: (server) => {
      const shelf = shelfOf(server);
      if (shelf === undefined) return false;
      if (shelf.isLoaded()) return true;
      return firstLoad(shelf, config.first_load_ms, deps.clock);
    },
    start: async () => {
      deps.source.onChanged(changed);
      const first = deps.source.servers().map((s) => shelfOf(s.name)).filter((s) => s !== undefined);
      for (const shelf of first) void shelf.refresh().then(() => keepFresh(shelf));
      await Promise.all(first.map((shelf) => firstLoad(shelf, config.first_load_ms, deps.clock)));
    },
    close: () => {
      closed = true;
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
    },
  };
}

/** Waits for the load that runs, or starts one if none was tried lately. */
async function firstLoad(shelf: Shelf, withinMs: number, clock: Clock): Promise<boolean> {
  const triedLately = clock.monotonic() - shelf.askedAt() < MISS_EVERY_MS;
  if (triedLately && !shelf.isLoading()) return shelf.isLoaded();
  const patience = new AbortController();
  await Promise.race([shelf.refresh(), pause(withinMs, undefined, { ref: false, signal: patience.signal }).catch(() => undefined)]);
  patience.abort();
  return shelf.isLoaded();
}

function createClassOf(config: ResolveConfig): (id: string, name: string, annotations: JsonObject) => Risk {
  const set = mostSpecific(config.tools);
  return (id, name, annotations) => set(id)?.[1].class ?? inferRisk(name, annotations, config.infer_reads);
}

/** A tenth more or less, the same for a server every time: servers that started together are not all asked together. */
const spread = (server: string, ms: number): number => ms * (0.9 + (0.2 * Number.parseInt(sha256(server).slice(0, 4), 16)) / 0xffff);
