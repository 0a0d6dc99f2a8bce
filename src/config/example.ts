import { stringify } from 'yaml';
import { z } from 'zod';
import type { Path } from './fault.ts';
import { type Bare, type Schema, bare, hasRef } from './shape.ts';

/** Texts by key for which a type alone gives no good example. Rooms may name their own with `.meta({ examples: […] })`. */
const BY_KEY: readonly (readonly [key: RegExp, text: string])[] = [
  [/url$|uri$|issuer$|audience$|origins?$/, 'https://mcp.example.com/mcp'],
  [/origins?$/, 'https://app.example.com'],
  [/^hosts?$/, '127.0.0.1'],
  [/hosts?$/, 'gateway.example.com'],
  [/^command$/, 'npx'],
  [/^args$/, '-y'],
  [/sources?$|cidrs?$|proxies$/, '10.0.0.0/8'],
  [/expires|until|not_after/, '2030-01-01T00:00:00Z'],
  [/scopes?$/, 'github:read'],
  [/tools?$/, 'github__get_*'],
  [/rate|limit/, '60/minute'],
  [/dir$|path$|file$|folder$/, './data'],
  [/^cwd$/, './workspace'],
];
const SIMPLE = ['example', 'github', 'GitHub', 'a', '/example', 'example.com', '10.0.0.0/8', '60/minute', '2030-01-01T00:00:00Z', 'https://mcp.example.com/mcp', '1.0'];

/** A value that the schema takes, for a key of that name; undefined when none is known, and then no example is given. */
export function exampleOf(schema: Schema, key: string): unknown {
  const shape = bare(schema);
  return candidates(shape, key).find((value) => value !== undefined && z.safeParse(schema, value).success);
}

function candidates(shape: Bare, key: string): readonly unknown[] {
  if (shape.isSecretRef) return [`env:${key.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_').replace(/^(?=\d)|^$/, '_')}`];
  const stated = shape.fallback && !isEmpty(shape.fallback.value) ? [shape.fallback.value] : [];
  const first = [...shape.examples, ...stated];
  const def = shape.schema._zod.def;
  if (def.type === 'string') return [...first, ...BY_KEY.filter(([match]) => match.test(key)).map(([, text]) => text), ...SIMPLE, 'a'.repeat(32)];
  if (shape.schema instanceof z.ZodNumber) return [...first, ...numbers(shape.schema)];
  if (def.type === 'boolean') return [...first, false, true];
  if (def.type === 'enum') return [...first, ...Object.values(def.entries)];
  if (def.type === 'literal') return [...first, ...def.values];
  if (def.type === 'array') {
    const item = exampleOf(def.element, key);
    return [...first, item === undefined ? [] : [item], []];
  }
  if (def.type === 'record') {
    const name = exampleOf(def.keyType, 'name');
    const value = exampleOf(def.valueType, key);
    return [...first, typeof name === 'string' && value !== undefined ? { [name]: value } : {}, {}];
  }
  if (def.type === 'object') return [...first, ...objects(def.shape, key)];
  // The variant with a reference first: where a credential may stand, that is the form to show.
  if (def.type === 'union') return [...first, ...def.options.toSorted((a, b) => Number(hasRef(b)) - Number(hasRef(a))).map((option) => exampleOf(option, key))];
  return [...first, 'example', 1, true];
}

/** The object with its required keys only; then, for schemas that want one key or another, with one more. */
function objects(fields: Readonly<Record<string, Schema>>, above: string): readonly unknown[] {
  const all = Object.entries(fields);
  const pair = ([key, field]: readonly [string, Schema]): [string, unknown] => [key, exampleOf(field, key === 'secret' ? above : key)];
  const least = all.filter(([, field]) => bare(field).required).map(pair);
  const more = all.filter(([, field]) => !bare(field).required).map((each) => Object.fromEntries([...least, pair(each)]));
  return [Object.fromEntries(least), ...more];
}
/** Limits first tried are the schema's own. */
function numbers(schema: z.ZodNumber): readonly unknown[] {
  return [1000, 100, 10, schema.minValue, schema.maxValue, 1, 0, 0.5].filter((each) => each !== null && Math.abs(each) < Number.MAX_SAFE_INTEGER);
}
const isEmpty = (value: unknown): boolean => value === null || (typeof value === 'object' && Object.keys(value).length === 0);

/** `key: value` on one line of YAML; `- value` for an item of a list. */
export function yamlLine(path: Path, value: unknown): string {
  const text = stringify(value, { collectionStyle: 'flow', lineWidth: 0, flowCollectionPadding: true, version: '1.2' }).trimEnd();
  const last = path.at(-1);
  if (last === undefined) return text;
  return typeof last === 'number' ? `- ${text}` : `${stringify(last, { lineWidth: 0 }).trimEnd()}: ${text}`;
}
/** For what only a person can know. */
export const SEE = '# see docs/reference/configuration.md';
/** The mend of a value at a path whose schema is known. */
export function mendOf(schemas: readonly Schema[], path: Path): string {
  const key = path.findLast((part) => typeof part === 'string') ?? 'value';
  const values = schemas.map((schema) => exampleOf(schema, key));
  const value = values.find((each) => each !== undefined);
  return value === undefined ? SEE : yamlLine(path, value);
}
