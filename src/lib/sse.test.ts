import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSseSplitter, eventBlock, type SseEvent } from './sse.ts';

function split(chunks: Buffer[], max = 1_000_000): { events: SseEvent[]; fault: string | null; pending: number } {
  const splitter = createSseSplitter(max);
  const events: SseEvent[] = [];
  let fault: string | null = null;
  for (const chunk of chunks) fault ??= splitter.push(chunk, (event) => events.push(event));
  return { events, fault, pending: splitter.pending() };
}

const fieldsOf = ({ data, id, event, retry }: SseEvent): object => ({ data, id, event, retry });

describe('the event splitter', () => {
  it('reads fields, comments and every line ending', () => {
    const { events, pending } = split([Buffer.from('\ufeff: hi\n\nid: 1\r\nevent: message\rretry: 50\ndata:{"a":1}\r\ndata:  b\n\r\n\n\ndata\n\nfoo: bar\nid: a\0b\nretry: x\n\ndata: cut')]);
    expect(events.map(fieldsOf)).toEqual([
      { data: null, id: null, event: null, retry: null },
      { data: '{"a":1}\n b', id: '1', event: 'message', retry: 50 },
      { data: '', id: null, event: null, retry: null },
      { data: null, id: null, event: null, retry: null },
    ]);
    expect(events[1]?.raw.toString()).toBe('id: 1\r\nevent: message\rretry: 50\ndata:{"a":1}\r\ndata:  b\n\r\n');
    expect(pending).toBe(9);
  });
  it('gives the same events wherever the chunks end, inside characters and CRLF too', () => {
    const line = fc.constantFrom('data: é😀', 'data: {"x":1}', 'id: 7', ': c', 'event: message', 'retry: 9', 'data');
    const ending = fc.constantFrom('\n', '\r', '\r\n');
    const stream = fc.array(fc.tuple(fc.array(fc.tuple(line, ending), { minLength: 1, maxLength: 4 }), ending), { maxLength: 6 });
    fc.assert(
      fc.property(stream, fc.array(fc.nat(400), { maxLength: 30 }), (blocks, cuts) => {
        // A CR that ends a line right before a LF-terminated blank line would read as one CRLF: keep one ending per block.
        const text = blocks.map(([lines, end]) => lines.map(([l]) => l + end).join('') + end).join('');
        const bytes = Buffer.from(text);
        const at = [...new Set([0, ...cuts.map((c) => c % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
        const chunks = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
        const cut = split(chunks);
        expect(cut.events.map(fieldsOf)).toEqual(split([bytes]).events.map(fieldsOf));
        expect(cut.events).toHaveLength(blocks.length);
        expect(Buffer.concat(cut.events.map((e) => e.raw)).toString()).toBe(text); // every byte, so that what is passed on unchanged is unchanged
        expect(cut.events.every((e) => createSseSplitter(10_000).push(e.raw, () => undefined) === null && /[\r\n]{2}$/.test(e.raw.toString()))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
  it('gives the event at once, even when its blank line is a lone CR at the end of a chunk', () => {
    expect(split([Buffer.from('data: x\r\r')]).events).toHaveLength(1);
    expect(split([Buffer.from('data: x\r\r'), Buffer.from('\ndata: y\r\r')]).events.map((e) => e.data)).toEqual(['x', 'y']);
  });
  it('bounds an event, in one chunk or in many', () => {
    expect(split([Buffer.from(`data: ${'x'.repeat(2000)}\n\n`)], 1000).fault).toBe('too_large');
    expect(split(Array.from({ length: 300 }, () => Buffer.from('xxxxxxxxxx')), 1000).fault).toBe('too_large');
    expect(split(Array.from({ length: 300 }, () => Buffer.from('data: x\n\n')), 1000).fault).toBe(null);
  });
  it('refuses bytes that are not UTF-8', () => {
    expect(split([Buffer.from([0x64, 0x3a, 0xc0, 0xae, 10, 10])]).fault).toBe('utf8');
  });
  it('reads a chunk in linear time', () => {
    const started = performance.now();
    split([Buffer.from('a\r'.repeat(200_000))]);
    split([Buffer.from('a\n'.repeat(200_000) + '\r')]);
    expect(performance.now() - started).toBeLessThan(1000);
  });
  it('reads back what eventBlock writes', () => {
    for (const text of ['{"a":"é"}', '{\n "a": 1\r\n}', '{\r"a":1}']) {
      const [event] = split([eventBlock(text)]).events;
      expect(event?.data).toBe(text.replace(/\r\n?/g, '\n'));
      expect(eventBlock(Buffer.from(text)).equals(eventBlock(text))).toBe(true);
      expect(event?.raw.equals(eventBlock(text))).toBe(true);
    }
  });
});
