import { LRUCache } from 'lru-cache';
import type { Principal } from '../../call/principal.ts';
import { RISKS, type Risk, type Target } from '../../call/target.ts';
import { isObject, type JsonObject } from '../../call/json.ts';
import { sha256 } from '../../lib/hash.ts';
import { parseStrict } from '../../lib/strict-json.ts';
import type { Place } from '../place.ts';
import { principalOf, targetOf } from './cases.ts';
import type { Asked } from './engine.ts';
import type { CallerFacts, CallFacts } from './test-file.ts';

/** A fact that the record of a call does not hold for sure. */
export type Lost = 'arguments' | 'uri' | 'name' | 'groups' | 'roles' | 'tenant' | 'place';
export interface RecordedCall {
  readonly id: string;
  /** As recorded: who, and `server/tool` or `server/method`. */
  readonly caller: string;
  readonly tool: string;
  readonly asked: Asked;
  readonly lost: ReadonlySet<Lost>;
  /** What decided then. */
  readonly ruleIds: readonly string[];
  readonly version: string | null;
}
/** not_judged: policy was never asked. credential: the key's own lists refused it, before any rule. */
export type ReadCall = { readonly call: RecordedCall } | { readonly skip: 'no_call' | 'not_judged' | 'credential' | 'unreadable' };

export type ReadRecord = (line: Buffer) => ReadCall;
const MOST = 4_096;

/**
 * Makes calls of audit lines. `placeOf`: where servers stand, which no record says; null: it is not known. Callers and targets that come again are the same objects, so
 * that the engine remembers what it made of them; at most 4,096 of each.
 */
export function recordReader(placeOf: ((server: string) => Place) | null): ReadRecord {
  const callers = new LRUCache<string, Principal>({ max: MOST });
  const targets = new LRUCache<string, Target>({ max: MOST });
  return (line) => {
    const text = line.toString();
    const record = parse(text);
    if (record === null) return { skip: 'unreadable' };
    const event = record['event'];
    if (event !== 'call.intended' && event !== 'call.refused') return { skip: 'no_call' };
    if (!Array.isArray(record['policy_ids']) || typeof record['caller_id'] !== 'string') return { skip: 'not_judged' };
    if (record['reason_code'] === 'authorize.credential') return { skip: 'credential' };
    return made(record, text, callers, targets, placeOf);
  };
}

function made(record: JsonObject, line: string, callers: LRUCache<string, Principal>, targets: LRUCache<string, Target>, placeOf: ((server: string) => Place) | null): ReadCall {
  const lost = new Set<Lost>();
  const id = textOf(record['caller_id']) ?? '';
  if (id.startsWith('jwt:')) lost.add('name'); // a claim may have named the caller; the record holds the subject alone
  for (const [field, fact] of [['caller_groups', 'groups'], ['caller_roles', 'roles'], ['tenant_id', 'tenant']] as const) if (record[field] === undefined) lost.add(fact); // of 0.1
  const facts: CallerFacts = {
    id, name: id.startsWith('jwt:') ? id.slice(id.indexOf('#') + 1) : id.replace(/^key:/, ''),
    ...one('user', record['user_id']), ...one('team', record['caller_team']), ...one('agent', record['agent_id']), ...one('client', record['client_id']), ...one('workspace', record['workspace_id']),
    ...one('tenant', record['tenant_id']), ...one('environment', record['environment']), groups: textsOf(record['caller_groups']), roles: textsOf(record['caller_roles']), scopes: textsOf(record['scopes']),
  };
  const aim = aimOf(record);
  if (aim === null) return { skip: 'unreadable' };
  if (aim.name !== undefined && /…$|\[redacted:|\[withheld/.test(aim.name)) lost.add('uri');
  const server = aim.server ?? null;
  if (placeOf === null && server !== null) lost.add('place');
  const argumentsText = argumentsIn(record, line, aim, lost);
  const asked: Asked = {
    principal: remembered(callers, facts, principalOf), target: remembered(targets, aim, targetOf),
    place: server === null || placeOf === null ? NOWHERE : placeOf(server), argumentsText, at: Date.parse(textOf(record['timestamp']) ?? ''),
  };
  return { call: { id: textOf(record['correlation_id']) ?? '', caller: id, tool: `${server ?? 'gateway'}/${aim.tool ?? aim.method ?? ''}`, asked, lost, ruleIds: textsOf(record['policy_ids']), version: textOf(record['policy_version']) } };
}
const NOWHERE: Place = { environment: null, region: null, tenant: null };

/** A tool stands in `downstream_resource` as `server/tool`; what is no tool has a method in `tool`. */
function aimOf(record: JsonObject): CallFacts | null {
  const [server, tool, resource] = [textOf(record['mcp_server']), textOf(record['tool']), textOf(record['downstream_resource'])];
  const risk = RISKS.find((each): each is Risk => each === record['tool_risk']);
  if (tool === null || risk === undefined) return null;
  if (server === null) return { method: tool, class: risk };
  if (resource === `${server}/${tool}`) return { server, tool, class: risk };
  const name = resource === null || resource === server ? null : tool.startsWith('resources/') ? resource : resource.slice(server.length + 1);
  return { server, method: tool, class: risk, ...(name !== null && { name }) };
}

/**
 * The arguments, if the record holds them letter by letter: what was redacted or cut has another hash than what was judged, and a decision over it would be
 * one over another call.
 */
function argumentsIn(record: JsonObject, line: string, aim: CallFacts, lost: Set<Lost>): string | null {
  if (aim.tool === undefined) {
    if (aim.method === 'prompts/get') lost.add('arguments'); // the hash is of the whole message
    return aim.method === 'prompts/get' ? '{}' : null;
  }
  // Quotes within texts are escaped, so the first and the last of these are the record's own.
  const from = line.indexOf(',"tool_input":') + 14;
  const text = line.slice(from, line.lastIndexOf(',"input_hash":"'));
  if (sha256(text) === record['input_hash']) return text;
  lost.add('arguments');
  return '{}';
}

function remembered<F extends object, T extends object>(cache: LRUCache<string, T>, facts: F, make: (facts: F) => T): T {
  const key = JSON.stringify(facts);
  const known = cache.get(key);
  if (known !== undefined) return known;
  const fresh = make(facts);
  cache.set(key, fresh);
  return fresh;
}
function parse(text: string): JsonObject | null {
  const read = parseStrict(text.trimEnd(), { maxDepth: 128, maxKeys: 100_000 });
  return read.ok && isObject(read.value) ? read.value : null;
}
const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);
const textsOf = (value: unknown): string[] => (Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : []);
const one = <K extends string>(key: K, value: unknown): { readonly [P in K]?: string } => (typeof value === 'string' ? ({ [key]: value } as { readonly [P in K]?: string }) : {});
