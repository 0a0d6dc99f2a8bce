import { z } from 'zod';

/**
 * What a reference looks like: `env:NAME` or `file:PATH`. A path may hold anything but control characters, which no real path
 * holds and which would let one line of a log or fault pass for two (CWE-117).
 */
const SHAPE = /^(?:env:[A-Za-z_][A-Za-z0-9_]*|file:\P{Cc}+)$/u;

/** The flag by which config/ finds the references in a schema, and editors see that a string is one. */
export const SECRET_FLAG = 'x-secret-reference';

/**
 * A reference to a secret, never the secret: `env:NAME`, or `file:PATH` relative to the folder of the config file.
 * Anything else is a fault, because a secret in the file ends up in backups and repositories (CWE-798, CWE-312); the fault
 * never echoes what stood there. Add `.describe('…')` for the reference of your own field.
 */
export const secretRef = z
  .string({ error: 'must be a reference to a secret, `env:NAME` or `file:PATH`' })
  .max(4096, { error: 'must be a reference to a secret, at most 4096 characters' })
  .regex(SHAPE, { error: 'must be a reference to a secret, `env:NAME` or `file:PATH`; the secret itself never stands in this file' })
  .meta({ [SECRET_FLAG]: true });

/** A parsed reference. */
export type Reference = { readonly kind: 'env'; readonly name: string } | { readonly kind: 'file'; readonly path: string };

/** True for a text in the form of a reference. */
export const looksLikeRef = (text: string): boolean => SHAPE.test(text);
/** Takes a reference apart; null when the text is none. */
export function parseRef(ref: string): Reference | null {
  if (!SHAPE.test(ref)) return null;
  const rest = ref.slice(ref.indexOf(':') + 1);
  return ref.startsWith('env:') ? { kind: 'env', name: rest } : { kind: 'file', path: rest };
}
