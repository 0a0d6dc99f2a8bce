import type { ApprovalRequest, Approver } from '../approve/index.ts';
import type { Clock } from '../lib/clock.ts';
import { randomToken } from '../lib/ids.ts';
import { createSeal } from '../lib/seal.ts';
import type { Store } from '../store/index.ts';
import type { AdminKeys } from './admin-keys.ts';

/** What a good link stands for. */
export interface Opened {
  readonly requestId: string;
  /** As he is now: a revoked admin's links are dead. */
  readonly person: Approver;
  /** Names this link in the store. */
  readonly nonce: string;
  readonly until: number;
}
export interface Links {
  /** A link's last part: for one request and one person, without a verdict, good until the request is over. */
  readonly make: (request: ApprovalRequest, approverId: string) => string;
  /** null: not ours, changed, over, used, or its person is no admin any more. */
  readonly open: (sealed: string) => Promise<Opened | null>;
  /** Uses it up; false: somebody was faster. */
  readonly use: (link: Opened) => Promise<boolean>;
}
/** Used links, until they would be over anyway. */
const USED = 'admin_link';
const BOUND = 'approval link v1';

/** `key`: 32 bytes of the gateway's own, for links alone. */
export function createLinks(key: Buffer, store: Store, keys: AdminKeys, clock: Clock): Links {
  const seal = createSeal(key);
  return {
    make: (request, approverId) => seal.close(JSON.stringify([request.id, approverId, randomToken(16), request.expiresAt]), BOUND, request.expiresAt),
    open: async (sealed) => {
      const text = sealed.length > 1_024 ? null : seal.open(sealed, BOUND, clock.now());
      if (text === null) return null;
      const [requestId, approverId, nonce, until] = JSON.parse(text) as [string, string, string, number]; // what we sealed
      if ((await store.get(USED, nonce)) !== null) return null;
      const person = await keys.byId(approverId);
      return person === null ? null : { requestId, person, nonce, until };
    },
    // `ifVersion` 0: of two that come at once, one wins (CWE-367).
    use: async ({ nonce, until }) => (await store.put(USED, nonce, Buffer.alloc(0), { ifVersion: 0, expiresAt: until + 60_000 })) !== null,
  };
}
