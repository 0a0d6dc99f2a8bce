import { fitsAggregate } from '../call/aggregate-names.ts';
import type { JsonObject } from '../call/json.ts';
import type { Risk, Tool } from '../call/target.ts';
import type { Clock } from '../lib/clock.ts';
import { partLookalikes, readTool } from './tool.ts';

/** What one server's tools are known to be, and how fresh that is. */
export interface Shelf {
  readonly server: string;
  readonly tools: () => readonly Tool[];
  /** Those that may be shown under their namespaced name. */
  readonly aggregated: () => readonly Tool[];
  readonly find: (name: string) => Tool | undefined;
  readonly state: () => ShelfState;
  /** True when there is a list to answer from, however old within `stale_ms`. */
  readonly isLoaded: () => boolean;
  /** Reads the list again. Calls that come while one runs share it. Never rejects. */
  readonly refresh: () => Promise<void>;
  readonly isLoading: () => boolean;
  /** ms, monotonic, of the last start of a refresh. */
  readonly askedAt: () => number;
}
export type ShelfState = { readonly ok: true; readonly at: number } | { readonly ok: false; readonly cause: string };

export interface ShelfDeps {
  readonly list: (server: string) => Promise<readonly string[]>;
  readonly classOf: (id: string, name: string, annotations: JsonObject) => Risk;
  readonly clock: Clock;
  readonly log: (message: string, fields?: object) => void;
  readonly onTools: () => void;
  readonly limits: { readonly max_tools: number; readonly max_definition_bytes: number; readonly stale_ms: number };
}

/** After this many definitions the event loop gets a turn: 10,000 tools must not hold up the calls of others (CWE-400). */
const SLICE = 50;

/** One server's tools. A failed refresh keeps the last good list for `stale_ms`; then the shelf is empty and calls are refused. */
export function createShelf(server: string, deps: ShelfDeps): Shelf {
  let held: Held = EMPTY;
  let known: ReadonlyMap<string, Tool> = new Map(); // by definition text: an unchanged tool keeps its object and its digest
  let loadedAt: number | null = null; // monotonic, of the last good load
  let state: ShelfState = { ok: false, cause: 'not loaded yet' };
  let running: Promise<void> | null = null;
  let askedAt = -Infinity;

  const load = async (): Promise<void> => {
    try {
      const definitions = await deps.list(server);
      if (definitions.length > deps.limits.max_tools) throw new Error(`the server lists more than ${deps.limits.max_tools} tools`);
      const tools = await readAll(server, definitions, known, deps);
      known = new Map(tools.map((tool) => [tool.definition, tool]));
      loadedAt = deps.clock.monotonic();
      state = { ok: true, at: deps.clock.now() };
      put(hold(tools, server, deps));
    } catch (thrown) {
      state = { ok: false, cause: thrown instanceof Error ? thrown.message : String(thrown) };
      deps.log('the tool list of a server could not be read', { server, cause: state.cause });
      if (!isLoaded()) put(EMPTY);
    }
  };
  const put = (next: Held): void => {
    const changed = next.print !== held.print;
    held = next;
    if (changed) deps.onTools();
  };
  const isLoaded = (): boolean => loadedAt !== null && (state.ok || deps.clock.monotonic() - loadedAt <= deps.limits.stale_ms);

  return {
    server,
    tools: () => (isLoaded() ? held.tools : []),
    aggregated: () => (isLoaded() ? held.aggregated : []),
    find: (name) => (isLoaded() ? held.byName.get(name) : undefined),
    state: () => state,
    isLoaded,
    refresh: () => {
      if (running !== null) return running;
      askedAt = deps.clock.monotonic();
      running = load().finally(() => {
        running = null;
      });
      return running;
    },
    isLoading: () => running !== null,
    askedAt: () => askedAt,
  };
}

interface Held {
  readonly tools: readonly Tool[];
  readonly aggregated: readonly Tool[];
  readonly byName: ReadonlyMap<string, Tool>;
  /** Differs when any tool, its class or the order differs. */
  readonly print: string;
}
const EMPTY: Held = { tools: [], aggregated: [], byName: new Map(), print: '' };

async function readAll(server: string, definitions: readonly string[], known: ReadonlyMap<string, Tool>, deps: ShelfDeps): Promise<Tool[]> {
  const tools: Tool[] = [];
  for (const [i, definition] of definitions.entries()) {
    if (i % SLICE === SLICE - 1) await new Promise((resume) => setImmediate(resume));
    const tool = known.get(definition) ?? readTool(server, definition, deps.limits.max_definition_bytes, deps.classOf);
    if (typeof tool === 'string') deps.log('a tool is withheld', { server, position: i, cause: tool });
    else tools.push(tool);
  }
  return tools;
}

function hold(tools: readonly Tool[], server: string, deps: ShelfDeps): Held {
  const { alone, withheld } = partLookalikes(tools);
  for (const tool of withheld) deps.log('a tool is withheld', { server, tool: tool.name, cause: 'its name equals or looks like that of another tool of the server' });
  const aggregated = alone.filter((tool) => fitsAggregate(tool.id));
  for (const tool of alone) {
    if (!fitsAggregate(tool.id)) deps.log('a tool is withheld from the aggregate', { server, tool: tool.name, cause: 'its namespaced name is not 1 to 128 characters of A-Z a-z 0-9 _ - .' });
  }
  return { tools: alone, aggregated, byName: new Map(alone.map((tool) => [tool.name, tool])), print: alone.map((tool) => `${tool.digest}${tool.risk}`).join() };
}
