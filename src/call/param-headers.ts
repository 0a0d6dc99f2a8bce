import { isObject, type Json, type JsonObject } from './json.ts';

/** One argument that a modern server wants repeated in a header: `x-mcp-header` in the tool's input schema (MCP 2026-07-28 tools). */
export interface ParamHeader {
  /** `mcp-param-<name>`, lower case. */
  readonly header: string;
  readonly path: readonly string[];
}

const MARK = 'x-mcp-header';
/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const PRIMITIVE: ReadonlySet<Json | undefined> = new Set(['string', 'integer', 'boolean']);
/** Deeper schemas are not looked into (CWE-674). */
const MAX_DEPTH = 64;

/** The headers a tool asks for, or null when its declarations break the rules: such a tool must not be offered. */
export function paramHeadersOf(inputSchema: JsonObject): readonly ParamHeader[] | null {
  const found: ParamHeader[] = [];
  const visit = (node: Json, path: readonly string[], reachable: boolean, depth: number): boolean => {
    if (typeof node !== 'object' || node === null) return true;
    if (depth > MAX_DEPTH) return false;
    if (Array.isArray(node)) return node.every((item: Json) => visit(item, path, false, depth + 1));
    const schema = node as JsonObject; // not an array
    // `properties` of a `properties` chain is a map of names: a property may itself be called x-mcp-header.
    if (Object.hasOwn(schema, MARK) && !take(schema, path, reachable, found)) return false;
    return Object.entries(schema).every(([key, child]) => {
      if (key === 'properties' && isObject(child)) return Object.entries(child).every(([name, sub]) => visit(sub, [...path, name], reachable, depth + 1));
      return DATA.has(key) || visit(child, path, false, depth + 1);
    });
  };
  return visit(inputSchema, [], true, 0) ? found : null;
}
/** Keywords whose values are data, not schemas. */
const DATA: ReadonlySet<string> = new Set([MARK, 'const', 'default', 'enum', 'examples']);

function take(schema: JsonObject, path: readonly string[], reachable: boolean, found: ParamHeader[]): boolean {
  const name = schema[MARK];
  if (!reachable || path.length === 0 || typeof name !== 'string' || !TOKEN.test(name) || !PRIMITIVE.has(schema['type'])) return false;
  const header = `mcp-param-${name.toLowerCase()}`;
  if (found.some((other) => other.header === header)) return false;
  found.push({ header, path });
  return true;
}

/** Name, value, name, value for the arguments that are there; null and absent ones take no header. */
export function paramHeaders(declared: readonly ParamHeader[], args: Json | undefined): string[] {
  const flat: string[] = [];
  for (const { header, path } of declared) {
    let value: Json | undefined = args;
    for (const key of path) value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
    const isPrimitive = typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isSafeInteger(value));
    if (isPrimitive) flat.push(header, encodeHeader(String(value)));
  }
  return flat;
}

/** A value as a header can carry it: plain when it is printable ASCII without spaces at its ends, else `=?base64?…?=`. */
export function encodeHeader(value: string): string {
  const isPlain = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !(value.startsWith('=?base64?') && value.endsWith('?='));
  return isPlain ? value : `=?base64?${Buffer.from(value, 'utf8').toString('base64')}?=`;
}
