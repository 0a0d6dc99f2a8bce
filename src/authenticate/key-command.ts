import { type KeyRecord, type KeySpec } from './key-record.ts';
import { KeyFault } from './key-store.ts';

/** What `sallyport key create` reads from the command line. */
export interface KeyOptions {
  readonly id: string;
  readonly scopes?: readonly string[];
  readonly team?: string;
  readonly user?: string;
  readonly workspace?: string;
  readonly environment?: string;
  readonly agent?: string;
  readonly client?: string;
  readonly tenant?: string;
  readonly groups?: readonly string[];
  readonly roles?: readonly string[];
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly confirm?: readonly string[];
  readonly sources?: readonly string[];
  /** A span like `90d` or a time like `2027-01-31T00:00:00Z`. */
  readonly expires?: string;
}

/** Options as facts; `KeyFault` for an expiry that cannot be read. The other fields are judged by `KeyStore.create`. */
export function specOf(options: KeyOptions, now: number): KeySpec {
  const { id, scopes = [], team = null, user = null, workspace = null, environment = null, agent = null, client = null, tenant = null, groups = [], roles = [], allow, deny = [], confirm = [], sources = [], expires } = options;
  return {
    id, scopes: [...scopes], team, user, workspace, environment, agent, client, tenant, groups: [...groups], roles: [...roles],
    allowed_tools: allow === undefined ? null : [...allow], denied_tools: [...deny], confirm_tools: [...confirm], sources: [...sources],
    expires: expires === undefined ? null : endOf(expires, now),
  };
}
function endOf(text: string, now: number): string {
  if (/^\d{4}-\d\d-\d\dT/.test(text)) return text;
  return new Date(now + parseSpan(text)).toISOString();
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** `0`, `30m`, `24h`, `90d` in ms; `KeyFault` for anything else. For `--expires` and `--overlap`. */
export function parseSpan(text: string): number {
  if (text === '0') return 0;
  const [, digits = '', unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const factor = UNITS[unit];
  if (factor === undefined) throw new KeyFault('write a span as 30m, 24h or 90d');
  return Number(digits) * factor;
}

/** One line for `key list`: never a hash, which would let a weak key of the operator's be guessed offline. */
export function describeKey(record: KeyRecord, now: number): string {
  const about = (['team', 'user', 'workspace', 'environment', 'agent', 'client', 'tenant'] as const).flatMap((name) => (record[name] === null ? [] : [`${name}=${record[name]}`]));
  const lists = (['groups', 'roles'] as const).flatMap((name) => (record[name].length === 0 ? [] : [`${name}=${record[name].join(',')}`]));
  return [record.id, stateOf(record, now), `scopes=${record.scopes.join(' ') || '-'}`, ...about, ...lists].join('  ');
}
function stateOf(record: KeyRecord, now: number): string {
  if (record.revoked !== null) return `revoked ${record.revoked}`;
  if (record.expires !== null && Date.parse(record.expires) <= now) return `expired ${record.expires}`;
  const until = record.hashes[1]?.until ?? null;
  const overlap = until !== null && Date.parse(until) > now ? `, old key until ${until}` : '';
  return `active${record.expires === null ? '' : ` until ${record.expires}`}${overlap}`;
}
