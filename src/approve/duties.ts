import type { Limited } from '../call/call.ts';
import type { ApprovalTerms, Obligation } from '../call/decision.ts';

/** What policy asks of this stage for one call. */
export interface Duties {
  readonly ids: readonly string[];
  /** With the groups filled in; empty: no approval is asked for. */
  readonly terms: readonly ApprovalTerms[];
  readonly confirm: boolean;
  readonly reason: boolean;
  /** One for each duty; null: any text. */
  readonly tickets: readonly (string | null)[];
  /** Names of dry-run arguments. */
  readonly dryRuns: readonly string[];
  /** The rules' sentences. */
  readonly why: string;
}

/** A duty of another kind is met by nobody here, and the pipeline stops the call. */
const KNOWN: ReadonlySet<string> = new Set<Mine['kind']>(['approval', 'confirm', 'reason', 'ticket', 'dry_run']);
type Mine = Extract<Obligation, { by: 'approve' }>;
const isMine = (duty: Obligation): duty is Mine => duty.by === 'approve';

/** null: nothing is asked. Allocates nothing then: most calls. */
export function dutiesOf(call: Limited, groups: readonly string[]): Duties | null {
  const { obligations } = call.decision;
  if (!obligations.some(isMine)) return null;
  const mine = obligations.filter(isMine);
  return {
    ids: mine.filter((duty) => KNOWN.has(duty.kind)).map((duty) => duty.id),
    terms: mine.flatMap((duty) => (duty.kind === 'approval' ? [termsOf(duty, groups)] : [])),
    confirm: mine.some((duty) => duty.kind === 'confirm'),
    reason: mine.some((duty) => duty.kind === 'reason'),
    tickets: mine.flatMap((duty) => (duty.kind === 'ticket' ? [duty.pattern] : [])),
    dryRuns: mine.flatMap((duty) => (duty.kind === 'dry_run' ? [duty.argument] : [])),
    why: [...new Set(mine.map((duty) => duty.why))].filter((why) => why !== '').join(' ').slice(0, 2_000),
  };
}
const termsOf = (duty: ApprovalTerms, groups: readonly string[]): ApprovalTerms => ({
  groups: duty.groups.length > 0 ? duty.groups : groups, quorum: duty.quorum, escalate: duty.escalate, expiresMs: duty.expiresMs,
});
