import type { Json, JsonObject } from '../call/json.ts';
import { cutAt } from '../lib/json-spans.ts';
import { isObject, type Line } from './connect-line.ts';

/** Methods whose header `Mcp-Name` repeats a parameter (MCP 2026-07-28 Streamable HTTP and tasks). */
const NAMED_BY: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'], ['prompts/get', 'name'], ['resources/read', 'uri'], ['tasks/get', 'taskId'], ['tasks/update', 'taskId'], ['tasks/cancel', 'taskId'],
]);
/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$/;
const MAX_TOOLS = 10_000;
const MAX_DEPTH = 64;

interface Declared {
  readonly header: string;
  readonly path: readonly string[];
}
/** What modern requests need in their headers. */
export interface ModernHeaders {
  /** Remembers which arguments tools want in headers, from an answer to `tools/list`. */
  readonly learn: (result: Json | undefined) => void;
  /** Name, value, name, value. */
  readonly of: (line: Line, version: string) => string[];
}

export function createModernHeaders(): ModernHeaders {
  const tools = new Map<string, readonly Declared[]>();
  return {
    learn: (result) => {
      const listed = isObject(result) ? result['tools'] : undefined;
      if (!Array.isArray(listed)) return;
      for (const tool of listed as readonly Json[]) {
        if (!isObject(tool) || typeof tool['name'] !== 'string') continue;
        const found = isObject(tool['inputSchema']) ? declaredIn(tool['inputSchema']) : [];
        if (found.length === 0) tools.delete(tool['name']);
        else if (tools.size < MAX_TOOLS) tools.set(tool['name'], found);
      }
    },
    of: (line, version) => {
      const headers = ['mcp-protocol-version', encoded(version), 'mcp-method', encoded(line.method)];
      const name = line.params[NAMED_BY.get(line.method) ?? ''];
      if (typeof name !== 'string') return headers;
      headers.push('mcp-name', encoded(name));
      if (line.method === 'tools/call') for (const { header, path } of tools.get(name) ?? []) pushArgument(headers, header, line.text, path);
      return headers;
    },
  };
}

/** The `x-mcp-header` marks that can be reached by `properties` alone; tools that break the rules about them are left out of lists before they come here. */
function declaredIn(schema: JsonObject, path: readonly string[] = []): Declared[] {
  const properties = schema['properties'];
  if (!isObject(properties) || path.length >= MAX_DEPTH) return [];
  return Object.entries(properties).flatMap(([name, sub]) => {
    if (!isObject(sub)) return [];
    const at = [...path, name];
    const mark = sub['x-mcp-header'];
    return [...(typeof mark === 'string' && TOKEN.test(mark) ? [{ header: `mcp-param-${mark.toLowerCase()}`, path: at }] : []), ...declaredIn(sub, at)];
  });
}

/** The argument as the client spelled it, so that an integer beyond 2^53 is the same in header and body. null and absent ones take no header. */
function pushArgument(headers: string[], header: string, text: string, path: readonly string[]): void {
  const cut = cutAt(text, ['params', 'arguments', ...path]);
  const literal = cut === null ? 'null' : text.slice(cut.start, cut.end);
  if (literal.startsWith('"')) headers.push(header, encoded(String(JSON.parse(literal))));
  else if (/^(?:true|false|-?\d[\d.eE+-]*)$/.test(literal)) headers.push(header, literal);
}

/** As a header can carry it: plain when it is visible ASCII, else `=?base64?…?=` (and never a line break, CWE-113). */
function encoded(value: string): string {
  const isPlain = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !(value.startsWith('=?base64?') && value.endsWith('?='));
  return isPlain ? value : `=?base64?${Buffer.from(value, 'utf8').toString('base64')}?=`;
}
