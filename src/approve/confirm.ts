import { newId } from '../lib/ids.ts';
import type { Approvals } from './approvals.ts';
import type { Desk } from './desk.ts';
import { isOver } from './time.ts';

const KIND = 'confirmation';
/** A record of its own kind: where an approval is asked for, nothing ever looks here. */
interface Confirmation {
  readonly id: string;
  readonly principalId: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** The yes of the calling user himself: bound as an approval is, short-lived, single use. Weaker than an approval, for an agent may sit where the user should. */
export function openConfirmations({ store, now, config }: Desk): { readonly give: Approvals['confirm']; readonly take: Approvals['takeConfirmation'] } {
  return {
    give: async (binding, who) => {
      const createdAt = now();
      const given: Confirmation = { id: newId(), principalId: who.principalId, createdAt, expiresAt: createdAt + config.confirm_ms };
      await store.put(KIND, binding, Buffer.from(JSON.stringify(given)), { expiresAt: given.expiresAt });
    },
    take: async (binding, who) => {
      const row = await store.get(KIND, binding);
      if (row === null) return null;
      const given = JSON.parse(Buffer.from(row.bytes).toString()) as Confirmation;
      if (given.principalId !== who.principalId) return null; // the binding says so already; a wrong key must not do
      // Deleted by version: of many that try at once, one gets it.
      if (!(await store.delete(KIND, binding, row.version))) return null;
      return isOver(given, now()) ? null : given.id;
    },
  };
}
