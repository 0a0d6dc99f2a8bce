import { type Graph, isInPlace, isNode, type Node } from './edges.ts';

/** A schema that judges some place in a value. `isCertain`: always, not only in some branch. */
export interface Judge {
  readonly node: Node;
  readonly isCertain: boolean;
}

/** All schemas that judge the same value as these. */
export function inPlace(judges: readonly Judge[], graph: Graph): readonly Judge[] {
  const found = new Map<Node, boolean>();
  const open = [...judges];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, isCertain } = next;
    if (found.get(node) === true || found.get(node) === isCertain) continue;
    found.set(node, isCertain);
    for (const edge of graph.get(node) ?? []) {
      if (isInPlace(edge) && isNode(edge.to)) open.push({ node: edge.to, isCertain: isCertain && edge.role === 'all' });
    }
  }
  return [...found].map(([node, isCertain]) => ({ node, isCertain }));
}

/** All schemas that judge the part of the value under `segment`, a key or an index. `judges` must be complete (`inPlace`). */
export function step(judges: readonly Judge[], segment: string, graph: Graph): readonly Judge[] {
  const next: Judge[] = [];
  for (const { node, isCertain } of judges) {
    const add = (value: unknown, certain: boolean): void => {
      if (isNode(value)) next.push({ node: value, isCertain: isCertain && certain });
    };
    const isIndex = /^\d+$/.test(segment);
    const named = own(node['properties'], segment);
    if (named !== undefined) add(named, true);
    else add(node['additionalProperties'] ?? node['unevaluatedProperties'], node['patternProperties'] === undefined);
    // Which patterns match is not asked again here; they count as perhaps.
    if (isNode(node['patternProperties'])) for (const value of Object.values(node['patternProperties'])) add(value, false);
    if (isIndex) for (const [value, certain] of itemsOf(node, Number(segment))) add(value, certain);
  }
  return inPlace(next, graph);
}

function itemsOf(node: Node, index: number): readonly (readonly [unknown, boolean])[] {
  const tuple = Array.isArray(node['prefixItems']) ? node['prefixItems'] : Array.isArray(node['items']) ? node['items'] : [];
  const rest = Array.isArray(node['items']) ? node['additionalItems'] : (node['items'] ?? node['unevaluatedItems']);
  return [[index < tuple.length ? tuple[index] : rest, true], [node['contains'], false]];
}

export const own = (value: unknown, key: string): unknown => (isNode(value) && Object.hasOwn(value, key) ? value[key] : undefined);

/** The keys and indexes of a JSON Pointer (RFC 6901). */
export const segmentsOf = (pointer: string): readonly string[] => pointer.split('/').slice(1).map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
