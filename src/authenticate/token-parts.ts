import type { Json, JsonObject } from '../call/json.ts';
import { parseStrict } from '../lib/strict-json.ts';

/** A JWS in compact form: its header read, nothing believed yet. */
export interface Signed {
  readonly alg: string;
  /** Lower case, without `application/` (RFC 7515 section 4.1.9); `jwt` when the header has none. */
  readonly typ: string;
  readonly kid: string | null;
  /** The payload as it stands in the token. */
  readonly body: string;
}
export type TokenParts = Signed & { readonly claims: JsonObject };
export interface Malformed {
  readonly malformed: string;
}

/**
 * Header parameters that bring or fetch a key (CVE-2018-0114, CVE-2024-21643), change what is signed (RFC 7797), inflate (RFC 8725 section
 * 3.6) or demand what we do not know (RFC 7515 section 4.1.11). A token with one is refused, so no later change can come to follow it.
 */
const FORBIDDEN = ['jku', 'x5u', 'jwk', 'x5c', 'crit', 'b64', 'zip'];
const BASE64URL = /^[A-Za-z0-9_-]+$/;
const LIMITS = { maxDepth: 16, maxKeys: 256 };

/** Takes a token apart, strictly: what two parsers could read differently is malformed (RFC 8725 section 2.4, 3.2). */
export function takeApart(token: string): TokenParts | Malformed {
  const signed = readSigned(token);
  if ('malformed' in signed) return signed;
  const payload = readObject(signed.body);
  return 'malformed' in payload ? { malformed: `payload: ${payload.malformed}` } : { ...signed, claims: payload.object };
}

export function readSigned(token: string): Signed | Malformed {
  const parts = token.split('.', 5);
  const [head, body, signature] = parts;
  // Five parts are a JWE, which nobody here can open.
  if (parts.length !== 3 || head === undefined || body === undefined || signature === undefined) return { malformed: 'not three parts' };
  if (decode(signature) === null) return { malformed: 'signature: not canonical base64url' };
  const header = readObject(head);
  if ('malformed' in header) return { malformed: `header: ${header.malformed}` };
  const { alg, typ = 'JWT', kid = null } = header.object;
  const forbidden = FORBIDDEN.find((name) => Object.hasOwn(header.object, name));
  if (forbidden !== undefined) return { malformed: `header: ${forbidden} is not accepted` };
  if (typeof alg !== 'string') return { malformed: 'header: alg is no text' };
  if (typeof typ !== 'string' || typ.length > 64) return { malformed: 'header: typ is no text' };
  if (kid !== null && (typeof kid !== 'string' || kid.length > 256)) return { malformed: 'header: kid is no text or too long' };
  return { alg, typ: normalType(typ), kid, body };
}
export const normalType = (typ: string): string => typ.toLowerCase().replace(/^application\//, '');

/** Only one spelling of each value: padding, `+/`, line breaks and stray trailing bits would give one token many hashes and texts. */
function decode(part: string): Buffer | null {
  if (!BASE64URL.test(part)) return null;
  const bytes = Buffer.from(part, 'base64url');
  return bytes.toString('base64url') === part ? bytes : null;
}

function readObject(part: string): { readonly object: { readonly [name: string]: Json | undefined } & JsonObject } | Malformed {
  const bytes = decode(part);
  if (bytes === null) return { malformed: 'not canonical base64url' };
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { malformed: 'not UTF-8' };
  }
  const parsed = parseStrict(text, LIMITS); // a name that stands twice is read differently by different programs (RFC 8725 section 2.4)
  if (!parsed.ok) return { malformed: parsed.fault };
  const { value } = parsed;
  return isObject(value) ? { object: value } : { malformed: 'not an object' };
}
const isObject = (value: Json): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
