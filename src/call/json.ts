/** JSON as TypeScript sees it, read-only: what a client sent is never edited in place. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}
export type NonEmpty<T> = readonly [T, ...T[]];

declare const mark: unique symbol;
/** A value only one room may make. The cast that mints it stands in that room and nowhere else. */
export type Marked<T, M extends string> = T & { readonly [mark]: M };

export const isObject = (value: Json | undefined): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
