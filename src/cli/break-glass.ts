import type { Command } from 'commander';
import { type EmergencyView, grantLine } from '../admin/index.ts';
import { ask, safeJson, URL_LIKE, type Where, withAdminDoor } from './admin-door.ts';
import { example } from './exit.ts';

/** `break-glass activate|list|end|close`: roles for emergencies, through the admin listener of a running gateway. */
export function addBreakGlass(program: Command): void {
  const glass = program.command('break-glass').description('Roles for emergencies: activate one for a short time; a second person reviews it afterwards').addHelpText('after', example('sallyport break-glass activate --help'));
  const sub = (name: string, description: string): Command => withAdminDoor(glass.command(name).description(description));
  const act = async (where: Where, path: string, body: object): Promise<void> => console.log(grantLine(await ask<EmergencyView>(where, 'POST', path, JSON.stringify(body))));

  sub('activate <role>', 'Let one caller use a role of `authorize.break_glass`; an alarm goes out at once')
    .requiredOption('--for <caller>', 'the caller: the name, or the id (key:…, jwt:…)')
    .requiredOption('--reason <text>', 'why; is recorded and goes out with the alarm')
    .addHelpText('after', example(`sallyport break-glass activate db-admin --for oncall-agent --reason 'INC-42: orders stuck' --url ${URL_LIKE} --key-file dora.key`))
    .action((role: string, options: Where & { for: string; reason: string }) => act(options, '/break-glass', { role, for: options.for, reason: options.reason }));

  sub('list', 'Activations that hold or whose review is open, newest first')
    .option('--all', 'every one there ever was')
    .option('--json', 'the answer as JSON')
    .addHelpText('after', example(`sallyport break-glass list --url ${URL_LIKE} --key-file dora.key`))
    .action(async (options: Where & { all?: boolean; json?: boolean }) => {
      const { break_glass: found } = await ask<{ break_glass: readonly EmergencyView[] }>(options, 'GET', options.all === true ? '/break-glass?all=true' : '/break-glass');
      if (options.json === true) return console.log(safeJson(found));
      for (const one of found) console.log(grantLine(one));
      if (found.length === 0) console.error('nothing in use, no review open');
    });

  sub('end <id>', 'End an activation before its time; its review stays open')
    .addHelpText('after', example('sallyport break-glass end 019aa4c6-7b1e-7c3a-9d2e-1f2a3b4c5d6e --key-file dora.key'))
    .action((id: string, options: Where) => act(options, `/break-glass/${encodeURIComponent(id)}/end`, {}));

  sub('close <id>', 'Close the review with what you found; never by who activated it or for whom')
    .requiredOption('--finding <text>', 'what the review found; is recorded')
    .addHelpText('after', example(`sallyport break-glass close 019aa4c6-7b1e-7c3a-9d2e-1f2a3b4c5d6e --finding 'two updates, both in INC-42' --key-file eli.key`))
    .action((id: string, options: Where & { finding: string }) => act(options, `/break-glass/${encodeURIComponent(id)}/close`, { finding: options.finding }));
}
