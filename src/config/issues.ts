import { z } from 'zod';
import { type Draft, type Path, looksSecret } from './fault.ts';
import { SEE, mendOf, yamlLine } from './example.ts';
import { nearest, snake } from './nearest.ts';
import { type Schema, bare, fieldsOf, isSecretAt, schemasAt, valueAt } from './shape.ts';
import { inUnitOf } from './units.ts';

/** What the schema fault is judged against: the whole schema and the whole value, so that neighbours can be suggested. */
export interface Context {
  readonly schema: Schema;
  readonly value: unknown;
}
type Issue = z.core.$ZodIssue;

/** Marks messages that no room has written, so that ours can stand in their place. */
const OURS = '\u0000';
/** To be passed as `error` when parsing: rooms' own sentences win over it. */
export const unsaid = (): string => OURS;

/** Turns one schema fault into drafts, each with a mend. */
export function draftsOf(issue: Issue, context: Context, under: Path = []): Draft[] {
  const path = [...under, ...issue.path.map((part) => (typeof part === 'number' ? part : String(part)))];
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey([...path, key], context));
  if (issue.code === 'invalid_union' && issue.message === OURS) return unionDrafts(issue, path, context);
  if (issue.code === 'invalid_key' && issue.message === OURS) return [{ path, wrong: said(issue.issues[0]) ?? 'this name is not allowed here', mend: otherName(path, context), on: 'key' }];
  const value = valueAt(context.value, path);
  const schemas = schemasAt(context.schema, path);
  const missing = value === undefined && issue.code !== 'custom';
  const wrong = missing ? 'is missing' : (said(issue) ?? sentence(issue, value, schemas));
  return [{ path, wrong, mend: mendFrom(issue) ?? converted(issue, path, value) ?? limit(issue, path, schemas) ?? mendOf(schemas, path), on: missing ? 'key' : 'value', missing }];
}
const said = (issue: Issue | undefined): string | null => (issue === undefined || issue.message === OURS ? null : issue.message);
/** A room's own mend: `ctx.addIssue({ code: 'custom', message, params: { mend } })`. */
function mendFrom(issue: Issue): string | null {
  const mend: unknown = issue.code === 'custom' ? issue.params?.['mend'] : undefined;
  return typeof mend === 'string' ? mend : null;
}

/** The name in lower case, without what names may not hold, when that makes it one that is allowed. */
function otherName(path: Path, { schema }: Context): string {
  const name = String(path.at(-1)).slice(0, 64).toLowerCase().replaceAll(/[^a-z0-9-]+/g, '-').replaceAll(/^-+|-+$/g, '');
  const fits = schemasAt(schema, path.slice(0, -1)).some((each) => {
    const def = bare(each).schema._zod.def;
    return def.type === 'record' && z.safeParse(def.keyType, name).success;
  });
  return fits ? `# rename it: ${name}` : SEE;
}

/** A key nobody knows is a fault: a mistyped `denied_tools` that is silently ignored lets the tool through (CWE-1188, THREATS section 3). */
function unknownKey(path: Path, { schema, value }: Context): Draft {
  const key = String(path.at(-1));
  const above = path.slice(0, -1);
  const fields = new Map(schemasAt(schema, above).flatMap((each) => [...(fieldsOf(each) ?? [])]));
  if (!/^[A-Za-z_][\w.-]{0,63}$/.test(key)) {
    // `{secret:hunter2}` is one long key in YAML: it is not repeated, it may hold a secret.
    const colon = key.includes(':') ? '; a space is missing after its colon' : '';
    return { path: above, wrong: `holds a key that is not known here${colon}`, mend: known(fields), on: 'key' };
  }
  const near = nearest(key, fields.keys());
  const wrong = near === null ? 'unknown key' : `unknown key; did you mean \`${near}\`?`;
  const home = near === null && above.length === 0 ? homeOf(schema, key) : null;
  if (home !== null) return { path, wrong: `unknown key; it belongs under \`${home}\``, mend: `# move it: ${home}.${key}`, on: 'key' };
  const field = near === null ? undefined : fields.get(near);
  if (near === null || field === undefined) return { path, wrong, mend: known(fields), on: 'key' };
  return { path, wrong, mend: renamed([...above, near], key, valueAt(value, path), field), on: 'key', meant: [...above, near] };
}
const known = (fields: ReadonlyMap<string, Schema>): string => (fields.size === 0 ? '# remove it' : `# remove it; known here: ${[...fields.keys()].join(', ')}`);

/** The room that knows a key which someone wrote at the top of the file. */
function homeOf(schema: Schema, key: string): string | null {
  for (const [room, fields] of fieldsOf(schema) ?? []) if (fieldsOf(fields)?.has(key)) return room;
  return null;
}

/** The line with the right key. Only numbers and booleans are taken over: a text might be a secret under a mistyped key. */
function renamed(path: Path, from: string, value: unknown, field: Schema): string {
  const to = String(path.at(-1));
  if (looksSecret([from]) || looksSecret(path) || bare(field).isSecretRef) return mendOf([field], path);
  const written = snake(from);
  // A bare number under a key without a unit may be seconds or milliseconds: it is not guessed.
  const amount = typeof value === 'string' || inUnitOf(written, 1) !== null ? inUnitOf(to, value, written) : null;
  if (amount !== null) return yamlLine(path, amount);
  const keeps = typeof value === 'boolean' || (typeof value === 'number' && inUnitOf(to, value) === null);
  return keeps ? yamlLine(path, value) : mendOf([field], path);
}

