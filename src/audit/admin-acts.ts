import type { Clock } from '../lib/clock.ts';

/** What an operator did from another process (the CLI), to be put into the chain by the gateway, the chain's only writer. */
export interface AdminAct {
  readonly event: 'key.created' | 'key.rotated' | 'key.revoked' | 'admin.created' | 'admin.revoked';
  readonly caller_id: string;
}
/** The part of the store this needs. */
export interface ActLog {
  readonly append: (log: string, bytes: Uint8Array) => Promise<number>;
  readonly read: (log: string, afterSeq: number, limit?: number) => Promise<readonly { readonly seq: number; readonly bytes: Uint8Array }[]>;
  readonly get: (kind: string, id: string) => Promise<{ readonly bytes: Uint8Array } | null>;
  readonly put: (kind: string, id: string, bytes: Uint8Array) => Promise<number | null>;
}
const LOG = 'admin_acts';

/** Leaves a note for the gateway; durable when it resolves. */
export async function noteAdminAct(store: ActLog, clock: Clock, act: AdminAct): Promise<void> {
  await store.append(LOG, Buffer.from(JSON.stringify({ ...act, at: new Date(clock.now()).toISOString() })));
}

/** Puts every act that is not in the chain yet into it, in order. Call it one at a time. An act may be recorded twice after a crash, never lost. */
export async function recordAdminActs(store: ActLog, note: (event: string, fields: { caller_id: string; error: string }) => Promise<void>): Promise<void> {
  for (;;) {
    const row = await store.get('cursor', LOG);
    const done = row === null ? 0 : Number(Buffer.from(row.bytes).toString());
    const [act] = await store.read(LOG, done, 1);
    if (act === undefined) return;
    const { event, caller_id, at } = JSON.parse(Buffer.from(act.bytes).toString()) as AdminAct & { at: string };
    await note(event, { caller_id, error: `done at ${at} from the command line` });
    await store.put('cursor', LOG, Buffer.from(String(act.seq)));
  }
}
