import type { Presented } from '../call/call.ts';
import type { Refusal } from '../call/refusal.ts';
import { JWT_SHAPE } from './key-text.ts';

/** The one credential of a request. */
export interface Offer {
  readonly kind: 'key' | 'token';
  readonly text: string;
}
const stop = (code: Refusal['code'], note: string): { readonly stop: Refusal } => Object.freeze({ stop: Object.freeze({ code, note }) });
const MISSING = stop('authenticate.missing', 'no credential');
const BOTH = stop('authenticate.ambiguous', 'X-API-Key and Authorization in one request');
const EMPTY = stop('authenticate.malformed', 'X-API-Key is empty');
/** Never looked up, so that no configuration can make a key of people's admin door one of an agent (MISSION A5); the note tells the operator whose it is not. */
const ADMIN = stop('authenticate.malformed', 'an admin key, which opens nothing here');
const SCHEME = stop('authenticate.malformed', 'Authorization is not of the form `Bearer …`');
/**
 * Finds the one credential. Two are refused, whatever they are worth: where two programs pick differently, one can be used to
 * smuggle the other past a guard (CWE-436), and rights would add up. What is neither a key nor a bearer token is malformed.
 */
export function readOffer(presented: Presented): Offer | { readonly stop: Refusal } {
  const { authorization, apiKey } = presented;
  if (apiKey !== null) {
    if (authorization !== null) return BOTH;
    if (apiKey.startsWith('spa_')) return ADMIN;
    return apiKey === '' ? EMPTY : { kind: 'key', text: apiKey };
  }
  if (authorization === null) return MISSING;
  // The scheme's case does not matter (RFC 9110 section 11.1); one space and nothing else follows it.
  if (!/^bearer /i.test(authorization)) return SCHEME;
  const text = authorization.slice(7);
  if (text.startsWith('spa_')) return ADMIN;
  if (text.startsWith('sp_')) return { kind: 'key', text };
  if (text.startsWith('eyJ')) return { kind: 'token', text };
  // Some clients can only send a bearer header: a key of the operator's own making may come that way too.
  return { kind: JWT_SHAPE.test(text) ? 'token' : 'key', text };
}
