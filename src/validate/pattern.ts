import { RE2JS } from 're2js';
import { SchemaFault } from './fault.ts';

/** What ajv wants of a regular expression. */
export interface LinearPattern {
  readonly test: (text: string) => boolean;
  /** How large it became: a text costs its length times this. */
  readonly states: number;
  /** Its own text, or ajv's cache takes every pattern for the first one and accepts everything. */
  readonly toString: () => string;
}

/** What JavaScript counts as white space; RE2 knows the ASCII part only. */
const SPACE = String.raw`\t\n\v\f\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`;
const NOT_SPACE = String.raw`\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff}`;
const NO_LINE_END = String.raw`[^\n\r\x{2028}\x{2029}]`;

/**
 * Compiles a schema's `pattern` (ECMA-262, as JSON Schema asks) for an engine that runs in linear time: with JavaScript's own, a server's
 * pattern and a caller's text of 30 characters can hang the gateway (ReDoS, CWE-1333). `charge` is told the work before it is done.
 * Throws SchemaFault for what such an engine cannot do (look-around, back-references) and for what is not a pattern.
 */
export function linearPattern(pattern: string, charge: (work: number) => void): LinearPattern {
  let engine: RE2JS;
  try {
    engine = RE2JS.compile(translate(pattern));
  } catch (thrown) {
    if (thrown instanceof SchemaFault) throw thrown;
    throw new SchemaFault('a pattern is too large or uses what a linear-time engine cannot do');
  }
  const states = engine.programSize();
  return {
    states,
    test: (text) => {
      charge(1 + text.length * states);
      return engine.test(text);
    },
    toString: () => `linear ${pattern}`,
  };
}

/** Rewrites ECMA-262 syntax where RE2 reads it otherwise. */
function translate(pattern: string): string {
  const isUnicode = isPattern(pattern, 'u');
  if (!isUnicode && !isPattern(pattern, '')) throw new SchemaFault('a pattern is not a regular expression');
  const at: Cursor = { text: [...pattern], i: 0, isUnicode };
  let out = '';
  while (at.i < at.text.length) out += piece(at);
  return out;
}
interface Cursor {
  readonly text: readonly string[];
  i: number;
  readonly isUnicode: boolean;
}

/** Only the syntax is looked at here; the pattern is never run. */
function isPattern(pattern: string, flags: string): boolean {
  try {
    return new RegExp(pattern, flags) instanceof RegExp;
  } catch {
    return false;
  }
}

function piece(at: Cursor): string {
  const c = at.text[at.i++] ?? '';
  switch (c) {
    case '\\':
      return escape(at, false);
    case '.':
      return NO_LINE_END;
    case '$':
      return String.raw`\z`;
    case ']':
      return String.raw`\]`;
    case '(':
      return group(at);
    case '[':
      return characters(at);
    default:
      return c;
  }
}

function group(at: Cursor): string {
  if (at.text[at.i] !== '?') return '(?:'; // nothing asks for what a group captured
  const kind = at.text[at.i + 1];
  if (kind === ':') at.i += 2;
  else if (kind === '<' && at.text[at.i + 2] !== '=' && at.text[at.i + 2] !== '!') at.i = at.text.indexOf('>', at.i) + 1;
  else throw new SchemaFault('a pattern looks around or sets flags');
  return '(?:';
}

function characters(at: Cursor): string {
  const isNegated = at.text[at.i] === '^';
  if (isNegated) at.i++;
  if (at.text[at.i] === ']') {
    at.i++;
    return isNegated ? '(?s:.)' : throwFault('a pattern has an empty set of characters');
  }
  let out = isNegated ? '[^' : '[';
  for (;;) {
    const c = at.text[at.i++] ?? ']';
    if (c === ']') return `${out}]`;
    if (c === '\\') out += escape(at, true);
    else out += c === '[' ? String.raw`\[` : c;
  }
}

const SAME = new Set('dDwWnrtfv');
function escape(at: Cursor, inClass: boolean): string {
  const c = at.text[at.i++] ?? '';
  if (SAME.has(c)) return `\\${c}`;
  if (c === 's') return inClass ? SPACE : `[${SPACE}]`;
  if (c === 'S') return inClass ? NOT_SPACE : `[${NOT_SPACE}]`;
  if (c === 'b' || c === 'B') return inClass ? String.raw`\x{8}` : `\\${c}`;
  if (c === '0' && !/\d/.test(at.text[at.i] ?? '')) return String.raw`\x{0}`;
  if (c === 'x') return codePoint(take(at, /^[0-9a-f]{2}/i));
  if (c === 'u') return unicodeEscape(at);
  if (c === 'c') return codePoint((take(at, /^[a-z]/i).charCodeAt(0) % 32).toString(16));
  if ((c === 'p' || c === 'P') && at.isUnicode) return `\\${c}${take(at, /^\{[^}]*\}/)}`;
  if (/[0-9A-Za-z]/.test(c)) throw new SchemaFault('a pattern refers back or uses an unknown escape');
  return /[\x21-\x7e]/.test(c) ? `\\${c}` : c;
}

function unicodeEscape(at: Cursor): string {
  if (at.text[at.i] === '{') return codePoint(take(at, /^\{[0-9a-f]+\}/i).slice(1, -1));
  const unit = Number.parseInt(take(at, /^[0-9a-f]{4}/i), 16);
  if (unit < 0xd800 || unit > 0xdfff) return codePoint(unit.toString(16));
  const low = Number.parseInt(take(at, /^\\u[0-9a-f]{4}/i).slice(2), 16);
  return codePoint(((unit - 0xd800) * 0x400 + (low - 0xdc00) + 0x10000).toString(16));
}

const codePoint = (hex: string): string => `\\x{${hex}}`;
function take(at: Cursor, wanted: RegExp): string {
  const found = wanted.exec(at.text.slice(at.i, at.i + 64).join(''))?.[0];
  if (found === undefined) throw new SchemaFault('a pattern uses an unknown escape');
  at.i += [...found].length;
  return found;
}
function throwFault(message: string): never {
  throw new SchemaFault(message);
}
