import type { Command } from 'commander';
import { type ApprovalView, lineOf, screenOf } from '../admin/index.ts';
import { ask, safeJson, URL_LIKE, type Where, withAdminDoor } from './admin-door.ts';
import { example, Exit } from './exit.ts';

/** `approvals list|show|approve|deny`: what waits for people, through the admin listener of a running gateway. */
export function addApprovals(program: Command): void {
  const approvals = program.command('approvals').description('Calls that wait for a person: look, say yes or no').addHelpText('after', example('sallyport approvals list --help'));
  const sub = (name: string, description: string): Command => withAdminDoor(approvals.command(name).description(description));

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
