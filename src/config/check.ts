import { z } from 'zod';
import { type Places as SecretPlaces, looksLikeRef, readSecret } from '../secrets/index.ts';
import { type ConfigFault, type Draft, type Path, clean, formatPath, looksSecret } from './fault.ts';
import { deepFreeze } from './freeze.ts';
import { draftsOf, unsaid } from './issues.ts';
import { placeOf } from './plain.ts';
import { isSecretAt, schemasAt, visit } from './shape.ts';
import { type Source, readYaml } from './yaml.ts';

/** The value behind a reference, for comparing two; null when it cannot be read or is not to be. */
export type Look = (ref: string) => string | null;
/** A rule between rooms. Run only when every room it names is sound by itself. */
export interface CrossCheck<T> {
  readonly needs: readonly (keyof T & string)[];
  readonly find: (config: T, look: Look) => readonly Draft[];
}
export interface Rules<S extends z.ZodType> {
  readonly schema: S;
  readonly cross: readonly CrossCheck<z.output<S>>[];
  /** Where secret references are looked up; null: they are checked for their form only. */
  readonly secrets: SecretPlaces | null;
}
export type Checked<T> = { readonly ok: true; readonly config: T } | { readonly ok: false; readonly faults: readonly ConfigFault[] };

/** Nobody mends more at once, and a file of another kind has one per line. */
const MAX_FAULTS = 500;

/** Checks a text against a schema and the rules between rooms; tells every fault at once, in the order of the file. `source`: the text as `readYaml` reads it, for who has it already. Never throws. */
export function checkText<S extends z.ZodType>(text: string, file: string, rules: Rules<S>, source = readYaml(text)): Checked<z.output<S>> {
  const value = source.value ?? {};
  const parsed = z.safeParse(rules.schema, value, { error: unsaid });
  const found = parsed.success ? [] : withoutEchoes(parsed.error.issues.flatMap((issue) => draftsOf(issue, { schema: rules.schema, value })), source.faults);
  const bad = new Set([...found, ...source.faults].map((draft) => draft.path[0]));
  const secret = secretDrafts(value, rules);
  const look: Look = (ref) => {
    const read = rules.secrets === null ? null : readSecret(ref, rules.secrets);
    return read?.ok === true ? read.value : null;
  };
  const ok = parsed.success ? parsed.data : partial(rules.schema, value, bad);
  const cross = source.brokenAt === null ? rules.cross.filter((check) => !bad.has(undefined) && check.needs.every((room) => !bad.has(room))).flatMap((check) => check.find(ok, look)) : [];
  const drafts = [...source.faults, ...[...found, ...secret, ...cross].filter((draft) => isSure(draft, source))];
  if (drafts.length === 0 && parsed.success) return { ok: true, config: deepFreeze(parsed.data) };
  return { ok: false, faults: finish(drafts, source, file, { schema: rules.schema, literals: literals(value, rules.schema) }) };
}

/** A mistyped required key is one fault, not two; so is a value that could not be read. */
function withoutEchoes(drafts: readonly Draft[], form: readonly Draft[]): Draft[] {
  const meant = new Set(drafts.flatMap((draft) => (draft.meant ? [placeOf(draft.meant)] : [])));
  const lost = new Set(form.filter((draft) => draft.lost === true).map((draft) => placeOf(draft.path)));
  return drafts.filter((draft) => !(draft.missing === true && meant.has(placeOf(draft.path))) && !lost.has(placeOf(draft.path)));
}

/** The rooms that are sound, for the rules that need only those; the others stand at their defaults and are not looked at. */
function partial<S extends z.ZodType>(schema: S, value: unknown, bad: ReadonlySet<string | number | undefined>): z.output<S> {
  const sound = value !== null && typeof value === 'object' ? Object.fromEntries(Object.entries(value).filter(([room]) => !bad.has(room))) : {};
  const parsed = z.safeParse(schema, sound);
  return parsed.success ? parsed.data : ({} as z.output<S>); // `needs` keeps every rule away from what is not there
}

/** After a fault of form the tree is guesswork: what it seems to lack or hold from there on is not told. */
function isSure(draft: Draft, source: Source): boolean {
  if (source.brokenAt === null) return true;
  return draft.missing !== true && offsetOf(draft, source) < source.brokenAt;
}

