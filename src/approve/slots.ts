import { sha256 } from '../lib/hash.ts';
import type { ApprovalStore } from './records.ts';

/** So many requests of one caller may wait at once; the places are records, so the bound holds among all processes. */
export interface Slots {
  /** The place's name, or null when all are taken. */
  readonly take: (payer: string, expiresAt: number) => Promise<string | null>;
  readonly free: (slot: string) => Promise<void>;
}
const KIND = 'approval_slot';

/**
 * Stops an agent that buries approvers in requests until they click yes, or fills the store (CWE-770, CWE-799). A place that a crash left
 * behind is free again when its request would have expired.
 */
export function openSlots(store: ApprovalStore, most: number): Slots {
  return {
    take: async (payer, expiresAt) => {
      const prefix = `${sha256(payer)}.`;
      const taken = new Set((await store.list(KIND, { after: prefix, limit: most })).map((row) => row.id));
      for (let n = 0; n < most; n++) {
        const slot = `${prefix}${String(n).padStart(4, '0')}`;
        if (!taken.has(slot) && (await store.put(KIND, slot, EMPTY, { ifVersion: 0, expiresAt })) !== null) return slot;
      }
      return null;
    },
    free: async (slot) => void (await store.delete(KIND, slot)),
  };
}
const EMPTY = new Uint8Array();
