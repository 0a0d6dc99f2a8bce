import type { Command } from 'commander';
import { AdminFault, type AdminKeys, createAdminKeys, describeAdmin } from '../admin/index.ts';
import { noteAdminAct } from '../audit/index.ts';
import { KeyFault, parseSpan } from '../authenticate/index.ts';
import { systemClock } from '../lib/clock.ts';
import { visible } from '../lib/visible.ts';
import { openStore, type Store } from '../store/index.ts';
import { example, Exit } from './exit.ts';
import { DATA_DIR } from './serve.ts';

/** `admin create|list|revoke`: credentials of people who decide, on the data folder of a running or stopped gateway. */
export function addAdmin(program: Command): void {
  const admin = program.command('admin').description('Keys of people who decide about approvals: shown once, stored only as a hash, never for agents').addHelpText('after', example('sallyport admin create --help'));
  const sub = (name: string, description: string): Command => admin.command(name).description(description).option('--data <folder>', 'the data folder', DATA_DIR);
  const many = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

  sub('create <name>', 'Make a key for one person and print it, this once')
    .requiredOption('--user <person>', 'the person, as the identity provider or `key create --user` names him: who asked never decides')
    .requiredOption('--group <name>', 'a group whose approvals he may decide; may be repeated', many)
    .option('--expires <span>', 'how long the key lives: at most 366d', '90d')
    .addHelpText('after', example('sallyport admin create dora --user dora@example.org --group approvers > dora.key && chmod 600 dora.key'))
    .action((name: string, options: { data: string; user: string; group: readonly string[]; expires: string }) => withAdmins(options.data, async (admins, store) => {
      const { record, key } = await admins.create({ name, user: options.user, groups: options.group }, parseSpan(options.expires));
      await noteAdminAct(store, systemClock, { event: 'admin.created', caller_id: `admin:${name}` });
      console.log(key);
      console.error(`This is the only time the key of ${name} is shown; only its hash is kept. It ends ${record.expires}.`);
    }));

  sub('list', 'All admins: name, state, person, groups; never a key')
    .option('--json', 'as JSON')
    .addHelpText('after', example('sallyport admin list'))
    .action((options: { data: string; json?: boolean }) => withAdmins(options.data, async (admins) => {
      const records = await admins.list();
      if (options.json === true) return console.log(JSON.stringify(records.map(({ sha256: _hash, ...shown }) => shown), null, 2));
      for (const record of records) console.log(visible(describeAdmin(record, systemClock.now())));
      if (records.length === 0) console.error('no admins yet: sallyport admin create --help');
    }));

  sub('revoke <name>', 'Revoke an admin for good; a yes he gave that was not used yet no longer counts')
    .addHelpText('after', example('sallyport admin revoke dora'))
    .action((name: string, options: { data: string }) => withAdmins(options.data, async (admins, store) => {
      await admins.revoke(name);
      await noteAdminAct(store, systemClock, { event: 'admin.revoked', caller_id: `admin:${name}` });
      console.error(`${name} is revoked.`);
    }));
}

async function withAdmins(data: string, act: (admins: AdminKeys, store: Store) => Promise<void>): Promise<void> {
  const store = await openStore({ folder: data, busy_timeout_ms: 5_000 }, { clock: systemClock }).catch((error: unknown) => {
    if (error instanceof Error && error.name === 'StoreFault') throw new Exit(2, error.message); // tells the operator what to mend
    throw error;
  });
  try {
    await act(createAdminKeys(store, systemClock), store);
  } catch (error) {
    if (error instanceof AdminFault || error instanceof KeyFault) throw new Exit(2, error.message);
    if (error instanceof Error && error.name === 'ZodError') throw new Exit(2, (error as Error & { issues: { path: unknown[]; message: string }[] }).issues.map((i) => `${i.path.join('.')}: ${i.message}`).join('\n'));
    throw error;
  } finally {
    await store.close();
  }
}
