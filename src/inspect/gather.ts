import type { Json, JsonObject } from '../call/json.ts';

/** Shorter keys hold no sentence. */
const LONG_KEY = 20;

/** Every text of an answer that reaches a reader: values and long keys of `result`, `error` and, in requests and notifications, `params`. */
export function textsOf(message: JsonObject): string[] {
  const texts: string[] = [];
  const open: Json[] = [];
  for (const part of ['result', 'error', 'params'] as const) if (message[part] !== undefined) open.push(message[part]);
  // A stack of our own: deep nesting must not end in a stack overflow. Reversed, so that texts stay in order and a split one joins.
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value === 'string') texts.push(value);
    else if (Array.isArray(value)) for (let i = value.length - 1; i >= 0; i--) open.push(value[i] as Json);
    else if (value !== null && typeof value === 'object') {
      const entries = Object.entries(value as JsonObject);
      for (let i = entries.length - 1; i >= 0; i--) {
        const entry = entries[i];
        if (entry === undefined) continue;
        open.push(entry[1]);
        if (entry[0].length > LONG_KEY) open.push(entry[0]);
      }
    }
  }
  return texts;
}

/** The member `name`, if it is an object. */
export function objectAt(value: Json | undefined, name: string): JsonObject | null {
  if (!isObject(value)) return null;
  const member = value[name];
  return isObject(member) ? member : null;
}
export const isObject = (value: Json | undefined): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
