import type { Refusal, StageName } from './refusal.ts';

/** Only `go` goes on. `met` names the obligations of this stage that were fulfilled. */
export type Verdict<Adds> = { readonly go: Adds; readonly met?: readonly string[] } | { readonly stop: Refusal };

export interface Stage<Needs, Adds> {
  readonly name: StageName;
  /** A property, not a method: method syntax would switch off the check that stages stand in the right order. */
  readonly run: (call: Needs) => Verdict<Adds> | Promise<Verdict<Adds>>;
}
