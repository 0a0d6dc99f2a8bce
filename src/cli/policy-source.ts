import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parse as parseYaml } from 'yaml';
import type { z } from 'zod';
import { authorizeConfig } from '../authorize/config.ts';
import type { Place } from '../authorize/index.ts';
import { assemble, policyVersions, type Policy, type PolicyText, readFolder, type Versions } from '../authorize/policy/index.ts';
import { authorizeDrafts, type Config, formatFault } from '../config/index.ts';
import { systemClock } from '../lib/clock.ts';
import { openStore, type Store } from '../store/index.ts';
import { Exit } from './exit.ts';

/** A policy out of a folder; `inline`: the rules beside it, left out: those of `config`. Exit code 2 with every fault. */
export function policyOf(folder: string, config: Config | null, inline = config?.authorize ?? authorizeConfig.parse({})): Promise<Policy> {
  const read = readFolder(folder);
  if (!read.ok) throw new Exit(2, read.faults.map(formatFault).join('\n'));
  return assembled(read.texts, inline, folder, config);
}
/** What a configuration file puts in force by itself. */
export function configuredPolicy(config: Config, file: string): Promise<Policy> {
  if (config.authorize.policy === undefined) return assembled([], config.authorize, '', null);
  return policyOf(resolve(dirname(file), config.authorize.policy), config);
}
/** A version that the store keeps; null: it does not. */
export async function keptPolicy(versions: Versions, version: string): Promise<Policy | null> {
  const kept = await versions.get(version);
  return kept === null ? null : assembled(kept.texts, kept.inline, `version ${version}`, null);
}
async function assembled(texts: readonly PolicyText[], inline: Config['authorize'], folder: string, config: Config | null): Promise<Policy> {
  const made = await assemble(texts, { inline, folder, ...(config !== null && { between: (rules: Config['authorize']) => authorizeDrafts({ ...config, authorize: rules }) }) });
  if (!made.ok) throw new Exit(2, made.faults.map(formatFault).join('\n'));
  return made.policy;
}

/** A folder, or the id of a version of `policy list`. */
export async function policyNamed(name: string, config: Config | null, versions: Versions | null, inline?: Config['authorize']): Promise<Policy> {
  if (existsSync(name) && statSync(name).isDirectory()) return policyOf(name, config, inline);
  const kept = versions === null ? null : await keptPolicy(versions, name);
  if (kept === null) throw new Exit(2, `${JSON.stringify(name)} is neither a folder nor ${versions === null ? 'can it be a version without --data' : 'a version of `sallyport policy list`'}`);
  return kept;
}

/** Runs with the store of a data folder, or exit code 2. */
export async function withStore<T>(data: string, act: (store: Store, versions: Versions) => Promise<T>): Promise<T> {
  if (!existsSync(join(data, 'store.sqlite'))) throw new Exit(2, `there is no gateway's data in ${data}: name the folder with --data`);
  const store = await openStore({ folder: data, busy_timeout_ms: 5_000 }, { clock: systemClock }).catch((error: unknown) => {
    if (error instanceof Error && error.name === 'StoreFault') throw new Exit(2, error.message); // tells the operator what to mend
    throw error;
  });
  try {
    return await act(store, policyVersions(store));
  } finally {
    await store.close();
  }
}
export function auditIn(data: string): string {
  const dir = join(data, 'audit');
  if (!existsSync(dir)) throw new Exit(2, `there is no record in ${dir}: name the gateway's data folder with --data`);
  return dir;
}

/** Where a server stands by the configuration. */
export const placesOf = (config: Config) => (server: string): Place => {
  const found = Object.hasOwn(config.dispatch.servers, server) ? config.dispatch.servers[server] : undefined;
  return { environment: found?.environment ?? null, region: found?.region ?? null, tenant: found?.tenant ?? null };
};

const SPAN_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
/** RFC 3339, a day, or a span before now such as 7d; exit code 2 for anything else. */
export function timeOf(text: string): number {
  const span = /^([1-9][0-9]{0,5})([mhd])$/.exec(text);
  const at = span === null ? (/^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T|$)/.test(text) ? Date.parse(text) : Number.NaN) : systemClock.now() - Number(span[1]) * (SPAN_MS[span[2] ?? ''] ?? 0);
  if (Number.isNaN(at)) throw new Exit(2, `${JSON.stringify(text)} is not a time; write it as 7d, 2026-11-20 or 2026-11-20T09:30:00Z`);
  return at;
}

/** What was typed as JSON, or exit code 2 with each fault; never quotes it, for it may hold arguments of a call. */
export function jsonOf<T>(text: string, option: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Exit(2, `${option} is no JSON`);
  }
  return fitting(value, option, schema);
}
/** The same of a YAML file. */
export function yamlOf<T>(file: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = parseYaml(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Exit(2, `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  return fitting(value, file, schema);
}
function fitting<T>(value: unknown, name: string, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new Exit(2, parsed.error.issues.map((issue) => `${name} ${issue.path.join('.')}: ${issue.message}`).join('\n'));
  return parsed.data;
}
