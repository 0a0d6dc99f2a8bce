import { sha256 } from '../lib/hash.ts';
import type { ApprovalStore } from './records.ts';

/** So many requests of one caller may wait at once; the places are records, so the bound holds among all processes. */
export interface Slots {
  /** The place's name, or null when all are taken. */
  readonly take: (payer: string, id: string, expiresAt: number) => Promise<string | null>;
  /** Nothing when another request has it by now. */
  readonly free: (slot: string, id: string) => Promise<void>;
}
const KIND = 'approval_slot';

/**
 * Stops an agent that buries approvers in requests until they click yes, or fills the store (CWE-770, CWE-799). A place that a crash left
 * behind is free again when its request would have expired.
 */
export function openSlots(store: ApprovalStore, most: number): Slots {
  return {
    take: async (payer, id, expiresAt) => {
      const prefix = `${sha256(payer)}.`;
      const taken = new Set((await store.list(KIND, { after: prefix, limit: most })).map((row) => row.id));
      for (let n = 0; n < most; n++) {
        const slot = `${prefix}${String(n).padStart(4, '0')}`;
        if (!taken.has(slot) && (await store.put(KIND, slot, Buffer.from(id), { ifVersion: 0, expiresAt })) !== null) return slot;
      }
      return null;
    },
    free: async (slot, id) => {
      const row = await store.get(KIND, slot);
      if (row !== null && Buffer.from(row.bytes).toString() === id) await store.delete(KIND, slot, row.version);
    },
  };
}
