import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { readTool } from './tool.ts';

const file = fileURLToPath(new URL('../../../shared/corpora/injection/pinning_mutations.jsonl', import.meta.url));
const present = existsSync(file);
if (!present) console.warn('skipped: ../shared/corpora is absent');
interface Row {
  readonly id: string;
  readonly before?: object;
  readonly after?: object;
  readonly expect: string;
}
const rows = present ? readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Row) : [];

const read = (text: string) => readTool('s', text, 1_000_000, () => 'write');
const digest = (text: string): string => {
  const tool = read(text);
  return typeof tool === 'string' ? tool : tool.digest;
};

describe.skipIf(!present)('any change of a definition changes its digest', () => {
  const pairs = rows.filter((r) => r.before !== undefined && r.after !== undefined && !Array.isArray(r.after));
  test.each(pairs.map((r) => [r.id, r] as const))('%s', (_, row) => {
    const [before, after] = [digest(JSON.stringify(row.before)), digest(JSON.stringify(row.after))];
    expect(before).toMatch(/^[0-9a-f]{64}$/);
    expect(after === before).toBe(row.expect === 'allow');
  });
});

test('the definition is kept byte for byte', () => {
  const text = '{ "name":"a",\t"inputSchema":{"type":"object"}, "x":1.0 }';
  expect(read(text)).toMatchObject({ definition: text, name: 'a', id: 's__a', server: 's' });
});
