import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { isSample } from '../secrets/index.ts';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** Long enough for any key people bring along, short enough that hashing one costs nothing. */
const MAX_KEY_CHARS = 512;
const SHORTEST = 24;
/** What every minted key looks like; give it to your secret scanner. */
export const KEY_SHAPE = /^sp_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/;
/** The three parts of a JWS in compact form. */
export const JWT_SHAPE = /^[\w-]*\.[\w-]*\.[\w-]*$/;
/** Visible ASCII: what fits a header unchanged (RFC 9110 section 5.5). */
const VISIBLE = /^[\x21-\x7e]+$/;

/**
 * Makes a key: `sp_`, 256 random bits in 43 base62 digits, `_`, a checksum of 6. The prefix lets scanners find leaked keys; base62 can be
 * selected with a double click; the checksum tells a typo from a key that is not on file, without a look-up.
 */
export function mintKey(): string {
  const body = `sp_${base62(BigInt(`0x${randomBytes(32).toString('hex')}`), 43)}`;
  return `${body}_${checksum(body)}`;
}

/** True for a text in the form of a minted key whose checksum is wrong: a typo or a cut-off copy, never a key that was issued. */
export function isMistyped(key: string): boolean {
  if (!key.startsWith('sp_')) return false;
  return !KEY_SHAPE.test(key) || checksum(key.slice(0, -7)) !== key.slice(-6);
}

/** True when the text can be a key at all: bounded (CWE-400) and visible ASCII. */
export const isKeyText = (key: string): boolean => key.length <= MAX_KEY_CHARS && VISIBLE.test(key);

/** Why a key from the configuration guards nothing, or null. The sentence never quotes it. CWE-521, CWE-1392, CWE-258. */
export function weakness(key: string): string | null {
  if (key === '') return 'is empty';
  if (isSample(key) || /change.?me|replace.?me|your.{0,12}key|example|placeholder/i.test(key)) return 'is a sample from a manual, not a key';
  if (key.length < SHORTEST) return `is shorter than ${SHORTEST} characters`;
  if (!isKeyText(key)) return `is longer than ${MAX_KEY_CHARS} characters or holds others than visible ASCII`;
  if (new Set(key).size < 8 || isRepeated(key)) return 'repeats the same few characters';
  // A Bearer value of this form is read as a token, so the key would work at one header and not at the other.
  if (JWT_SHAPE.test(key) || key.startsWith('eyJ')) return 'has the form of a JWT';
  if (isMistyped(key)) return 'looks like one of our keys but its checksum is wrong: a typo or a cut-off copy';
  return null;
}

/** One chunk over and over: found because such a text occurs in its own double before its end. */
const isRepeated = (key: string): boolean => (key + key).indexOf(key, 1) < key.length;
const checksum = (body: string): string => base62(BigInt(crc32(body)), 6);
function base62(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; rest > 0n; rest /= 62n) text = `${DIGITS[Number(rest % 62n)]}${text}`;
  return text.padStart(length, '0');
}
