import { expect, test } from 'vitest';
import { OpenCalls } from './open-calls.ts';
import type { Intent } from './records.ts';

const intent = (id: string, seq = 0): Intent => ({ id, seq, lost: false, who: '', policy: '', inputHash: '', resource: '' });

test('finds, replaces and forgets calls by their whole id, short ids and ids of one bucket too', () => {
  const open = new OpenCalls();
  const ids = ['', 'x', 'a-1', 'b-1', 'c-1', ...Array.from({ length: 5_000 }, (_, i) => `call-${i}`)];
  for (const id of ids) open.add(intent(id, 1));
  const again = intent('b-1', 2);
  open.add(again);
  expect([...open]).toHaveLength(ids.length);
  expect(open.get('b-1')).toBe(again);
  for (const id of ids) if (id !== 'b-1') open.delete(id);
  open.delete('never seen');
  expect([...open]).toEqual([again]);
  expect(open.get('a-1')).toBeUndefined();
});

test('lists them in order of their seq', () => {
  const open = new OpenCalls();
  for (const [id, seq] of [['three', 3], ['one', 1], ['two', 2], ['none', 0]] as const) open.add(intent(id, seq));
  expect([...open].map(({ id }) => id)).toEqual(['none', 'one', 'two', 'three']);
});
