import type { Command } from 'commander';
import { grantLine, type GrantView } from '../admin/index.ts';
import { KeyFault, parseSpan } from '../authenticate/index.ts';
import { ask, safeJson, URL_LIKE, type Where, withAdminDoor } from './admin-door.ts';
import { example, Exit } from './exit.ts';

const LISTS = { caller: 'callers', user: 'users', group: 'groups', role: 'roles', team: 'teams', agent: 'agents', server: 'servers', tool: 'tools', class: 'classes', environment: 'environments' } as const;
type Lists = { readonly [K in keyof typeof LISTS]?: readonly string[] };

/** `grant add|list|revoke`: what somebody may do for a while, through the admin listener of a running gateway. */
export function addGrant(program: Command): void {
  const grant = program.command('grant').description('What somebody may do for a while: whom, what, until when, why').addHelpText('after', example('sallyport grant add --help'));
  const sub = (name: string, description: string): Command => withAdminDoor(grant.command(name).description(description));
  const many = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

  const add = sub('add', 'Give a grant; it ends by itself. Nobody gives one to himself');
  for (const [option, key] of Object.entries(LISTS)) add.option(`--${option} <glob>`, `${key} of the rule; may be repeated`, many);
  add.requiredOption('--for <span>', 'how long it lasts: 30m, 8h, 2d')
    .requiredOption('--why <text>', 'why; is recorded')
    .option('--rule <json>', 'more keys of the rule: arguments, needs, limits, …')
    .addHelpText('after', example(`sallyport grant add --user bob@example.org --tool 'github__merge_*' --for 8h --why 'release 2.4, CHG-1234' --url ${URL_LIKE} --key-file dora.key`, `sallyport grant add --caller billing --tool bank__pay --rule '{"arguments":{"amount":{"max":100}}}' --for 2d --why 'CHG-77' --key-file dora.key`))
    .action(async (options: Where & Lists & { for: string; why: string; rule?: string }) => {
      const more = options.rule === undefined ? '' : objectText(options.rule);
      const lists = Object.entries(LISTS).flatMap(([option, key]) => {
        const list = options[option as keyof Lists]; // the keys of LISTS
        return list === undefined ? [] : [`${JSON.stringify(key)}:${JSON.stringify(list)}`];
      });
      // The text itself goes out, so that large numbers keep their digits; a key said twice is refused there.
      const rule = `{${[...lists, ...(more === '' ? [] : [more])].join(',')}}`;
      const one = await ask<GrantView>(options, 'POST', '/grants', `{"rule":${rule},"lasts_ms":${spanOf(options.for)},"why":${JSON.stringify(options.why)}}`);
      console.log(grantLine(one));
    });

  sub('list', 'Grants that hold now, newest first, one line each')
    .option('--all', 'also those that ended in the last 90 days')
    .option('--json', 'the answer as JSON')
    .addHelpText('after', example(`sallyport grant list --url ${URL_LIKE} --key-file dora.key`))
    .action(async (options: Where & { all?: boolean; json?: boolean }) => {
      const { grants } = await ask<{ grants: readonly GrantView[] }>(options, 'GET', options.all === true ? '/grants?all=true' : '/grants');
      if (options.json === true) return console.log(safeJson(grants));
      for (const one of grants) console.log(grantLine(one));
      if (grants.length === 0) console.error('no grants');
    });

  sub('revoke <id>', 'End a grant at once')
    .addHelpText('after', example('sallyport grant revoke 019aa4c6-7b1e-7c3a-9d2e-1f2a3b4c5d6e --key-file dora.key'))
    .action(async (id: string, options: Where) => console.log(grantLine(await ask<GrantView>(options, 'POST', `/grants/${encodeURIComponent(id)}/revoke`, '{}'))));
}

function spanOf(text: string): number {
  try {
    return parseSpan(text);
  } catch (error) {
    if (error instanceof KeyFault) throw new Exit(2, `--for: ${error.message}`);
    throw error;
  }
}
/** The members of a JSON object, without its braces. */
function objectText(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return text.trim().slice(1, -1).trim();
  } catch {
    // said below
  }
  throw new Exit(2, `--rule must be a JSON object, for example: --rule '{"arguments":{"amount":{"max":100}}}'`);
}
