import { gunzipSync, gzipSync } from 'node:zlib';
import { z } from 'zod';
import type { Store } from '../../store/index.ts';
import { type AuthorizeConfig, authorizeConfig } from '../config.ts';
import type { PolicyText } from './folder.ts';

/** What made a version go live. */
export type Cause = 'start' | 'reload' | 'rollback' | 'release';

const head = z.strictObject({
  version: z.string(), hash: z.string(), at: z.string(), lastAt: z.string(), by: z.enum(['start', 'reload', 'rollback', 'release']),
  rules: z.number(), tests: z.number(), files: z.array(z.string()),
});
const body = z.strictObject({ inline: z.unknown(), texts: z.array(z.strictObject({ path: z.string(), text: z.string() })) });
/** A version that went live once. `at` and `lastAt`: first and last time, RFC 3339; `by`: the last time. */
export type VersionHead = z.infer<typeof head>;
/** With all that is needed to bring it back. */
export interface KeptVersion extends VersionHead {
  /** The section `authorize` of the configuration at that time. */
  readonly inline: AuthorizeConfig;
  readonly texts: readonly PolicyText[];
}
const pin = z.strictObject({ version: z.string(), at: z.string() });
export type Pin = z.infer<typeof pin>;

export interface Versions {
  /** Newest first. A record that cannot be read is left out. */
  readonly list: () => Promise<readonly VersionHead[]>;
  readonly get: (version: string) => Promise<KeptVersion | null>;
  /** Keeps a version that goes live, and of all the last hundred. Resolves when it is on disk. */
  readonly keep: (version: Omit<KeptVersion, 'at' | 'lastAt' | 'files'>, at: string) => Promise<void>;
  /** The version that an operator holds fast; null: none. Rejects when the record cannot be read: which policy was meant must not be guessed. */
  readonly pinned: () => Promise<Pin | null>;
  readonly pin: (value: Pin) => Promise<void>;
  /** False when nothing was pinned. */
  readonly release: () => Promise<boolean>;
  /** What runs, or ran last. */
  readonly live: () => Promise<string | null>;
  readonly setLive: (version: string) => Promise<void>;
}

const KEPT = 100;
/** A folder's bound and the section of the configuration, unpacked (CWE-409). */
const MAX_BYTES = 67_108_864;
const [KIND, PIN, LIVE, ONE] = ['policy_version', 'policy_pinned', 'policy_live', 'gateway'] as const;

/** Versions of the policy in the store: what `policy list` shows and `policy rollback` brings back. */
export function policyVersions(store: Pick<Store, 'get' | 'put' | 'delete' | 'list'>): Versions {
  const get = async (version: string): Promise<KeptVersion | null> => {
    const row = await store.get(KIND, version);
    return row === null ? null : read(row.bytes, version);
  };
  const list = async (): Promise<readonly VersionHead[]> => {
    const rows = await store.list(KIND, { limit: 1_000 });
    return rows.flatMap(({ id, bytes }) => readHead(bytes, id) ?? []).toSorted((a, b) => (a.lastAt < b.lastAt ? 1 : -1));
  };
  const pinned = async (): Promise<Pin | null> => {
    const row = await store.get(PIN, ONE);
    return row === null ? null : pin.parse(JSON.parse(Buffer.from(row.bytes).toString()));
  };
  return {
    list, get, pinned,
    keep: async (version, at) => {
      const { inline, texts, ...facts } = version;
      const before = await store.get(KIND, facts.version);
      const first = before === null ? null : readHead(before.bytes, facts.version);
      const kept: VersionHead = { ...facts, at: first?.at ?? at, lastAt: at, files: texts.map(({ path }) => path) };
      await store.put(KIND, facts.version, Buffer.concat([Buffer.from(`${JSON.stringify(kept)}\n`), gzipSync(JSON.stringify({ inline, texts }))]));
      const [all, held] = [await list(), await pinned()];
      for (const old of all.slice(KEPT)) if (old.version !== held?.version) await store.delete(KIND, old.version);
    },
    pin: async (value) => void (await store.put(PIN, ONE, Buffer.from(JSON.stringify(value)))),
    release: () => store.delete(PIN, ONE),
    live: async () => {
      const row = await store.get(LIVE, ONE);
      return row === null ? null : Buffer.from(row.bytes).toString();
    },
    setLive: async (version) => void (await store.put(LIVE, ONE, Buffer.from(version))),
  };
}

/** A line that tells what it is, so that a list opens no texts; then the texts. null for what this gateway cannot read: it is not shown, and cannot be pinned. */
function readHead(bytes: Uint8Array, id: string): VersionHead | null {
  try {
    const found = head.parse(JSON.parse(Buffer.from(bytes.subarray(0, bytes.indexOf(0x0a))).toString()));
    return found.version === id ? found : null;
  } catch {
    return null;
  }
}
function read(bytes: Uint8Array, id: string): KeptVersion | null {
  const found = readHead(bytes, id);
  if (found === null) return null;
  try {
    const { inline, texts } = body.parse(JSON.parse(gunzipSync(bytes.subarray(bytes.indexOf(0x0a) + 1), { maxOutputLength: MAX_BYTES }).toString()));
    const section = authorizeConfig.safeParse(inline);
    return section.success ? { ...found, inline: section.data, texts } : null;
  } catch {
    return null;
  }
}
