import type { ApprovalRequest } from './approvals.ts';
import type { Desk } from './desk.ts';
import { noteOf } from './note.ts';
import type { Kept } from './records.ts';
import { escalatesAt } from './terms.ts';
import { isOver } from './time.ts';

/**
 * Brings a request up to now before anybody looks at it: past its end it is expired for good (a clock that is turned back later finds that
 * written), past its delay it is escalated. One process wins each step and records it.
 */
export async function settle(desk: Desk, kept: Kept): Promise<Kept> {
  const { request } = kept;
  const now = desk.now();
  if (request.state !== 'pending' && request.state !== 'approved') return kept;
  if (isOver(lastTouched(request), now)) {
    const done = await desk.records.replace(kept, { ...request, state: 'expired', closedAt: Math.min(now, request.expiresAt) });
    if (done === null) return reread(desk, kept);
    await desk.note('approval.expired', noteOf(done.request, {}));
    desk.news.tell({ kind: 'expired', request: done.request });
    return done;
  }
  const escalates = escalatesAt(request);
  if (request.state !== 'pending' || request.escalatedAt !== null || escalates === null || now < escalates) return kept;
  const done = await desk.records.replace(kept, { ...request, escalatedAt: now });
  if (done === null) return reread(desk, kept);
  await desk.note('approval.escalated', noteOf(done.request, { groups: request.terms.flatMap((terms) => terms.escalate?.groups ?? []) }));
  desk.news.tell({ kind: 'escalated', request: done.request });
  return done;
}

const lastTouched = ({ createdAt, expiresAt, decisions }: ApprovalRequest): { createdAt: number; expiresAt: number } => ({
  createdAt: Math.max(createdAt, ...decisions.map((decision) => decision.at)), expiresAt,
});

async function reread(desk: Desk, kept: Kept): Promise<Kept> {
  const again = await desk.records.byId(kept.request.id);
  if (again === null) throw new Error('an approval is gone');
  return settle(desk, again);
}

export interface Watch {
  readonly add: (request: ApprovalRequest) => void;
  readonly close: () => Promise<void>;
}
const TICK_MS = 1_000;

/** Sees to it that channels hear of escalations and expiries while the process runs; nothing depends on it. */
export function createWatch(desk: Desk): Watch {
  const due = new Map<string, number>();
  const add = (request: ApprovalRequest): void => {
    if (request.state !== 'pending' && request.state !== 'approved') return void due.delete(request.id);
    const escalates = request.escalatedAt === null && request.state === 'pending' ? escalatesAt(request) : null;
    due.set(request.id, Math.min(escalates ?? request.expiresAt, request.expiresAt));
  };
  const load = async (): Promise<void> => {
    for await (const kept of desk.records.all()) add(kept.request);
  };
  const sweep = async (): Promise<void> => {
    const now = desk.now();
    for (const [id, at] of due) {
      if (now < at) continue;
      const kept = await desk.records.byId(id);
      if (kept === null) due.delete(id);
      else add((await settle(desk, kept)).request);
    }
    desk.news.tick(now);
  };
  let isLoaded = false;
  let running: Promise<void> | null = null;
  const tick = async (): Promise<void> => {
    try {
      if (!isLoaded) await load();
      isLoaded = true;
      await sweep();
    } catch (thrown) {
      desk.log('approvals could not be looked through', { error: String(thrown) });
    }
  };
  const timer = setInterval(() => {
    running ??= tick().finally(() => (running = null));
  }, TICK_MS);
  timer.unref();
  return {
    add,
    close: async () => {
      clearInterval(timer);
      await running;
    },
  };
}
