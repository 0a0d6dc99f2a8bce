import type { Principal } from '../call/principal.ts';
import type { Verdict } from '../call/stage.ts';
import type { Facts } from './facts.ts';
import { compileSources } from './source.ts';

/** One hash and who it stands for, compiled so that a request costs a look-up. */
export interface HeldKey {
  readonly id: string;
  /** SHA-256 of the key in hex, as bytes: for the constant-time comparison. */
  readonly digest: Buffer;
  readonly hash: string;
  /** A revoked hash stays on file, so that its use is told apart from a guess. */
  readonly revoked: boolean;
  /** ms since epoch; null: does not end. */
  readonly expiresAt: number | null;
  readonly fits: ((address: string) => boolean) | null;
  readonly principal: Principal;
  readonly yes: Verdict<{ principal: Principal }>;
}

/** `hash` is SHA-256, hex; `until` cuts the life of a hash that was rotated out. Throws on facts that do not compile. */
export function holdKey(facts: Facts, hash: string, revoked: boolean, until: number | null = null): HeldKey {
  const end = facts.expires === null ? null : Date.parse(facts.expires);
  const expiresAt = end === null || until === null ? (end ?? until) : Math.min(end, until);
  const principal = Object.freeze<Principal>({
    id: `key:${facts.id}`, kind: 'api_key', caller: facts.id,
    team: facts.team, user: facts.user, workspace: facts.workspace, environment: facts.environment, agent: facts.agent, client: facts.client,
    tenant: facts.tenant, groups: Object.freeze([...facts.groups]), roles: Object.freeze([...facts.roles]),
    scopes: Object.freeze([...facts.scopes]),
    allowedTools: facts.allowed_tools === null ? null : Object.freeze([...facts.allowed_tools]),
    deniedTools: Object.freeze([...facts.denied_tools]), confirmTools: Object.freeze([...facts.confirm_tools]),
    tokenAudience: null, expiresAt,
  });
  const yes = Object.freeze({ go: Object.freeze({ principal }) });
  return { id: facts.id, digest: Buffer.from(hash, 'latin1'), hash, revoked, expiresAt, fits: compileSources(facts.sources), principal, yes };
}
