import type { Json } from '../call/json.ts';
import { encodeHeader, paramHeaders, paramHeadersOf, type ParamHeader } from '../call/param-headers.ts';
import { textAt } from '../lib/json-spans.ts';
import { isObject, type Line } from './connect-line.ts';

/** Methods whose header `Mcp-Name` repeats a parameter (MCP 2026-07-28 Streamable HTTP and tasks). */
const NAMED_BY: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'], ['prompts/get', 'name'], ['resources/read', 'uri'], ['tasks/get', 'taskId'], ['tasks/update', 'taskId'], ['tasks/cancel', 'taskId'],
]);
const MAX_TOOLS = 10_000;

/** What modern requests need in their headers. */
export interface ModernHeaders {
  /** Remembers which arguments tools want in headers, from an answer to `tools/list`. */
  readonly learn: (result: Json | undefined) => void;
  /** Name, value, name, value. */
  readonly of: (line: Line, version: string) => string[];
}

export function createModernHeaders(): ModernHeaders {
  const tools = new Map<string, readonly ParamHeader[]>();
  return {
    learn: (result) => {
      const listed = isObject(result) ? result['tools'] : undefined;
      if (!Array.isArray(listed)) return;
      for (const tool of listed as readonly Json[]) {
        if (!isObject(tool) || typeof tool['name'] !== 'string') continue;
        const found = (isObject(tool['inputSchema']) ? paramHeadersOf(tool['inputSchema']) : null) ?? [];
        if (found.length === 0) tools.delete(tool['name']);
        else if (tools.size < MAX_TOOLS) tools.set(tool['name'], found);
      }
    },
    of: (line, version) => {
      const headers = ['mcp-protocol-version', encodeHeader(version), 'mcp-method', encodeHeader(line.method)];
      const name = line.params[NAMED_BY.get(line.method) ?? ''];
      if (typeof name !== 'string') return headers;
      headers.push('mcp-name', encodeHeader(name));
      const declared = line.method === 'tools/call' ? tools.get(name) : undefined;
      if (declared !== undefined) headers.push(...paramHeaders(declared, textAt(line.text, ['params', 'arguments']) ?? '{}'));
      return headers;
    },
  };
}
