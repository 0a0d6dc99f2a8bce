import type { Json } from '../../call/json.ts';

/**
 * Why a constraint does not hold. no: it clearly does not. error: it cannot be told, because the value is missing, of another type, or
 * spelled so that the server may read something else than was judged. `why` never holds anything of the caller's.
 */
export interface Finding {
  readonly kind: 'no' | 'error';
  /** As the rule writes it. */
  readonly path: string;
  readonly why: string;
}

/** `text` and `at`: where the value begins in the arguments' own text; at is -1 where nobody asked for it. */
export type Check = (value: Json, text: string, at: number) => Finding | null;
export type TextCheck = (value: string) => Finding | null;

/** Findings of one path. */
export interface Say {
  readonly no: (why: string) => Finding;
  readonly error: (why: string) => Finding;
}
export const sayFor = (path: string): Say => ({
  no: (why) => Object.freeze({ kind: 'no', path, why }),
  error: (why) => Object.freeze({ kind: 'error', path, why }),
});

/** Of two findings about things that must both hold, the one that decides: false and unknown is false (Kleene). */
export const deciding = (a: Finding | null, b: Finding | null): Finding | null => (a?.kind === 'no' ? a : b?.kind === 'no' ? b : (a ?? b));

/** What is wrong with the rule itself, with what would mend it. Thrown while a rule is compiled, never while a call is judged. */
export class PolicyFault extends Error {}
