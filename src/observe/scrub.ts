import { visible } from '../lib/visible.ts';

/** Names of fields whose values never belong in a log. */
const SECRET = /auth(?:orization|entication)?$|token|secret|passw|credential|cookie|api[-_]?key|private[-_]?key|session[-_]?id|^bearer$|^(?:x-)?key$/i;
/** Names that only look like it. */
const HARMLESS = /^(?:token_audience|tokens|max_tokens|key_id|audience)$/i;
const MAX_DEPTH = 4, MAX_ITEMS = 32, MAX_CHARS = 4_000;

/** A copy of the fields that may be logged: secrets replaced, depth, width and length bounded, characters that act made visible. */
export function scrub(fields: object): Record<string, unknown> {
  return scrubObject(fields, 0);
}

function scrubObject(fields: object, depth: number): Record<string, unknown> {
  const clean: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields).slice(0, MAX_ITEMS)) {
    clean[visible(name.slice(0, 100))] = SECRET.test(name) && !HARMLESS.test(name) ? '[redacted]' : scrubValue(value, depth + 1);
  }
  return clean;
}

function scrubValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return visible(value.length > MAX_CHARS ? `${value.slice(0, MAX_CHARS)}…` : value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return typeof value === 'function' || typeof value === 'symbol' ? undefined : value;
  if (value instanceof Error) return visible(`${value.name}: ${value.message}`.slice(0, MAX_CHARS));
  if (depth >= MAX_DEPTH) return '[…]';
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  return Array.isArray(value) ? value.slice(0, MAX_ITEMS).map((item: unknown) => scrubValue(item, depth + 1)) : scrubObject(value, depth);
}
