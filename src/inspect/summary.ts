import type { Json, JsonObject } from '../call/json.ts';
import { visible } from '../lib/visible.ts';
import { isObject, objectAt } from './gather.ts';

const LONGEST = 500;

/**
 * What an answer says, for the record: at most 500 characters, redacted before it is cut, so that no half of a secret is left, and
 * with control characters made visible (log injection, CWE-117).
 */
export function summarise(message: JsonObject, redact: ((text: string) => string) | null): string {
  const source = sourceOf(message, redact === null ? LONGEST : Infinity);
  return cut(shown((redact === null ? source : redact(source)).slice(0, LONGEST + 1)));
}

/** The texts of the content, else the structured content, the error, the whole result. Without redaction no more than `enough` is read. */
function sourceOf(message: JsonObject, enough: number): string {
  const result = objectAt(message, 'result');
  if (result === null) return String(objectAt(message, 'error')?.['message'] ?? '');
  const items = result['content'] ?? result['contents'] ?? result['messages'];
  let text = '';
  if (Array.isArray(items)) {
    for (const item of items) {
      const part = textOf(item as Json);
      if (part !== '') text += text === '' ? part : `\n${part}`;
      if (text.length > enough) break;
    }
  }
  return text === '' ? JSON.stringify(result['structuredContent'] ?? result) : text;
}
function textOf(item: Json): string {
  if (!isObject(item)) return '';
  const inner = objectAt(item, 'content') ?? objectAt(item, 'resource') ?? item;
  const text = inner['text'];
  return typeof text === 'string' ? text : '';
}

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };
const shown = (text: string): string => visible(text.replace(/[\n\r\t]/g, (char) => SHORT[char] ?? ''));

function cut(text: string): string {
  if (text.length <= LONGEST) return text;
  const end = LONGEST - 1;
  const code = text.charCodeAt(end - 1);
  return `${text.slice(0, code >= 0xd800 && code <= 0xdbff ? end - 1 : end)}…`;
}
