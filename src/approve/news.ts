import { LRUCache } from 'lru-cache';
import type { ApprovalEvent, ApprovalRequest, Requester } from './approvals.ts';
import type { ApproveConfig } from './config.ts';

/** Tells the channels. What one caller asks too often comes in one message: people who are rung for everything say yes to everything. */
export interface News {
  readonly tell: (event: ApprovalEvent) => void;
  readonly requested: (request: ApprovalRequest, payer: string, now: number) => void;
  /** Sends the digests whose window has ended. */
  readonly tick: (now: number) => void;
  readonly onEvent: (listener: (event: ApprovalEvent) => void) => () => void;
}
interface Window {
  readonly since: number;
  readonly requester: Requester;
  count: number;
  told: number;
}

export function createNews(config: ApproveConfig, log: (message: string, fields?: object) => void): News {
  const listeners = new Set<(event: ApprovalEvent) => void>();
  const windows = new LRUCache<string, Window>({ max: 10_000 });
  const tell: News['tell'] = (event) => {
    for (const listener of listeners) {
      try {
        listener(event);
      } catch (thrown) {
        log('a listener of approvals failed', { error: String(thrown) });
      }
    }
  };
  const digest = (window: Window): void => {
    window.told = window.count;
    tell({ kind: 'digest', requester: window.requester, count: window.count, since: window.since });
  };
  return {
    tell,
    requested: (request, payer, now) => {
      let window = windows.get(payer);
      if (window === undefined || now >= window.since + config.digest_window_ms) {
        if (window !== undefined && window.count > window.told) digest(window);
        windows.set(payer, (window = { since: now, requester: request.requester, count: 0, told: 0 }));
      }
      window.count += 1;
      if (window.count <= config.digest_after) {
        window.told = window.count;
        tell({ kind: 'requested', request });
      } else if (window.count === config.digest_after + 1) digest(window);
    },
    tick: (now) => {
      for (const [payer, window] of windows.entries()) {
        if (now < window.since + config.digest_window_ms) continue;
        if (window.count > window.told) digest(window);
        windows.delete(payer);
      }
    },
    onEvent: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
