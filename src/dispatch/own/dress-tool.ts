import type { Era } from '../../call/call.ts';
import { isObject, type Json, type JsonObject } from '../../call/json.ts';
import type { Tool } from '../../call/target.ts';
import { applyEdits, findPlaces } from '../../lib/json-edit.ts';
import { cutAt, splice, without } from '../../lib/json-spans.ts';

/**
 * A tool's definition as clients of another era can read it; the text itself when nothing has to change. `execution` says how a tool
 * runs as a task of 2025-11-25; until then, and in that revision, a tool's structured result is an object.
 */
export function dressTool(definition: string, from: Era, to: Era): string {
  if (from === to) return definition;
  if (to === 'modern') return without(definition, ['execution']);
  const cut = wraps(definition) ? cutAt(definition, ['outputSchema']) : null;
  return cut === null ? definition : splice(definition, cut, `{"type":"object","properties":{"result":${moved(definition.slice(cut.start, cut.end))}},"required":["result"]}`);
}

/** Must this structured result of a modern server be wrapped for a legacy client? As its schema was, so that the two still agree. */
export function wrapsResult(tool: Tool | null, structured: Json): boolean {
  const schema = tool === null ? null : schemaOf(tool.definition);
  return schema === null ? !isObject(structured) : schema['type'] !== 'object' || !isObject(structured);
}

const wraps = (definition: string): boolean => {
  const schema = schemaOf(definition);
  return schema !== null && schema['type'] !== 'object';
};
function schemaOf(definition: string): JsonObject | null {
  if (!definition.includes('outputSchema')) return null;
  const schema = (JSON.parse(definition) as JsonObject)['outputSchema']; // parse edge: the catalog has parsed it before
  return isObject(schema) ? schema : null;
}

/** References from the root lead two steps further now, unless the schema has an id of its own to start them from. */
function moved(schema: string): string {
  if (cutAt(schema, ['$id']) !== null) return schema;
  const places = findPlaces(schema, (path, first) => (first === '{' || first === '[' ? 'enter' : path[path.length - 1] === '$ref' && first === '"' ? 'take' : 'skip'));
  return applyEdits(schema, places.flatMap(({ start, end }) => {
    const ref = String(JSON.parse(schema.slice(start, end)));
    return ref === '#' || ref.startsWith('#/') ? [{ start, end, text: JSON.stringify(`#/properties/result${ref.slice(1)}`) }] : [];
  }));
}
