import { LRUCache } from 'lru-cache';
import type { Clock } from '../../lib/clock.ts';
import { type Change, UpstreamFault, type Upstream } from '../upstream.ts';
import type { MemberKind } from './members.ts';
import { type Listed, readPages } from './pages.ts';
import type { Cause } from './unavailable.ts';

export type Part = { readonly cause: Cause } | { readonly text: string; /** How long it stays true, ms. */ readonly ttlMs: number };

/** The lists of all servers, unfiltered, as long as their hints allow (MCP 2026-07-28 caching). */
export interface ListShelf {
  /** Never rejects. Those who ask for the same at once share one request. */
  readonly part: (upstream: Upstream, kind: MemberKind, asker: { readonly principalId: string; readonly capabilities: string }) => Part | Promise<Part>;
}

interface Kept {
  readonly listed: Listed | null;
  readonly cause: Cause;
  /** Monotonic, ms. */
  readonly until: number;
}

const MAX_KEPT = 2_000;
const MAX_CHARS = 64 * 1024 * 1024;
/** A server that failed is not asked again by every list, ms: callers must not become a load on one that comes up, nor wait for it each time. */
const AGAIN_MS = 5_000;
/** For a server that is known to be away, ms: long enough to find it there again. */
const AWAY_MS = 1_000;

export function createListShelf(upstreams: Iterable<Upstream>, deps: { readonly clock: Clock; readonly log: (message: string, fields?: object) => void }, limits: { readonly waitMs: number; readonly maxBytes: number }): ListShelf {
  const kept = new LRUCache<string, Kept>({ max: MAX_KEPT, maxSize: MAX_CHARS, sizeCalculation: (one) => (one.listed?.text.length ?? 0) + 1 });
  const running = new Map<string, Promise<Part>>();
  /** By server and capability: goes up when what was read before is old. It stands in the keys, so a request that runs meanwhile is shelved where nobody looks. */
  const edition = new Map<string, number>();
  const shelfMark = (server: string, capability: string): string => `${server} ${capability} ${edition.get(`${server} ${capability}`) ?? 0}`;
  for (const upstream of upstreams) upstream.onChanged((change) => changed(upstream.name, change));
  const changed = (server: string, change: Change): void => {
    for (const capability of ['prompts', 'resources']) {
      if (change === capability || change === 'connected') edition.set(`${server} ${capability}`, (edition.get(`${server} ${capability}`) ?? 0) + 1);
    }
  };

  const ask = async (upstream: Upstream, kind: MemberKind, asker: Asker, own: string, shared: string): Promise<Part> => {
    const began = deps.clock.monotonic();
    try {
      const listed = await inTime(upstream, kind, asker, limits);
      if (listed.withheld > 0) deps.log('left out of the aggregate', { server: upstream.name, method: kind.method, count: listed.withheld });
      const until = began + listed.ttlMs;
      if (listed.ttlMs > 0) kept.set(listed.isPublic ? shared : own, { listed, cause: 'bad answer', until });
      return { text: listed.text, ttlMs: Math.max(0, until - deps.clock.monotonic()) };
    } catch (thrown) {
      const cause = causeOf(thrown);
      deps.log('a server is missing from a list', { server: upstream.name, method: kind.method, cause, fault: String(thrown) });
      kept.set(own, { listed: null, cause, until: deps.clock.monotonic() + AGAIN_MS });
      return { cause };
    }
  };

  return {
    part: (upstream, kind, asker) => {
      const shared = `${shelfMark(upstream.name, kind.capability)} ${kind.method}`;
      // What one caller was shown is another's only if the server says so (cache poisoning between callers, PROTOCOL 5.16).
      const own = `${shared} ${asker.capabilities} ${asker.principalId}`;
      const now = deps.clock.monotonic();
      const hit = [kept.get(shared), kept.get(own)].find((one) => one !== undefined && one.until > now);
      if (hit !== undefined) return hit.listed === null ? { cause: hit.cause } : { text: hit.listed.text, ttlMs: hit.until - now };
      let asked = running.get(own);
      if (asked === undefined) running.set(own, (asked = ask(upstream, kind, asker, own, shared).finally(() => running.delete(own))));
      return asked;
    },
  };
}
type Asker = Parameters<ListShelf['part']>[2];

/** Also bounds what comes before the request: connecting, starting a process. */
function inTime(upstream: Upstream, kind: MemberKind, asker: Asker, limits: { readonly waitMs: number; readonly maxBytes: number }): Promise<Listed> {
  const ms = upstream.state().ok ? limits.waitMs : Math.min(limits.waitMs, AWAY_MS);
  const controller = new AbortController();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new UpstreamFault({ code: 'dispatch.timeout', effect: 'none' }));
      controller.abort();
    }, ms);
    readPages(upstream, kind, { ...asker, signal: controller.signal, timeoutMs: ms, maxBytes: limits.maxBytes }).then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function causeOf(thrown: unknown): Cause {
  const code = thrown instanceof UpstreamFault ? thrown.refusal.code : null;
  if (code === 'dispatch.timeout') return 'timed out';
  return code === null || code === 'dispatch.bad_answer' || code === 'dispatch.translation' ? 'bad answer' : 'not reachable';
}
