import { type Automaton, buildAutomaton } from '../lib/automaton.ts';
import { ASSIGNMENT } from './assignments.ts';
import { folding } from './fold.ts';
import { SECRET_RULES, type SecretRule } from './secret-rules.ts';

export interface Redactor {
  /** The text with each secret replaced by `[redacted:<kind>]`; the same string when there is none. Linear time. */
  readonly redact: (text: string) => string;
  /** The kinds of secrets in the text. */
  readonly kinds: (text: string) => readonly string[];
  /** One of these is in every plain ASCII text that holds a secret. */
  readonly keys: readonly string[];
}
interface Found {
  readonly start: number;
  readonly end: number;
  readonly kind: string;
}

/** Compiles the rules once. */
export function buildRedactor(): Redactor {
  const rules = [...SECRET_RULES, ASSIGNMENT];
  const automaton = buildAutomaton(rules.flatMap((rule, value) => rule.keys.map((text) => ({ text, value }))), folding);
  const find = (text: string): Found[] => merge([...findIn(text, rules, automaton), ...findInView(text, rules, automaton)]);
  return {
    redact: (text) => replace(text, find(text)),
    kinds: (text) => [...new Set(find(text).map((found) => found.kind))],
    keys: rules.flatMap((rule) => rule.keys),
  };
}

function findIn(text: string, rules: readonly SecretRule[], automaton: Automaton): Found[] {
  let wanted: Set<number> | null = null;
  automaton.each(text, (value) => (wanted ??= new Set()).add(value));
  const found: Found[] = [];
  for (const value of wanted ?? []) {
    const rule = rules[value];
    if (rule !== undefined) collect(text, rule, found);
  }
  return found;
}

function collect(text: string, rule: SecretRule, found: Found[]): void {
  const pattern = new RegExp(rule.pattern); // its own lastIndex: rules are shared
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const secret = match.length > 1 ? (match[match.length - 1] ?? '') : match[0];
    if (!rule.judge(secret, match)) {
      // A value that is none may begin in front of one that is.
      if (match.length > 1 && secret.length <= 400) pattern.lastIndex = Math.max(match.index + 1, match.index + match[0].length - secret.length);
      continue;
    }
    const start = match.index + match[0].lastIndexOf(secret);
    found.push({ start, end: start + secret.length, kind: rule.kind });
  }
}

// oxlint-disable-next-line no-control-regex
const ENCODED = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})|%[0-9a-fA-F]{2}|&(?:#x[0-9a-fA-F]{1,6}|#[0-9]{1,7}|quot|amp|lt|gt|apos);|[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]/g;
const NAMED: Readonly<Record<string, string>> = { '&quot;': '"', '&amp;': '&', '&lt;': '<', '&gt;': '>', '&apos;': '\'' };

/** What hides a secret from a pattern is read (JSON escapes, percent and entity encoding, unseen characters), and found secrets are mapped back. */
function findInView(text: string, rules: readonly SecretRule[], automaton: Automaton): Found[] {
  if (text.search(ENCODED) < 0) return [];
  let view = '';
  /** Pairs: from this offset of the view on, add this to get the offset in the text. */
  const shifts: [from: number, shift: number][] = [[0, 0]];
  let last = 0;
  for (const match of text.matchAll(ENCODED)) {
    view += text.slice(last, match.index) + decoded(match[0]);
    last = match.index + match[0].length;
    shifts.push([view.length, last - view.length]);
  }
  view += text.slice(last);
  return findIn(view, rules, automaton).map(({ start, end, kind }) => ({ start: toText(shifts, start), end: Math.max(toText(shifts, start) + 1, toText(shifts, end - 1) + 1), kind }));
}
function decoded(code: string): string {
  const first = code[0];
  if (first === '%') return String.fromCharCode(Number.parseInt(code.slice(1), 16));
  if (first === '&') return code[1] === '#' ? point(code[2] === 'x' ? Number.parseInt(code.slice(3), 16) : Number.parseInt(code.slice(2), 10)) : (NAMED[code] ?? '');
  if (first !== '\\') return '';
  const escape = code[1] ?? '';
  return escape === 'u' ? String.fromCharCode(Number.parseInt(code.slice(2), 16)) : (ESCAPES[escape] ?? escape);
}
const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };
const point = (code: number): string => (code > 0 && code <= 0xffff ? String.fromCharCode(code) : '?');

/** The offset in the text of the character at `at` in the view; for a decoded character that of its last code unit. */
function toText(shifts: readonly (readonly [number, number])[], at: number): number {
  let low = 0;
  let high = shifts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((shifts[middle]?.[0] ?? 0) <= at) low = middle;
    else high = middle - 1;
  }
  return at + (shifts[low]?.[1] ?? 0);
}

function merge(found: Found[]): Found[] {
  if (found.length < 2) return found;
  const merged: Found[] = [];
  for (const next of found.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    const before = merged.at(-1);
    if (before === undefined || next.start >= before.end) merged.push(next);
    else if (next.end > before.end) merged[merged.length - 1] = { ...before, end: next.end };
  }
  return merged;
}

function replace(text: string, found: readonly Found[]): string {
  if (found.length === 0) return text;
  let result = '';
  let last = 0;
  for (const { start, end, kind } of found) {
    result += `${text.slice(last, start)}[redacted:${kind}]`;
    last = end;
  }
  return result + text.slice(last);
}
