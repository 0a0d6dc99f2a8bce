import type { Authorized } from '../call/call.ts';
import { isObject, type Json } from '../call/json.ts';
import { decodeHeader, paramHeadersOf, type ParamHeader } from '../call/param-headers.ts';
import type { Refusal } from '../call/refusal.ts';
import type { Tool } from '../call/target.ts';
import { compareDecimals, parseDecimal } from '../lib/decimal.ts';
import { textAt } from '../lib/json-spans.ts';

/** Says how the `Mcp-Param-*` headers of a call contradict its arguments; null when they agree. */
export type HeaderJudge = (tool: Tool, call: Authorized) => Refusal | null;

/**
 * Header and body must say the same (MCP 2026-07-28 Streamable HTTP, "Server Validation"): whatever stands in front of us may have
 * routed, metered or let pass by the header, and the server acts by the body (CWE-436). Only modern calls at the MCP doors carry such
 * headers; what a tool did not declare is none of our business.
 */
export function createHeaderJudge(): HeaderJudge {
  const declared = new WeakMap<Tool, readonly ParamHeader[]>();
  const declaredBy = (tool: Tool): readonly ParamHeader[] => {
    let known = declared.get(tool);
    if (known === undefined) declared.set(tool, (known = paramHeadersOf(tool.inputSchema) ?? []));
    return known;
  };
  return (tool, call) => {
    if (call.era !== 'modern' || call.door !== 'mcp') return null;
    for (const one of declaredBy(tool)) {
      const note = disagreement(one, call);
      if (note !== null) return { code: 'validate.header_mismatch', note: `${one.header}: ${note}` };
    }
    return null;
  };
}

function disagreement({ header, path }: ParamHeader, call: Authorized): string | null {
  const sent = call.mirrored.find(([name]) => name === header)?.[1];
  const value = valueAt(call.message.params['arguments'], path);
  // A client must leave the header out then. One that is there all the same claims a value that the server will not see.
  if (value === undefined || value === null) return sent === undefined ? null : 'sent, but the arguments have no value';
  if (typeof value === 'object') return null; // does not fit the schema, which is what the caller is told
  if (sent === undefined) return 'missing';
  const said = decodeHeader(sent);
  if (said === null) return 'badly encoded';
  const isSame = typeof value === 'number' ? isSameNumber(said, textAt(call.message.argumentsText, path) ?? '') : said === String(value);
  return isSame ? null : 'differs from the arguments';
}

/** What no header can hold. */
const MAX_LITERAL = 16_384;

/** `42.0` is 42, and beyond 2^53 every digit counts (CWE-681): compared as written, in the header without an exponent. */
function isSameNumber(said: string, literal: string): boolean {
  if (!/^-?\d+(?:\.\d+)?$/.test(said) || literal.length > MAX_LITERAL) return false;
  const [a, b] = [parseDecimal(said), parseDecimal(literal)];
  return a !== null && b !== null && compareDecimals(a, b) === 0;
}

function valueAt(args: Json | undefined, path: readonly string[]): Json | undefined {
  let value = args;
  for (const key of path) value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  return value;
}