/** `timeout_ms: 30s` becomes `timeout_ms: 30000`; `enabled: yes`, a text in YAML 1.2, becomes `enabled: true`. */
function converted(issue: Issue, path: Path, value: unknown): string | null {
  if (issue.code !== 'invalid_type' || typeof value !== 'string' || looksSecret(path)) return null;
  const key = path.findLast((part) => typeof part === 'string') ?? '';
  if (issue.expected === 'number' || issue.expected === 'int') {
    const amount = inUnitOf(key, value) ?? (/^\d{1,15}$/.test(value) ? Number(value) : null);
    return amount === null ? null : yamlLine(path, amount);
  }
  if (issue.expected === 'boolean' && /^(?:yes|on|true|no|off|false)$/i.test(value)) return yamlLine(path, /^(?:yes|on|true)$/i.test(value));
  return null;
}

/** A number out of bounds becomes the default, else the bound itself. */
function limit(issue: Issue, path: Path, schemas: readonly Schema[]): string | null {
  if ((issue.code !== 'too_small' && issue.code !== 'too_big') || issue.inclusive === false || schemas.some((schema) => bare(schema).fallback)) return null;
  return issue.origin === 'number' || issue.origin === 'int' ? yamlLine(path, Number(issue.code === 'too_small' ? issue.minimum : issue.maximum)) : null;
}

/** Of a union's variants the one that fits best is meant; its faults are told, not those of all. */
function unionDrafts(issue: z.core.$ZodIssueInvalidUnion, path: Path, context: Context): Draft[] {
  const [first, ...others] = issue.errors;
  if (first === undefined) return [choice(issue, path, context)];
  const best = others.reduce((a, b) => (cost(b) < cost(a) ? b : a), first);
  const flat = issue.errors.every((errors) => errors.length === 1 && errors[0]?.code === 'invalid_type' && errors[0].path.length === 0);
  if (!flat) return best.flatMap((each) => draftsOf(each, context, path));
  return [{ path, wrong: 'is of no type that is allowed here', mend: mendOf(schemasAt(context.schema, path), path) }];
}
/** A variant of another type, or of another literal, was not meant at all. */
const cost = (issues: readonly Issue[]): number =>
  issues.reduce((sum, issue) => sum + (issue.path.length === 0 && issue.code !== 'unrecognized_keys' ? 100 : issue.code === 'invalid_value' ? 10 : 1), 0);
function choice(issue: z.core.$ZodIssueInvalidUnion, path: Path, context: Context): Draft {
  const options = 'options' in issue && issue.options ? issue.options.map(String) : [];
  const key = issue.inclusive === false ? undefined : issue.discriminator;
  const wrong = options.length === 0 ? 'fits no known form' : `must be one of ${options.join(', ')}`;
  const at = key !== undefined && path.at(-1) !== key ? [...path, key] : path;
  return { path: at, wrong, mend: options[0] === undefined ? SEE : yamlLine(at, options[0]), ...(valueAt(context.value, at) === undefined ? { on: 'key', missing: true } : {}) };
}

/** Says what is wrong in our own words, without the value. */
function sentence(issue: Issue, value: unknown, schemas: readonly Schema[]): string {
  if (issue.code === 'invalid_type') return `must be ${article(issue.expected)}, not ${typeOf(value)}`;
  if (issue.code === 'invalid_value') return `must be ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map(String).join(', ')}`;
  if (issue.code === 'too_small') return bound(issue, 'at least', issue.minimum);
  if (issue.code === 'too_big') return bound(issue, 'at most', issue.maximum);
  if (issue.code === 'not_multiple_of') return `must be a multiple of ${issue.divisor}`;
  if (issue.code !== 'invalid_format') return 'is not allowed';
  if (schemas.some((schema) => isSecretAt(schema, []))) return 'must be a reference to a secret';
  return issue.format === 'regex' ? 'is not written as it must be' : `is not a valid ${issue.format}`;
}
function bound(issue: z.core.$ZodIssueTooBig | z.core.$ZodIssueTooSmall, words: string, limit: number | bigint): string {
  const unit = issue.origin === 'string' ? ' characters long' : issue.origin === 'array' ? ' items long' : '';
  return `must be ${issue.exact ? 'exactly' : issue.inclusive === false ? words.replace('at least', 'more than').replace('at most', 'less than') : words} ${limit}${unit}`;
}
const NAMES: Readonly<Record<string, string>> = {
  string: 'text', number: 'a number', int: 'a whole number', boolean: 'true or false', array: 'a list', object: 'a map of keys', record: 'a map of keys', null: 'empty',
};
const article = (type: string): string => NAMES[type] ?? type;
const typeOf = (value: unknown): string =>
  value === null ? 'empty' : Array.isArray(value) ? 'a list' : typeof value === 'number' && !Number.isInteger(value) ? 'a fraction' : (NAMES[typeof value] ?? typeof value);
