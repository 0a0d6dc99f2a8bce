import { isExact } from './decimal.ts';
import type { Span } from './json-text.ts';

export type Fault = 'json' | 'duplicate_key' | 'prototype_key' | 'depth' | 'keys';
export interface Limits {
  /** How many arrays and objects may stand in each other. */
  readonly maxDepth: number;
  /** How many keys one object may have; 100,000 when left out. */
  readonly maxKeys?: number;
}
interface Ranges {
  params: Span | null;
  arguments: Span | null;
  inputs: Span | null;
  result: Span | null;
}

const QUOTE = 34, COMMA = 44, MINUS = 45, ZERO = 48, NINE = 57, OPEN_ARRAY = 91, BACKSLASH = 92, CLOSE_ARRAY = 93, OPEN = 123, CLOSE = 125, SMALL_U = 117;
/** Objects with at most so many plain keys are compared key by key; above it a Set keeps the work linear (CWE-407). */
const FEW = 16;
/** So many bytes of a string are looked at one by one. */
const SHORT = 48;
const ARRAY = -1;
const BAD = -1, DUPLICATE = -2, PROTOTYPE = -3, TOO_MANY = -4;
/** Keys whose object somebody asks for; what is not an object is nobody's. */
const NOTHING = 0, PARAMS = 1, ARGUMENTS = 2, INPUTS = 3, RESULT = 4, CONSTRUCTOR = 5, PROTOTYPE_KEY = 6, PROTO = 7;

/**
 * One pass over UTF-8 bytes that may yet prove not to be JSON: it must end, stay in bounds and be right for bytes that are JSON; the
 * rest is left to JSON.parse. Bytes, because reading them costs a third of reading the characters of a string.
 */
export class Scan {
  readonly spans: Ranges = { params: null, arguments: null, inputs: null, result: null };
  /** Where the fault is. */
  at = 0;
  /** Offsets of numbers that do not survive a double. */
  inexact: number[] | null = null;
  private readonly bytes: Buffer;
  private readonly limits: Limits;
  private readonly maxKeys: number;
  /** Per open container: where its keys begin in `keys`, or ARRAY. */
  private readonly frames: number[] = [];
  /** Of the open objects: sign, start and end of each plain key. */
  private readonly keys: number[] = [];
  private keyCount = 0;
  /** By depth: the folded keys of objects that are large or have keys with escapes or letters beyond ASCII. */
  private sets: (Set<string> | undefined)[] | null = null;
  /** Depths of the open objects that are the value of a `constructor` key. */
  private constructors: number[] | null = null;
  private expectKey = false;
  /** What the next value is, if it is an object we look for. */
  private wanted = NOTHING;
  /** What the open object at depth 1 and 2 is, and where it began. */
  private top = NOTHING;
  private topStart = 0;
  private argumentsStart = -1;
  /** The first backslash behind the last place where one was looked for. */
  private escapeAt = -1;

  constructor(bytes: Buffer, limits: Limits) {
    this.bytes = bytes;
    this.limits = limits;
    this.maxKeys = limits.maxKeys ?? 100_000;
  }

  run(): Fault | null {
    const bytes = this.bytes;
    const length = bytes.length;
    let i = 0;
    while (i < length) {
      const c = bytes[i]!;
      if (c === QUOTE) {
        const end = this.expectKey ? this.readKey(i + 1) : this.skipValue(i + 1);
        if (end < 0) return this.fault(end, i);
        i = end + 1;
      } else if (c === COMMA) {
        const frames = this.frames;
        this.expectKey = frames.length > 0 && frames[frames.length - 1] !== ARRAY;
        i++;
      } else if (c === OPEN || c === OPEN_ARRAY) {
        if (this.frames.length >= this.limits.maxDepth) return this.depthFault(i);
        if (c === OPEN) this.openObject(i);
        else this.openArray();
        i++;
      } else if (c === CLOSE || c === CLOSE_ARRAY) {
        this.close(i);
        i++;
      } else if ((c >= ZERO && c <= NINE) || c === MINUS) {
        i = this.readNumber(i);
      } else i++;
    }
    return null;
  }

  /** A string that is no key. Long ones are mostly text without escapes: two searches of the machine's own are faster than the loop. */
  private skipValue(start: number): number {
    const bytes = this.bytes;
    const near = Math.min(start + SHORT, bytes.length);
    for (let i = start; i < near; i++) {
      const c = bytes[i]!;
      if (c === QUOTE) return i;
      if (c === BACKSLASH) return skipString(bytes, i);
    }
    // Kept between strings, so that all searches together read the bytes once (CWE-407).
    if (this.escapeAt < near) this.escapeAt = endless(bytes.indexOf(BACKSLASH, near));
    const quote = endless(bytes.indexOf(QUOTE, near));
    if (this.escapeAt < quote) return skipString(bytes, this.escapeAt);
    return quote === Infinity ? BAD : quote;
  }

