import type { Known, Limited, Outcome } from '../call/call.ts';
import type { Stage } from '../call/stage.ts';
import type { Clock } from '../lib/clock.ts';
import type { Approvals } from './approvals.ts';
import { type Ask, plainAsk } from './ask.ts';
import type { Place } from './binding.ts';
import type { ApproveConfig } from './config.ts';
import type { ApproverNow, CompileNarrowing } from './decide.ts';
import { openDryRuns } from './dry-runs.ts';
import { createJudge, type Verdict } from './judge.ts';
import type { Note } from './note.ts';
import { openApprovals } from './open.ts';
import { knowPeople } from './people.ts';
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
  /** How callers of the different eras and doors are asked and told; reason and ticket in `_meta` when left out. */
  readonly ask?: Ask;
  /** Where a server stands; nowhere when left out. */
  readonly placeOf?: (server: string) => Place;
  readonly log: (message: string, fields?: object) => void;
}
export interface Approve {
  readonly stage: Stage<Limited, { approvalId: string | null }>;
  readonly approvals: Approvals;
  /** Told of every call that ended: a dry run that went well permits the call in earnest. Never rejects. */
  readonly ended: (known: Known, outcome: Outcome) => Promise<void>;
  readonly close: () => Promise<void>;
}

const NOWHERE: Place = { environment: null, region: null, tenant: null };
const NONE: Verdict = { go: { approvalId: null } };

/**
 * Meets the duties that policy puts on people: approval, confirmation, reason, ticket, dry run. What it cannot find out is a no, and no
 * connection waits for a person (CWE-636, MISSION A1 to A4).
 */
export function createApprove(config: ApproveConfig, deps: ApproveDeps): Approve {
  const now = forwardTime(deps.clock);
  const people = knowPeople(config.identities);
  const approvals = openApprovals(config, { ...deps, people, now });
  const dryRuns = openDryRuns(config, deps.store, now);
  const judge = createJudge(config, { approvals, people, dryRuns, ask: deps.ask ?? plainAsk, checkTicket: deps.checkTicket, note: deps.note, now, placeOf: (server) => (server === null ? NOWHERE : (deps.placeOf?.(server) ?? NOWHERE)) });
  return {
    stage: {
      name: 'approve',
      run: (call) => {
        if (!call.decision.obligations.some((duty) => duty.by === 'approve')) return NONE;
        // A store that is down, an audit that cannot be written, a pattern that cannot be run: nobody has said yes.
        return judge(call).catch((thrown: unknown): Verdict => ({ stop: { code: 'approve.unavailable', note: thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown) } }));
      },
    },
    approvals,
    ended: async (known, outcome) => {
      try {
        await dryRuns.ended(known, outcome);
      } catch (thrown) {
        deps.log('a dry run could not be remembered', { error: String(thrown) });
      }
    },
    close: approvals.close,
  };
}
