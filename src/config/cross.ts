import { createHash } from 'node:crypto';
import { weakness } from '../authenticate/config.ts';
import { compileGlob } from '../lib/glob.ts';
import { looksLikeRef } from '../secrets/index.ts';
import type { CrossCheck, Look } from './check.ts';
import { yamlLine } from './example.ts';
import type { Draft, Path } from './fault.ts';
import { nearest } from './nearest.ts';
import type { Config } from './schema.ts';

type Check = CrossCheck<Config>;
type Globs = readonly (readonly [path: Path, glob: string])[];

const keyGlobs = (config: Config): Globs =>
  config.authenticate.api_keys.flatMap((key, at) =>
    (['allowed_tools', 'denied_tools', 'confirm_tools'] as const).flatMap((field) => (key[field] ?? []).map((glob, i) => [['authenticate', 'api_keys', at, field, i], glob] as const)),
  );
/** Beside `server` a tool may be written without it. */
const ruleGlobs = (config: Config): Globs => config.authorize.rules.flatMap((rule, at) => (rule.tools ?? []).flatMap((glob, i) => (rule.server !== undefined && !glob.includes('__') ? [] : [[['authorize', 'rules', at, 'tools', i], glob] as const])));
const recordGlobs = (path: Path, record: object): Globs => Object.keys(record).map((glob) => [[...path, glob], glob]);

/**
 * Tools are named `server__tool`; a glob that no server can match is a typo, and a typo in a deny lets the tool through (THREATS section 3).
 * Not asked while no server is configured.
 */
function strangers(globs: (config: Config) => Globs): Check['find'] {
  return (config) => {
    const servers = Object.keys(config.dispatch.servers);
    if (servers.length === 0) return [];
    return globs(config).filter(([, glob]) => !servers.some((server) => canMatch(glob, server))).map(([path, glob]) => stranger(path, glob, servers));
  };
}
function canMatch(glob: string, server: string): boolean {
  const [head = ''] = glob.split('*');
  const prefix = `${server}__`;
  return head.startsWith(prefix) || (glob.includes('*') && prefix.startsWith(head));
}
function stranger(path: Path, glob: string, servers: readonly string[]): Draft {
  const at = glob.indexOf('__');
  const near = at > 0 ? nearest(glob.slice(0, at), servers) : null;
  const rest = at < 0 ? `__${glob}` : glob.slice(at);
  const mended = (near ?? '*') + rest;
  const isKey = path.at(-1) === glob;
  const mend = isKey ? `# write it as ${mended}` : yamlLine(path, mended);
  return { path, wrong: `can match no tool: tools are named \`server__tool\` and the servers are ${listed(servers)}`, mend, on: isKey ? 'key' : 'value' };
}
const listed = (names: readonly string[]): string => (names.length > 8 ? `${names.slice(0, 8).join(', ')}, …` : names.join(', '));

function namedServers({ server, servers = [] }: Config['authorize']['rules'][number]): readonly (readonly [path: Path, glob: string])[] {
  if (typeof server === 'string') return [[['server'], server]];
  return server === undefined ? servers.map((glob, i) => [['servers', i], glob]) : server.map((glob, i) => [['server', i], glob]);
}
/** A rule for servers that do not exist; in a deny it is a hole. */
function strangeServers(config: Config): Draft[] {
  const servers = Object.keys(config.dispatch.servers);
  if (servers.length === 0) return [];
  return config.authorize.rules.flatMap((rule, at) =>
    namedServers(rule).flatMap(([key, glob]) => {
      if (servers.some(compileGlob(glob))) return [];
      const path = ['authorize', 'rules', at, ...key];
      return [{ path, wrong: `matches no server; the servers are ${listed(servers)}`, mend: yamlLine(path, nearest(glob, servers) ?? servers[0]) }];
    }),
  );
}

/** A setting for a server that does not exist guards nothing. */
function unknownServers(path: Path, names: (config: Config) => readonly string[]): Check['find'] {
  return (config) => {
    const servers = Object.keys(config.dispatch.servers);
    return names(config).filter((name) => !servers.includes(name)).map((name) => {
      const near = nearest(name, servers);
      return { path: [...path, name], wrong: `no server of that name under dispatch.servers${near === null ? '' : `; did you mean \`${near}\`?`}`, mend: near === null ? '# remove it, or add the server' : `# write it as ${near}`, on: 'key' as const };
    });
  };
}

interface Credential {
  readonly path: Path;
  readonly ref: string;
  readonly environment: string | null;
}
function credentialsOf(config: Config): Credential[] {
  return Object.entries(config.dispatch.servers).flatMap(([name, server]) =>
    (['headers', 'env'] as const).flatMap((field) =>
      Object.entries(server[field]).flatMap(([key, value]) => (typeof value === 'string' ? [] : [{ path: ['dispatch', 'servers', name, field, key, 'secret'], ref: value.secret, environment: server.environment ?? null }])),
    ),
  );
}
/** Compares what references point at, by hash; by their text when they are not looked up. */
const identityOf = (ref: string, look: Look): string => {
  const value = look(ref);
  return value === null ? ref : createHash('sha256').update(value).digest('hex');
};

