import { isObject, parseObject } from '../answer.ts';
import { cutAt, elementsOf } from '../../lib/json-spans.ts';
import { UpstreamFault, type Upstream } from '../upstream.ts';
import { type MemberKind, renamed } from './members.ts';

/** One server's list, all pages, as lines of the aggregate's. */
export interface Listed {
  /** The lines, joined by commas. */
  readonly text: string;
  /** How long it may be kept, ms, by the shortest hint of its pages; 0 when one gave none (MCP 2026-07-28 caching). */
  readonly ttlMs: number;
  /** Every page may be shown to any caller. */
  readonly isPublic: boolean;
  /** Lines that have no name at the aggregate, or are pages of the server's own. */
  readonly withheld: number;
}
export interface Asking {
  readonly principalId: string;
  readonly capabilities: string;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/** A server that pages for ever, or without measure, must not hold up a list or fill it alone (CWE-834, CWE-770). */
const MAX_PAGES = 100;
const MAX_LINES = 10_000;
const MAX_CHARS = 4 * 1024 * 1024;
/** However long a server says, ms. */
const MAX_TTL_MS = 3_600_000;

/** Reads a server's whole list. Throws `UpstreamFault`. A server without such a list has an empty one. */
export async function readPages(upstream: Upstream, kind: MemberKind, asking: Asking): Promise<Listed> {
  const lines: string[] = [];
  let [params, ttlMs, isPublic, withheld, chars] = ['{}', MAX_TTL_MS, true, 0, 0];
  for (let page = 0; page < MAX_PAGES; page++) {
    const exchange = await upstream.request(kind.method, params, { ...asking, logLevel: null, onQuestion: null, onNotification: () => undefined, progressToken: false });
    if (exchange.result === null) {
      if (isMissing(exchange.error)) break;
      throw fault('the server refused to list');
    }
    const value = exchange.parsed ?? parseObject(exchange.result);
    const list = cutAt(exchange.result, [kind.member]);
    if (value === null || list === null || !Array.isArray(value[kind.member])) throw fault('no list');
    for (const cut of elementsOf(exchange.result, list.start)) {
      const line = renamed(exchange.result.slice(cut.start, cut.end), upstream.name, kind.key);
      if (line === null) withheld++;
      else lines.push(line);
      chars += cut.end - cut.start;
    }
    if (lines.length + withheld > MAX_LINES || chars > MAX_CHARS) throw fault('the list is larger than any is taken');
    ttlMs = Math.min(ttlMs, typeof value['ttlMs'] === 'number' && value['ttlMs'] > 0 ? value['ttlMs'] : 0);
    isPublic &&= value['cacheScope'] === 'public';
    const { nextCursor } = value;
    if (typeof nextCursor !== 'string') return { text: lines.join(','), ttlMs, isPublic, withheld };
    params = `{"cursor":${JSON.stringify(nextCursor)}}`;
  }
  if (params !== '{}') throw fault(`more than ${MAX_PAGES} pages`);
  return { text: '', ttlMs: 0, isPublic: false, withheld: 0 };
}

const fault = (note: string): UpstreamFault => new UpstreamFault({ code: 'dispatch.bad_answer', note, effect: 'none' });
const isMissing = (error: string | null): boolean => {
  const value = error === null ? null : parseObject(error);
  return isObject(value ?? undefined) && value?.['code'] === -32601;
};
