import { sha256 } from '../lib/hash.ts';
import { newId } from '../lib/ids.ts';
import type { ApprovalRequest, Approvals, Asked, Decided, Requested, Taken } from './approvals.ts';
import type { ApproveConfig } from './config.ts';
import { openConfirmations } from './confirm.ts';
import { countable, judgeDecision, narrowed } from './decide.ts';
import type { ApprovalsDeps, Desk } from './desk.ts';
import { select } from './list.ts';
import { createNews } from './news.ts';
import { noteOf } from './note.ts';
import { type Kept, openRecords } from './records.ts';
import { openSimilar } from './similar.ts';
import { openSlots } from './slots.ts';
import { isEnough } from './terms.ts';
import { createWatch, settle } from './watch.ts';

/** Approvals over a store; begins to watch for escalation and expiry. Its promises are those of `Approvals`. */
/** A request stays at least so long after its end, for the watch to see and record it, and for as long as its no stands. */
const SEEN_MS = 60_000;
export function openApprovals(config: ApproveConfig, deps: ApprovalsDeps): Approvals {
  const desk: Desk = {
    ...deps, config, records: openRecords(deps.store, deps.clock, Math.max(config.keep_ms, config.again_ms, SEEN_MS)),
    slots: openSlots(deps.store, config.max_pending_per_caller), similar: openSimilar(deps.store), news: createNews(config, deps.log),
  };
  const watch = createWatch(desk);
  const confirmations = openConfirmations(desk);
  const alone = inOneGo();
  const found = async (kept: Kept | null): Promise<ApprovalRequest | null> => (kept === null ? null : (await settle(desk, kept)).request);
  return {
    request: (asked) => alone(asked.binding, () => request(desk, asked, watch.add)),
    find: async (binding) => found(await desk.records.latest(binding)),
    get: async (id) => found(await desk.records.byId(id)),
    list: (filter) => select(desk, filter ?? {}),
    decide: (id, approver, verdict) => decide(desk, id, approver, verdict),
    take: (binding) => take(desk, binding),
    confirm: confirmations.give,
    takeConfirmation: confirmations.take,
    onEvent: desk.news.onEvent,
    close: watch.close,
  };
}

/** Calls that ask the same at the same time share one answer, so that a burst takes one place and leaves one record. */
function inOneGo(): (binding: string, work: () => Promise<Requested>) => Promise<Requested> {
  const running = new Map<string, Promise<Requested>>();
  return (binding, work) => {
    let run = running.get(binding);
    if (run === undefined) running.set(binding, (run = work().finally(() => running.delete(binding))));
    return run;
  };
}

/** Another process changed the record in between: look again. So often in a row is no accident. */
const TRIES = 20;
const busy = (): Error => new Error('an approval changes too fast to be worked on');

async function request(desk: Desk, asked: Asked, watch: (request: ApprovalRequest) => void): Promise<Requested> {
  for (let tries = 0; tries < TRIES; tries++) {
    const latest = await desk.records.latest(asked.binding);
    const before = latest === null ? null : await settle(desk, latest);
    // Equal requests are one: repeating a call must not ring again (floods).
    if (before !== null && (before.request.state === 'pending' || before.request.state === 'approved')) return { state: 'pending', request: before.request, isNew: false };
    const made = await draft(desk, asked);
    const slot = await desk.slots.take(asked.payer, made.id, made.expiresAt);
    if (slot === null) return { state: 'too_many' };
    const kept = await record(desk, made, slot, before);
    if (kept === null) continue;
    watch(made);
    desk.news.requested(made, asked.payer, desk.now());
    return { state: 'pending', request: made, isNew: true };
  }
  throw busy();
}

/** null: another process made the same request first. */
async function record(desk: Desk, made: ApprovalRequest, slot: string, before: Kept | null): Promise<Kept | null> {
  let kept: Kept | null = null;
  try {
    // Recorded before anybody can say yes to it: no record, no act.
    await desk.note('approval.requested', noteOf(made, { reason: made.reason, ticket: made.ticket, expires_at: made.expiresAt, terms: made.terms.map((terms) => ({ groups: terms.groups, quorum: terms.quorum })) }));
    kept = await desk.records.add(made, slot, before);
    if (kept === null) await desk.note('approval.refused', noteOf(made, { fault: 'duplicate' }));
  } finally {
    if (kept === null) await desk.slots.free(slot, made.id);
  }
  return kept;
}

