import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/**
 * Text that goes out and comes back, unreadable and unchangeable in between: AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce,
 * good for 2^32 seals of one key. `bound` is not in the sealed text but must be the same when it is opened; `until` is inside.
 */
export interface Seal {
  /** `until`: ms since epoch. */
  readonly close: (text: string, bound: string, until: number) => string;
  /** null: not ours, changed, for something else, or over. One answer for all, so that nobody learns which (CWE-203). */
  readonly open: (sealed: string, bound: string, now: number) => string | null;
}

const PREFIX = 's1.';
const NONCE = 12;
const TAG = 16;
/** Six bytes hold ms since epoch for 8,900 years. */
const UNTIL = 6;
const ALGORITHM = 'aes-256-gcm';

export function createSeal(key: Buffer): Seal {
  if (key.length !== 32) throw new Error('a seal key has 32 bytes');
  return {
    close: (text, bound, until) => {
      const nonce = randomBytes(NONCE);
      const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG }).setAAD(Buffer.from(bound));
      const head = Buffer.alloc(UNTIL);
      head.writeUIntBE(until, 0, UNTIL);
      return PREFIX + Buffer.concat([nonce, cipher.update(head), cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64url');
    },
    open: (sealed, bound, now) => {
      if (!sealed.startsWith(PREFIX)) return null;
      const coded = sealed.slice(PREFIX.length);
      const bytes = Buffer.from(coded, 'base64url');
      // Decoders skip what they do not know: one sealed text has one spelling only.
      if (bytes.length < NONCE + UNTIL + TAG || bytes.toString('base64url') !== coded) return null;
      try {
        const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE), { authTagLength: TAG }).setAAD(Buffer.from(bound));
        decipher.setAuthTag(bytes.subarray(-TAG));
        const plain = Buffer.concat([decipher.update(bytes.subarray(NONCE, -TAG)), decipher.final()]);
        return plain.readUIntBE(0, UNTIL) > now ? plain.toString('utf8', UNTIL) : null;
      } catch {
        return null; // changed, or bound to something else
      }
    },
  };
}
