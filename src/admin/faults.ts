import type { DecideFault } from '../approve/index.ts';

/** Status, what the person reads, what the operator does. Codes are never reused; documented in docs/reference/admin.md. */
const ROWS = {
  'admin.path': [404, 'No such endpoint.', 'See GET /openapi.json.'],
  'admin.method': [405, 'This HTTP method is not served here.', 'See the Allow header.'],
  'admin.headers': [400, 'A header is missing, doubled or malformed.', 'Nothing; the client is wrong.'],
  'admin.host': [403, 'The Host header is not one this listener answers to.', 'Add the name to admin.hosts or set admin.public_url.'],
  'admin.origin': [403, 'Requests of web pages are not answered.', 'Nothing; use the CLI.'],
  'admin.content_type': [415, 'The body must be application/json in UTF-8, not encoded.', 'Nothing; the client is wrong.'],
  'admin.too_large': [413, 'The body is larger than 64 KiB.', 'Nothing; the client is wrong.'],
  'admin.body': [400, 'The body or the query is not what this endpoint takes.', 'See GET /openapi.json.'],
  'admin.unauthenticated': [401, 'An admin key is needed: Authorization: Bearer spa_…', 'Make one with sallyport admin create. Keys and tokens of agents mean nothing here.'],
  'admin.rate': [429, 'Too many failed attempts. Wait a minute.', 'Somebody tries keys or links; the record holds the first ones of each minute. A right key is let in all the same.'],
  'admin.unknown': [404, 'No such approval.', 'It may have been removed after its time.'],
  'admin.closed': [409, 'It is closed: decided, used or expired.', 'Nothing.'],
  'admin.self': [403, 'Who asked never decides.', 'Somebody else of the group must decide.'],
  'admin.not_approver': [403, 'You are in none of the groups that may decide.', 'Make a key with the right --group.'],
  'admin.already': [409, 'You have said so already.', 'Nothing; another person is needed.'],
  'admin.rationale': [400, 'A rationale of 1 to 1,000 visible characters is needed.', 'Nothing.'],
  'admin.narrowing': [400, 'The narrowing cannot be used.', 'The message says why.'],
  'admin.grant': [400, 'The grant or activation cannot be made as asked.', 'The message says why.'],
  'admin.not_entitled': [403, 'You are not entitled to this.', 'See authorize.grants.groups, and activators and reviewers of the role; make a key with the right --group.'],
  'admin.link': [404, 'This link is unknown, used, or over. Nothing was decided.', 'Decide with sallyport approvals, or wait for a new link.'],
  'admin.signature': [401, 'The callback is not signed as it must be, too old, or was seen before.', 'Look at the shared secret and at the clocks of both machines.'],
  'admin.busy': [503, 'Too many requests at once.', 'Try again.'],
  'admin.unavailable': [503, 'It could not be read or recorded, so nothing was decided.', 'See /ready of the gateway; look at the disk.'],
} as const satisfies Record<string, readonly [status: number, says: string, operator: string]>;

export type AdminCode = keyof typeof ROWS;
/** For the documentation and its test. */
export const ADMIN_FAULTS: readonly { readonly code: AdminCode; readonly status: number; readonly says: string; readonly operator: string }[] = Object.entries(ROWS)
  .map(([code, [status, says, operator]]) => ({ code: code as AdminCode, status, says, operator }));

/** What an endpoint answers: a document, or a refusal by code. `says` replaces the code's own sentence. */
export type Answer =
  | { readonly status: number; readonly body: object }
  | { readonly status: number; readonly html: string }
  | { readonly refused: AdminCode; readonly says?: string };
export const refused = (code: AdminCode, says?: string): Answer => (says === undefined ? { refused: code } : { refused: code, says });
export const rowOf = (code: AdminCode): { readonly status: number; readonly says: string } => ({ status: ROWS[code][0], says: ROWS[code][1] });

const DECIDE = {
  unknown: 'admin.unknown', closed: 'admin.closed', self: 'admin.self', not_approver: 'admin.not_approver', already: 'admin.already',
  rationale: 'admin.rationale', narrowing: 'admin.narrowing',
} as const satisfies Record<DecideFault, AdminCode>;
export const codeOf = (fault: DecideFault): AdminCode => DECIDE[fault];
