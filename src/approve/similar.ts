import { sha256 } from '../lib/hash.ts';
import type { ApprovalRequest } from './approvals.ts';
import type { ApprovalStore } from './records.ts';

type Past = ApprovalRequest['similar'];
type Of = { readonly principalId: string; readonly target: string };
/** What became of earlier requests of one caller for one tool: shown to whoever decides on the next. */
export interface Similar {
  readonly of: (of: Of) => Promise<Past>;
  readonly count: (of: Of, verdict: 'approved' | 'denied', at: number) => Promise<void>;
}
const KIND = 'approval_similar';
const NONE: Past = { approved: 0, denied: 0, lastAt: null };
const KEEP_MS = 180 * 86_400_000;

export function openSimilar(store: ApprovalStore): Similar {
  const keyOf = ({ principalId, target }: Of): string => sha256(JSON.stringify([principalId, target]));
  const read = async (key: string): Promise<{ past: Past; version: number }> => {
    const row = await store.get(KIND, key);
    return row === null ? { past: NONE, version: 0 } : { past: JSON.parse(Buffer.from(row.bytes).toString()) as Past, version: row.version };
  };
  return {
    of: async (of) => (await read(keyOf(of))).past,
    count: async (of, verdict, at) => {
      // Three tries: a number for the eye, not worth more.
      for (let tries = 0; tries < 3; tries++) {
        const { past, version } = await read(keyOf(of));
        const next: Past = { ...past, [verdict]: past[verdict] + 1, lastAt: at };
        if ((await store.put(KIND, keyOf(of), Buffer.from(JSON.stringify(next)), { ifVersion: version, expiresAt: at + KEEP_MS })) !== null) return;
      }
    },
  };
}