/** One secret in two environments: who breaks into test holds production (MISSION D2, CWE-522). */
function sharedAcross(config: Config, look: Look): Draft[] {
  const first = new Map<string, Credential>();
  return credentialsOf(config).flatMap((each) => {
    const id = identityOf(each.ref, look);
    const other = first.get(id);
    if (other === undefined) first.set(id, each);
    if (other === undefined || other.environment === each.environment) return [];
    return [{ path: each.path, wrong: `is the secret of the server \`${String(other.path[2])}\`, which is of another environment`, mend: `secret: env:${envName(each.path)}` }];
  });
}
/** A caller's key that is also the gateway's own credential: callers would hold what only the gateway may (MISSION D1). */
function inboundIsOutbound(config: Config, look: Look): Draft[] {
  const own = new Set(credentialsOf(config).map((each) => identityOf(each.ref, look)));
  return config.authenticate.api_keys.flatMap((key, at) => {
    if (key.secret === undefined ? !own.has(key.sha256 ?? '') : !own.has(identityOf(key.secret, look))) return [];
    return [{ path: ['authenticate', 'api_keys', at, key.secret === undefined ? 'sha256' : 'secret'], wrong: 'is also the gateway’s own credential for a server; callers must not hold it', mend: '# make a key of its own: sallyport key create' }];
  });
}
/** A caller's key that people can guess (CWE-521). Only asked of keys that can be read; those that cannot are told already. */
function weakKeys(config: Config, look: Look): Draft[] {
  return config.authenticate.api_keys.flatMap((key, at) => {
    const value = key.secret === undefined ? null : look(key.secret);
    const weak = value === null ? null : weakness(value);
    return weak === null ? [] : [{ path: ['authenticate', 'api_keys', at, 'secret'], wrong: `the key behind it ${weak}`, mend: '# make one: openssl rand -base64 32' }];
  });
}
/** `Authorization: env:TOKEN` would send those nine letters, not the token. */
function refsAsText(config: Config): Draft[] {
  return Object.entries(config.dispatch.servers).flatMap(([name, server]) =>
    (['headers', 'env'] as const).flatMap((field) =>
      Object.entries(server[field]).flatMap(([key, value]) => {
        const path = ['dispatch', 'servers', name, field, key];
        return typeof value === 'string' && looksLikeRef(value) ? [{ path, wrong: 'is a plain text here, but is written like a reference to a secret', mend: yamlLine(path, { secret: value }) }] : [];
      }),
    ),
  );
}
const envName = (path: Path): string => path.filter((part) => typeof part === 'string').slice(2, 5).join('_').toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_').replace(/^(?=\d)/, '_');

/** Rules that no single room can check, because they speak of two. */
export const CROSS: readonly Check[] = [
  { needs: ['dispatch', 'authenticate'], find: strangers(keyGlobs) },
  { needs: ['dispatch', 'authorize'], find: strangers((config) => [...ruleGlobs(config), ...recordGlobs(['authorize', 'tools'], config.authorize.tools)]) },
  { needs: ['dispatch', 'authorize'], find: strangeServers },
  { needs: ['dispatch', 'resolve'], find: strangers((config) => recordGlobs(['resolve', 'tools'], config.resolve.tools)) },
  { needs: ['dispatch', 'validate'], find: strangers((config) => recordGlobs(['validate', 'tools'], config.validate.tools)) },
  { needs: ['dispatch', 'limit'], find: strangers((config) => recordGlobs(['limit', 'rates', 'tools'], config.limit.rates.tools)) },
  { needs: ['dispatch'], find: strangers((config) => recordGlobs(['dispatch', 'timeouts', 'tools'], config.dispatch.timeouts.tools)) },
  { needs: ['dispatch', 'limit'], find: unknownServers(['limit', 'concurrency', 'servers'], (config) => Object.keys(config.limit.concurrency.servers)) },
  { needs: ['dispatch', 'inspect'], find: unknownServers(['inspect', 'servers'], (config) => Object.keys(config.inspect.servers)) },
  { needs: ['dispatch', 'inspect'], find: strangers((config) => recordGlobs(['inspect', 'tools'], config.inspect.tools)) },
  { needs: ['dispatch'], find: sharedAcross },
  { needs: ['dispatch', 'authenticate'], find: inboundIsOutbound },
  { needs: ['authenticate'], find: weakKeys },
  { needs: ['dispatch'], find: refsAsText },
];

/** What is wrong between the rules of a sound configuration and its servers; for rules that came from elsewhere than the file itself. */
export const authorizeDrafts = (config: Config): readonly Draft[] => CROSS.filter((check) => check.needs.includes('authorize')).flatMap((check) => check.find(config, () => null));
