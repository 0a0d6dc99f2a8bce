import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const SHAPE = /^spa_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/;

/** Makes an admin key: `spa_`, 256 random bits in base62, `_`, a checksum. Another prefix than agents' keys have, so that neither can pass for the other. */
export function mintAdminKey(): string {
  const body = `spa_${base62(BigInt(`0x${randomBytes(32).toString('hex')}`), 43)}`;
  return `${body}_${checksum(body)}`;
}
/** False for everything that was never issued, without a look-up: agents' keys and tokens end here. */
export const isAdminKey = (key: string): boolean => SHAPE.test(key) && checksum(key.slice(0, -7)) === key.slice(-6);

const checksum = (body: string): string => base62(BigInt(crc32(body)), 6);
function base62(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; rest > 0n; rest /= 62n) text = `${DIGITS[Number(rest % 62n)]}${text}`;
  return text.padStart(length, '0');
}
