import type { Command } from 'commander';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { exportAudit, tailAudit, verifyAudit, type AuditFilter, type AuditRecord } from '../audit/index.ts';
import { example, Exit } from './exit.ts';
import { DATA_DIR } from './serve.ts';

interface Wanted { readonly data: string; readonly id?: string; readonly caller?: string; readonly tool?: string; readonly server?: string; readonly decision?: 'allow' | 'deny'; readonly event?: string; readonly since?: number; readonly until?: number; readonly limit?: number; readonly json?: boolean }

/** `audit tail|query|export|verify`: reads the record; works while the gateway runs and when it does not. */
export function addAudit(program: Command): void {
  const audit = program.command('audit').description('Read and verify the record of what was done').addHelpText('after', example('sallyport audit tail -f'));
  const sub = (name: string, description: string): Command => audit.command(name).description(description).option('--data <folder>', 'the data folder', DATA_DIR);

  sub('tail', 'The newest records, one line each')
    .option('-n, --lines <number>', 'how many', whole, 20)
    .option('-f, --follow', 'stay and print what comes')
    .option('--json', 'the records as they stand in the file')
    .addHelpText('after', example('sallyport audit tail -f', 'sallyport audit tail -n 5 --json --data .sallyport/demo'))
    .action(async (options: { data: string; lines: number; follow?: boolean; json?: boolean }) => {
      const stop = new AbortController();
      process.once('SIGINT', () => stop.abort());
      await tailAudit(folder(options.data), { lines: options.lines, follow: options.follow === true, signal: stop.signal }, (line) => print(line, options.json === true));
    });

  filtered(sub('query', 'Records that fit, oldest first, one line each'))
    .option('--json', 'the records as they stand in the file')
    .addHelpText('after', example('sallyport audit query --caller alice --decision deny --since 2026-11-01', 'sallyport audit query --id 019aa4c6-…'))
    .action(async (options: Wanted) => {
      const found = await exportAudit(folder(options.data), filterOf(options), (line) => print(line, options.json === true));
      if (found === 0) throw new Exit(1, 'no record fits');
    });

  filtered(sub('export', 'Records that fit as JSONL, byte for byte as they stand in the files'))
    .addHelpText('after', example('sallyport audit export --since 2026-11-01 > november.jsonl'))
    .action(async (options: Wanted) => void (await exportAudit(folder(options.data), filterOf(options), (line) => void process.stdout.write(line))));

  sub('verify', 'Check the whole chain; exit code 1 and the first bad record when something was changed, cut or put in')
    .option('--checkpoint <file>', 'signed checkpoints that were kept elsewhere')
    .addHelpText('after', example('sallyport audit verify', 'sallyport audit verify --checkpoint /mnt/elsewhere/checkpoints.jsonl'))
    .action((options: { data: string; checkpoint?: string }) => {
      const dir = folder(options.data);
      if (options.checkpoint !== undefined && !existsSync(options.checkpoint)) throw new Exit(2, `${options.checkpoint} does not exist`);
      const report = verifyAudit(dir, options.checkpoint === undefined ? {} : { checkpoint: options.checkpoint });
      if (report.bad !== null) {
        const { segment, line, seq, what } = report.bad;
        throw new Exit(1, `BAD ${join(dir, segment)}${line === null ? '' : `:${line}`} seq ${seq}: ${what}\n${report.records} good record(s) stand before it.`);
      }
      console.log(`good: ${report.records} record(s) in ${report.segments} segment(s), last seq ${report.last.seq} hash ${report.last.hash}; signed up to seq ${report.signedTo}${report.live ? '; a gateway is writing' : ''}`);
    });
}

function filtered(command: Command): Command {
  return command
    .option('--id <correlation id>', 'one call')
    .option('--caller <id>', 'caller_id')
    .option('--tool <name>', 'tool or method')
    .option('--server <name>', 'mcp_server')
    .option('--decision <allow|deny>', 'the decision')
    .option('--event <name>', 'event, or the first part of one: "call.*"')
    .option('--since <time>', 'from this time on (RFC 3339)', time)
    .option('--until <time>', 'before this time (RFC 3339)', time)
    .option('--limit <number>', 'at most so many', whole);
}
function filterOf({ data: _data, json: _json, id, ...rest }: Wanted): AuditFilter {
  return { ...rest, ...(id === undefined ? {} : { correlationId: id }) };
}
function folder(data: string): string {
  const dir = join(data, 'audit');
  if (!existsSync(dir)) throw new Exit(2, `there is no record in ${dir}: name the gateway's data folder with --data`);
  return dir;
}
function print(line: Buffer, json: boolean): void {
  if (json) return void process.stdout.write(line);
  console.log(readable(JSON.parse(line.toString()) as AuditRecord));
}
/** One line a person can read; control characters cannot reach the terminal because JSON escapes them, and they stay escaped here. */
function readable(r: AuditRecord): string {
  const what = r.mcp_server === null ? (r.tool ?? '') : `${r.mcp_server}/${r.tool ?? ''}`;
  const why = r.reason_code === null || r.reason_code === 'ok' ? '' : ` ${r.reason_code}`;
  const parts = [r.timestamp, r.event.padEnd(20), (r.caller_id ?? '-').padEnd(12), what, `${r.decision ?? ''}${why}`, r.effect === null ? '' : `effect ${r.effect}`, r.latency_ms === null ? '' : `${r.latency_ms} ms`, r.correlation_id ?? ''];
  return parts.filter((part) => part !== '').map((part) => JSON.stringify(part).slice(1, -1)).join('  ');
}
function whole(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new Exit(2, `${JSON.stringify(text)} is not a whole number`);
  return number;
}
function time(text: string): number {
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new Exit(2, `${JSON.stringify(text)} is not a time; write it as 2026-11-20 or 2026-11-20T09:30:00Z`);
  return at;
}