async function draft(desk: Desk, asked: Asked): Promise<ApprovalRequest> {
  const createdAt = desk.now();
  const expiresMs = Math.min(...asked.terms.map((one) => one.expiresMs ?? desk.config.expires_ms));
  const { requester, target, environment, argumentsText, binding, group, policyVersion, ruleIds, why, reason, ticket, terms } = asked;
  return {
    requester, target, environment, argumentsText, binding, group, policyVersion, ruleIds, why, reason, ticket, terms,
    id: newId(), state: 'pending', input_hash: sha256(argumentsText), createdAt, expiresAt: createdAt + expiresMs, escalatedAt: null, closedAt: null,
    decisions: [], similar: await desk.similar.of({ principalId: requester.principalId, target: target.id }),
  };
}

async function decide(desk: Desk, id: string, ...[approver, verdict]: Parameters<Approvals['decide']> extends [string, ...infer Rest] ? Rest : never): Promise<Decided> {
  let isNoted = false;
  for (let tries = 0; tries < TRIES; tries++) {
    const row = await desk.records.byId(id);
    if (row === null) return { ok: false, fault: 'unknown', says: 'There is no such request.' };
    const kept = await settle(desk, row);
    const judged = judgeDecision(kept.request, approver, verdict, desk.now(), desk.people, desk.compileNarrowing);
    if ('fault' in judged) {
      await desk.note('approval.refused', noteOf(kept.request, { by: approver.user, identity: approver.id, fault: judged.fault, channel: verdict.channel }));
      return { ok: false, ...judged };
    }
    const { decision } = judged;
    if (!isNoted) await desk.note('approval.decided', noteOf(kept.request, { by: decision.by, identity: decision.identity, verdict: decision.verdict, rationale: decision.rationale, narrowing: decision.narrowing, channel: decision.channel }));
    isNoted = true;
    const decided = { ...kept.request, decisions: [...kept.request.decisions, decision] };
    const next: ApprovalRequest = decision.verdict === 'deny'
      ? { ...decided, state: 'denied', closedAt: decision.at }
      : isEnough(decided, await countable(decided, desk.people, desk.approverNow)) ? { ...decided, state: 'approved' } : decided;
    if ((await desk.records.replace(kept, next)) === null) continue;
    await afterDecision(desk, kept, next);
    desk.news.tell({ kind: 'decided', request: next, decision });
    return { ok: true, request: next };
  }
  throw busy();
}

/** The place and the count come after: what fails here changes nothing of the decision. */
async function afterDecision(desk: Desk, { slot }: Kept, { id, state, requester, target }: ApprovalRequest): Promise<void> {
  if (state !== 'approved' && state !== 'denied') return;
  try {
    await desk.slots.free(slot, id);
    await desk.similar.count({ principalId: requester.principalId, target: target.id }, state, desk.now());
  } catch (thrown) {
    desk.log('approvals: a place could not be given back', { error: String(thrown) });
  }
}

/**
 * approved → used by compare-and-set before anything is dispatched: of any number of processes one wins, and a crash afterwards leaves the
 * approval used, so that nothing is done twice (CWE-367, CWE-294; THREATS "100 parallel uses").
 */
async function take(desk: Desk, binding: string): Promise<Taken> {
  const row = await desk.records.latest(binding);
  if (row === null) return { ok: false, fault: 'absent' };
  const kept = await settle(desk, row);
  const { request } = kept;
  if (request.state !== 'approved') return { ok: false, fault: request.state };
  if (!isEnough(request, await countable(request, desk.people, desk.approverNow))) return short(desk, kept);
  const says = narrowed(request, desk.compileNarrowing);
  if (says !== null) {
    await desk.note('approval.refused', noteOf(request, { fault: 'narrowed' }));
    return { ok: false, fault: 'narrowed', says };
  }
  const used: ApprovalRequest = { ...request, state: 'used', closedAt: desk.now() };
  if ((await desk.records.replace(kept, used)) === null) return { ok: false, fault: 'used' };
  await desk.note('approval.used', noteOf(used, { by: used.decisions.map((decision) => decision.by) }));
  desk.news.tell({ kind: 'used', request: used });
  return { ok: true, request: used };
}

/** Back to waiting: others may still say yes. */
async function short(desk: Desk, kept: Kept): Promise<Taken> {
  await desk.note('approval.refused', noteOf(kept.request, { fault: 'short' }));
  const again: ApprovalRequest = { ...kept.request, state: 'pending' };
  if ((await desk.records.replace(kept, again)) !== null) desk.news.tell({ kind: 'requested', request: again });
  return { ok: false, fault: 'short' };
}
