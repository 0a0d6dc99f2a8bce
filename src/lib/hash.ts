import { hash, timingSafeEqual } from 'node:crypto';

/** SHA-256, hex. */
export const sha256 = (data: string | Buffer): string => hash('sha256', data, 'hex');
/** Compares without telling by its duration where two texts differ (CWE-208). */
export function equalSecret(a: string, b: string): boolean {
  const x = hash('sha256', a, 'buffer');
  const y = hash('sha256', b, 'buffer');
  return timingSafeEqual(x, y);
}
