import type { Json, JsonObject } from '../call/json.ts';
import type { Principal } from '../call/principal.ts';
import type { Refusal } from '../call/refusal.ts';
import type { IssuerConfig } from './config.ts';
import { MOST_NAMES, UNSEEN } from './facts.ts';

/** What a verified token says, after every claim was judged. */
export interface Claimed {
  readonly principal: Principal;
  /** The last moment it is accepted, ms since epoch: `exp` and the leeway. */
  readonly until: number;
  /** All values of `aud`. */
  readonly audiences: readonly string[];
}
type Judged<T> = { readonly value: T } | { readonly stop: Refusal };
const refuse = (code: Refusal['code'], note: string): { readonly stop: Refusal } => ({ stop: { code, note } });
const wrong = (name: string, what: string): { readonly stop: Refusal } => refuse('authenticate.claims', `${name} ${what}`);
const LONGEST = 256;
const MOST_SCOPES = 256;
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/;

/** Judges the claims of a token whose signature holds. `audience` is filled in per request, since it hangs on the endpoint. */
export function readClaims(claims: JsonObject, config: IssuerConfig, now: number): Judged<Claimed> {
  // Bound to a proof of possession we cannot check (RFC 8705, RFC 9449): without the proof it may be a stolen one.
  if (Object.hasOwn(claims, 'cnf')) return wrong('cnf', 'binds the token to a key whose proof is not checked here');
  const times = readTimes(claims, config, now);
  if ('stop' in times) return times;
  const audiences = readAudiences(own(claims, 'aud'));
  if ('stop' in audiences) return audiences;
  const subject = readName(claims, ['sub'], 'sub');
  if ('stop' in subject) return subject;
  if (subject.value === null) return wrong('sub', 'is missing');
  if (config.subjects !== undefined && !config.subjects.includes(subject.value)) return wrong('sub', 'is not on the list of subjects');
  const principal = readPrincipal(claims, config, subject.value, times.value);
  if ('stop' in principal) return principal;
  const client = principal.value.client;
  if (config.clients !== undefined && (client === null || !config.clients.includes(client))) return wrong('client', 'is not on the list of clients');
  return { value: { principal: principal.value, until: times.value, audiences: audiences.value } };
}

/** Gives the last moment the token is accepted. Times must be numbers: text that looks like one is read differently elsewhere (RFC 7519 section 2). */
function readTimes(claims: JsonObject, config: IssuerConfig, now: number): Judged<number> {
  const exp = own(claims, 'exp');
  const iat = own(claims, 'iat');
  const nbf = own(claims, 'nbf');
  if (!isTime(exp)) return wrong('exp', 'is missing or no number');
  if (!isTime(iat)) return wrong('iat', 'is missing or no number');
  if (nbf !== undefined && !isTime(nbf)) return wrong('nbf', 'is no number');
  const until = exp * 1_000 + config.leeway_ms;
  if (now >= until) return refuse('authenticate.expired', 'exp');
  if (nbf !== undefined && nbf * 1_000 > now + config.leeway_ms) return refuse('authenticate.not_yet', 'nbf');
  if (iat * 1_000 > now + config.leeway_ms) return refuse('authenticate.not_yet', 'iat');
  // A token that lives for years is a password; the issuer's slip must not become ours (RFC 9700 section 4.10.2).
  if ((exp - iat) * 1_000 > config.max_lifetime_ms) return refuse('authenticate.lifetime', `more than ${config.max_lifetime_ms} ms`);
  if (exp <= iat) return wrong('exp', 'is not after iat');
  return { value: until };
}
const isTime = (value: Json | undefined): value is number => typeof value === 'number' && Number.isFinite(value);

function readAudiences(aud: Json | undefined): Judged<readonly string[]> {
  const list = typeof aud === 'string' ? [aud] : aud;
  if (!isList(list) || list.length === 0 || list.length > 64) return refuse('authenticate.audience', 'aud is missing or of the wrong form');
  const texts = list.filter((one) => typeof one === 'string');
  return texts.length === list.length ? { value: texts } : refuse('authenticate.audience', 'aud holds others than texts');
}