  private fault(code: number, at: number): Fault {
    this.at = at;
    return code === DUPLICATE ? 'duplicate_key' : code === PROTOTYPE ? 'prototype_key' : code === TOO_MANY ? 'keys' : 'json';
  }
  private depthFault(at: number): Fault {
    this.at = at;
    return 'depth';
  }

  private openArray(): void {
    this.frames.push(ARRAY);
    this.expectKey = false;
    this.wanted = NOTHING;
  }

  private openObject(at: number): void {
    const wanted = this.wanted;
    if (wanted !== NOTHING) {
      this.wanted = NOTHING;
      if (wanted === CONSTRUCTOR) (this.constructors ??= []).push(this.frames.length);
      else if (wanted === ARGUMENTS) this.argumentsStart = at;
      else [this.top, this.topStart] = [wanted, at];
    }
    this.frames.push(this.keyCount);
    this.expectKey = true;
  }

  private close(at: number): void {
    const frame = this.frames.pop();
    this.expectKey = false;
    if (frame === undefined || frame === ARRAY) return;
    const depth = this.frames.length;
    this.keyCount = frame;
    if (this.sets !== null && this.sets.length > depth) this.sets[depth] = undefined;
    if (this.constructors?.at(-1) === depth) this.constructors.pop();
    if (depth === 1) this.closeTop(at + 1);
    else if (depth === 2 && this.argumentsStart >= 0) {
      this.spans.arguments = { start: this.argumentsStart, end: at + 1 };
      this.argumentsStart = -1;
    }
  }

  private closeTop(end: number): void {
    const range = { start: this.topStart, end };
    if (this.top === PARAMS) this.spans.params = range;
    else if (this.top === INPUTS) this.spans.inputs = range;
    else if (this.top === RESULT) this.spans.result = range;
    this.top = NOTHING;
  }

  /** Reads a key that begins at `start`: the offset of its closing quote, or a fault. */
  private readKey(start: number): number {
    const bytes = this.bytes;
    this.expectKey = false;
    this.wanted = NOTHING;
    const length = bytes.length;
    for (let i = start; i < length; i++) {
      const c = bytes[i]!;
      if (c === QUOTE) return this.plainKey(start, i);
      if (c === BACKSLASH || c > 127) return this.oddKey(start);
    }
    return BAD;
  }

  private plainKey(start: number, end: number): number {
    const bytes = this.bytes;
    const depth = this.frames.length - 1;
    const name = nameOf(bytes, start, end);
    if (name !== NOTHING && !this.note(name, depth)) return PROTOTYPE;
    const set = this.sets === null ? undefined : this.sets[depth];
    if (set !== undefined) return this.add(set, bytes.toString('latin1', start, end).toLowerCase(), end);
    const keys = this.keys;
    const from = this.frames[depth]!;
    // Cheap to make, equal for equal keys. Not a hash: keys that agree in it are compared byte by byte.
    const sign = ((end - start) << 16) ^ ((bytes[start]! | 32) << 8) ^ (bytes[end - 1]! | 32);
    for (let k = from; k < this.keyCount; k += 3) {
      if (keys[k] === sign && sameFolded(bytes, keys[k + 1]!, keys[k + 2]!, start, end)) return DUPLICATE;
    }
    const at = this.keyCount;
    keys[at] = sign;
    keys[at + 1] = start;
    keys[at + 2] = end;
    this.keyCount = at + 3;
    if (at - from >= 3 * FEW) this.toSet(depth);
    return end;
  }

  /** A key with escapes or letters beyond ASCII: unescaped and folded before it is compared. */
  private oddKey(start: number): number {
    const end = skipString(this.bytes, start);
    if (end < 0) return end;
    const key = unescape(this.bytes.toString('utf8', start - 1, end + 1));
    if (key === null) return BAD;
    const depth = this.frames.length - 1;
    const name = NAMES.get(key) ?? NOTHING;
    if (name !== NOTHING && !this.note(name, depth)) return PROTOTYPE;
    return this.add(this.sets?.[depth] ?? this.toSet(depth), foldKey(key), end);
  }

  private add(set: Set<string>, folded: string, end: number): number {
    const before = set.size;
    if (set.add(folded).size === before) return DUPLICATE;
    return before >= this.maxKeys ? TOO_MANY : end; // a million keys in one object hold the event loop for a second (CWE-400)
  }

  /** Moves the keys of the open object at `depth` into a Set. */
  private toSet(depth: number): Set<string> {
    const set = new Set<string>();
    const keys = this.keys;
    for (let k = this.frames[depth]!; k < this.keyCount; k += 3) set.add(this.bytes.toString('latin1', keys[k + 1], keys[k + 2]).toLowerCase());
    this.sets ??= [];
    while (this.sets.length < depth) this.sets.push(undefined);
    this.sets[depth] = set;
    return set;
  }

