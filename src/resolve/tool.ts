import { namespaced } from '../call/aggregate-names.ts';
import type { Json, JsonObject } from '../call/json.ts';
import type { Risk, Tool } from '../call/target.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import { sha256 } from '../lib/hash.ts';
import { skeleton } from '../lib/look-alike.ts';

/** What a name must be to be a tool's name at all: nothing a person cannot see, no room for a paragraph. */
const OWN_NAME = /^[^\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]{1,128}$/u;

/** Builds the pinned tool from the definition's raw text, or says in a few words why it cannot be used. Quotes nothing of it. */
export function readTool(server: string, definition: string, maxBytes: number, classOf: (id: string, name: string, annotations: JsonObject) => Risk): Tool | string {
  if (Buffer.byteLength(definition) > maxBytes) return `the definition is larger than ${maxBytes} bytes`;
  let canonical: string;
  try {
    canonical = canonicalJson(definition); // refuses duplicate keys: one reader would see another tool than we pinned (CWE-436)
  } catch (thrown) {
    return `the definition is not usable JSON: ${thrown instanceof SyntaxError && /twice|deeply/.test(thrown.message) ? thrown.message : 'syntax'}`;
  }
  const parsed: unknown = JSON.parse(definition);
  if (!isObject(parsed)) return 'the definition is not an object';
  const { name, inputSchema } = parsed;
  if (typeof name !== 'string' || !OWN_NAME.test(name)) return 'the name is missing, longer than 128 characters, or holds spaces or invisible characters';
  if (inputSchema === undefined || !isObject(inputSchema)) return 'inputSchema is missing';
  const id = namespaced(server, name);
  const annotations = isObject(parsed['annotations']) ? parsed['annotations'] : {};
  return Object.freeze({ server, name, id, risk: classOf(id, name, annotations), digest: sha256(canonical), definition, inputSchema });
}

/**
 * Parts the tools whose name stands alone from those whose name equals, or looks like, another of the same server: which of the
 * two a call meant could only be guessed, so neither is offered (tool shadowing).
 */
export function partLookalikes(tools: readonly Tool[]): { readonly alone: readonly Tool[]; readonly withheld: readonly Tool[] } {
  const count = new Map<string, number>();
  for (const tool of tools) {
    const look = skeleton(tool.name);
    count.set(look, (count.get(look) ?? 0) + 1);
  }
  const isAlone = (tool: Tool): boolean => count.get(skeleton(tool.name)) === 1;
  return { alone: tools.filter(isAlone), withheld: tools.filter((tool) => !isAlone(tool)) };
}

const isObject = (value: unknown): value is { readonly [key: string]: Json } => typeof value === 'object' && value !== null && !Array.isArray(value);
