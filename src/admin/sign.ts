import { createHmac, hash, timingSafeEqual } from 'node:crypto';

/** How far a callback's time may be from ours, ms. */
export const WINDOW_MS = 300_000;

/** Short secrets can be guessed from one signed message (CWE-521). Throws, without the secret. */
export function strong(secret: string): string {
  if (secret.length < 24) throw new Error('a webhook secret has at least 24 characters: openssl rand -base64 32');
  return secret;
}

/** `v1=` and HMAC-SHA256, hex, over `<timestamp>.<body>`: what receivers of webhooks check. */
export const signatureOf = (secret: string, timestamp: string, body: string | Buffer): string => `v1=${createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest('hex')}`;

/** The same for callbacks, over `callback.<timestamp>.<nonce>.<body>`: another text, so that what we sent cannot be sent back to us (reflection, CWE-301). */
export function isCallbackSigned(secret: string, timestamp: string, nonce: string, body: Buffer, signature: string): boolean {
  const right = Buffer.from(callbackSignature(secret, timestamp, nonce, body));
  const given = Buffer.from(signature);
  return given.length === right.length && timingSafeEqual(given, right); // CWE-208
}
export const callbackSignature = (secret: string, timestamp: string, nonce: string, body: Buffer | string): string =>
  `v1=${createHmac('sha256', secret).update(`callback.${timestamp}.${nonce}.`).update(body).digest('hex')}`;

export const sha256Base64 = (text: string): string => hash('sha256', text, 'base64');
