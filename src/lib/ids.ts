import { randomBytes, randomUUIDv7 } from 'node:crypto';

/** UUIDv7 (RFC 9562): sorts by time. */
export const newId = (): string => randomUUIDv7();
/** Unguessable text of `bytes` random bytes, base64url. */
export const randomToken = (bytes = 32): string => randomBytes(bytes).toString('base64url');
