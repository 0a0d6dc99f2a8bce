import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cli, type Launched, type LaunchOptions, launch, type Reply } from './gateway.ts';

/** A gateway with a person who may decide. */
export interface Deciding extends Launched {
  readonly adminUrl: string;
  /** Says so as that person, through the command line. Gives the exit code. */
  readonly decide: (verdict: 'approve' | 'deny', id: string) => Promise<number>;
  /** The ids of what waits, newest first, as the admin API has them. */
  readonly waiting: () => Promise<readonly string[]>;
}

/** Launches with an admin listener and `dora` of the group `approvers`; with `dir`, the data of an earlier launch is used again. */
export async function launchDeciding(options: LaunchOptions): Promise<Deciding> {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'sallyport-approvals-'));
  const keyFile = join(dir, 'dora.key');
  if (options.dir === undefined) {
    const made = await cli(['admin', 'create', 'dora', '--user', 'dora', '--group', 'approvers', '--data', join(dir, 'data')]);
    if (made.code !== 0) throw new Error(made.err);
    writeFileSync(keyFile, made.out, { mode: 0o600 });
  }
  const gateway = await launch({ ...options, dir, config: { admin: { port: 0 }, ...options.config } });
  const adminUrl = await adminOf(gateway);
  const env = { SALLYPORT_ADMIN_URL: adminUrl, SALLYPORT_ADMIN_KEY_FILE: keyFile };
  return {
    ...gateway, adminUrl,
    decide: async (verdict, id) => {
      const said = await cli(['approvals', verdict, id, '--rationale', 'seen and judged'], env);
      if (said.code !== 0) process.stderr.write(said.err);
      return said.code;
    },
    waiting: async () => (JSON.parse((await cli(['approvals', 'list', '--json'], env)).out) as { id: string }[]).map(({ id }) => id),
  };
}

async function adminOf(gateway: Launched): Promise<string> {
  for (let tries = 0; tries < 200; tries++) {
    const found = /people decide at (\S+)/.exec(gateway.err());
    if (found?.[1] !== undefined) return found[1];
    await new Promise((done) => setTimeout(done, 25));
  }
  throw new Error(`no admin listener: ${gateway.err()}`);
}

/** What an answer of any door says about a refused call. */
export function refusalIn(reply: Reply): { readonly code?: string; readonly approval_id?: string; readonly retry_after_ms?: number; readonly expires_at?: string } {
  const { body } = reply;
  return body?.result?._meta?.['sallyport/refusal'] ?? body?.error?.data ?? (body?.approval === undefined ? body?.result : { code: body.result.code, approval_id: body.approval.id, expires_at: body.approval.expires_at }) ?? {};
}
