import { isExact, parseDecimal } from './decimal.ts';

/** Deeper than any honest definition; keeps the recursion below far from the end of the stack (CWE-674). */
const MAX_DEPTH = 256;

/**
 * RFC 8785 canonical JSON, made from the raw text: keys sorted by UTF-16 code units, no spaces, one spelling per string and
 * number. Numbers that a double cannot hold keep all their digits (beyond the RFC, which would round 2^53+1 to 2^53).
 * Throws SyntaxError when the text is not JSON, names a key twice in one object or nests deeper than 256: two readers could
 * take such a text for two different things (CWE-436), so it has no canonical form.
 */
export function canonicalJson(text: string): string {
  JSON.parse(text); // the grammar; below, every byte may be trusted to be where it belongs
  const reader: Reader = { text, at: 0 };
  return value(reader, 0);
}

interface Reader {
  readonly text: string;
  at: number;
}

function value(r: Reader, depth: number): string {
  if (depth > MAX_DEPTH) throw new SyntaxError('nested too deeply');
  skipSpace(r);
  switch (r.text[r.at]) {
    case '{':
      return object(r, depth);
    case '[':
      return array(r, depth);
    case '"':
      return JSON.stringify(string(r));
    case 't':
    case 'n':
      return r.text.slice(r.at, (r.at += 4));
    case 'f':
      return r.text.slice(r.at, (r.at += 5));
    default:
      return number(r);
  }
}

function object(r: Reader, depth: number): string {
  const members = new Map<string, string>();
  for (let more = open(r, '}'); more; more = next(r, '}')) {
    skipSpace(r);
    const key = string(r);
    if (members.has(key)) throw new SyntaxError('a key is named twice in one object');
    skipSpace(r);
    r.at++; // the colon
    members.set(key, value(r, depth + 1));
  }
  const keys = [...members.keys()].toSorted(byCodeUnit);
  return `{${keys.map((key) => `${JSON.stringify(key)}:${members.get(key) ?? ''}`).join(',')}}`;
}

function array(r: Reader, depth: number): string {
  const items: string[] = [];
  for (let more = open(r, ']'); more; more = next(r, ']')) items.push(value(r, depth + 1));
  return `[${items.join(',')}]`;
}

/** Steps over the opening bracket; false when the closing one follows at once. */
function open(r: Reader, close: '}' | ']'): boolean {
  r.at++;
  skipSpace(r);
  if (r.text[r.at] !== close) return true;
  r.at++;
  return false;
}

/** Steps over the comma, or over the closing bracket and says false. */
function next(r: Reader, close: '}' | ']'): boolean {
  skipSpace(r);
  return r.text[r.at++] !== close;
}

function string(r: Reader): string {
  const start = r.at++;
  while (r.text[r.at] !== '"') r.at += r.text[r.at] === '\\' ? 2 : 1;
  r.at++;
  return JSON.parse(r.text.slice(start, r.at)) as string;
}

function number(r: Reader): string {
  const start = r.at;
  while ('+-.0123456789Ee'.includes(r.text[r.at] ?? ' ')) r.at++;
  const literal = r.text.slice(start, r.at);
  if (isExact(literal)) return String(Number(literal) + 0);
  const exact = parseDecimal(literal);
  return exact === null ? literal : `${exact.digits}e${exact.exponent}`;
}

function skipSpace(r: Reader): void {
  for (let c = r.text.charCodeAt(r.at); c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09; c = r.text.charCodeAt(r.at)) r.at++;
}
const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