function readPrincipal(claims: JsonObject, config: IssuerConfig, subject: string, expiresAt: number): Judged<Principal> {
  const from = config.claims;
  const facts: Record<'caller' | 'user' | 'team' | 'workspace' | 'environment' | 'agent' | 'client' | 'tenant', string | null> = {
    caller: null, user: null, team: null, workspace: null, environment: null, agent: null, client: null, tenant: null,
  };
  for (const fact of ['caller', 'user', 'team', 'workspace', 'environment', 'agent', 'client', 'tenant'] as const) {
    const read = readName(claims, namesOf(from[fact]), fact);
    if ('stop' in read) return read;
    facts[fact] = read.value;
  }
  if (facts.caller === null) return wrong('caller', 'is missing');
  const scopes = readScopes(claims, namesOf(from.scopes));
  if ('stop' in scopes) return scopes;
  const groups = readNames(claims, namesOf(from.groups), 'groups');
  if ('stop' in groups) return groups;
  const roles = readNames(claims, namesOf(from.roles), 'roles');
  if ('stop' in roles) return roles;
  return {
    value: {
      id: `jwt:${config.issuer}#${subject}`, kind: 'jwt', ...facts, caller: facts.caller, scopes: Object.freeze(scopes.value), groups: Object.freeze(groups.value), roles: Object.freeze(roles.value),
      allowedTools: null, deniedTools: NONE, confirmTools: NONE, tokenAudience: null, expiresAt,
    },
  };
}
const NONE: readonly string[] = Object.freeze([]);

/** The first claim of the list that is present. Present and of the wrong form is refused, not skipped: it would be somebody else. */
function readName(claims: JsonObject, names: readonly string[], fact: string): Judged<string | null> {
  const value = first(claims, names);
  if (value === undefined) return { value: null };
  if (!isName(value)) return wrong(fact, 'is no text of 1 to 256 visible characters');
  return { value };
}
/** CR LF in a subject would write lines of its own into logs and headers; invisible characters make two names look like one (CWE-117, CWE-1007). */
const isName = (value: Json): value is string => typeof value === 'string' && value !== '' && value.length <= LONGEST && !UNSEEN.test(value) && value.isWellFormed();

/** A list, never a text: `"admins, users"` must not be read as one group or another issuer's two. One name of the wrong form refuses the token, or a deny rule over groups would not see who is in too many. */
function readNames(claims: JsonObject, names: readonly string[], fact: string): Judged<string[]> {
  const value = first(claims, names);
  if (value === undefined) return { value: [] };
  if (!isList(value) || value.length > MOST_NAMES) return wrong(fact, `are no list of at most ${MOST_NAMES} names`);
  const list = value.filter(isName);
  return list.length === value.length ? { value: list } : wrong(fact, 'hold what is no text of 1 to 256 visible characters');
}

/** A text with spaces (RFC 8693, RFC 9068) or a list. `*` is a scope like any other, no wildcard. */
function readScopes(claims: JsonObject, names: readonly string[]): Judged<string[]> {
  const value = first(claims, names);
  if (value === undefined || value === '') return { value: [] };
  const list = typeof value === 'string' ? value.split(' ') : value;
  if (!isList(list) || list.length > MOST_SCOPES) return wrong('scopes', 'are neither a text nor a list');
  const scopes = list.filter((one) => typeof one === 'string');
  return scopes.length === list.length && scopes.every((one) => SCOPE.test(one)) ? { value: scopes } : wrong('scopes', 'hold what is no scope');
}

const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);
const namesOf = (names: string | readonly string[]): readonly string[] => (typeof names === 'string' ? [names] : names);
const own = (claims: JsonObject, name: string): Json | undefined => (Object.hasOwn(claims, name) ? claims[name] : undefined);
function first(claims: JsonObject, names: readonly string[]): Json | undefined {
  for (const name of names) if (Object.hasOwn(claims, name)) return claims[name];
  return undefined;
}
