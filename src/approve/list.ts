import type { ApprovalFilter, ApprovalRequest } from './approvals.ts';
import type { Desk } from './desk.ts';
import { isSamePerson } from './people.ts';
import { mayDecide } from './terms.ts';
import { settle } from './watch.ts';

/** The newest that fit the filter, as they are now. */
export async function select(desk: Desk, filter: ApprovalFilter): Promise<readonly ApprovalRequest[]> {
  const most = Math.max(1, Math.min(filter.limit ?? 100, 1_000));
  const fits = fitting(desk, filter);
  let found: ApprovalRequest[] = [];
  for await (const kept of desk.records.all()) {
    const { request } = await settle(desk, kept);
    if (!fits(request)) continue;
    found.push(request);
    if (found.length >= most * 4) found = newest(found, most); // as many as are kept so long must fit in memory, not more
  }
  return newest(found, most);
}
const newest = (found: readonly ApprovalRequest[], most: number): ApprovalRequest[] => found.toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1)).slice(0, most);

function fitting(desk: Desk, filter: ApprovalFilter): (request: ApprovalRequest) => boolean {
  const approver = filter.decidableBy;
  const names = approver === undefined ? [] : desk.people.approver(approver);
  return (request) =>
    (filter.state === undefined || request.state === filter.state) &&
    (filter.principalId === undefined || request.requester.principalId === filter.principalId) &&
    (filter.group === undefined || request.group === filter.group) &&
    (approver === undefined || (request.state === 'pending' && names.length > 0 && mayDecide(request, approver.groups, desk.now()) &&
      !isSamePerson(names, desk.people.again(request.requester.identities)) && !request.decisions.some((decision) => isSamePerson(decision.identities, names))));
}
