import type { Answered, SafeResult } from '../call/call.ts';
import type { Stage, Verdict } from '../call/stage.ts';
import type { Target } from '../call/target.ts';
import { judge } from './answer.ts';
import { type Compiled, compileInspect, type InspectLog } from './compiled.ts';
import type { InspectConfig } from './config.ts';
import { eventWithoutOwn, withoutOwn } from './own.ts';
import { screenEvent } from './screen.ts';

export type { InspectLog } from './compiled.ts';
export interface Inspect {
  readonly stage: Stage<Answered, { result: SafeResult }>;
  /** Takes secrets out of what is recorded or logged; the same string when there is none. Linear time. */
  readonly redact: (text: string) => string;
  /** Judges one SSE event block that precedes the answer: null drops it, a clean one comes back as it is. Never throws. */
  readonly screen: (block: Buffer, call: { readonly target: Target }) => Buffer | null;
}

export interface InspectDeps {
  readonly log: InspectLog;
  /** What the gateway signs in with at this server, as it would stand in text, longest first; null: at all of them. */
  readonly own: (server: string | null) => readonly string[];
}

/** Builds the room. Costs some 100 ms, once; then each part is synchronous and linear in its input. */
export function createInspect(config: InspectConfig, deps: InspectDeps): Inspect {
  const compiled = compileInspect(config, deps.log);
  return {
    stage: { name: 'inspect', run: (call) => run(call, compiled, deps.own(call.target.server)) },
    redact: compiled.redactor.redact,
    screen: (block, call) => screenEvent(eventWithoutOwn(block, deps.own(call.target.server)), call.target, compiled),
  };
}

function run(call: Answered, compiled: Compiled, own: readonly string[]): Verdict<{ result: SafeResult }> {
  try {
    const answer = own.length === 0 ? call.answer : withoutOwn(call.answer, own);
    if (answer === call.answer) return judge(call, compiled);
    const verdict = judge({ ...call, answer }, compiled);
    if ('stop' in verdict) return verdict;
    const { result } = verdict.go;
    return { ...verdict, go: { result: { ...result, classification: 'secret', findings: [...result.findings, 'secret:own_credential'] } } };
  } catch (thrown) {
    // A result that cannot be inspected is withheld, whatever the reason; the call has happened, and the record says so.
    return { stop: { code: 'inspect.error', note: thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown) } };
  }
}
