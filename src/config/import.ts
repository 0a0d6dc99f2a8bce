import { stringify } from 'yaml';
import { importAccounts } from './import-accounts.ts';
import { importKeys } from './import-keys.ts';
import type { ConfigFault } from './fault.ts';
import { parseConfig } from './load.ts';
import { readYaml } from './yaml.ts';

/** `yaml` is a config of ours that passes `check` once its secrets exist; `notes` say what changed its meaning or is left to do. */
export type Imported = { readonly ok: true; readonly yaml: string; readonly notes: readonly string[] } | { readonly ok: false; readonly faults: readonly ConfigFault[] };

/**
 * Turns a config of one of the two kinds people know from articles into ours; YAML or JSON. Never throws. What is unsafe in it is
 * refused with its place: literal keys, no authentication, listeners beyond this machine, wildcard scopes, hashes of the empty text.
 */
export function importConfig(text: string, file: string): Imported {
  const { value, faults } = readYaml(text);
  const keys = value !== null && typeof value === 'object' && !Array.isArray(value) ? Object.keys(value) : [];
  if (faults.length === 0 && !keys.some((key) => /^(?:server|auth|service_accounts|rate_limit|audit_log)$/.test(key))) {
    return { ok: false, faults: [{ file, line: 1, column: 1, path: '(file)', wrong: 'is in no format that import knows', mend: '# it has `auth` with `keys`, or `service_accounts`' }] };
  }
  const isAccounts = keys.some((key) => /^(?:service_accounts|rate_limit|audit_log)$/.test(key));
  const converted = isAccounts ? importAccounts(text, file) : importKeys(text, file);
  if (!converted.ok) return converted;
  const { sections, notes } = converted.config;
  const yaml = `${notes.map((note) => `# ${note}\n`).join('')}${stringify(sections, { lineWidth: 120 })}`;
  const checked = parseConfig(yaml, file, { secrets: 'form' });
  return checked.ok ? { ok: true, yaml, notes } : { ok: false, faults: checked.faults.map((fault) => ({ ...fault, line: 1, column: 1, wrong: `cannot be carried over: ${fault.wrong}` })) };
}
