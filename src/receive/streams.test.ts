import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Clock } from '../lib/clock.ts';
import { type OpenStream, StreamRegistry } from './streams.ts';

/** The registry with a clock and streams of the test's own; on real sockets it is in stream.test.ts. */
afterEach(() => void vi.useRealTimers());
const hands = { at: 0 };
const clock: Clock = { now: () => hands.at, monotonic: () => hands.at };
const registry = (): StreamRegistry => new StreamRegistry(clock, () => true, 1_000_000);
function stream(sessionId: string, more: Partial<OpenStream> = {}): { readonly got: string[]; readonly open: OpenStream } {
  const got: string[] = [];
  const write = (block: Buffer): boolean => got.push(block.length > 100 ? String(block.length) : block.toString()) > 0;
  return { got, open: { principal: () => null, sessionId: () => sessionId, channel: () => null, resumes: true, lastWriteAt: () => 0, write, isStream: true, cut: () => undefined, ...more } };
}
const channelOf = (id: string, server: string | null): Partial<OpenStream> => ({ channel: () => ({ id, server, principalId: 'p', version: () => '2024-11-05', signal: new AbortController().signal, write: () => true }) });

describe('answers that wait for their client', () => {
  it('are so many for one session', () => {
    const streams = registry();
    for (let i = 0; i < 20; i++) streams.deliver('a', Buffer.from(String(i)));
    const { got, open } = stream('a');
    streams.add(open);
    expect(got).toEqual(Array.from({ length: 16 }, (_, i) => String(i)));
  });
  it('are so large in all; what was fetched makes room', () => {
    const streams = registry();
    const block = Buffer.alloc(3 * 1_048_576);
    for (let i = 0; i < 12; i++) streams.deliver(`s${i}`, block);
    const fetch = (session: string): number => {
      const { got, open } = stream(session);
      streams.add(open);
      streams.delete(open);
      return got.length;
    };
    expect([fetch('s0'), fetch('s9'), fetch('s10'), fetch('s11')]).toEqual([1, 1, 0, 0]);
    streams.deliver('late', block);
    expect(fetch('late')).toBe(1);
  });
  it('wait a minute', () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    hands.at = 0;
    const streams = registry();
    streams.deliver('a', Buffer.from('x'));
    hands.at = 60_000;
    vi.advanceTimersByTime(1_000);
    const { got, open } = stream('a');
    streams.add(open);
    expect(got).toEqual([]);
  });
  it('wait for one who resumes, in their own session', () => {
    const streams = registry();
    streams.deliver('a', Buffer.from('x'));
    const [fresh, other, resuming] = [stream('a', { resumes: false }), stream('b'), stream('a')];
    for (const { open } of [fresh, other, resuming]) streams.add(open);
    expect([fresh.got, other.got, resuming.got]).toEqual([[], [], ['x']]);
  });
});

describe('channels', () => {
  it('are found on the endpoint they were opened on, for as long as they are open', () => {
    const streams = registry();
    const { open } = stream('c', channelOf('c', 'files'));
    streams.add(open);
    streams.delete(stream('c', channelOf('c', 'files')).open); // never opened
    expect([streams.channel('c', 'files')?.id, streams.channel('c', 'other'), streams.channel('c', null)]).toEqual(['c', null, null]);
    streams.delete(open);
    expect(streams.channel('c', 'files')).toBeNull();
  });
});
