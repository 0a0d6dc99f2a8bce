import process from 'node:process';
import pino from 'pino';
import { visible } from '../lib/visible.ts';
import { createLinesOut } from './lines-out.ts';
import { scrub } from './scrub.ts';

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
type Level = (typeof LEVELS)[number];

/** One line of the gateway's log. Fields that tell of a fault (`cause`, `fault`, `error`) make it a warning. */
export interface Log {
  (message: string, fields?: object): void;
  readonly debug: (message: string, fields?: object) => void;
  readonly warn: (message: string, fields?: object) => void;
  readonly error: (message: string, fields?: object) => void;
  /** Writes what is still buffered; for the end of the process. */
  readonly flush: () => void;
}

/** A reader of stderr that stops reading loses lines; it does not stop the gateway or fill its memory. */
const MAX_BUFFERED_BYTES = 4_194_304;

/**
 * JSON lines on stderr, or one readable line each when stderr is a terminal. Values of fields that are named like a credential are replaced, long
 * ones are cut, and characters that act on a terminal are made visible (CWE-117, CWE-150, CWE-532). An unknown level counts as `info`.
 */
export function createLog(options: { readonly level: string; readonly stream?: { readonly write: (line: string) => unknown }; readonly pretty?: boolean }): Log {
  const level = LEVELS.find((known) => known === options.level) ?? 'info';
  const stderr = options.stream === undefined ? createLinesOut(2, MAX_BUFFERED_BYTES) : null;
  const out = options.stream ?? stderr ?? process.stderr;
  const pretty = options.pretty ?? (options.stream === undefined && process.stderr.isTTY);
  const logger = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, messageKey: 'message', formatters: { level: (label) => ({ level: label }) } },
    pretty ? { write: (line) => void out.write(readable(line)) } : { write: (line) => void out.write(line) },
  );
  const at = (name: Exclude<Level, 'silent'>) => (message: string, fields?: object): void => {
    if (logger.isLevelEnabled(name)) logger[name](fields === undefined ? {} : { ...scrub(fields) }, visible(message));
  };
  const [info, warn] = [at('info'), at('warn')];
  const log = (message: string, fields?: object): void => (tellsOfFault(fields) ? warn : info)(message, fields);
  return Object.assign(log, { debug: at('debug'), warn, error: at('error'), flush: () => stderr?.flushSync() });
}

const tellsOfFault = (fields: object | undefined): boolean => fields !== undefined && ('cause' in fields || 'fault' in fields || 'error' in fields);

/** A JSON line as people read it. */
function readable(line: string): string {
  const { level, time, message, ...fields } = JSON.parse(line) as Record<string, unknown>; // our own line
  const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return `${String(time).slice(11, 19)} ${String(level).padEnd(5)} ${String(message)}${rest.join('')}\n`;
}
