import type { ApprovalTerms } from '../call/decision.ts';
import type { ApprovalRequest } from './approvals.ts';
import { isSamePerson } from './people.ts';

/** Groups that may decide at this time: the escalation's, too, when its delay has passed. Judged by the clock each time, so a restart forgets nothing. */
export function groupsAt(terms: ApprovalTerms, createdAt: number, at: number): readonly string[] {
  return terms.escalate !== null && at >= createdAt + terms.escalate.afterMs ? [...terms.groups, ...terms.escalate.groups] : terms.groups;
}

/** May a member of these groups decide on this request at this time? */
export const mayDecide = (request: ApprovalRequest, groups: readonly string[], at: number): boolean =>
  request.terms.some((terms) => groupsAt(terms, request.createdAt, at).some((group) => groups.includes(group)));

/** A yes that counts. */
export interface Yes {
  readonly identities: readonly string[];
  /** The groups the person is in now. */
  readonly groups: readonly string[];
  readonly at: number;
}
/** Have so many different people of the right groups said yes, for each of the terms? */
export function isEnough(request: ApprovalRequest, yeses: readonly Yes[]): boolean {
  // No terms is not "nothing to fulfil" but a record that asks nobody: never enough (CWE-636).
  return request.terms.length > 0 && request.terms.every((terms) => {
    const counted: Yes[] = [];
    for (const yes of yeses) {
      const isIn = groupsAt(terms, request.createdAt, yes.at).some((group) => yes.groups.includes(group));
      // One person with two credentials is one person (MISSION A3, four eyes).
      if (isIn && !counted.some((other) => isSamePerson(other.identities, yes.identities))) counted.push(yes);
    }
    return counted.length >= Math.max(1, terms.quorum);
  });
}

/** The first time at which an escalation takes effect; null: none is to come. */
export function escalatesAt(request: ApprovalRequest): number | null {
  const times = request.terms.flatMap(({ escalate }) => (escalate === null ? [] : [request.createdAt + escalate.afterMs]));
  return times.length === 0 ? null : Math.min(...times);
}
