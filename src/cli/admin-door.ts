import type { Command } from 'commander';
import { egressConfig } from '../egress/config.ts';
import { createEgress } from '../egress/index.ts';
import { shown } from '../lib/shown.ts';
import { keyIn, urlOf } from './door.ts';
import { Exit } from './exit.ts';
import { VERSION } from './version.ts';

export const URL_LIKE = 'http://127.0.0.1:8081';
/** Where the admin listener of a running gateway is, and whose key is shown. */
export interface Where { readonly url?: string; readonly keyFile?: string }

/** Adds `--url` and `--key-file`. */
export const withAdminDoor = (command: Command): Command => command
  .option('--url <url>', 'where the admin listener is (or set SALLYPORT_ADMIN_URL)')
  .option('--key-file <file>', 'file that holds your admin key, readable by you alone (or set SALLYPORT_ADMIN_KEY_FILE)');

/** JSON for programs, and harmless on a terminal all the same: what acts is escaped as JSON escapes it (CWE-150). */
export const safeJson = (value: unknown): string => JSON.stringify(value, null, 2).replaceAll(/[^\n\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** One request; a refusal is exit code 1 with its code. */
export async function ask<T>(where: Where, method: 'GET' | 'POST', path: string, body?: string): Promise<T> {
  const base = urlOf({ url: where.url ?? process.env['SALLYPORT_ADMIN_URL'] ?? '' }, URL_LIKE);
  const key = adminKey(where);
  const egress = createEgress(egressConfig.parse({}));
  try {
    const dispatcher = egress.dispatcher({ name: 'admin', url: base.href, allow_loopback: true, allow_private: true, connections: 1 });
    const answer = await dispatcher.request({
      origin: base.origin, path: base.pathname.replace(/\/$/, '') + path, method, ...(body === undefined ? {} : { body }),
      headers: { authorization: `Bearer ${key}`, accept: 'application/json', 'user-agent': `sallyport-cli/${VERSION}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    });
    return judged(answer.statusCode, await answer.body.text()) as T; // our own server's document
  } catch (error) {
    if (error instanceof Exit) throw error;
    throw new Exit(1, `no answer from ${base.origin}: ${error instanceof Error ? error.message : String(error)}. Is the gateway running, and is admin.port set?`);
  } finally {
    await egress.close();
  }
}
function judged(status: number, text: string): unknown {
  let value: unknown = null;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Exit(1, `refused (${status}): the answer is no JSON; is this the admin listener?`);
  }
  if (status === 200) return value;
  const { code = 'unknown', message = '' } = value as { code?: string; message?: string };
  throw new Exit(1, shown(`refused (${code}): ${message}`));
}
function adminKey(where: Where): string {
  const file = where.keyFile ?? process.env['SALLYPORT_ADMIN_KEY_FILE'];
  if (file === undefined || file === '') throw new Exit(2, 'Who are you? Name the file with your admin key with --key-file or SALLYPORT_ADMIN_KEY_FILE. `sallyport admin create --help` shows how one is made.');
  const key = keyIn(file);
  if (!/^spa_[0-9A-Za-z_]+$/.test(key)) throw new Exit(2, `${file} holds no admin key (spa_…)`);
  return key;
}
