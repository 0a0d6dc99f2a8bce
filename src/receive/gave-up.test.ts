import { expect, test } from 'vitest';
import { GaveUp } from './gave-up.ts';

test('tells every listener once, objects and functions alike, as an AbortSignal would', () => {
  const controller = new AbortController();
  const own = new GaveUp();
  const heard = { own: '', real: '' };
  for (const [name, signal] of [['own', own], ['real', controller.signal]] as const) {
    const gone = (): void => void (heard[name] += 'never');
    const object = { handleEvent: (): void => void (heard[name] += 'object ') };
    const one = (): void => void (heard[name] += 'one ');
    for (const listener of [gone, object, one, object, one]) signal.addEventListener('abort', listener);
    signal.removeEventListener('abort', gone);
    const late = (): void => void (heard[name] += 'late ');
    signal.addEventListener('abort', late);
    signal.removeEventListener('abort', one);
    signal.addEventListener('abort', one);
  }
  own.abort();
  own.abort();
  controller.abort();
  expect(own.aborted).toBe(true);
  expect(heard.own.trim().split(' ').toSorted()).toEqual(heard.real.trim().split(' ').toSorted());
});
