import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { callOf, openRig, person, removeFolder } from '../../test/kit/approve-rig.ts';

const yes = { verdict: 'approve', rationale: 'ok', narrowing: null, channel: 'api' } as const;
/** Another gateway on the same store: 50 calls at once, through its own stage. */
const SCRIPT = `
  const { callOf, openRig } = await import(process.argv[2]);
  const rig = await openRig({ again_ms: 0 }, { folder: process.argv[3] , time: { now: Number(process.argv[4]), steady: 0 } });
  process.send('ready');
  await new Promise((go) => process.once('message', go));
  const all = await Promise.all(Array.from({ length: 50 }, () => rig.judge(callOf())));
  console.log(JSON.stringify(all));
  await rig.close();
  process.disconnect();`;

it('of 100 attempts in two processes one goes, and of 100 first requests one is made', async () => {
  const rig = await openRig();
  const kit = join(import.meta.dirname, '../../test/kit/approve-rig.ts');
  const script = join(rig.folder, '..', 'race.mjs');
  writeFileSync(script, SCRIPT);
  const round = async (): Promise<string[]> => {
    const children = [0, 1].map(() => fork(script, [kit, rig.folder, String(rig.time.now)], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] }));
    await Promise.all(children.map((child) => new Promise<void>((done) => child.once('message', () => done()))));
    const outs = children.map(async (child) => {
      let out = '';
      for await (const part of child.stdout ?? []) out += String(part);
      return JSON.parse(out) as string[];
    });
    for (const child of children) child.send('go');
    return (await Promise.all(outs)).flat();
  };
  const asked = await round();
  expect(new Set(asked)).toEqual(new Set(['approve.pending']));
  const [request, ...more] = await rig.approve.approvals.list();
  expect(more).toEqual([]);
  await rig.approve.approvals.decide(request?.id ?? '', person('ann'), yes);
  const tried = await round();
  expect(tried).toHaveLength(100);
  expect(tried.filter((verdict) => verdict.startsWith('go'))).toEqual(['go approved a']);
  expect(new Set(tried)).toEqual(new Set([...tried.filter((verdict) => verdict === 'approve.used' || verdict === 'approve.pending'), 'go approved a']));
  expect(await rig.judge(callOf())).toBe('approve.pending');
  await rig.close();
  removeFolder(rig);
}, 30_000);
