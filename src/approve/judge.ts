import type { Limited } from '../call/call.ts';
import type { Refusal } from '../call/refusal.ts';
import type { Verdict as StageVerdict } from '../call/stage.ts';
import { sha256 } from '../lib/hash.ts';
import type { Approvals, Asked, Requester, Taken } from './approvals.ts';
import type { Ask, Said } from './ask.ts';
import { bind, type Bound, type Place } from './binding.ts';
import type { ApproveConfig } from './config.ts';
import { type DryRuns, dryness } from './dry-runs.ts';
import { type Duties, dutiesOf } from './duties.ts';
import type { Note } from './note.ts';
import type { People } from './people.ts';
import { type CheckTicket, judgeStated, type Stated } from './stated.ts';

export type Verdict = StageVerdict<{ approvalId: string | null }>;
interface JudgeDeps {
  readonly approvals: Approvals;
  readonly people: People;
  readonly dryRuns: DryRuns;
  readonly ask: Ask;
  readonly checkTicket: CheckTicket | null;
  readonly note: Note;
  readonly placeOf: (server: string | null) => Place;
  readonly now: () => number;
}
/** One call and what is asked of it. */
interface Case extends Bound {
  readonly call: Limited;
  readonly duties: Duties;
  readonly who: Requester;
  readonly place: Place;
}

/** The stage's judgement of a call with duties. Rejects when the store or the audit fails; the stage makes a no of it. */
export function createJudge(config: ApproveConfig, deps: JudgeDeps): (call: Limited) => Promise<Verdict> {
  return async (call) => {
    const duties = dutiesOf(call, config.groups);
    if (duties === null) return { go: { approvalId: null } };
    const place = deps.placeOf(call.target.server);
    const the: Case = { call, duties, who: deps.people.requester(call.principal), place, ...bind(call, deps.ask.isOurs(call), place) };
    return duties.terms.length > 0 ? judgeApproval(config, deps, the) : judgeLesser(config, deps, the);
  };
}

/** Reason, ticket, dry run, the user's own yes: what the caller's side can give at once. */
async function judgeLesser(config: ApproveConfig, deps: JudgeDeps, the: Case): Promise<Verdict> {
  const prepared = await prepare(config, deps, the, the.duties.confirm);
  if ('stop' in prepared) return prepared;
  const { reason, ticket } = prepared.stated;
  if (the.duties.reason || the.duties.tickets.length > 0) await deps.note('approval.stated', noteOf(the, null, { reason, ticket }));
  if (!the.duties.confirm) return { go: { approvalId: null }, met: the.duties.ids };
  const confirmed = await confirm(deps, the, prepared.said);
  return 'stop' in confirmed ? confirmed : { go: { approvalId: `confirmation:${confirmed.id}` }, met: the.duties.ids };
}

async function judgeApproval(config: ApproveConfig, deps: JudgeDeps, the: Case): Promise<Verdict> {
  const { terms } = the.duties;
  // A duty that nobody could ever fulfil waits for nobody.
  if (terms.some(({ groups, escalate }) => groups.length === 0 && (escalate === null || escalate.groups.length === 0))) return { stop: { code: 'approve.required', note: the.duties.why } };
  if (Buffer.byteLength(the.argumentsText) > config.max_arguments_bytes) return { stop: { code: 'approve.too_large' } };
  const found = await deps.approvals.find(the.binding);
  if (found?.state === 'approved') return use(deps, the);
  if (found?.state === 'pending') return { stop: deps.ask.pending(the.call, found) };
  // A no stands for a while: an agent must not ask until somebody errs (approval fatigue).
  if ((found?.state === 'denied' || found?.state === 'expired') && deps.now() < (found.closedAt ?? 0) + config.again_ms) return { stop: { code: found.state === 'denied' ? 'approve.denied' : 'approve.expired', note: found.id, approval: found } };
  const prepared = await prepare(config, deps, the, false);
  if ('stop' in prepared) return prepared;
  const requested = await deps.approvals.request(askedOf(the, prepared.stated));
  return { stop: requested.state === 'pending' ? deps.ask.pending(the.call, requested.request) : { code: 'approve.too_many' } };
}

/** Enough have said yes. The user's own yes comes first: it can be had again, the approval cannot. */
async function use(deps: JudgeDeps, the: Case): Promise<Verdict> {
  if (the.duties.confirm) {
    const confirmed = await confirm(deps, the, null);
    if ('stop' in confirmed) return confirmed;
  }
  const taken = await deps.approvals.take(the.binding);
  return taken.ok ? { go: { approvalId: taken.request.id }, met: the.duties.ids } : { stop: await refusalOf(deps, the, taken) };
}

