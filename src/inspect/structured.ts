import type { Json, JsonObject } from '../call/json.ts';
import type { Structured } from './cut.ts';

/** A text schema with nothing but words about it: any text fits, a shorter one too. */
const ABOUT = new Set(['type', 'title', 'description', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly', '$comment']);

/**
 * What may be done to the structured content of a tool's answer. A tool with an output schema must answer with structured content that
 * fits it (MCP 2025-06-18 tools, "Output Schema"), and clients refuse what does not: then only texts of which the schema asks nothing are cut.
 */
export function structuredOf(definition: string | undefined): Structured {
  if (definition === undefined) return 'drop';
  const tool = JSON.parse(definition) as JsonObject;
  if (!('outputSchema' in tool)) return 'drop';
  return (path) => {
    let schema: Json | undefined = tool['outputSchema'];
    for (const step of path) {
      if (!isObject(schema)) return false;
      const inside: Json | undefined = typeof step === 'number' ? schema['items'] : schema['properties'];
      schema = typeof step === 'number' ? inside : isObject(inside) && Object.hasOwn(inside, step) ? inside[step] : undefined;
    }
    return isObject(schema) && schema['type'] === 'string' && Object.keys(schema).every((key) => ABOUT.has(key));
  };
}
const isObject = (value: Json | undefined): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
