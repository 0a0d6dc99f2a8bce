import { type Edge, type Graph, isInPlace, isNode, type Node } from './edges.ts';

/**
 * Closes a schema against keys it does not name. JSON Schema leaves objects open unless they say otherwise; servers pass such keys on to code
 * that may know them (mass assignment, CWE-915), and the judged call would not be the executed one.
 *
 * A schema that alone describes a value is closed: with `additionalProperties` where it is plain, with `unevaluatedProperties` where `$ref` or
 * branches have a say. Where several schemas describe one value together, none is closed, as each knows only its share. The
 * root is always closed. What says `additionalProperties`, `unevaluatedProperties` or `patternProperties` itself is left alone.
 */
export function closeSchema(root: Node, graph: Graph): void {
  const describesParts = spread(graph, (node) => edgesFrom(graph, node).some((e) => e.role === 'child'), (e) => e.role !== 'test');
  const isAboutObjects = spread(graph, speaksOfObjects, (e) => e.role !== 'test');
  const namesKeys = spread(graph, (node) => node['properties'] !== undefined || isOpener(node), () => true);
  const { sole, shared } = assign(root, graph, describesParts);
  for (const node of sole) {
    if (isOpener(node) || (node !== root && (shared.has(node) || !isAboutObjects(node)))) continue;
    const hasHelp = edgesFrom(graph, node).some((e) => isInPlace(e) && isNode(e.to) && namesKeys(e.to));
    node[hasHelp ? 'unevaluatedProperties' : 'additionalProperties'] = false;
  }
}

const edgesFrom = (graph: Graph, node: Node): readonly Edge[] => graph.get(node) ?? [];

/** A question that holds for a schema when it holds for itself or for one that gets the same value. Remembered; there are no loops in place. */
function spread(graph: Graph, holds: (node: Node) => boolean, follow: (edge: Edge) => boolean): (node: Node) => boolean {
  const known = new Map<Node, boolean>();
  const ask = (node: Node): boolean => {
    const said = known.get(node);
    if (said !== undefined) return said;
    const found = holds(node) || edgesFrom(graph, node).some((e) => isInPlace(e) && follow(e) && isNode(e.to) && ask(e.to));
    known.set(node, found);
    return found;
  };
  return ask;
}

type Role = 'location' | 'branch' | 'share';

/** Which schemas alone describe a value (location), and which share one with others. Some are reached as both, over `$ref`. */
function assign(root: Node, graph: Graph, describesParts: (node: Node) => boolean): { readonly sole: ReadonlySet<Node>; readonly shared: ReadonlySet<Node> } {
  const seen: Record<Role, Set<Node>> = { location: new Set(), branch: new Set(), share: new Set() };
  const open: (readonly [Node, Role])[] = [[root, 'location']];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [node, role] = next;
    if (seen[role].has(node)) continue;
    seen[role].add(node);
    const edges = edgesFrom(graph, node);
    const isShared = role === 'share' || describers(edges, describesParts) > 1;
    for (const { to, role: edge, keyword } of edges) {
      if (!isNode(to)) continue;
      if (isShared || edge === 'test' || keyword === 'contains') open.push([to, 'share']);
      else open.push([to, edge === 'child' || edge === 'look' ? 'location' : 'branch']);
    }
  }
  return { sole: seen.location, shared: seen.share };
}

/** How many schemas describe the parts of one value together. The branches of one `anyOf` count once: they are alternatives. */
function describers(edges: readonly Edge[], describesParts: (node: Node) => boolean): number {
  const speaks = (e: Edge): boolean => isNode(e.to) && describesParts(e.to);
  const together = edges.filter((e) => (e.role === 'all' || e.role === 'maybe') && speaks(e)).length;
  const choices = new Set(edges.filter((e) => e.role === 'one' && speaks(e)).map((e) => e.keyword)).size;
  const own = new Set(edges.filter((e) => e.role === 'child').map((e) => e.keyword));
  // A property can match `properties` and `patternProperties` at once.
  const ownCount = own.has('patternProperties') && own.has('properties') ? 2 : Math.min(own.size, 1);
  return together + choices + ownCount;
}

const isOpener = (node: Node): boolean => ['additionalProperties', 'unevaluatedProperties', 'patternProperties'].some((keyword) => node[keyword] !== undefined);

const ABOUT_OBJECTS = ['properties', 'required', 'minProperties', 'maxProperties', 'propertyNames', 'dependentRequired', 'dependentSchemas'];
/** `{}` and `true` do not: they take any value. */
function speaksOfObjects({ type, ...node }: Node): boolean {
  return type === 'object' || (Array.isArray(type) && type.includes('object')) || (type === undefined && ABOUT_OBJECTS.some((keyword) => node[keyword] !== undefined));
}
