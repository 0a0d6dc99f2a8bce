import type { Tool } from '../call/target.ts';
import { compareDecimals, isExact, parseDecimal } from '../lib/decimal.ts';
import type { ValidateConfig } from './config.ts';
import { type Edge, edgesOf, type Graph, isInPlace, isNode, type Node } from './edges.ts';
import { SchemaFault } from './fault.ts';

/** A tool's input schema, read from the pinned text and found fit to be compiled. */
export interface ReadSchema {
  readonly root: Node;
  readonly graph: Graph;
  /** Tuples are written `items: […]` up to 2019-09 and `prefixItems` since. */
  readonly dialect: '2019-09' | '2020-12';
  /** All bounds of the schemas of which a double cannot hold every one, as the server wrote them. */
  readonly bounds: ReadonlyMap<Node, ReadonlyMap<string, string>>;
}
export const BOUNDS = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'] as const;
/** Number literals that a double rounds, by the object that holds them. */
type Literals = ReadonlyMap<object, ReadonlyMap<string, string>>;

const DIALECTS: ReadonlyMap<string, ReadSchema['dialect']> = new Map<string, ReadSchema['dialect']>([
  ['json-schema.org/draft/2020-12/schema', '2020-12'],
  ['json-schema.org/draft/2019-09/schema', '2019-09'],
  ['json-schema.org/draft-07/schema', '2019-09'],
  ['json-schema.org/draft-06/schema', '2019-09'],
]);

export type SchemaLimits = Pick<ValidateConfig, 'max_schema_bytes' | 'max_depth' | 'max_branches' | 'max_schemas'>;

/** Throws SchemaFault for a schema that is too large, too deep, leads elsewhere, or uses what would switch the judging off. */
export function readSchema(tool: Tool, limits: SchemaLimits): ReadSchema {
  const literals = new Map<object, Map<string, string>>();
  const definition: unknown = parseKeeping(tool.definition, literals);
  const root = isNode(definition) ? definition['inputSchema'] : undefined;
  if (!isNode(root)) throw new SchemaFault('inputSchema is not an object');
  if (Buffer.byteLength(JSON.stringify(root)) > limits.max_schema_bytes) throw new SchemaFault(`the schema is larger than ${limits.max_schema_bytes} bytes`);
  const dialect = dialectOf(root);
  delete root['$schema'];
  delete root['$id'];
  const bounds = new Map<Node, ReadonlyMap<string, string>>();
  const graph = explore(root, literals, bounds, limits);
  refuseLoops(graph);
  return { root, graph, dialect, bounds };
}

