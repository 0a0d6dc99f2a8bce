import type { Command } from 'commander';
import { type ApprovalView, lineOf, screenOf } from '../admin/index.ts';
import { egressConfig } from '../egress/config.ts';
import { createEgress } from '../egress/index.ts';
import { shown } from '../lib/shown.ts';
import { keyIn, urlOf } from './door.ts';
import { example, Exit } from './exit.ts';
import { VERSION } from './version.ts';

const URL_LIKE = 'http://127.0.0.1:8081';
interface Where { readonly url?: string; readonly keyFile?: string }

/** `approvals list|show|approve|deny`: what waits for people, through the admin listener of a running gateway. */
export function addApprovals(program: Command): void {
  const approvals = program.command('approvals').description('Calls that wait for a person: look, say yes or no').addHelpText('after', example('sallyport approvals list --help'));
  const sub = (name: string, description: string): Command => approvals.command(name).description(description)
    .option('--url <url>', 'where the admin listener is (or set SALLYPORT_ADMIN_URL)')
    .option('--key-file <file>', 'file that holds your admin key, readable by you alone (or set SALLYPORT_ADMIN_KEY_FILE)');

  sub('list', 'Approvals, newest first, one line each')
    .option('--state <state>', 'pending, approved, denied, expired, used, or all', 'pending')
    .option('--mine', 'only those that you may decide now')
    .option('--json', 'the answer as JSON')
    .addHelpText('after', example(`sallyport approvals list --url ${URL_LIKE} --key-file dora.key`))
    .action(async (options: Where & { state: string; mine?: boolean; json?: boolean }) => {
      const query = new URLSearchParams({ ...(options.state === 'all' ? {} : { state: options.state }), ...(options.mine === true ? { mine: 'true' } : {}) });
      const { approvals: found } = await ask<{ approvals: readonly ApprovalView[] }>(options, 'GET', `/approvals?${query.toString()}`);
      if (options.json === true) return console.log(safeJson(found));
      for (const one of found) console.log(lineOf(one));
      if (found.length === 0) console.error('nothing waits');
    });

  sub('show <id>', 'Everything there is to know before you decide; what cannot be seen or looks like something else is written out')
    .option('--json', 'the answer as JSON')
    .addHelpText('after', example(`sallyport approvals show 019aa4c6-7b1e-7c3a-9d2e-1f2a3b4c5d6e --url ${URL_LIKE} --key-file dora.key`))
    .action(async (id: string, options: Where & { json?: boolean }) => {
      const one = await ask<ApprovalView>(options, 'GET', `/approvals/${encodeURIComponent(id)}`);
      console.log(options.json === true ? safeJson(one) : screenOf(one));
    });

  for (const verdict of ['approve', 'deny'] as const) {
    const command = sub(`${verdict} <id>`, verdict === 'approve' ? 'Say yes: this call, once, with these bytes' : 'Say no: the call will not run')
      .requiredOption('--rationale <text>', 'why; is recorded')
      .addHelpText('after', example(`sallyport approvals ${verdict} 019aa4c6-7b1e-7c3a-9d2e-1f2a3b4c5d6e --rationale 'agreed in CHG-1234' --key-file dora.key`));
    if (verdict === 'approve') command.option('--narrow <json>', 'constraints the arguments must satisfy besides, in the language of policy rules', objectText);
    command.action(async (id: string, options: Where & { rationale: string; narrow?: string }) => {
      const body = `{"verdict":"${verdict}","rationale":${JSON.stringify(options.rationale)}${options.narrow === undefined ? '' : `,"narrowing":${options.narrow}`}}`;
      const one = await ask<ApprovalView>(options, 'POST', `/approvals/${encodeURIComponent(id)}/decision`, body);
      console.log(lineOf(one));
    });
  }
}

function objectText(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return text;
  } catch {
    // said below
  }
  throw new Exit(2, `--narrow must be a JSON object, for example: --narrow '{"amount":{"max":100}}'`);
}
/** JSON for programs, and harmless on a terminal all the same: what acts is escaped as JSON escapes it (CWE-150). */
const safeJson = (value: unknown): string => JSON.stringify(value, null, 2).replaceAll(/[^\n\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** One request; a refusal is exit code 1 with its code. */
async function ask<T>(where: Where, method: 'GET' | 'POST', path: string, body?: string): Promise<T> {
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
