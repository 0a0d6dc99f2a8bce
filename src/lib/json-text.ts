/** Where a value stands in the text: `text.slice(start, end)`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}
/** A number a double cannot carry: more digits than survive, overflow or underflow. `pointer` is from the root (RFC 6901). */
export interface Inexact {
  readonly pointer: string;
  readonly literal: string;
}

/** True when reading the literal as a double and printing it again gives the same number (RFC 7493 section 2.2). */
export function isExactNumber(literal: string): boolean {
  const value = Number(literal);
  if (Number.isNaN(value)) return true; // not a number at all: the parser refuses it
  if (!Number.isFinite(value)) return false;
  return decimal(literal) === decimal(String(value));
}

/** `[-]digits e exponent` without leading or trailing zeros, so that equal numbers have equal text. */
function decimal(literal: string): string {
  const e = literal.search(/[eE]/);
  const mantissa = e < 0 ? literal : literal.slice(0, e);
  let exponent = e < 0 ? 0 : Number(literal.slice(e + 1));
  const dot = mantissa.indexOf('.');
  const sign = mantissa.charCodeAt(0) === 45 ? 1 : 0;
  const digits = dot < 0 ? mantissa.slice(sign) : mantissa.slice(sign, dot) + mantissa.slice(dot + 1);
  if (dot >= 0) exponent -= mantissa.length - dot - 1;
  let end = digits.length;
  while (end > 0 && digits.charCodeAt(end - 1) === 48) end--;
  let start = 0;
  while (start < end && digits.charCodeAt(start) === 48) start++;
  if (start === end) return '0';
  return `${sign === 1 ? '-' : ''}${digits.slice(start, end)}e${exponent + digits.length - end}`;
}

/** One open container: its pointer, and for arrays the index of the item being read, for objects -1. */
interface Place {
  readonly pointer: string;
  index: number;
  key: string;
  expectKey: boolean;
}

/** The JSON Pointers (RFC 6901) of the literals at these ascending offsets. `text` is valid JSON. Off the hot path. */
export function pointersAt(text: string, offsets: readonly number[]): Inexact[] {
  const found: Inexact[] = [];
  const places: Place[] = [];
  let next = 0;
  for (let i = 0; i < text.length && next < offsets.length; i++) {
    const place = places[places.length - 1];
    if (i === offsets[next]) {
      const end = endOfScalar(text, i);
      found.push({ pointer: pointerOf(place), literal: text.slice(i, end) });
      next++;
      i = end - 1;
      continue;
    }
    const c = text[i];
    if (c === '{' || c === '[') places.push({ pointer: pointerOf(place), index: c === '[' ? 0 : -1, key: '', expectKey: c === '{' });
    else if (c === '}' || c === ']') places.pop();
    else if (c === ',' && place !== undefined) {
      if (place.index >= 0) place.index++;
      else place.expectKey = true;
    } else if (c === '"') {
      const end = endOfString(text, i);
      if (place?.expectKey === true) {
        place.key = keyAt(text, i, end);
        place.expectKey = false;
      }
      i = end - 1;
    }
  }
  return found;
}

function pointerOf(place: Place | undefined): string {
  if (place === undefined) return '';
  return place.index >= 0 ? `${place.pointer}/${place.index}` : `${place.pointer}/${place.key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/**
 * Where the value stands that `path` leads to through objects, or null. `text` is valid JSON without duplicate keys (parseStrict
 * said so). For cutting a value out of a message, or putting another in its place, without touching the other bytes.
 */
export function spanAt(text: string, path: readonly string[]): Span | null {
  let at = skipSpace(text, 0);
  for (const name of path) {
    const found = memberAt(text, at, name);
    if (found < 0) return null;
    at = found;
  }
  return { start: at, end: endOfValue(text, at) };
}

/** The offset of the value of `name` in the object at `at`, or -1. */
function memberAt(text: string, at: number, name: string): number {
  if (text[at] !== '{') return -1;
  let i = skipSpace(text, at + 1);
  while (i < text.length && text[i] === '"') {
    const end = endOfString(text, i);
    const key = keyAt(text, i, end);
    i = skipSpace(text, skipSpace(text, end) + 1);
    if (key === name) return i;
    i = skipSpace(text, endOfValue(text, i));
    if (text[i] !== ',') return -1;
    i = skipSpace(text, i + 1);
  }
  return -1;
}

function endOfValue(text: string, at: number): number {
  const first = text[at];
  if (first === '"') return endOfString(text, at);
  if (first !== '{' && first !== '[') return endOfScalar(text, at);
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    const c = text[i];
    if (c === '"') i = endOfString(text, i) - 1;
    else if (c === '{' || c === '[') depth++;
    else if ((c === '}' || c === ']') && --depth === 0) return i + 1;
  }
  return text.length;
}

function endOfString(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 34) return i + 1;
    if (c === 92) i++;
  }
  return text.length;
}

function endOfScalar(text: string, at: number): number {
  let i = at;
  while (i < text.length && !',]} \t\r\n'.includes(text[i] ?? ',')) i++;
  return i;
}

function keyAt(text: string, start: number, end: number): string {
  const plain = text.slice(start + 1, end - 1);
  return plain.includes('\\') ? String(JSON.parse(text.slice(start, end))) : plain;
}

function skipSpace(text: string, at: number): number {
  let i = at;
  while (i < text.length && ' \t\r\n'.includes(text[i] ?? 'x')) i++;
  return i;
}