/** Depth first, without recursion: the depth is judged before anything recursive runs (CWE-674). */
function explore(root: Node, literals: Literals, bounds: Map<Node, ReadonlyMap<string, string>>, limits: SchemaLimits): Graph {
  const graph = new Map<Node, readonly Edge[]>();
  let branches = 0;
  const open: { readonly node: Node; readonly depth: number }[] = [{ node: root, depth: 1 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (graph.has(next.node)) continue;
    if (graph.size >= limits.max_schemas) throw new SchemaFault(`made of more than ${limits.max_schemas} schemas`);
    clean(next.node, literals);
    const rounded = literals.get(next.node);
    if (rounded !== undefined) bounds.set(next.node, moveBounds(next.node, rounded));
    const edges = edgesOf(next.node, root);
    graph.set(next.node, edges);
    for (const edge of edges) {
      const isRef = edge.keyword === '$ref';
      if (isInPlace(edge) && !isRef && ++branches > limits.max_branches) throw new SchemaFault(`more than ${limits.max_branches} branches`);
      if (!isRef && next.depth >= limits.max_depth) throw new SchemaFault(`nested deeper than ${limits.max_depth}`);
      if (isNode(edge.to)) open.push({ node: edge.to, depth: isRef ? 1 : next.depth + 1 });
    }
  }
  return graph;
}

/** JSON.parse, but the text of numbers that a double rounds is kept. */
function parseKeeping(text: string, literals: Map<object, Map<string, string>>): unknown {
  const keep = function (this: object, key: string, value: unknown, context?: { readonly source?: string }): unknown {
    if (key === '__proto__') throw new SchemaFault('the definition uses a reserved key');
    if (typeof value === 'number' && context?.source !== undefined && !isExact(context.source)) {
      const held = literals.get(this) ?? new Map<string, string>();
      literals.set(this, held.set(key, context.source));
    }
    return value;
  };
  return JSON.parse(text, keep);
}

function dialectOf(root: Node): ReadSchema['dialect'] {
  const named = root['$schema'];
  if (named === undefined) return '2020-12'; // MCP 2026-07-28 tools: the default
  const dialect = typeof named === 'string' ? DIALECTS.get(named.replace(/^https?:\/\//, '').replace(/#$/, '')) : undefined;
  if (dialect === undefined) throw new SchemaFault('$schema names a dialect that is not supported');
  return dialect;
}

const FORBIDDEN = ['$id', '$dynamicAnchor', '$dynamicRef', '$recursiveRef', '$recursiveAnchor', '$async'];
function clean(node: Node, literals: Literals): void {
  // `$async` would make the validator answer with a promise, which is true whatever it holds.
  for (const keyword of FORBIDDEN) if (node[keyword] !== undefined) throw new SchemaFault(`${keyword} is not supported`);
  if (node['type'] === undefined) delete node['nullable'];
  delete node['id'];
  delete node['$anchor']; // names a place for references, and references to names are refused: nobody can mean it
  for (const keyword of ['enum', 'const']) {
    if (holdsInexact(node[keyword], literals) || literals.get(node)?.has(keyword) === true) throw new SchemaFault(`${keyword} holds a number that cannot be compared exactly`);
  }
  if (literals.get(node)?.has('multipleOf') === true) throw new SchemaFault('multipleOf cannot be held exactly');
}

function holdsInexact(value: unknown, literals: Literals): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return literals.has(value) || Object.values(value).some((part) => holdsInexact(part, literals));
}

/** Notes the bounds as written, then moves those that a double cannot hold. */
function moveBounds(node: Node, rounded: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const written = new Map<string, string>();
  for (const keyword of BOUNDS) {
    const text = rounded.get(keyword) ?? (typeof node[keyword] === 'number' ? String(node[keyword]) : undefined);
    if (text !== undefined) written.set(keyword, text);
  }
  const inexact = BOUNDS.filter((keyword) => rounded.has(keyword));
  for (const keyword of inexact) delete node[keyword];
  for (const keyword of inexact) move(node, keyword, rounded.get(keyword) ?? '');
  return written;
}

/**
 * `maximum: 9223372036854775807` reads as 9223372036854775808, so 9223372036854775808 would pass. There is no double between a bound and
 * the double next to it: moving the bound there, in or out, judges every double exactly.
 */
function move(node: Node, keyword: (typeof BOUNDS)[number], literal: string): void {
  const side = keyword.endsWith('aximum') ? 'aximum' : 'inimum';
  const held = Number(literal);
  if (!Number.isFinite(held)) {
    if (held > 0 === (side === 'aximum')) return; // no double is beyond it
    throw new SchemaFault(`${keyword} leaves no number`);
  }
  const [written, read] = [parseDecimal(literal), parseDecimal(String(held))];
  if (written === null || read === null) throw new SchemaFault(`${keyword} cannot be held exactly`);
  const isBeyond = compareDecimals(read, written) === (side === 'aximum' ? 1 : -1);
  const [to, pick] = [isBeyond ? `exclusiveM${side}` : `m${side}`, side === 'aximum' ? Math.min : Math.max];
  const there = node[to];
  node[to] = typeof there === 'number' ? pick(there, held) : held;
}

/** A schema that hands the same value round in a circle never comes to an end. */
function refuseLoops(graph: Graph): void {
  const state = new Map<Node, 'open' | 'done'>();
  for (const start of graph.keys()) {
    const path: { readonly node: Node; readonly rest: Node[] }[] = [];
    const enter = (node: Node): void => {
      if (state.get(node) === 'open') throw new SchemaFault('a $ref leads back to itself');
      if (state.get(node) === 'done') return;
      state.set(node, 'open');
      path.push({ node, rest: (graph.get(node) ?? []).filter(isInPlace).map((e) => e.to).filter(isNode) });
    };
    enter(start);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const next = top.rest.pop();
      if (next !== undefined) enter(next);
      else state.set(path.pop()?.node ?? top.node, 'done');
    }
  }
}
