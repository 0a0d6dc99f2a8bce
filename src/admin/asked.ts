import type { Approvals, Approver } from '../approve/index.ts';
import type { Grants } from '../authorize/grants/index.ts';
import type { Clock } from '../lib/clock.ts';
import type { AdminKeys } from './admin-keys.ts';
import type { Heads } from './heads.ts';
import type { Links } from './links.ts';

/** What the routes act on. */
export interface RouteDeps {
  readonly approvals: Approvals;
  readonly grants: Grants;
  readonly keys: AdminKeys;
  readonly links: Links;
  readonly callback: (heads: Heads, body: Buffer) => Promise<Approver | null>;
  readonly clock: Clock;
}
/** A request after its head was judged. */
export interface Asked {
  readonly heads: Heads;
  readonly query: URLSearchParams;
  /** Empty for GET. */
  readonly body: Buffer;
  /** null on the routes that need none. */
  readonly person: Approver | null;
}
