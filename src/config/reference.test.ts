import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { secretRef } from '../secrets/index.ts';
import { formatFault, configJsonSchema, configReference, parseConfig } from './index.ts';
import { referenceOf } from './reference.ts';
import { configSchema } from './schema.ts';

const src = new URL('../', import.meta.url);

describe('the table of rooms', () => {
  it('names every room that has a config, and no other', async () => {
    const rooms: string[] = [];
    for (const room of readdirSync(src)) {
      const file = new URL(`${room}/config.ts`, src);
      if (!existsSync(file)) continue;
      const door = (await import(file.href)) as Record<string, unknown>;
      if (`${room}Config` in door) rooms.push(room);
    }
    expect(Object.keys(configSchema.shape).toSorted()).toEqual(rooms.toSorted());
  });
});

describe('configReference', () => {
  const page = configReference();
  it('is what docs/reference/configuration.md holds; `npm run docs` writes it', () => {
    expect(readFileSync(new URL('../docs/reference/configuration.md', src), 'utf8')).toBe(page);
  });
  it('says of every key what it means', () => {
    const rows = page.split('\n').filter((line) => line.startsWith('| `'));
    expect(rows.length).toBeGreaterThan(50);
    expect(rows.filter((row) => /\|\s*\|$/.test(row))).toEqual([]);
  });
  it('shows examples that pass the check', () => {
    for (const [, example = ''] of page.matchAll(/```yaml\n([\s\S]*?)```/g)) {
      const loaded = parseConfig(example, 'example', { secrets: 'form' });
      expect(loaded.ok ? [] : loaded.faults.map(formatFault)).toEqual([]);
    }
  });
  it('has a row per key, variant and level', () => {
    const schema = z.strictObject({
      room: z.strictObject({
        port: z.int().min(1).max(9).default(5).describe('The port.'),
        keys: z.array(z.strictObject({ secret: secretRef.describe('The a|b key.') })).default([]).describe('Keys.'),
        map: z.record(z.string(), z.union([z.string(), z.strictObject({ x: z.enum(['p', 'q']).describe('Choice.') })])).optional().describe('Map.'),
      }).describe('A room.').meta({ examples: [{ port: 3 }] }),
    });
    expect(referenceOf(schema).split('## room\n')[1]).toBe(`
A room.

| key | type | default | meaning |
|---|---|---|---|
| \`port\` | whole number, 1 to 9 | \`5\` | The port. |
| \`keys\` | list of maps | none | Keys. |
| \`keys[].secret\` | secret reference | required | The a\\|b key. |
| \`map\` | map by name | — | Map. |
| \`map.<name>.x\` | \`p\`, \`q\` | required | Choice. |

\`\`\`yaml
room:
  port: 3
\`\`\`
`);
  });
});

describe('configJsonSchema', () => {
  const validate = new Ajv2020({ strict: true, strictTypes: false, validateFormats: false, allowUnionTypes: true }).compile(configJsonSchema());
  const check = (text: string): boolean => validate(parse(text) as unknown);
  it('takes what people write, defaults left out', () => {
    expect(check('{}')).toBe(true);
    expect(check('receive: {port: 9000}\nauthenticate: {api_keys: [{id: a, secret: env:A}]}\ndispatch: {servers: {a: {command: [x]}}}')).toBe(true);
  });
  it('refuses unknown keys, other types and literal secrets', () => {
    expect(check('recieve: {}')).toBe(false);
    expect(check('receive: {prot: 1}')).toBe(false);
    expect(check('receive: {port: "80"}')).toBe(false);
    expect(check('authenticate: {api_keys: [{id: a, secret: hunter2}]}')).toBe(false);
  });
  it('carries the descriptions', () => expect(JSON.stringify(configJsonSchema())).toContain('The TCP port'));
});
