import type { Approved, Known, Limited, Outcome } from '../call/call.ts';
import type { JsonObject } from '../call/json.ts';
import type { Principal } from '../call/principal.ts';
import type { Stage, Verdict as StageVerdict } from '../call/stage.ts';
import type { Clock } from '../lib/clock.ts';
import type { Approvals } from './approvals.ts';
import { type Ask, plainAsk } from './ask.ts';
import { type AskOnStream, createAskUser } from './ask-user.ts';
import { bind, type Place } from './binding.ts';
import type { ApproveConfig } from './config.ts';
import type { ApproverNow, CompileNarrowing } from './decide.ts';
import { openDryRuns } from './dry-runs.ts';
import { dutiesOf } from './duties.ts';
import { createJudge } from './judge.ts';
import { openLegs } from './legs.ts';
import type { Note } from './note.ts';
import { openApprovals } from './open.ts';
import { knowPeople } from './people.ts';
import { pollState } from './poll.ts';
import { createQuestionStates } from './question-state.ts';
import type { ApprovalStore } from './records.ts';
import type { CheckTicket } from './stated.ts';
import { forwardTime } from './time.ts';

export { APPROVAL_STATES } from './approvals.ts';
export type { ApprovalDecision, ApprovalEvent, ApprovalFilter, ApprovalRequest, Approvals, ApprovalState, Approver, Decided, DecideFault, Requester } from './approvals.ts';
export type { Ask, Said, Wanted } from './ask.ts';
export type { ApproverNow, CompileNarrowing } from './decide.ts';
export type { CheckTicket } from './stated.ts';

export interface ApproveDeps {
  readonly store: ApprovalStore;
  readonly clock: Clock;
  /** Records an event of approvals before it takes effect; rejects when it cannot. */
  readonly note: Note;
  readonly approverNow: ApproverNow;
  readonly compileNarrowing: CompileNarrowing;
  /** Asks whoever keeps the tickets; null: nobody is asked. */
  readonly checkTicket: CheckTicket | null;
  /** How users are asked; when left out nobody is, and only what stands in `_meta` counts. */
  readonly users?: {
    /** 32 bytes that only this gateway knows: seals what clients keep while their user reads. */
    readonly sealKey: Buffer;
    readonly askOnStream: AskOnStream;
    /** Do the caller's credential and the policy still stand as when the call was judged? */
    readonly isCurrent: (call: Limited) => boolean;
  };
  /** In place of all that, for tests. */
  readonly ask?: Ask;
  /** Where a server stands; nowhere when left out. */
  readonly placeOf?: (server: string) => Place;
  readonly log: (message: string, fields?: object) => void;
}
export interface Approve {
  readonly stage: Stage<Limited, Pick<Approved, 'approvalId' | 'answersUs'>> & { readonly isAsking: (call: Limited) => boolean };
  readonly approvals: Approvals;
  /** What became of this caller's own request; null: it has none by that id. */
  readonly stateOf: (principal: Principal, id: string) => Promise<JsonObject | null>;
  /** Told of every call that ended, before its caller is: a dry run that went well permits the call in earnest, a server's question goes on under the same yes. Never rejects. */
  readonly ended: (known: Known, outcome: Outcome) => Promise<void>;
  readonly close: () => Promise<void>;
}

const NOWHERE: Place = { environment: null, region: null, tenant: null };
type Passed = StageVerdict<Pick<Approved, 'approvalId' | 'answersUs'>>;
const NONE: Passed = { go: { approvalId: null } };
const OURS: Passed = { go: { approvalId: null, answersUs: true } };

/**
 * Meets the duties that policy puts on people: approval, confirmation, reason, ticket, dry run. What it cannot find out is a no, and no
 * connection waits for a person (CWE-636, MISSION A1 to A4).
 */
export function createApprove(config: ApproveConfig, deps: ApproveDeps): Approve {
  const now = forwardTime(deps.clock);
  const people = knowPeople(config.identities);
  const approvals = openApprovals(config, { ...deps, people, now });
  const dryRuns = openDryRuns(config, deps.store, now);
  const placeOf = (server: string | null): Place => (server === null ? NOWHERE : (deps.placeOf?.(server) ?? NOWHERE));
  const legs = openLegs(deps.store, (call) => bind(call, true, placeOf(call.target.server)).binding, now);
  const { users } = deps;
  const asker = users === undefined ? null : createAskUser({ ...users, states: createQuestionStates(users.sealKey, now, config.confirm_ms), store: deps.store, now, confirmMs: config.confirm_ms });
  const ask = deps.ask ?? asker ?? plainAsk;
  const judge = createJudge(config, { approvals, people, dryRuns, ask, checkTicket: deps.checkTicket, note: deps.note, placeOf, now });
  const judged = async (call: Limited): Promise<Passed> => {
    const isOurs = ask.isOurs(call);
    const leg = isOurs ? undefined : await legs.next(call);
    if (leg !== undefined) return { go: leg, met: dutiesOf(call, config.groups)?.ids ?? [] };
    const verdict = await judge(call);
    return isOurs && 'go' in verdict ? { ...verdict, go: { ...verdict.go, answersUs: true } } : verdict;
  };
  return {
    stage: {
      name: 'approve',
      run: (call) => {
        // A duty may be gone when its answer comes; what answers the gateway goes to no server even then.
        if (!call.decision.obligations.some((duty) => duty.by === 'approve')) return call.message.params['requestState'] !== undefined && ask.isOurs(call) ? OURS : NONE;
        // A store that is down, an audit that cannot be written, a pattern that cannot be run: nobody has said yes.
        return judged(call).catch((thrown: unknown): Passed => ({ stop: { code: 'approve.unavailable', note: thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown) } }));
      },
      isAsking: (call) => asker?.isAsking(call) === true,
    },
    approvals,
    stateOf: (principal, id) => pollState(approvals, principal, id),
    ended: async (known, outcome) => {
      try {
        await legs.ended(known, outcome);
        await dryRuns.ended(known, outcome);
      } catch (thrown) {
        deps.log('what an approved call did could not be remembered', { error: String(thrown) });
      }
    },
    close: approvals.close,
  };
}
