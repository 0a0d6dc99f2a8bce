import type { Approver } from '../approve/index.ts';
import type { Clock } from '../lib/clock.ts';
import type { Store } from '../store/index.ts';
import type { AdminKeys } from './admin-keys.ts';
import type { WebhookConfig } from './config.ts';
import type { Heads } from './heads.ts';
import { isCallbackSigned, strong, WINDOW_MS } from './sign.ts';

/** Nonces seen, as long as their time would be taken. */
const SEEN = 'admin_nonce';
const NONCE = /^[A-Za-z0-9_-]{16,128}$/;

/**
 * In whose name a signed callback decides; null: the signature, the time or the nonce is wrong, or it came before. The nonce is used up by this.
 * Rejects when a secret or the store cannot be read.
 */
export function createCallbacks(hooks: readonly WebhookConfig[], deps: { readonly store: Store; readonly keys: AdminKeys; readonly clock: Clock; readonly secret: (ref: string) => Promise<string> }): (heads: Heads, body: Buffer) => Promise<Approver | null> {
  const open = hooks.flatMap(({ callback, secret, approver }) => (callback && secret !== null && approver !== null ? [{ secret, approver }] : []));
  return async (heads, body) => {
    const { 'sallyport-timestamp': timestamp, 'sallyport-nonce': nonce, 'sallyport-signature': signature } = heads;
    if (timestamp === null || nonce === null || signature === null || !/^\d{1,12}$/.test(timestamp) || !NONCE.test(nonce)) return null;
    if (Math.abs(deps.clock.now() - Number(timestamp) * 1_000) > WINDOW_MS) return null;
    const names = new Set<string>();
    for (const hook of open) if (isCallbackSigned(strong(await deps.secret(hook.secret)), timestamp, nonce, body, signature)) names.add(hook.approver);
    const [name, ...others] = names;
    // One secret for two people tells of neither.
    if (name === undefined || others.length > 0) return null;
    // Twice the window, so that a nonce outlives every time it could be sent with (replay, CWE-294).
    if ((await deps.store.put(SEEN, nonce, Buffer.alloc(0), { ifVersion: 0, expiresAt: deps.clock.now() + 3 * WINDOW_MS })) === null) return null;
    return await deps.keys.byId(`admin:${name}`);
  };
}
