import { describe, expect, test } from 'vitest';
import { session } from '../../test/kit/receive-room.ts';
import { createInFlight } from './in-flight.ts';

const log: string[] = [];
const note = (name: string) => (tellServer: boolean) => void log.push(`${name} ${tellServer}`);

describe('calls in flight', () => {
  test('are cancelled by id, in their own session only, and not after they ended', () => {
    log.length = 0;
    const inFlight = createInFlight();
    const [a, b] = [session('a'), session('b')];
    const ends = [inFlight.add(a, 1, note('a1')), inFlight.add(a, '1', note('a"1"')), inFlight.add(a, 2, note('a2')), inFlight.add(b, 1, note('b1'))];
    inFlight.cancel(a, 1);
    inFlight.cancel(a, 9);
    inFlight.cancel(session('a'), 2);
    expect(log).toEqual(['a1 false']);
    ends[0]?.();
    ends[0]?.(); // once is enough, and takes nobody else out
    inFlight.cancel(a, 1);
    inFlight.cancel(a, '1');
    inFlight.cancel(a, 2);
    expect(log).toEqual(['a1 false', 'a"1" false', 'a2 false']);
  });
  test('all end with their session, told to the server; and so does what comes late', async () => {
    log.length = 0;
    const inFlight = createInFlight();
    const [a, b] = [session('a'), session('b')];
    let told = (): void => undefined;
    inFlight.add(a, 1, (tellServer) => {
      note('a1')(tellServer);
      return new Promise((done) => (told = done));
    });
    inFlight.add(a, 1, note('a1 again'));
    inFlight.add(a, 2, () => Promise.reject(new Error('no way')));
    inFlight.add(a, 3, note('ended'))();
    inFlight.add(b, 1, note('b1'));
    let isOver = false;
    const all = inFlight.cancelAll(a).then(() => (isOver = true));
    await new Promise((done) => setImmediate(done));
    expect([log, isOver]).toEqual([['a1 true', 'a1 again true'], false]);
    told();
    await all;
    inFlight.add(a, 4, note('late'));
    expect(log).not.toContain('late true'); // not before its caller knows that it runs
    await new Promise((done) => setImmediate(done));
    expect(log.slice(2)).toEqual(['late true']);
  });
  test('of many are found however they end', () => {
    const inFlight = createInFlight();
    const a = session('a');
    const heard: number[] = [];
    const ends = Array.from({ length: 500 }, (_, id) => inFlight.add(a, id, () => void heard.push(id)));
    for (let id = 0; id < 500; id += 3) ends[id]?.();
    for (let id = 499; id >= 0; id -= 2) ends[id]?.();
    for (let id = 0; id < 500; id++) inFlight.cancel(a, id);
    expect(heard).toEqual(Array.from({ length: 500 }, (_, id) => id).filter((id) => id % 3 !== 0 && id % 2 === 0));
  });
});
