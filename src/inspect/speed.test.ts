import { describe, expect, it } from 'vitest';
import type { Answered } from '../call/call.ts';
import { inspectConfig } from './config.ts';
import { createInspect } from './index.ts';

const { stage } = createInspect(inspectConfig.parse({}), { log: { warn: () => undefined }, own: () => ['an-own-credential-of-some-length'] });

function microseconds(text: string): number {
  const message = { jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text }] } };
  const call = {
    target: { id: 's__t', server: 's', method: 'tools/call', name: 't', risk: 'read', tool: null }, decision: { obligations: [] },
    answer: { status: 200, bytes: Buffer.from(JSON.stringify(message)), message, event: null, session: null, effect: 'done', droppedBytes: 0 },
  } as unknown as Answered;
  for (let i = 0; i < 5_000; i++) stage.run(call);
  let best = Infinity;
  for (let round = 0; round < 5; round++) {
    const started = process.threadCpuUsage().user;
    for (let i = 0; i < 2_000; i++) stage.run(call);
    best = Math.min(best, (process.threadCpuUsage().user - started) / 2_000);
  }
  return best;
}

describe('speed of the whole stage, CPU time', () => {
  it.each([
    ['clean ASCII', 'Lorem ipsum dolor sit amet consectetur adipiscing elit '.repeat(18)],
    ['a document with links', '# Build\n\nRun `npm install` and then `npm test`. The output goes to dist/. See https://example.com/docs for details.\n'.repeat(8)],
    ['JSON', JSON.stringify(Array.from({ length: 10 }, (_, i) => ({ id: i, name: `item ${i}`, state: 'open', url: `https://api.example.com/items/${i}` })))],
    ['umlauts', 'Grüße aus Zürich, naïve café — “quotes”. '.repeat(22)],
  ])('%s', (name, text) => {
    const took = microseconds(text);
    console.info(`inspect, ${name}, ${text.length} characters: ${took.toFixed(1)} µs`);
    expect(took).toBeLessThan(100); // far above what is reached: a guard against a lost prefilter, not a benchmark
  });
});
