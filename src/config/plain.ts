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
const MAX_VALUES = 50_000;
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
}

/** Turns a document into plain values, noting where each stands. Never throws; what has no plain form becomes a fault and null. */
export function toPlain(doc: Document.Parsed, lineOf: (offset: number) => number): { readonly value: unknown; readonly places: Places; readonly faults: readonly Draft[] } {
  const work: Work = { doc, lineOf, places: new Map(), faults: [], left: MAX_VALUES, aliasesLeft: MAX_ALIASES };
  const value = convert(work, doc.contents, [], 0, 0);
  return { value, places: work.places, faults: work.faults };
}

function convert(work: Work, node: unknown, path: Path, at: number, depth: number): unknown {
  const offset = offsetOf(node, at);
  const fault = (wrong: string, mend: string): null => {
    work.faults.push({ path, wrong, mend, offset });
    return null;
  };
  if (work.left-- <= 0) return work.left === -1 ? fault(`the file holds more than ${MAX_VALUES} values, aliases written out`, '# write fewer values, or use fewer aliases') : null;
  if (depth > MAX_DEPTH) return fault(`is nested deeper than ${MAX_DEPTH} levels, or an alias contains itself`, '# write the value without the alias');
  if (isAlias(node)) {
    if (work.aliasesLeft-- <= 0) return work.aliasesLeft === -1 ? fault(`the file follows more than ${MAX_ALIASES} aliases`, '# write the values out') : null;
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
    if (work.left <= 0) break;
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
    if (work.left <= 0) break;
    const offset = offsetOf(pair.key, offsetOf(node, 0));
    const key = keyText(pair.key);
    if (key === null) {
      work.faults.push({ path, wrong: 'a key must be plain text', mend: 'name: value', offset });
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
    const value = convert(work, pair.value, inner, offset, depth + 1);
    // defineProperty, because `map['__proto__'] = …` would change what the object inherits (CWE-1321).
    Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
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
