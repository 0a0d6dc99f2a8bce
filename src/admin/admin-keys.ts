import { z } from 'zod';
import type { Approver } from '../approve/index.ts';
import type { Clock } from '../lib/clock.ts';
import { sha256 } from '../lib/hash.ts';
import type { Store } from '../store/index.ts';
import { isAdminKey, mintAdminKey } from './key-text.ts';

/** The command cannot be done as asked; the message is for the operator. */
export class AdminFault extends Error {
  override readonly name = 'AdminFault';
}
const text = z.string().min(1).max(256).refine((value) => !/[\p{C}\p{Zl}\p{Zp}]/u.test(value) && value.trim() === value, { error: 'must not hold invisible characters' });
const facts = {
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, { error: 'must be 1 to 64 of a-z 0-9 . _ -, the first a letter or digit' }),
  /** The person; what tells that an approver is the requester himself. */
  user: text,
  groups: z.array(text).min(1).max(256),
};
const spec = z.strictObject(facts);
const record = z.strictObject({ ...facts, created: z.iso.datetime(), expires: z.iso.datetime(), revoked: z.iso.datetime().nullable(), sha256: z.string().regex(/^[0-9a-f]{64}$/) });
/** What the store holds of an admin: never the key itself. */
export type AdminRecord = Readonly<z.infer<typeof record>>;

/** Never agents' kind: no look-up of theirs can find one of these (MISSION A5). */
const KIND = 'admin_key';
const MOST = 1_000;
/** `id` of what the approvals know an admin by. */
const PREFIX = 'admin:';

/** The people who decide. */
export interface AdminKeys {
  /** Makes a key, shown this once; it ends after `lifeMs`, at most 366 days. `AdminFault` when the name is taken, by a revoked one too. */
  readonly create: (given: { readonly name: string; readonly user: string; readonly groups: readonly string[] }, lifeMs: number) => Promise<{ readonly record: AdminRecord; readonly key: string }>;
  readonly list: () => Promise<readonly AdminRecord[]>;
  readonly revoke: (name: string) => Promise<AdminRecord>;
  /** Whose key this is; null: nobody's, revoked or over. Rejects when the store is gone. */
  readonly byKey: (key: string) => Promise<Approver | null>;
  /** The person behind `admin:<name>` as long as the credential is good: asked about again when an approval is used. */
  readonly byId: (id: string) => Promise<Approver | null>;
  /** Everyone whose key is good now. */
  readonly people: () => Promise<readonly Approver[]>;
}

/** Reads the store on each use, at most once per change: a revocation by another process works at once. */
export function createAdminKeys(store: Store, clock: Clock): AdminKeys {
  let seen = -1;
  let known: readonly AdminRecord[] = [];
  const all = async (): Promise<readonly AdminRecord[]> => {
    const changes = await store.changes(); // before the records: what is written in between is found next time
    if (changes !== seen) {
      known = (await store.list(KIND, { limit: MOST })).flatMap((row) => readRecord(row.id, row.bytes) ?? []);
      seen = changes;
    }
    return known;
  };
  const isGood = (admin: AdminRecord): boolean => admin.revoked === null && Date.parse(admin.expires) > clock.now();
  const update = async (name: string, change: (old: AdminRecord | null) => AdminRecord): Promise<AdminRecord> => {
    for (;;) {
      const row = await store.get(KIND, name);
      const old = row === null ? null : readRecord(name, row.bytes);
      if (row !== null && old === null) throw new AdminFault(`the record of ${name} cannot be read`);
      const next = record.parse(change(old));
      if ((await store.put(KIND, name, Buffer.from(JSON.stringify(next)), { ifVersion: row?.version ?? 0 })) !== null) return next; // otherwise another process was faster: look again
    }
  };
  return {
    create: async (given, lifeMs) => {
      // CWE-613: a yes of somebody who left long ago must not count, so no key is for ever.
      if (!Number.isSafeInteger(lifeMs) || lifeMs < 1_000 || lifeMs > 366 * 86_400_000) throw new AdminFault('an admin key lives 1 second to 366 days');
      const who = spec.parse(given);
      if ((await all()).length >= MOST) throw new AdminFault(`there are ${MOST} admins already`);
      const key = mintAdminKey();
      const made = await update(who.name, (old) => {
        // A name stands in records for one person for good.
        if (old !== null) throw new AdminFault(`the name ${who.name} ${old.revoked === null ? 'is taken' : 'is that of a revoked admin and is not given again'}`);
        return { ...who, created: stamp(clock.now()), expires: stamp(clock.now() + lifeMs), revoked: null, sha256: sha256(key) };
      });
      return { record: made, key };
    },
    list: all,
    revoke: (name) => update(name, (old) => {
      if (old === null) throw new AdminFault(`there is no admin ${name}`);
      return { ...old, revoked: old.revoked ?? stamp(clock.now()) };
    }),
    byKey: async (key) => {
      if (!isAdminKey(key)) return null;
      // 256 random bits need no salt, and comparing hashes tells a timer nothing of the key (CWE-208).
      const hash = sha256(key);
      const found = (await all()).find((admin) => admin.sha256 === hash);
      return found !== undefined && isGood(found) ? personOf(found) : null;
    },
    byId: async (id) => {
      const found = (await all()).find((admin) => PREFIX + admin.name === id);
      return found !== undefined && isGood(found) ? personOf(found) : null;
    },
    people: async () => (await all()).filter(isGood).map(personOf),
  };
}
const personOf = ({ name, user, groups }: AdminRecord): Approver => ({ id: PREFIX + name, user, groups });
const stamp = (at: number): string => new Date(at).toISOString();
/** null: damaged, or under another's name; it lets nobody in. */
function readRecord(name: string, bytes: Uint8Array): AdminRecord | null {
  try {
    const parsed = record.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    return parsed.success && parsed.data.name === name ? parsed.data : null;
  } catch {
    return null;
  }
}

/** One line for `admin list`: never a hash. */
export function describeAdmin(admin: AdminRecord, now: number): string {
  const state = admin.revoked !== null ? `revoked ${admin.revoked}` : Date.parse(admin.expires) <= now ? `expired ${admin.expires}` : `active until ${admin.expires}`;
  return [admin.name, state, `user=${admin.user}`, `groups=${admin.groups.join(',')}`].join('  ');
}
