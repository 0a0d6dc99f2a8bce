export { formatCallLine } from './call-line.ts';
export { createLog, LEVELS, type Level, type Log } from './log.ts';
