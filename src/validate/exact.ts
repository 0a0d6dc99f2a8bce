import type { JsonObject } from '../call/json.ts';
import { compareDecimals, type Decimal, isWhole, parseDecimal } from '../lib/decimal.ts';
import type { Node } from './edges.ts';
import { inPlace, segmentsOf, step } from './follow.ts';
import { BOUNDS, type ReadSchema } from './read.ts';

/**
 * Numbers that a double cannot hold (2^53+1 and the like). JSON.parse has rounded them, so the compiled schema would judge another number than the
 * server executes (CWE-681, CWE-436). Here the literal itself is held against the bounds that apply to it.
 */
export interface Inexact {
  /** Within the arguments. */
  readonly pointer: string;
  readonly literal: string;
}

/** fits: `value` is what the compiled schema may judge in its stead. breaks: it breaks a bound. unknown: cannot be told. */
export type ExactVerdict = { readonly kind: 'fits'; readonly value: JsonObject } | { readonly kind: 'breaks' | 'unknown'; readonly at: Inexact };

export function judgeExactly(schema: ReadSchema, value: JsonObject, inexact: readonly Inexact[]): ExactVerdict {
  let judged = value;
  for (const at of inexact) {
    const stand = standIn(schema, at);
    if (stand === 'breaks' || stand === 'unknown') return { kind: stand, at };
    if (stand === Number(at.literal)) continue;
    if (judged === value) judged = structuredClone(value);
    put(judged, segmentsOf(at.pointer), stand);
  }
  return { kind: 'fits', value: judged };
}

/** A double next to the literal for which all bounds say what they say of the literal. */
function standIn(schema: ReadSchema, at: Inexact): number | 'breaks' | 'unknown' {
  const exact = parseDecimal(at.literal);
  const rounded = Number(at.literal);
  if (exact === null || !Number.isFinite(rounded)) return 'unknown';
  let judges = inPlace([{ node: schema.root, isCertain: true }], schema.graph);
  for (const segment of segmentsOf(at.pointer)) judges = step(judges, segment, schema.graph);
  let isBound = false;
  for (const { node, isCertain } of judges) {
    if (!isCertain && (isNumeric(node) || (isInteger(node) && !isWhole(exact)))) return 'unknown';
    if (VALUES.some((keyword) => node[keyword] !== undefined)) return 'unknown';
    if (!isCertain) continue;
    if ((isInteger(node) && !isWhole(exact)) || !isWithin(node, exact, schema)) return 'breaks';
    isBound ||= isNumeric(node);
  }
  if (!isBound) return rounded;
  const near = [rounded, neighbour(rounded, 1), neighbour(rounded, -1)];
  return near.find((n) => judges.every(({ node, isCertain }) => !isCertain || holdsFor(node, n))) ?? 'unknown';
}

const VALUES = ['enum', 'const', 'multipleOf'];
/** Orders of value against bound that the bound allows. */
const ALLOWED: Readonly<Record<(typeof BOUNDS)[number], readonly number[]>> = { minimum: [0, 1], maximum: [-1, 0], exclusiveMinimum: [1], exclusiveMaximum: [-1] };

const isNumeric = (node: Node): boolean => BOUNDS.some((keyword) => node[keyword] !== undefined) || VALUES.some((keyword) => node[keyword] !== undefined);
const isInteger = ({ type }: Node): boolean => type === 'integer' || (Array.isArray(type) && type.includes('integer') && !type.includes('number'));

/** Against the bounds as the server wrote them, digit by digit. */
function isWithin(node: Node, exact: Decimal, schema: ReadSchema): boolean {
  const written = schema.bounds.get(node);
  return BOUNDS.every((keyword) => {
    const text = written === undefined ? node[keyword] : written.get(keyword);
    const bound = text === undefined ? null : parseDecimal(String(text));
    return bound === null || ALLOWED[keyword].includes(compareDecimals(exact, bound));
  });
}

const holdsFor = (node: Node, n: number): boolean =>
  BOUNDS.every((keyword) => {
    const bound = node[keyword];
    return typeof bound !== 'number' || ALLOWED[keyword].includes(Math.sign(n - bound));
  });

/** The next double up or down. */
function neighbour(n: number, direction: 1 | -1): number {
  if (n === 0) return direction * Number.MIN_VALUE;
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setFloat64(0, n);
  bytes.setBigInt64(0, bytes.getBigInt64(0) + BigInt(n > 0 ? direction : -direction));
  return bytes.getFloat64(0);
}

function put(root: JsonObject, path: readonly string[], n: number): void {
  let at: unknown = root;
  for (const segment of path.slice(0, -1)) at = (at as Readonly<Record<string, unknown>>)[segment];
  (at as Record<string, unknown>)[path.at(-1) ?? ''] = n;
}
