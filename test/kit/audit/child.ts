/** Runs the audit in a process of its own, to be killed, starved or counted. `node child.ts <mode> <dir>` */
import { closeSync, readFileSync, readdirSync, readlinkSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { callOf, openIn, runCall } from './calls.ts';

const [mode = '', dir = ''] = process.argv.slice(2);
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const audit = await openIn(dir, { config: { segment_max_bytes: mode === 'loop' ? 64 * 1024 : 64 * 1024 ** 2, checkpoint_every_ms: 20 } });

/** Calls without end, eight at a time; says the id of each whose intent was acknowledged, then of each whose outcome was. */
async function loop(): Promise<void> {
  await Promise.all(Array.from({ length: 8 }, async (_, lane) => {
    for (;;) {
      const call = callOf(lane % 2 === 0 ? 'read' : 'write');
      const verdict = await audit.journal.run(call);
      if ('stop' in verdict) throw new Error(verdict.stop.note);
      say({ intended: call.id });
      await sleep(Math.random() * 3);
      await audit.finish(Object.assign(call, verdict.go), { effect: 'unknown', refusal: { code: 'dispatch.timeout' } });
      say({ finished: call.id });
    }
  }));
}
const writes = (): number => Number(/^syscw: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
async function count(): Promise<void> {
  const before = writes();
  await Promise.all(Array.from({ length: 1000 }, () => audit.journal.run(callOf('write'))));
  say({ writes: writes() - before });
  await audit.close();
}
/** Takes the file away from under the writer, so that the kernel refuses fdatasync. */
async function poison(): Promise<void> {
  await runCall(audit, callOf('read'));
  const fd = readdirSync('/proc/self/fd').find((one) => {
    try {
      return readlinkSync(`/proc/self/fd/${one}`).includes('/audit-0');
    } catch {
      return false;
    }
  });
  closeSync(Number(fd));
  await sleep(200);
  const late = await audit.journal.run(callOf('read'));
  say({ ready: audit.ready(), late: 'stop' in late ? late.stop.code : 'go' });
}
/** Writes until the file may not grow (RLIMIT_FSIZE set by the parent). */
async function fill(): Promise<void> {
  for (let good = 0; ; good++) {
    const verdict = await audit.journal.run(callOf('read'));
    if ('stop' in verdict) return say({ good, code: verdict.stop.code, note: verdict.stop.note, ready: audit.ready() });
  }
}
const label = (text: string): void => void writeSync(1, `${text}\n`);
/** Says on stdout when a call went on, so that a trace of system calls shows what came before. */
async function order(): Promise<void> {
  label('begin');
  await audit.journal.run(callOf('read'));
  label('read');
  await sleep(150);
  const call = callOf('write');
  await audit.journal.run(call);
  label('write');
  await audit.finish(call, { effect: 'none', refusal: { code: 'dispatch.timeout' } });
  label('finished');
}
/** Two risky calls; the kernel is told to fail one of its calls under the first. */
async function eio(): Promise<void> {
  const late = await audit.journal.run(callOf('write'));
  const again = await audit.journal.run(callOf('write'));
  say({ late: 'stop' in late ? late.stop.code : 'go', again: 'stop' in again ? again.stop.code : 'go', ready: audit.ready() });
}
const modes = new Map(Object.entries({ loop, order, eio, count, poison, fill }));
await modes.get(mode)?.();
