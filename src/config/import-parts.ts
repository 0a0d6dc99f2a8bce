import type { z } from 'zod';
import { valueAt } from './shape.ts';

/** The sections an import fills, as plain data, and what the operator must know of them. */
export interface Converted {
  readonly sections: Readonly<Record<string, unknown>>;
  readonly notes: readonly string[];
}
/** A fault's sentence with its own mend. */
export const issue = (message: string, mend: string): { readonly error: string; readonly params: { readonly mend: string } } => ({ error: message, params: { mend } });
/** Look for repetitions also when an entry is at fault by itself: all faults at once. */
export const ALWAYS = { when: (): boolean => true };
/** Tells each repetition at its own place. The entries may be of any form, as they are not checked yet. */
export function twice(entries: unknown, field: string, message: string, ctx: z.RefinementCtx, plain: (text: string) => string = String): void {
  const seen = new Set<string>();
  (Array.isArray(entries) ? entries : []).forEach((entry: unknown, at) => {
    const value = valueAt(entry, [field]);
    if (typeof value !== 'string') return;
    if (seen.has(plain(value))) ctx.addIssue({ code: 'custom', path: [at, field], message, params: { mend: '# give each its own, or remove one of the two' } });
    seen.add(plain(value));
  });
}
