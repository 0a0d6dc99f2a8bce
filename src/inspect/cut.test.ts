import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutToFit } from './cut.ts';
import { structuredOf } from './structured.ts';

const text = fc.oneof(fc.string({ maxLength: 4_000 }), fc.string({ unit: 'binary', maxLength: 2_000 }), fc.constantFrom('😀'.repeat(900), '\\"\n'.repeat(900), '\u0000'.repeat(500)));
const item = fc.oneof(
  text.map((value) => ({ type: 'text', text: value })),
  fc.base64String({ maxLength: 6_000 }).map((data) => ({ type: 'image', data, mimeType: 'image/png' })),
  fc.base64String({ maxLength: 6_000 }).map((blob) => ({ type: 'resource', resource: { uri: 'file:///x', blob } })),
  text.map((value) => ({ type: 'resource', resource: { uri: 'file:///x', text: value } })),
);
const message = fc.record({
  jsonrpc: fc.constant('2.0'), id: fc.integer(),
  result: fc.record({ content: fc.array(item, { minLength: 1, maxLength: 5 }), structuredContent: fc.object({ maxDepth: 2 }), _meta: fc.constant({ keep: 'me' }) }, { requiredKeys: ['content', '_meta'] }),
});

describe('cutToFit', () => {
  it('gives valid JSON, never longer than the limit, with the fields it must not touch', () => {
    fc.assert(fc.property(message, fc.integer({ min: 600, max: 6_000 }), fc.boolean(), fc.boolean(), (value, max, mayDrop, pretty) => {
      const before = JSON.stringify(value, null, pretty ? 1 : 0);
      if (Buffer.byteLength(before) <= max) return;
      const cut = cutToFit(before, max, mayDrop ? 'drop' : () => false);
      if (cut === null) return;
      expect(Buffer.byteLength(cut.text)).toBeLessThanOrEqual(max);
      const after = JSON.parse(cut.text);
      expect(after.id).toBe(value.id);
      expect(after.result._meta).toEqual({ keep: 'me' });
      expect(after.result.content).toHaveLength(value.result.content.length);
      if (!mayDrop && value.result.structuredContent !== undefined) expect(after.result.structuredContent).toEqual(JSON.parse(before).result.structuredContent);
      for (const [i, part] of after.result.content.entries()) checkItem(part, value.result.content[i]);
    }), { numRuns: 300 });
  });

  it('does fit whatever has its bulk in texts', () => {
    fc.assert(fc.property(fc.array(text, { minLength: 1, maxLength: 4 }), fc.integer({ min: 900, max: 3_000 }), (texts, max) => {
      const before = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { content: texts.map((value) => ({ type: 'text', text: value })) } });
      if (Buffer.byteLength(before) > max) expect(cutToFit(before, max, () => false)).not.toBeNull();
    }), { numRuns: 200 });
  });

  it('says how many bytes of a text are gone', () => {
    const cut = cutToFit(JSON.stringify({ result: { content: [{ type: 'text', text: 'ä'.repeat(1_000) }] } }), 1_000, () => false);
    const kept = String(JSON.parse(cut?.text ?? '').result.content[0].text);
    const dropped = Number(/^ä+\[truncated by the gateway: ([0-9]+) bytes dropped\]$/.exec(kept)?.[1]);
    expect(dropped).toBe(2_000 - 2 * (kept.match(/ä/g)?.length ?? 0));
  });

  it('cuts texts of structured content where the output schema asks for any text, to the length of the text that says the same', () => {
    const long = 'line of a long file\n'.repeat(2_000);
    const before = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: long }], structuredContent: { content: long, kind: 'file', entries: [{ note: long }] } } });
    const schema = (properties: object): string => JSON.stringify({ name: 'read', outputSchema: { type: 'object', properties } });
    const any = { type: 'string', description: 'any text' };
    const cut = cutToFit(before, 9_000, structuredOf(schema({ content: any, kind: { enum: ['file'] }, entries: { type: 'array', items: { type: 'object', properties: { note: any } } } })));
    const { result } = JSON.parse(cut?.text ?? '');
    expect(Buffer.byteLength(cut?.text ?? '')).toBeLessThanOrEqual(9_000);
    expect(result.structuredContent.content).toBe(result.content[0].text);
    expect(result.structuredContent.content).toMatch(/^line of a long file[^]*truncated by the gateway/);
    expect(result.structuredContent.kind).toBe('file');
    // A pattern, or a place the schema does not describe, is nobody's to cut.
    expect(cutToFit(before, 9_000, structuredOf(schema({ content: { type: 'string', pattern: 'x' } })))).toBeNull();
  });

  it('gives up when the bulk is not content', () => {
    expect(cutToFit(JSON.stringify({ result: { content: [{ type: 'text', text: 'x' }], other: 'y'.repeat(5_000) } }), 1_000, 'drop')).toBeNull();
  });

  it('is linear: 8 MB in a moment', () => {
    const before = JSON.stringify({ result: { content: [{ type: 'text', text: '\\"'.repeat(2_000_000) }] } });
    const started = process.threadCpuUsage().user;
    expect(cutToFit(before, 100_000, () => false)).not.toBeNull();
    expect((process.threadCpuUsage().user - started) / 1_000).toBeLessThan(1_000);
  });
});

function checkItem(part: Record<string, any>, original: Record<string, any> | undefined): void {
  const data = part['data'] ?? part['resource']?.blob;
  // Base64 is whole or gone.
  if (data !== undefined) expect(data).toBe(original?.['data'] ?? original?.['resource'].blob);
  const shown = part['text'] ?? part['resource']?.text;
  const had = original?.['text'] ?? original?.['resource']?.text;
  if (had === undefined || shown === had || shown === undefined) return;
  const kept = String(shown).replace(/\[truncated by the gateway: [0-9]+ bytes dropped\]$/, '');
  expect(String(had).startsWith(kept)).toBe(true);
  // Never half a surrogate pair that was whole.
  if (String(had).isWellFormed()) expect(kept.isWellFormed()).toBe(true);
}
