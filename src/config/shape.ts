import { z } from 'zod';
import { SECRET_FLAG } from '../secrets/index.ts';
import type { Path } from './fault.ts';

/** Any zod schema. */
export type Schema = z.core.$ZodType;

/** A schema without its wrappers (optional, default, readonly, …), with what they said. */
export interface Bare {
  readonly schema: z.core.$ZodTypes;
  readonly required: boolean;
  /** Present when the schema has a default. */
  readonly fallback?: { readonly value: unknown };
  readonly nullable: boolean;
  readonly meaning: string;
  readonly examples: readonly unknown[];
  readonly isSecretRef: boolean;
}

/** Takes the wrappers off, outermost first; the outermost description, example and default win. */
export function bare(schema: Schema): Bare {
  let now = schema as z.core.$ZodTypes; // every zod schema is one of these; the base type does not say so
  let required = true;
  let nullable = false;
  let meaning = '';
  let examples: readonly unknown[] = [];
  let isSecretRef = false;
  let fallback: { readonly value: unknown } | undefined;
  for (;;) {
    const meta = z.globalRegistry.get(now);
    meaning ||= meta?.description ?? '';
    if (examples.length === 0 && Array.isArray(meta?.['examples'])) examples = meta['examples'];
    isSecretRef ||= meta?.[SECRET_FLAG] === true;
    const def = now._zod.def;
    let inner: Schema;
    if (def.type === 'default' || def.type === 'prefault') {
      fallback ??= { value: def.defaultValue };
      required = false;
      inner = def.innerType;
    } else if (def.type === 'optional' || def.type === 'catch') {
      required = false;
      inner = def.innerType;
    } else if (def.type === 'nullable') {
      nullable = true;
      inner = def.innerType;
    } else if (def.type === 'readonly' || def.type === 'nonoptional') inner = def.innerType;
    else if (def.type === 'lazy') inner = def.getter();
    else if (def.type === 'pipe') inner = isTransform(def.in) ? def.out : def.in; // what people write stands on the input side
    else break;
    now = inner as z.core.$ZodTypes;
  }
  return { schema: now, required, nullable, meaning, examples, isSecretRef, ...(fallback ? { fallback } : {}) };
}
const isTransform = (schema: Schema): boolean => schema._zod.def.type === 'transform';

/** The known keys of an object schema; of a union, those of all its object variants; null for what has no fixed keys. */
export function fieldsOf(schema: Schema): ReadonlyMap<string, Schema> | null {
  const def = bare(schema).schema._zod.def;
  if (def.type === 'object') return new Map(Object.entries(def.shape));
  const parts = def.type === 'union' ? def.options : def.type === 'intersection' ? [def.left, def.right] : [];
  const all = parts.map(fieldsOf).filter((fields) => fields !== null);
  return all.length === 0 ? null : new Map(all.flatMap((fields) => [...fields]));
}

/** The schemas one step down. A union may have several. */
function step(schema: Schema, part: string | number): Schema[] {
  const def = bare(schema).schema._zod.def;
  if (def.type === 'object') {
    const field = Object.hasOwn(def.shape, part) ? def.shape[part] : undefined;
    return field ? [field] : def.catchall && def.catchall._zod.def.type !== 'never' ? [def.catchall] : [];
  }
  if (def.type === 'array') return [def.element];
  if (def.type === 'record') return [def.valueType];
  if (def.type === 'union') return def.options.flatMap((option) => step(option, part));
  if (def.type === 'intersection') return [...step(def.left, part), ...step(def.right, part)];
  const item = def.type === 'tuple' ? (def.items[Number(part)] ?? def.rest) : null;
  return item ? [item] : [];
}

/** What may stand at a path; empty when the schema knows no such path. Variants of a union that admit no value there are left out. */
export function schemasAt(schema: Schema, path: Path): readonly Schema[] {
  return path.reduce<readonly Schema[]>((schemas, part) => schemas.flatMap((each) => step(each, part)), [schema]);
}

/** The value at a path of plain data; undefined when there is none. */
export function valueAt(value: unknown, path: Path): unknown {
  let now = value;
  for (const part of path) {
    if (now === null || typeof now !== 'object' || !Object.hasOwn(now, part)) return undefined;
    now = (now as Record<string | number, unknown>)[part];
  }
  return now;
}

/** Visits every value below (and at) a path, parents first. */
export function visit(value: unknown, see: (path: Path, value: unknown) => void, path: Path = []): void {
  see(path, value);
  if (Array.isArray(value)) value.forEach((item, index) => visit(item, see, [...path, index]));
  else if (value !== null && typeof value === 'object') for (const [key, item] of Object.entries(value)) visit(item, see, [...path, key]);
}

/** True when a secret reference may stand at the path; with `orBeside` also when a map that holds one may, as for `{ secret: env:NAME }`. */
export const isSecretAt = (schema: Schema, path: Path, orBeside = false): boolean => schemasAt(schema, path).some((each) => mayBeRef(each, orBeside));
function mayBeRef(schema: Schema, orBeside: boolean): boolean {
  const { isSecretRef, schema: inner } = bare(schema);
  const def = inner._zod.def;
  if (isSecretRef) return true;
  if (def.type !== 'union') return false;
  return def.options.some((option) => mayBeRef(option, orBeside) || (orBeside && hasRef(option)));
}
/** True when the schema is, or is a map that holds, a secret reference. */
export const hasRef = (schema: Schema): boolean => mayBeRef(schema, false) || [...(fieldsOf(schema)?.values() ?? [])].some((field) => mayBeRef(field, false));
