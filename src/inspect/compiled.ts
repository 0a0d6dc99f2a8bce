import { isAscii } from 'node:buffer';
import type { Target } from '../call/target.ts';
import { buildAutomaton } from '../lib/automaton.ts';
import type { InspectConfig } from './config.ts';
import { buildDetector, type Detector } from './detect.ts';
import { folding } from './fold.ts';
import { buildRedactor, type Redactor } from './redact.ts';
import { createSettings, type Settings } from './settings.ts';

/** Where findings in what precedes an answer go. */
export interface InspectLog {
  readonly warn: (message: string, fields?: object) => void;
}

/** Everything that is compiled at load. */
export interface Compiled {
  readonly detector: Detector;
  readonly redactor: Redactor;
  /** What bytes call for, in one pass: INSTRUCTIONS and SECRETS. Beyond ASCII nothing can be judged by bytes: both are said. */
  readonly suspect: (bytes: Buffer) => number;
  readonly settings: (target: Target) => Settings;
  readonly log: InspectLog;
}
export const INSTRUCTIONS = 1, SECRETS = 2, BOTH = 3;

/** Compiles vocabulary, rules and the prefilter over all of them (some 100 ms, once). */
export function compileInspect(config: InspectConfig, log: InspectLog): Compiled {
  const detector = buildDetector();
  const redactor = buildRedactor();
  const automaton = buildAutomaton([
    ...detector.anchors.map((text) => ({ text, value: INSTRUCTIONS })), ...redactor.keys.map((text) => ({ text, value: SECRETS })),
  ], folding);
  const suspect = (bytes: Buffer): number => (isAscii(bytes) ? automaton.flags(bytes, BOTH) : BOTH);
  return { detector, redactor, suspect, settings: createSettings(config), log };
}
