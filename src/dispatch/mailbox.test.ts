import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createMailbox } from './mailbox.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());
function box(): { readonly tell: (key: string, text: string) => void; readonly said: string[]; readonly state: { reads: boolean }; readonly mailbox: ReturnType<typeof createMailbox> } {
  const said: string[] = [];
  const state = { reads: true };
  const mailbox = createMailbox((block) => {
    if (state.reads) said.push(block.toString());
    return state.reads;
  });
  return { tell: (key, text) => mailbox.tell(key, Buffer.from(text)), said, state, mailbox };
}

test('a flood of one kind is told at once and then once a second, the latest last; other kinds do not wait for it', () => {
  const { tell, said } = box();
  for (let i = 0; i < 1_000; i++) tell('a', `a${i}`);
  tell('b', 'b');
  expect(said).toEqual(['a0', 'b']);
  vi.advanceTimersByTime(999);
  expect(said).toHaveLength(2);
  vi.advanceTimersByTime(1);
  expect(said).toEqual(['a0', 'b', 'a999']);
  vi.advanceTimersByTime(5_000);
  expect(said).toHaveLength(3);
  tell('a', 'again');
  expect(said.at(-1)).toBe('again');
});
test('what nobody reads is kept, the latest of each, and told to the next reader', () => {
  const { tell, said, state, mailbox } = box();
  state.reads = false;
  tell('a', '1');
  tell('b', '1');
  tell('a', '2');
  tell('c', '1');
  mailbox.forget('c');
  state.reads = true;
  mailbox.drain();
  expect(said).toEqual(['1', '2']);
  mailbox.drain();
  expect(said).toHaveLength(2);
});
test('what was kept is not told after something newer', () => {
  const { tell, said, state, mailbox } = box();
  state.reads = false;
  tell('a', 'old');
  state.reads = true;
  tell('a', 'new');
  mailbox.drain();
  vi.advanceTimersByTime(5_000);
  expect(said).toEqual(['new']);
});
test('a thousand different things: so many at once, so many kept, the oldest gives way', () => {
  const { tell, said } = box();
  for (let i = 0; i < 1_000; i++) tell(`k${i}`, String(i));
  expect(said).toHaveLength(128);
  vi.advanceTimersByTime(60_000);
  expect(said).toHaveLength(256);
  expect(said.slice(128)).toEqual(Array.from({ length: 128 }, (_, i) => String(872 + i)));
});
test('closed: nothing more, no timer left', () => {
  const { tell, said, mailbox } = box();
  tell('a', '1');
  tell('a', '2');
  mailbox.close();
  expect(vi.getTimerCount()).toBe(0);
  tell('b', '1');
  vi.advanceTimersByTime(5_000);
  expect(said).toEqual(['1']);
});
