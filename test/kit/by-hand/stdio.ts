/** The hand-written server over stdio: `node test/kit/by-hand/stdio.ts <version> <log>`. Appends one JSON line to `log` for every tool that runs. */
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { byHand, type Version } from './server.ts';

const [version = '2024-11-05', log = '/dev/null'] = process.argv.slice(2);
const server = byHand({ version: version as Version, ran: (what, args) => appendFileSync(log, `${JSON.stringify([what, args])}\n`) });
createInterface({ input: process.stdin, crlfDelay: Infinity }).on('line', (line) => server.hear(line, (text) => process.stdout.write(`${text}\n`)));
