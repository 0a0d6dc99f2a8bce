import { expect, onTestFinished, test, vi } from 'vitest';
import { made, principal, session, until, type CallOptions, type MadeCall } from '../../test/kit/dispatch-rig.ts';
import { createStreams, LEGACY_CHANGES, modernChanges, type OpenStream, type Streams } from './streams.ts';

interface Opened extends MadeCall { readonly stream: OpenStream; readonly closed: { times: number } }
/** A stream as the lanes open one: it takes itself out when it closes. */
function open(streams: Streams, options: CallOptions): Opened {
  const m = made('', { kind: 'stream', lane: 'local', timeoutMs: null, ...options });
  const closed = { times: 0 };
  let forget: () => void = () => undefined;
  const stream: OpenStream = {
    call: m.call, wanted: options.era === 'modern' ? modernChanges(['tools'], 'id') : LEGACY_CHANGES, send: (block) => m.call.side.event(block),
    close: () => {
      closed.times++;
      forget();
    },
  };
  forget = streams.add(stream);
  return { ...m, stream, closed };
}
const text = Buffer.from('x');
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

test('one message goes out on one stream of a session: the newest that still reads (MCP 2025-11-25, no broadcast)', () => {
  const streams = createStreams(Date.now);
  const s = session(null);
  const [first, second, third] = [open(streams, { session: s }), open(streams, { session: s }), open(streams, { session: s })];
  streams.tell(s, 'a', text);
  streams.changed('prompts', 's');
  expect([first.events.length, second.events.length, third.events.length]).toEqual([0, 0, 2]);
  third.state.accepting = false;
  streams.tell(s, 'b', text);
  expect([first.events, second.events, third.closed.times]).toEqual([[], ['x'], 1]);
});
test('without a stream it waits for the next one; not for another session', async () => {
  const streams = createStreams(Date.now);
  const [s, other] = [session(null), session(null)];
  open(streams, { session: s }).stream.close();
  streams.tell(s, 'a', text);
  streams.changed('tools', 's');
  const foreign = open(streams, { session: other });
  await settled();
  expect(foreign.events).toEqual([]);
  const next = open(streams, { session: s });
  await until(() => next.events.length === 2);
});
test('a session that has ended: its streams close, later ones too, nothing is kept', async () => {
  const streams = createStreams(Date.now);
  const s = session(null);
  const m = open(streams, { session: s });
  streams.closeOf(s);
  expect(m.closed.times).toBe(1);
  const late = open(streams, { session: s });
  await settled();
  expect([late.closed.times, late.events.length, s.streams.size]).toEqual([1, 0, 0]);
});
test('changes concern the streams of that server and of the aggregate; what a server tells itself is not told twice where it is mirrored', () => {
  const streams = createStreams(Date.now);
  const [mine, its, all] = [open(streams, { era: 'modern', server: 's' }), open(streams, { era: 'modern', server: 'other' }), open(streams, { era: 'modern', server: null })];
  const mirrored = open(streams, { era: 'modern', server: 's', lane: 'mirror' });
  streams.changed('tools', 's', true);
  expect([mine.events.length, its.events.length, all.events.length, mirrored.events.length]).toEqual([1, 0, 1, 0]);
  streams.changed('prompts', 's'); // not wanted
  streams.changed('tools', 's');
  expect([mine.events.length, mirrored.events.length]).toEqual([1, 1]);
});
test('a stream ends with the credential that opened it', async () => {
  const streams = createStreams(Date.now);
  const m = open(streams, { era: 'modern', principal: principal('key:a', { expiresAt: Date.now() + 30 }) });
  await until(() => m.closed.times === 1, 2_000);
});
test('a modern stream that is gone holds nothing and hears nothing', () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const streams = createStreams(Date.now);
  const m = open(streams, { era: 'modern' });
  streams.tell(m.stream, 'a', text);
  m.events.length = 0;
  m.stream.close();
  expect(vi.getTimerCount()).toBe(0);
  streams.tell(m.stream, 'a', text);
  streams.changed('tools', null);
  expect(m.events).toEqual([]);
});
