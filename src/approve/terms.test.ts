import { expect, it } from 'vitest';
import type { ApprovalRequest } from './index.ts';
import { countable } from './decide.ts';
import { knowPeople } from './people.ts';
import { isEnough, mayDecide } from './terms.ts';

const term = { groups: ['ops'], quorum: 1, escalate: null, expiresMs: null };
const requestOf = (terms: ApprovalRequest['terms']): ApprovalRequest => ({ terms, createdAt: 0 }) as unknown as ApprovalRequest;
const yes = (name: string, ...more: string[]): { identities: string[]; groups: string[]; at: number } => ({ identities: [name, ...more], groups: ['ops'], at: 1 });

it('nothing asked of nobody is never enough', () => {
  expect(isEnough(requestOf([]), [yes('a')])).toBe(false);
  expect(isEnough(requestOf([{ ...term, quorum: 0 }]), [])).toBe(false);
  expect(isEnough(requestOf([{ ...term, groups: [] }]), [yes('a')])).toBe(false);
  expect(mayDecide(requestOf([{ ...term, groups: [] }]), [], 1)).toBe(false);
});
it('two names of one person are one, also if that became known after both had said yes', () => {
  expect(isEnough(requestOf([{ ...term, quorum: 2 }]), [yes('a'), yes('b')])).toBe(true);
  expect(isEnough(requestOf([{ ...term, quorum: 2 }]), [yes('a', 'c'), yes('b', 'c')])).toBe(false);
});
it('a no is no yes', async () => {
  const no = { by: 'ann', identity: 'admin:ann', identities: ['ann'], verdict: 'deny' };
  const request = { requester: { identities: ['bot'] }, decisions: [no] } as unknown as ApprovalRequest;
  expect(await countable(request, knowPeople({}), () => ({ id: 'admin:ann', user: 'ann', groups: ['ops'] }))).toEqual([]);
});