  /** A key of NAMES was read; false when it may not stand here. */
  private note(name: number, depth: number): boolean {
    // Reserved names of JavaScript: assigned by a careless program, they change every object (prototype pollution, CWE-1321).
    if (name === PROTO) return false;
    if (name === PROTOTYPE_KEY) return this.constructors?.at(-1) !== depth;
    if (name === CONSTRUCTOR || (name === ARGUMENTS ? depth === 1 && this.top === PARAMS : depth === 0)) this.wanted = name;
    return true;
  }

  private readNumber(start: number): number {
    const bytes = this.bytes;
    let i = start + 1;
    let plain = true;
    for (; i < bytes.length; i++) {
      const c = bytes[i]!;
      if ((c >= ZERO && c <= NINE) || c === 46 || c === 43 || c === MINUS) continue;
      if (c !== 101 && c !== 69) break;
      plain = false;
    }
    if (plain && i - start <= 15) return i; // at most 15 digits and no exponent: always survives (IEEE 754, DBL_DIG)
    if (!isExact(bytes.toString('latin1', start, i))) (this.inexact ??= []).push(start);
    return i;
  }
}

const NAMES: ReadonlyMap<string, number> = new Map([
  ['params', PARAMS], ['arguments', ARGUMENTS], ['inputs', INPUTS], ['result', RESULT],
  ['constructor', CONSTRUCTOR], ['prototype', PROTOTYPE_KEY], ['__proto__', PROTO],
]);
const NAME_BYTES = [...NAMES].map(([name, id]) => ({ id, bytes: Buffer.from(name) }));

/** Which of NAMES stands there. Most keys are sorted out by their length. */
function nameOf(bytes: Buffer, start: number, end: number): number {
  const length = end - start;
  if (length !== 6 && length !== 9 && length !== 11) return NOTHING;
  for (const name of NAME_BYTES) {
    if (name.bytes.length === length && name.bytes[0] === bytes[start] && startsAt(bytes, start, name.bytes)) return name.id;
  }
  return NOTHING;
}
function startsAt(bytes: Buffer, start: number, name: Buffer): boolean {
  for (let i = 1; i < name.length; i++) if (bytes[start + i] !== name[i]) return false;
  return true;
}

const endless = (at: number): number => (at < 0 ? Infinity : at);

/** From the first byte of a string to its closing quote; BAD when it never closes or escapes an unpaired surrogate. */
function skipString(bytes: Buffer, start: number): number {
  const length = bytes.length;
  for (let i = start; i < length; i++) {
    const c = bytes[i]!;
    if (c === QUOTE) return i;
    if (c !== BACKSLASH) continue;
    i++;
    if (bytes[i] !== SMALL_U) continue;
    const unit = hex4(bytes, i + 1);
    if (unit >= 0xdc00 && unit <= 0xdfff) return BAD;
    if (unit < 0xd800 || unit > 0xdbff) continue;
    if (bytes[i + 5] !== BACKSLASH || bytes[i + 6] !== SMALL_U) return BAD;
    const low = hex4(bytes, i + 7);
    if (low < 0xdc00 || low > 0xdfff) return BAD;
    i += 6;
  }
  return BAD;
}

/** Four hexadecimal digits, or NaN; nonsense is JSON.parse's to refuse. */
const hex4 = (bytes: Buffer, at: number): number => Number.parseInt(bytes.toString('latin1', at, at + 4), 16);

function sameFolded(bytes: Buffer, aStart: number, aEnd: number, bStart: number, bEnd: number): boolean {
  if (aEnd - aStart !== bEnd - bStart) return false;
  for (let i = aStart, j = bStart; i < aEnd; i++, j++) {
    const a = bytes[i]!;
    const b = bytes[j]!;
    if (a !== b && (a >= 65 && a <= 90 ? a | 32 : a) !== (b >= 65 && b <= 90 ? b | 32 : b)) return false;
  }
  return true;
}

function unescape(quoted: string): string | null {
  try {
    const key: unknown = JSON.parse(quoted);
    return typeof key === 'string' ? key : null;
  } catch {
    return null;
  }
}

/**
 * Case folding at least as coarse as Unicode simple folding, which Go's encoding/json uses on keys: `ſ` is `s`, the Kelvin sign is
 * `k`. Down, up, down, because some letters only meet on the way back (`ẞ`, `ß`). Composed, because Swift takes `é` in one
 * letter and in two for the same key.
 */
export const foldKey = (key: string): string => key.toLowerCase().toUpperCase().toLowerCase().normalize('NFC');
