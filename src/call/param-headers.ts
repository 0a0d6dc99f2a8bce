import { isUtf8 } from 'node:buffer';
import { isWhole, parseDecimal } from '../lib/decimal.ts';
import { textAt } from '../lib/json-spans.ts';
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

/**
 * Name, value, name, value for the arguments that are there; null and absent ones take no header. Read from the exact JSON text of
 * the arguments, so that an integer beyond 2^53 is the same in header and body.
 */
export function paramHeaders(declared: readonly ParamHeader[], argumentsText: string): string[] {
  const flat: string[] = [];
  for (const { header, path } of declared) {
    const literal = textAt(argumentsText, path);
    const value = literal === null ? null : plainOf(literal);
    if (value !== null) flat.push(header, encodeHeader(value));
  }
  return flat;
}

/** Longer literals are not written out. */
const MAX_DIGITS = 400;

/** A string's own text, `true`, `false`, a number in digits (`1e3` is `1000`); null for what no header can stand for. */
function plainOf(literal: string): string | null {
  if (literal.startsWith('"')) return String(JSON.parse(literal));
  if (literal === 'true' || literal === 'false' || /^(?:0|-?[1-9]\d*)$/.test(literal)) return literal;
  const number = literal.length > MAX_DIGITS ? null : parseDecimal(literal);
  if (number === null) return null;
  return isWhole(number) && number.exponent <= MAX_DIGITS ? String(number.digits * 10n ** BigInt(number.exponent)) : literal;
}

const OPEN = '=?base64?', CLOSE = '?=';
const isWrapped = (value: string): boolean => value.startsWith(OPEN) && value.endsWith(CLOSE);
/** RFC 9110 section 5.5, with nothing at the ends that a parser would strip. */
const PLAIN = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/;

/** A value as a header can carry it: plain when it is printable ASCII without spaces at its ends, else `=?base64?…?=`: never a line break (CWE-113). */
export function encodeHeader(value: string): string {
  return PLAIN.test(value) && !isWrapped(value) ? value : `${OPEN}${Buffer.from(value, 'utf8').toString('base64')}${CLOSE}`;
}

/**
 * What such a header stands for; null when it is badly encoded: characters no header may hold, base64 that is not canonical, bytes that
 * are not UTF-8. Two programs would read two values from it, and each decide by its own (CWE-436; MCP 2026-07-28 transports, "Value Encoding").
 */
export function decodeHeader(value: string): string | null {
  if (!isWrapped(value)) return /^[\t\x20-\x7e]*$/.test(value) ? value : null;
  const coded = value.slice(OPEN.length, -CLOSE.length);
  const bytes = Buffer.from(coded, 'base64');
  const isCanonical = value.length >= OPEN.length + CLOSE.length && bytes.toString('base64') === coded;
  return isCanonical && isUtf8(bytes) ? bytes.toString('utf8') : null;
}
