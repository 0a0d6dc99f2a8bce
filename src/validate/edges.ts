import { SchemaFault } from './fault.ts';

/** A schema while it is being prepared: our own copy, so it may be changed. */
export interface Node {
  [keyword: string]: unknown;
}
export const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * How a schema hands a value on.
 * all: the same value, always (`allOf`, `$ref`). maybe: the same value, under a condition. one: the same value, one of several. test: the same value, only
 * to look. child: a part of the value. look: a part of it, only to look.
 */
export interface Edge {
  readonly to: unknown;
  readonly role: 'all' | 'maybe' | 'one' | 'test' | 'child' | 'look';
  readonly keyword: string;
}

/** All schemas that can be reached, each with where it hands values. */
export type Graph = ReadonlyMap<Node, readonly Edge[]>;
/** Same value: not a part of it. */
export const isInPlace = (edge: Edge): boolean => edge.role !== 'child' && edge.role !== 'look';

type Shape = 'schema' | 'list' | 'map' | 'list or schema' | 'map of schemas or names';
const KEYWORDS: ReadonlyMap<string, readonly [Edge['role'], Shape]> = new Map<string, readonly [Edge['role'], Shape]>([
  ['allOf', ['all', 'list']],
  ['then', ['maybe', 'schema']],
  ['else', ['maybe', 'schema']],
  ['dependentSchemas', ['maybe', 'map']],
  ['dependencies', ['maybe', 'map of schemas or names']],
  ['anyOf', ['one', 'list']],
  ['oneOf', ['one', 'list']],
  ['not', ['test', 'schema']],
  ['if', ['test', 'schema']],
  ['properties', ['child', 'map']],
  ['patternProperties', ['child', 'map']],
  ['additionalProperties', ['child', 'schema']],
  ['unevaluatedProperties', ['child', 'schema']],
  ['prefixItems', ['child', 'list']],
  ['items', ['child', 'list or schema']],
  ['additionalItems', ['child', 'schema']],
  ['unevaluatedItems', ['child', 'schema']],
  ['contains', ['look', 'schema']],
  ['propertyNames', ['look', 'schema']],
]);

/** All schemas a schema hands values to, `$ref` followed. Throws SchemaFault where a keyword does not hold what it must. */
export function edgesOf(node: Node, root: Node): readonly Edge[] {
  const edges: Edge[] = [];
  if (node['$ref'] !== undefined) edges.push({ to: resolveRef(node['$ref'], root), role: 'all', keyword: '$ref' });
  for (const [keyword, value] of Object.entries(node)) {
    const known = KEYWORDS.get(keyword);
    if (known === undefined) continue;
    for (const to of schemasIn(value, known[1], keyword)) edges.push({ to, role: known[0], keyword });
  }
  return edges;
}

function schemasIn(value: unknown, shape: Shape, keyword: string): readonly unknown[] {
  let found: readonly unknown[];
  if (shape === 'list' || (shape === 'list or schema' && Array.isArray(value))) found = Array.isArray(value) ? value : [null];
  else if (shape === 'schema' || shape === 'list or schema') found = [value];
  else found = isNode(value) ? Object.values(value).filter((v) => shape === 'map' || !Array.isArray(v)) : [null];
  if (!found.every((v) => isNode(v) || typeof v === 'boolean')) throw new SchemaFault(`${keyword} does not hold a schema where it must`);
  return found;
}

/** `#` and `#/a/b` only: nothing is ever fetched (SSRF by `$ref`, CWE-918; MCP 2026-07-28 "do not fetch network $refs"). */
export function resolveRef(ref: unknown, root: Node): unknown {
  if (typeof ref !== 'string' || !/^#(\/|$)/.test(ref)) throw new SchemaFault('$ref leads out of the schema, or to an anchor');
  let at: unknown = root;
  for (const part of ref.split('/').slice(1)) {
    const key = decode(part).replaceAll('~1', '/').replaceAll('~0', '~');
    at = typeof at === 'object' && at !== null && Object.hasOwn(at, key) ? (at as Node)[key] : undefined;
  }
  if (!isNode(at) && typeof at !== 'boolean') throw new SchemaFault('$ref leads nowhere');
  return at;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new SchemaFault('$ref is not a valid pointer');
  }
}
