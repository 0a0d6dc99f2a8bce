import type { Command } from 'commander';
import { dirname, resolve } from 'node:path';
import { judgeFolder, policyFilesPage, readFolder } from '../authorize/policy/index.ts';
import { authorizeDrafts, type Config, configJsonSchema, configReference, formatFault, importConfig, loadConfig, readText } from '../config/index.ts';
import { visible } from '../lib/visible.ts';
import { refusalTable } from '../receive/index.ts';
import { example, Exit } from './exit.ts';

/** `check F`: all faults at once; exit code 2 when there are any. */
export function addCheck(program: Command): void {
  program
    .command('check <file>')
    .description('Check a configuration file; every fault with line, column and a mended example')
    .addHelpText('after', example('sallyport check sallyport.yaml'))
    .action(async (file: string) => {
      const loaded = loadConfig(file);
      if (!loaded.ok) throw new Exit(2, [...loaded.faults.map(formatFault), `${loaded.faults.length} fault(s).`].join('\n'));
      if (loaded.config.authorize.policy !== undefined) await checkPolicy(loaded.config, resolve(dirname(file), loaded.config.authorize.policy));
      console.log(`${file} is valid: ${Object.keys(loaded.config.dispatch.servers).length} server(s), ${loaded.config.authorize.rules.length} rule(s).`);
    });
}

/** What would stop the gateway from starting with the policy folder. */
async function checkPolicy(config: Config, folder: string): Promise<void> {
  const judged = await judgeFolder(readFolder(folder), { inline: config.authorize, folder, requireTests: config.authorize.require_tests, between: (rules) => authorizeDrafts({ ...config, authorize: rules }) });
  if (!judged.ok) throw new Exit(2, [...judged.reasons.map(visible), `${judged.reasons.length} fault(s).`].join('\n'));
  console.log(visible(`${folder} is valid: ${judged.policy.config.rules.length} rule(s) with those of the file, ${judged.report.total} test(s), version ${judged.report.version}.`));
}

/** `config schema` and `config docs`. */
export function addConfig(program: Command): void {
  const config = program.command('config').description('About the configuration file').addHelpText('after', example('sallyport config schema'));
  config
    .command('schema')
    .description('Print the JSON Schema of the configuration file, for editors')
    .addHelpText('after', example('sallyport config schema > sallyport.schema.json', '# first line of sallyport.yaml:', '# yaml-language-server: $schema=sallyport.schema.json'))
    .action(() => console.log(JSON.stringify(configJsonSchema(), null, 2)));
  config
    .command('docs')
    .description('Print the configuration reference, Markdown')
    .addHelpText('after', example('sallyport config docs > configuration.md'))
    .action(() => void process.stdout.write(configReference()));
}

/** `docs refusals|policy-files`: the references that are generated from the refusal catalogue and from the schemas of rules and tests. */
export function addDocs(program: Command): void {
  program
    .command('docs <page>')
    .description('Print a generated reference page: refusals or policy-files')
    .addHelpText('after', example('sallyport docs refusals'))
    .action((page: string) => {
      const write = new Map([['refusals', refusalTable], ['policy-files', policyFilesPage]]).get(page);
      if (write === undefined) throw new Exit(2, `there is no page ${page}: refusals, policy-files`);
      process.stdout.write(write());
    });
}

/** `import F`: the two formats people have seen in articles, turned into ours. */
export function addImport(program: Command): void {
  program
    .command('import <file>')
    .description('Turn an older gateway configuration (auth.keys, or service_accounts) into one of ours, on stdout; what is unsafe in it is refused')
    .addHelpText('after', example('sallyport import old.yaml > sallyport.yaml'))
    .action((file: string) => {
      const read = readText(file);
      if (!read.ok) throw new Exit(2, read.faults.map(formatFault).join('\n'));
      const imported = importConfig(read.text, file);
      if (!imported.ok) throw new Exit(2, [...imported.faults.map(formatFault), 'Nothing was written.'].join('\n'));
      process.stdout.write(imported.yaml);
    });
}