async function refusalOf(deps: JudgeDeps, the: Case, taken: Exclude<Taken, { ok: true }>): Promise<Refusal> {
  switch (taken.fault) {
    case 'narrowed':
      return { code: 'approve.narrowed', tell: taken.says };
    case 'denied':
      return { code: 'approve.denied' };
    case 'expired':
      return { code: 'approve.expired' };
    case 'absent':
    case 'used':
      return { code: 'approve.used' };
    case 'pending':
    case 'short': {
      const waiting = await deps.approvals.find(the.binding);
      return waiting === null ? { code: 'approve.unavailable', note: 'a request is gone' } : deps.ask.pending(the.call, waiting);
    }
  }
}

type Prepared = { readonly stated: Stated; readonly said: Said | null } | { readonly stop: Refusal };
const SILENT: Said = { reason: null, ticket: null, confirmed: false };
/** The dry run first: it costs no person anything. */
async function prepare(config: ApproveConfig, deps: JudgeDeps, the: Case, wantsConfirm: boolean): Promise<Prepared> {
  const { duties, call } = the;
  for (const argument of duties.dryRuns) {
    const how = dryness(call, argument);
    // Without this an agent could skip the look at what would happen, or pass by a value that only the server takes for true.
    if (how === 'unclear' || (how === 'earnest' && !(await deps.dryRuns.has(call, argument)))) return { stop: { code: 'approve.dry_run_required', tell: `The argument is ${JSON.stringify(argument)}.` } };
  }
  const wanted = { binding: the.binding, reason: duties.reason, ticket: duties.tickets.length > 0, ticketForms: duties.tickets.filter((form) => form !== null), confirm: wantsConfirm };
  // An approver wants to know why, so what is given anyway is taken along even where no rule asks for it.
  const answered = wanted.reason || wanted.ticket || wanted.confirm || duties.terms.length > 0 ? await deps.ask.ask(call, wanted) : { said: SILENT };
  if ('stop' in answered) return answered;
  const judged = await judgeStated(answered.said, duties, config, deps.checkTicket);
  return 'stop' in judged ? judged : { stated: judged.stated, said: wantsConfirm ? answered.said : null };
}

/** `said` null: nobody was asked yet. */
async function confirm(deps: JudgeDeps, the: Case, said: Said | null): Promise<{ readonly id: string } | { readonly stop: Refusal }> {
  let id = await deps.approvals.takeConfirmation(the.binding, the.who);
  if (id === null) {
    const answered = said === null ? await deps.ask.ask(the.call, { binding: the.binding, reason: false, ticket: false, ticketForms: [], confirm: true }) : { said };
    if ('stop' in answered) return answered;
    if (!answered.said.confirmed) return { stop: { code: 'approve.confirm_required' } };
    await deps.approvals.confirm(the.binding, the.who);
    id = await deps.approvals.takeConfirmation(the.binding, the.who);
  }
  if (id === null) return { stop: { code: 'approve.confirm_required' } };
  await deps.note('approval.confirmed', noteOf(the, `confirmation:${id}`, {}));
  return { id };
}

function askedOf(the: Case, stated: Stated): Asked {
  const { call, who, duties } = the;
  const { principal, target, decision } = call;
  return {
    requester: who, target: { id: target.id, server: target.server, tool: target.name, method: target.method, digest: target.tool?.digest ?? null, risk: target.risk },
    environment: the.place.environment ?? principal.environment, argumentsText: the.argumentsText, binding: the.binding, group: the.group, policyVersion: decision.policyVersion,
    ruleIds: decision.ruleIds, why: duties.why, reason: stated.reason, ticket: stated.ticket, terms: duties.terms,
    // A service account's keys count together, or every further key would be another flood.
    payer: principal.kind === 'api_key' ? `caller:${principal.caller}` : principal.id,
  };
}

function noteOf(the: Case, id: string | null, details: Readonly<Record<string, string | null>>): Parameters<Note>[1] {
  const { principal, target, decision } = the.call;
  return {
    approval_id: id, correlation_id: the.call.id, caller_id: principal.id, user_id: principal.user, environment: the.place.environment ?? principal.environment, mcp_server: target.server,
    tool: target.name, tool_risk: target.risk, policy_ids: decision.ruleIds, policy_version: decision.policyVersion, input_hash: sha256(the.argumentsText),
    tool_input: { binding: the.binding, ...details },
  };
}
