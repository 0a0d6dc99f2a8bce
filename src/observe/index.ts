export { formatCallLine, formatEarlyLine } from './call-line.ts';
export { createLog, type Log } from './log.ts';
