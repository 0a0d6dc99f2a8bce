/**
 * Who acts (AuthZEN "subject"). Every field was proved by the credential or set by the operator;
 * nothing a client merely says about itself (clientInfo, headers, `_meta`) ever lands here.
 */
export interface Principal {
  /** Stable and unique among all ways to sign in: `key:<id>` or `jwt:<issuer>#<subject>`. */
  readonly id: string;
  readonly kind: 'api_key' | 'jwt';
  /** The name people know the caller by: the service account or the token's subject. */
  readonly caller: string;
  readonly team: string | null;
  readonly user: string | null;
  readonly workspace: string | null;
  readonly environment: string | null;
  readonly agent: string | null;
  readonly client: string | null;
  /** Organisation the caller belongs to. */
  readonly tenant: string | null;
  /** Groups of people the caller is in, as the identity provider or the operator says. */
  readonly groups: readonly string[];
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
  /** Globs over `server__tool`. null: this credential narrows nothing. */
  readonly allowedTools: readonly string[] | null;
  readonly deniedTools: readonly string[];
  /** Globs over `server__tool` that this caller may only run with a human yes. */
  readonly confirmTools: readonly string[];
  /** The audience the token was issued for; null for API keys. */
  readonly tokenAudience: string | null;
  /** ms since epoch; null: does not expire. Checked again on open streams. */
  readonly expiresAt: number | null;
}
