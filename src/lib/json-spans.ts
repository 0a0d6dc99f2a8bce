/**
 * Cuts JSON text without re-serializing it, so that what was not changed keeps its bytes (numbers beyond 2^53, key order, spacing).
 * Every function expects text that a JSON parser has already taken; on other text the spans mean nothing, but nothing hangs or throws.
 */
export interface Cut {
  /** `text.slice(start, end)` is the value. */
  readonly start: number;
  readonly end: number;
}
export interface Member extends Cut {
  readonly name: string;
  /** Where the quote before the name stands. */
  readonly key: number;
}

const QUOTE = 34, COMMA = 44, OPEN_ARRAY = 91, BACKSLASH = 92, CLOSE_ARRAY = 93, OPEN = 123, CLOSE = 125;

/** The members of the object at `at`, in order; empty when there is no object. */
export function membersOf(text: string, at = 0): Member[] {
  const found: Member[] = [];
  let i = skipSpace(text, at);
  if (text.charCodeAt(i) !== OPEN) return found;
  i = skipSpace(text, i + 1);
  while (text.charCodeAt(i) === QUOTE) {
    const key = i;
    const keyEnd = endOfString(text, i);
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const end = endOfValue(text, start);
    found.push({ name: nameAt(text, key, keyEnd), key, start, end });
    i = skipSpace(text, end);
    if (text.charCodeAt(i) !== COMMA) break;
    i = skipSpace(text, i + 1);
  }
  return found;
}

/** The elements of the array at `at`, in order; empty when there is no array. */
export function elementsOf(text: string, at = 0): Cut[] {
  const found: Cut[] = [];
  let i = skipSpace(text, at);
  if (text.charCodeAt(i) !== OPEN_ARRAY) return found;
  i = skipSpace(text, i + 1);
  while (i < text.length && text.charCodeAt(i) !== CLOSE_ARRAY) {
    const end = endOfValue(text, i);
    found.push({ start: i, end });
    i = skipSpace(text, end);
    if (text.charCodeAt(i) !== COMMA) break;
    i = skipSpace(text, i + 1);
  }
  return found;
}

/** The value that the names lead to from the top, or null. */
export function cutAt(text: string, path: readonly string[]): Cut | null {
  let cut: Cut = { start: skipSpace(text, 0), end: text.length };
  for (const name of path) {
    const member = membersOf(text, cut.start).find((m) => m.name === name);
    if (member === undefined) return null;
    cut = member;
  }
  return path.length === 0 ? { start: cut.start, end: endOfValue(text, cut.start) } : cut;
}

/** The text of the value that the names lead to, or null. */
export function textAt(text: string, path: readonly string[]): string | null {
  const cut = cutAt(text, path);
  return cut === null ? null : text.slice(cut.start, cut.end);
}

/** Puts `value` in the place of a cut. */
export const splice = (text: string, cut: Cut, value: string): string => text.slice(0, cut.start) + value + text.slice(cut.end);

/** The object's text with the named members taken out; the others keep their bytes. Returns `text` itself when none is there. */
export function without(text: string, names: readonly string[]): string {
  const all = membersOf(text);
  const kept = all.filter((m) => !names.includes(m.name));
  if (kept.length === all.length) return text;
  return `{${kept.map((m) => text.slice(m.key, m.end)).join(',')}}`;
}

/** The object's text with `members` (`"a":1,"b":2`) put before its own. */
export function withFirst(text: string, members: string): string {
  const open = skipSpace(text, 0) + 1;
  const empty = text.charCodeAt(skipSpace(text, open)) === CLOSE;
  return `{${members}${empty ? '' : ','}${text.slice(open)}`;
}

/** True when some object names a key twice, letter for letter after unescaping. One pass, linear, whatever the nesting. */
export function hasDuplicateName(text: string): boolean {
  const open: (Set<string> | null)[] = []; // null: an array
  let expectName = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) {
      const end = endOfString(text, i);
      if (expectName) {
        const names = open[open.length - 1];
        const name = nameAt(text, i, end);
        if (names?.has(name) === true) return true;
        names?.add(name);
        expectName = false;
      }
      i = end - 1;
    } else if (c === OPEN || c === OPEN_ARRAY) {
      open.push(c === OPEN ? new Set() : null);
      expectName = c === OPEN;
    } else if (c === CLOSE || c === CLOSE_ARRAY) {
      open.pop();
      expectName = false;
    } else if (c === COMMA) expectName = (open[open.length - 1] ?? null) !== null;
  }
  return false;
}

function endOfValue(text: string, at: number): number {
  const first = text.charCodeAt(at);
  if (first === QUOTE) return endOfString(text, at);
  if (first !== OPEN && first !== OPEN_ARRAY) return endOfScalar(text, at);
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) i = endOfString(text, i) - 1;
    else if (c === OPEN || c === OPEN_ARRAY) depth++;
    else if ((c === CLOSE || c === CLOSE_ARRAY) && --depth === 0) return i + 1;
  }
  return text.length;
}

function endOfString(text: string, at: number): number {
  let from = at + 1;
  for (;;) {
    const end = text.indexOf('"', from);
    if (end < 0) return text.length;
    let back = end - 1;
    while (text.charCodeAt(back) === BACKSLASH && back > at) back--;
    if ((end - 1 - back) % 2 === 0) return end + 1;
    from = end + 1;
  }
}

function endOfScalar(text: string, at: number): number {
  let i = at;
  for (; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === COMMA || c === CLOSE || c === CLOSE_ARRAY || c <= 32) break;
  }
  return i;
}

function nameAt(text: string, start: number, end: number): string {
  const plain = text.slice(start + 1, end - 1);
  return plain.includes('\\') ? String(JSON.parse(text.slice(start, end))) : plain;
}

function skipSpace(text: string, at: number): number {
  let i = at;
  while (i < text.length && text.charCodeAt(i) <= 32) i++;
  return i;
}
