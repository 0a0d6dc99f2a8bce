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
  /** What bytes call for, in one pass: INSTRUCTIONS, SECRETS or both. Beyond ASCII instructions cannot be ruled out by bytes. */
  readonly suspect: (bytes: Buffer) => number;
  readonly settings: (target: Target) => Settings;
  readonly log: InspectLog;
}
export const INSTRUCTIONS = 1, SECRETS = 2;
/** Escapes hide both; an address is only worth a look when it has a login in it. */
const ESCAPE = 4, ADDRESS = 8, ALL = 15;
const AT = 64;
/** Letters in percent encoding, which addresses do not need. */
const PERCENT = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'].map((letter) => `%${letter.charCodeAt(0).toString(16)}`);
/** Entities, JSON escapes, and characters without width as the bytes of UTF-8: behind them no key of a secret can be seen. */
const ESCAPES: ReadonlySet<string> = new Set(['\\u', '&#', ...PERCENT, ...['\u00ad', '\u200b', '\u200c', '\u200d', '\u2060', '\ufeff'].map((char) => Buffer.from(char).toString('latin1'))]);

/** Compiles vocabulary, rules and the prefilter over all of them (some 100 ms, once). */
export function compileInspect(config: InspectConfig, log: InspectLog): Compiled {
  const detector = buildDetector();
  const redactor = buildRedactor();
  const automaton = buildAutomaton([
    ...[...ESCAPES].map((text) => ({ text, value: ESCAPE })),
    ...detector.anchors.filter((text) => !ESCAPES.has(text)).map((text) => ({ text, value: INSTRUCTIONS })),
    ...redactor.keys.map((text) => ({ text, value: text === '://' ? ADDRESS : SECRETS })),
  ], folding);
  const suspect = (bytes: Buffer): number => {
    const found = automaton.flags(bytes, ALL);
    if ((found & ESCAPE) !== 0) return INSTRUCTIONS | SECRETS;
    const login = (found & ADDRESS) !== 0 && bytes.includes(AT) ? SECRETS : 0;
    return (found & (INSTRUCTIONS | SECRETS)) | login | (isAscii(bytes) ? 0 : INSTRUCTIONS);
  };
  return { detector, redactor, suspect, settings: createSettings(config), log };
}
