import type { Json, JsonObject } from '../../call/json.ts';
import { encodeHeader, paramHeaders, paramHeadersOf, type ParamHeader } from '../../call/param-headers.ts';
import { textAt } from '../../lib/json-spans.ts';
import { isObject } from '../answer.ts';
import { MODERN, requestText } from '../envelope.ts';
import { exchangeOf, say, type Voice } from './say.ts';
import type { Exchange, RequestOptions } from '../upstream.ts';

/** Methods whose header `Mcp-Name` repeats a parameter (MCP 2026-07-28 transports; tasks extension). */
const NAMED: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'], ['prompts/get', 'name'], ['resources/read', 'uri'], ['tasks/get', 'taskId'], ['tasks/update', 'taskId'], ['tasks/cancel', 'taskId'],
]);
const HEADER_MISMATCH = -32020;
/** A server that pages for ever must not hold a call (CWE-834), nor fill the memory with names (CWE-770). */
const MAX_PAGES = 100, MAX_NAMES = 20_000;
const LIST_MS = 15_000;

/** A server of 2026-07-28: no sessions, everything stands in the request. */
export class Modern {
  readonly #voice: Voice;
  /** Which headers each tool asks for, as its last list said. */
  readonly #declared = new Map<string, readonly ParamHeader[]>();

  constructor(voice: Voice) {
    this.#voice = voice;
  }

  async request(method: string, paramsText: string, options: RequestOptions): Promise<Exchange> {
    const headers = this.#named(method, paramsText);
    const exchange = await this.#ask(method, paramsText, headers, options);
    if (method !== 'tools/call' || exchange.error === null || exchange.parsed?.['code'] !== HEADER_MISMATCH) return exchange;
    // The tool wants other headers than its list said (MCP 2026-07-28 tools): the server looked at them before anything ran, so once more.
    const name = textAt(paramsText, ['name']);
    if (name === null || !(await this.#relist(String(JSON.parse(name)), options))) return exchange;
    const now = this.#named(method, paramsText);
    return now.join('\n') === headers.join('\n') ? exchange : this.#ask(method, paramsText, now, options);
  }

  async #ask(method: string, paramsText: string, named: readonly string[], options: RequestOptions): Promise<Exchange> {
    const id = this.#voice.nextId();
    const headers = ['mcp-protocol-version', MODERN, 'mcp-method', method, ...named];
    // Closing the stream is the cancellation: there is nothing to say when the call is given up.
    const told = await say(this.#voice, id, headers, requestText(id, method, paramsText, 'modern', options), options, () => undefined, null);
    const exchange = exchangeOf(told);
    if (method === 'tools/list' && exchange.result !== null) this.#learn(exchange.parsed);
    return exchange;
  }

  /** A server refuses a request whose headers do not repeat its body. */
  #named(method: string, paramsText: string): string[] {
    const key = NAMED.get(method);
    const literal = key === undefined ? null : textAt(paramsText, [key]);
    if (literal?.startsWith('"') !== true) return [];
    const name = String(JSON.parse(literal));
    const declared = method === 'tools/call' ? (this.#declared.get(name) ?? []) : [];
    return ['mcp-name', encodeHeader(name), ...(declared.length === 0 ? [] : paramHeaders(declared, textAt(paramsText, ['arguments']) ?? '{}'))];
  }

  /** Reads the list up to this tool. False: it is not there, or there is no list to be had. */
  async #relist(name: string, options: RequestOptions): Promise<boolean> {
    this.#declared.delete(name);
    const quiet: RequestOptions = { ...options, timeoutMs: Math.min(LIST_MS, options.timeoutMs), logLevel: null, progressToken: false, onNotification: () => undefined };
    let params = '{}';
    for (let page = 0; page < MAX_PAGES; page++) {
      const exchange = await this.#ask('tools/list', params, [], quiet).catch(() => null);
      if (exchange === null || exchange.result === null) return false;
      if (this.#declared.has(name)) return true;
      const cursor = exchange.parsed?.['nextCursor'];
      if (typeof cursor !== 'string') return false;
      params = `{"cursor":${JSON.stringify(cursor)}}`;
    }
    return false;
  }

  #learn(result: JsonObject | undefined): void {
    const tools = Array.isArray(result?.['tools']) ? result['tools'] : [];
    for (const tool of tools as readonly Json[]) {
      if (!isObject(tool) || typeof tool['name'] !== 'string' || !isObject(tool['inputSchema'])) continue;
      if (this.#declared.size >= MAX_NAMES) this.#declared.clear(); // what is missing is read again when it is missed
      this.#declared.set(tool['name'], paramHeadersOf(tool['inputSchema']) ?? []);
    }
  }
}
