export { formatCallLine } from './call-line.ts';
export { createLog, type Log } from './log.ts';