/** Every reference must give a secret now, or the first call that needs it fails at night. */
function secretDrafts(value: unknown, rules: Rules<z.ZodType>): Draft[] {
  const drafts: Draft[] = [];
  const places = rules.secrets;
  if (places === null) return drafts;
  visit(value, (path, each) => {
    if (typeof each !== 'string' || !looksLikeRef(each) || !isSecretAt(rules.schema, path)) return;
    const read = readSecret(each, places);
    if (!read.ok) drafts.push({ path, wrong: read.wrong, mend: read.mend });
  });
  return drafts;
}

/** What people wrote where a secret might stand. Second line of defence: no fault may quote any of it (CWE-532). */
function literals(value: unknown, schema: z.ZodType): readonly string[] {
  const found = new Set<string>();
  const note = (text: string): void => {
    if (text.length >= 4 && !looksLikeRef(text)) found.add(text);
  };
  visit(value, (path, each) => {
    const under = path.findIndex((_, index) => mayHoldSecret(schema, path.slice(0, index + 1)));
    const deep = under >= 0 && under < path.length - 1;
    const last = path.at(-1);
    if (deep && typeof last === 'string' && schemasAt(schema, path).length === 0) note(last); // `secret: {hunter2}` is a map with one key
    if (under >= 0 && (typeof each === 'string' || typeof each === 'number')) note(String(each));
  });
  return [...found].toSorted((a, b) => b.length - a.length);
}
/** A reference is wanted there, or nobody knows the key and it sounds like one under which people write secrets. */
const mayHoldSecret = (schema: z.ZodType, path: Path): boolean => isSecretAt(schema, path, true) || (looksSecret(path) && schemasAt(schema, path).length === 0);

/** What no fault may show. */
interface Hidden {
  readonly schema: z.ZodType;
  readonly literals: readonly string[];
}
function finish(drafts: readonly Draft[], source: Source, file: string, hidden: Hidden): readonly ConfigFault[] {
  const hide = (text: string): string => clean(hidden.literals.reduce((left, literal) => left.replaceAll(literal, '…'), text));
  const placed = drafts.map((draft) => ({ draft, offset: offsetOf(draft, source) })).toSorted((a, b) => a.offset - b.offset);
  const faults = new Map<string, ConfigFault>();
  for (const { draft, offset } of placed.slice(0, MAX_FAULTS)) {
    const { line, col } = source.lines.linePos(offset);
    const path = hidePath(draft.path.length === 0 && draft.offset !== undefined ? pathAt(offset, source) : draft.path, hidden);
    const fault = { file, line: Math.max(line, 1), column: Math.max(col, 1), path, wrong: hide(draft.wrong), mend: hide(draft.mend) };
    faults.set(`${line}:${col}:${path}:${fault.wrong}`, fault);
  }
  const all = [...faults.values()];
  const last = all.at(-1);
  if (placed.length <= MAX_FAULTS || last === undefined) return all;
  return [...all, { ...last, path: '(file)', wrong: `and ${placed.length - MAX_FAULTS} more faults`, mend: '# mend the first ones and check again' }];
}
/** The value that a place in the text belongs to: that of the last key before it. */
function pathAt(offset: number, source: Source): Path {
  let best = '[]';
  let at = -1;
  for (const [path, { key }] of source.places) if (key <= offset && key > at) [best, at] = [path, key];
  return JSON.parse(best) as Path; // written by placeOf
}
/** A path to be shown: parts that hold a literal, or that nobody knows and that are no plain word (`{secret:hunter2}`), are left out. */
function hidePath(path: Path, { schema, literals }: Hidden): string {
  const isOdd = (part: string, index: number): boolean => !/^[A-Za-z_][\w.-]{0,63}$/.test(part) && schemasAt(schema, path.slice(0, index + 1)).length === 0;
  return formatPath(path.map((part, index) => (typeof part === 'string' && (literals.includes(part) || isOdd(part, index)) ? '…' : part)));
}

/** The offset of what the draft is about; of the nearest parent that stands in the file when it is about something missing. */
function offsetOf(draft: Draft, source: Source): number {
  if (draft.offset !== undefined) return draft.offset;
  for (let length = draft.path.length; length > 0; length--) {
    const place = source.places.get(placeOf(draft.path.slice(0, length)));
    if (place !== undefined) return draft.on !== 'key' && length === draft.path.length ? place.value : place.key;
  }
  return 0;
}
