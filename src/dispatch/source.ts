import type { Era } from '../call/call.ts';
import type { Json } from '../call/json.ts';
import { elementsOf, cutAt } from '../lib/json-spans.ts';
import { isObject, parseObject } from './answer.ts';
import { own } from './http/say.ts';
import type { Log } from './http/link.ts';
import { paramHeadersOf } from '../call/param-headers.ts';
import { UpstreamFault, type Upstream } from './upstream.ts';

/** What the catalog reads from. */
export interface CatalogSource {
  /** `era` is the one the gateway itself speaks with the server; `eras` are all that a client of an HTTP server can be mirrored in. */
  readonly servers: () => readonly { readonly name: string; readonly transport: 'http' | 'stdio'; readonly era: Era | null; readonly eras: readonly Era[] }[];
  /** The raw text of each tool definition, all pages, in the server's order. Rejects when the server cannot be asked or lists without end. */
  readonly listTools: (server: string) => Promise<string[]>;
  readonly onChanged: (listener: (server: string) => void) => void;
}

/** A server that pages for ever must not hold the catalog (CWE-834). */
const MAX_PAGES = 100;
const MAX_TOOLS = 10_000;

export function createSource(upstreams: ReadonlyMap<string, Upstream>, options: { readonly timeoutMs: number; readonly maxBytes: number; readonly log: Log; readonly erasOf: (server: string) => readonly Era[] }): CatalogSource & { readonly nudge: (server: string) => void } {
  const listeners: ((server: string) => void)[] = [];
  const nudge = (server: string): void => listeners.forEach((listener) => listener(server));
  // Asked on every call: objects that look the era up, made once.
  const facts = [...upstreams.values()].map((u) => ({
    name: u.name,
    transport: u.transport,
    get era() { return u.era(); },
    get eras() { return options.erasOf(u.name); },
  }));
  for (const upstream of upstreams.values()) upstream.onChanged((change) => (change === 'tools' || change === 'connected') && nudge(upstream.name));
  return {
    servers: () => facts,
    listTools: async (server) => {
      const upstream = upstreams.get(server);
      if (upstream === undefined) throw new Error(`no server ${server}`);
      const tools = await readPages(upstream, options);
      return upstream.era() === 'modern' && upstream.transport === 'http' ? tools.filter((tool) => isSendable(tool, server, options.log)) : tools;
    },
    onChanged: (listener) => void listeners.push(listener),
    nudge,
  };
}

async function readPages(upstream: Upstream, options: { readonly timeoutMs: number; readonly maxBytes: number }): Promise<string[]> {
  const tools: string[] = [];
  let params = '{}';
  for (let page = 0; page < MAX_PAGES; page++) {
    const exchange = await upstream.request('tools/list', params, own(options.timeoutMs, options.maxBytes));
    const { result } = exchange;
    if (result === null && isMissing(exchange.error)) return []; // a server without tools
    const value = result === null ? null : parseObject(result);
    const list = result === null ? null : cutAt(result, ['tools']);
    if (result === null || value === null || list === null || !Array.isArray(value['tools'])) throw bad('tools/list: no list of tools');
    for (const cut of elementsOf(result, list.start)) tools.push(result.slice(cut.start, cut.end));
    if (tools.length > MAX_TOOLS) throw bad(`tools/list: more than ${MAX_TOOLS} tools`);
    const cursor: Json | undefined = value['nextCursor'];
    if (typeof cursor !== 'string') return tools;
    params = `{"cursor":${JSON.stringify(cursor)}}`;
  }
  throw bad(`tools/list: more than ${MAX_PAGES} pages`);
}

const bad = (note: string): UpstreamFault => new UpstreamFault({ code: 'dispatch.bad_answer', note, effect: 'none' });
const isMissing = (error: string | null): boolean => error !== null && parseObject(error)?.['code'] === -32601;

/** MCP 2026-07-28 tools: a tool whose `x-mcp-header` declarations are invalid must be left out, and the reason logged. */
function isSendable(definition: string, server: string, log: Log): boolean {
  const tool = parseObject(definition);
  if (tool === null || !isObject(tool['inputSchema']) || paramHeadersOf(tool['inputSchema']) !== null) return true;
  log('left out a tool with an invalid x-mcp-header', { server, tool: String(tool['name']) });
  return false;
}
