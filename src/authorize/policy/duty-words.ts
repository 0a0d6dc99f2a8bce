import type { Decision, Obligation } from '../../call/decision.ts';

const UNITS = [[86_400_000, 'day'], [3_600_000, 'hour'], [60_000, 'minute'], [1_000, 'second']] as const;
const span = (ms: number): string => {
  const [size, unit] = UNITS.find(([size]) => ms % size === 0) ?? [1, 'ms'];
  return `${ms / size} ${unit}${ms === size ? '' : 's'}`;
};

/** A duty as a reviewer reads it. */
export function dutyWords(duty: Obligation): string {
  if (duty.by === 'inspect') return 'the answer is wrapped';
  if (duty.by === 'limit') return `at most ${duty.count} calls in ${span(duty.windowMs)}, counted for ${duty.per === 'caller' ? 'each caller' : 'all callers together'}`;
  if (duty.kind === 'confirm') return 'a yes of the calling user';
  if (duty.kind === 'reason') return 'a reason';
  if (duty.kind === 'ticket') return duty.pattern === null ? 'a change ticket' : `a change ticket like ${duty.pattern}`;
  if (duty.kind === 'dry_run') return `the same call with ${duty.argument}: true before it`;
  const { groups, quorum, escalate, expiresMs } = duty;
  return [
    `approval by ${quorum === 1 ? 'a person' : `${quorum} people`} of ${groups.length === 0 ? 'approve.groups' : groups.join(' or ')}`,
    ...(escalate === null ? [] : [`after ${span(escalate.afterMs)} also of ${escalate.groups.join(' or ')}`]), ...(expiresMs === null ? [] : [`within ${span(expiresMs)}`]),
  ].join(', ');
}
/** All duties, each once, in an order that does not hang on the rules'. */
export const dutiesOf = (decision: Decision): readonly string[] => (decision.effect === 'deny' ? [] : [...new Set(decision.obligations.map(dutyWords))].toSorted());
/** `deny`, `allow`, or `allow, needs …`. */
export function decisionWords(decision: Decision): string {
  const duties = dutiesOf(decision);
  return duties.length === 0 ? decision.effect : `allow, needs ${duties.join('; ')}`;
}
