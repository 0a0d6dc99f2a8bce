import type { Command } from 'commander';
import { noteAdminAct } from '../audit/index.ts';
import { createKeyStore, describeKey, KeyFault, parseSpan, specOf, type KeyOptions, type KeyStore } from '../authenticate/index.ts';
import { systemClock } from '../lib/clock.ts';
import { openStore, type Store } from '../store/index.ts';
import { example, Exit } from './exit.ts';
import { DATA_DIR } from './serve.ts';

const OVERLAP = '24h';
type Facts = Omit<KeyOptions, 'id' | 'scopes' | 'sources' | 'groups' | 'roles'> & { readonly data: string } & Readonly<Record<'scope' | 'source' | 'group' | 'role', readonly string[]>>;

/** `key create|list|rotate|revoke`: on the data folder of a running or stopped gateway; a running one follows within 250 ms. */
export function addKey(program: Command): void {
  const key = program.command('key').description('API keys of service accounts: shown once, stored only as a hash').addHelpText('after', example('sallyport key create --help'));
  const sub = (name: string, description: string): Command => key.command(name).description(description).option('--data <folder>', 'the data folder', DATA_DIR);
  const many = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

  sub('create <id>', 'Make a key and print it, this once')
    .option('--scope <scope>', 'a scope, e.g. github:read; may be repeated', many, [])
    .option('--team <name>').option('--user <name>').option('--workspace <name>').option('--environment <name>').option('--agent <name>').option('--client <name>').option('--tenant <name>')
    .option('--group <name>', 'a group the holder is in; may be repeated', many, [])
    .option('--role <name>', 'a role the holder has; may be repeated', many, [])
    .option('--allow <glob>', 'only these tools (server__tool); may be repeated', many)
    .option('--deny <glob>', 'never these tools; may be repeated', many, [])
    .option('--confirm <glob>', 'these tools only with a person\'s approval; may be repeated', many, [])
    .option('--source <cidr>', 'only from these addresses; may be repeated', many, [])
    .option('--expires <time>', 'RFC 3339, or a span from now such as 30d')
    .addHelpText('after', example('sallyport key create alice --scope github:read --team platform --expires 90d'))
    .action((id: string, options: Facts) => withKeys(options.data, async (keys, store) => {
      const { key: made } = await keys.create(specOf({ ...options, id, scopes: options.scope, sources: options.source, groups: options.group, roles: options.role }, systemClock.now()));
      await noteAdminAct(store, systemClock, { event: 'key.created', caller_id: id });
      console.log(made);
      console.error(`This is the only time the key of ${id} is shown; only its hash is kept.`);
    }));

  sub('list', 'All keys: id, state, scopes, expiry; never a key')
    .option('--json', 'as JSON')
    .addHelpText('after', example('sallyport key list'))
    .action((options: { data: string; json?: boolean }) => withKeys(options.data, async (keys) => {
      const records = await keys.list();
      if (options.json === true) return console.log(JSON.stringify(records.map(({ hashes: _hashes, ...shown }) => shown), null, 2));
      for (const record of records) console.log(describeKey(record, systemClock.now()));
      if (records.length === 0) console.error('no keys yet: sallyport key create --help');
    }));

  sub('rotate <id>', 'Make a new key for the same id; the old one goes on working for the overlap')
    .option('--overlap <span>', 'how long the old key still works: 0 to 366d', OVERLAP)
    .addHelpText('after', example('sallyport key rotate alice --overlap 1h'))
    .action((id: string, options: { data: string; overlap: string }) => withKeys(options.data, async (keys, store) => {
      const { key: made } = await keys.rotate(id, parseSpan(options.overlap));
      await noteAdminAct(store, systemClock, { event: 'key.rotated', caller_id: id });
      console.log(made);
      console.error(`The old key of ${id} ends in ${options.overlap}.`);
    }));

  sub('revoke <id>', 'Revoke all keys of the id for good; open streams end too')
    .option('--configured', 'the id is one of authenticate.api_keys in the configuration file')
    .addHelpText('after', example('sallyport key revoke alice', 'sallyport key revoke ci-bot --configured'))
    .action((id: string, options: { data: string; configured?: boolean }) => withKeys(options.data, async (keys, store) => {
      await keys.revoke(id, { configured: options.configured === true });
      await noteAdminAct(store, systemClock, { event: 'key.revoked', caller_id: id });
      console.error(`${id} is revoked.`);
    }));
}

async function withKeys(data: string, act: (keys: KeyStore, store: Store) => Promise<void>): Promise<void> {
  const store = await openStore({ folder: data, busy_timeout_ms: 5_000 }, { clock: systemClock }).catch((error: unknown) => {
    if (error instanceof Error && error.name === 'StoreFault') throw new Exit(2, error.message); // tells the operator what to mend
    throw error;
  });
  const keys = await createKeyStore(store, systemClock);
  try {
    await act(keys, store);
  } catch (error) {
    if (error instanceof KeyFault) throw new Exit(2, error.message);
    if (error instanceof Error && error.name === 'ZodError') throw new Exit(2, (error as Error & { issues: { path: unknown[]; message: string }[] }).issues.map((i) => `${i.path.join('.')}: ${i.message}`).join('\n'));
    throw error;
  } finally {
    await keys.close();
    await store.close();
  }
}
