import { type Document, type Node, type YAMLMap, type YAMLSeq, isAlias, isMap, isScalar, isSeq } from 'yaml';
import type { Draft, Path } from './fault.ts';

/** Where a key and its value start, as offsets in the text. */
export interface Place {
  readonly key: number;
  readonly value: number;
}
/** By `placeOf(path)`. */
export type Places = ReadonlyMap<string, Place>;
export const placeOf = (path: Path): string => JSON.stringify(path);

/** Aliases let ten lines stand for billions of values (CWE-776); written out, no config comes near these. */
const MAX_VALUES = 200_000;
const MAX_DEPTH = 32;
const MAX_ALIASES = 100;
/** Tags that say what a plain YAML value is anyway. */
const KNOWN_TAG = /^(?:!|tag:yaml\.org,2002:(?:str|int|float|bool|null|map|seq))$/;

interface Work {
  readonly doc: Document.Parsed;
  readonly lineOf: (offset: number) => number;
  readonly places: Map<string, Place>;
  readonly faults: Draft[];
  left: number;
  aliasesLeft: number;
  /** Set when the tree was given up: what was read so far says nothing. */
  overflow: Draft | null;
}

/** Turns a document into plain values, noting where each stands. Never throws; what has no plain form becomes a fault and null. */
export function toPlain(doc: Document.Parsed, lineOf: (offset: number) => number): Plain {
  const work: Work = { doc, lineOf, places: new Map(), faults: [], left: MAX_VALUES, aliasesLeft: MAX_ALIASES, overflow: null };
  const value = convert(work, doc.contents, [], 0, 0);
  return { value, places: work.places, faults: work.faults, overflow: work.overflow };
}
interface Plain {
  readonly value: unknown;
  readonly places: Places;
  readonly faults: readonly Draft[];
  readonly overflow: Draft | null;
}

function convert(work: Work, node: unknown, path: Path, at: number, depth: number): unknown {
  const offset = offsetOf(node, at);
  const fault = (wrong: string, mend: string): null => {
    work.faults.push({ path, wrong, mend, offset, lost: true });
    return null;
  };
  const overflow = (wrong: string, mend: string): null => {
    work.overflow ??= { path, wrong, mend, offset };
    return null;
  };
  if (work.overflow !== null) return null;
  if (work.left-- <= 0) return overflow(`the file holds more than ${MAX_VALUES} values, aliases written out`, '# write fewer values, or use fewer aliases');
  if (depth > MAX_DEPTH) return overflow(`is nested deeper than ${MAX_DEPTH} levels, or an alias contains itself`, '# write the value without the alias');
  if (isAlias(node)) {
    if (work.aliasesLeft-- <= 0) return overflow(`the file follows more than ${MAX_ALIASES} aliases`, '# write the values out');
    const target: Node | undefined = node.resolve(work.doc);
    if (target === undefined) return fault('an alias (`*name`) has no anchor (`&name`) before it, or a text starts with `*`', 'key: "*"');
    return convert(work, target, path, offset, depth + 1);
  }
  const tag = (node as Node | null)?.tag;
  if (typeof tag === 'string' && !KNOWN_TAG.test(tag)) return fault('this tag is not known', 'key: "text without a tag"');
  if (isMap(node)) return convertMap(work, node, path, depth);
  if (isSeq(node)) return convertSeq(work, node, path, depth);
  if (!isScalar(node)) return null;
  const value = node.value;
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number') return value;
  return fault('this kind of value is not allowed', 'key: "text"');
}

function convertSeq(work: Work, node: YAMLSeq, path: Path, depth: number): unknown[] {
  const list: unknown[] = [];
  for (const item of node.items) {
    if (work.overflow !== null) break;
    const inner = [...path, list.length];
    const offset = offsetOf(item, offsetOf(node, 0));
    work.places.set(placeOf(inner), { key: offset, value: offset });
    list.push(convert(work, item, inner, offset, depth + 1));
  }
  return list;
}

function convertMap(work: Work, node: YAMLMap, path: Path, depth: number): Record<string, unknown> {
  const map: Record<string, unknown> = {};
  const seen = new Map<string, number>();
  for (const pair of node.items) {
    if (work.overflow !== null) break;
    const offset = offsetOf(pair.key, offsetOf(node, 0));
    const key = keyText(pair.key);
    if (key === null || key === '__proto__') {
      // zod leaves `__proto__` out of records without a word, so it is refused here.
      work.faults.push({ path, wrong: key === null ? 'a key must be plain text' : 'this key is reserved', mend: key === null ? 'name: value' : '# remove it', offset });
      continue;
    }
    const inner = [...path, key];
    const first = seen.get(key);
    if (first !== undefined) {
      // Readers disagree whether the first or the last counts: a reviewer would read one and the gateway run the other (CWE-694).
      work.faults.push({ path: inner, wrong: `this key stands here twice, first on line ${work.lineOf(first)}`, mend: '# remove one of the two', offset });
      continue;
    }
    seen.set(key, offset);
    work.places.set(placeOf(inner), { key: offset, value: offsetOf(pair.value, offset) });
    map[key] = convert(work, pair.value, inner, offset, depth + 1);
  }
  return map;
}

/** `8080:` and `true:` are keys too; they are taken as written. */
function keyText(key: unknown): string | null {
  if (typeof key === 'string') return key;
  if (!isScalar(key) || (typeof key.tag === 'string' && !KNOWN_TAG.test(key.tag))) return null;
  return typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
}
/** Where a node starts; an empty node (`key:`) stands where its key does. */
function offsetOf(node: unknown, otherwise: number): number {
  const range = (node as Node | null | undefined)?.range;
  if (!range || (isScalar(node) && node.value === null && range[0] === range[1])) return otherwise;
  return range[0];
}
