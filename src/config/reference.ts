import { stringify } from 'yaml';
import { z } from 'zod';
import { type Schema, bare } from './shape.ts';

interface Row {
  readonly key: string;
  readonly type: string;
  readonly fallback: string;
  readonly meaning: string;
}

/** The Markdown of docs/reference/configuration.md: a heading per room, a table of its keys, an example where the room gives one. */
export function referenceOf(schema: z.core.$ZodObject): string {
  const rooms = Object.entries(schema._zod.def.shape).map(([name, room]) => roomOf(name, room));
  return [`${HEAD}\n`, ...rooms].join('\n');
}

const HEAD = `# Configuration

<!-- Generated from the rooms' own schemas by \`sallyport config docs\`. Change src/<room>/config.ts instead. -->

One YAML 1.2 file. Its top-level keys are the rooms of the gateway; each may be left out and then stands at its defaults. Unknown keys,
duplicate keys and values in other units are faults. All faults are told at once, one per line, and stop the start with exit code 2:

\`\`\`text
gateway.yaml:12:7 dispatch.timeouts.read: unknown key; did you mean \`read_ms\`?: read_ms: 30000
\`\`\`

A **secret reference** is \`env:NAME\` or \`file:PATH\` (relative to the folder of this file). Secrets never stand in the file itself. A secret file
must be readable by its owner only (\`chmod 600\`); missing, empty and well-known sample values are refused. Values are read at the moment of
use and kept for one second, so a rotated secret needs no restart.

\`sallyport check FILE\` checks a file without starting anything. \`sallyport config schema\` prints a JSON Schema for editors. In the keys below
\`<name>\` is a name you choose and \`[]\` an item of a list.

A whole file may be as short as this:

\`\`\`yaml
authenticate:
  api_keys:
    - id: research
      secret: env:RESEARCH_KEY
      scopes: [github:read, files:read]
authorize:
  rules:
    - id: notes
      effect: allow
      callers: [key:research]
      tools: [files__write_note]
dispatch:
  servers:
    github:
      url: https://mcp.example.com/mcp
      headers:
        Authorization: { secret: env:GITHUB_TOKEN, prefix: 'Bearer ' }
    files:
      command: [npx, '@modelcontextprotocol/server-filesystem', ./workspace]
\`\`\``;

function roomOf(name: string, room: Schema): string {
  const { meaning, examples } = bare(room);
  const table = tableOf(room);
  const example = examples[0] === undefined ? [] : ['```yaml', stringify({ [name]: examples[0] }, { lineWidth: 120 }).trimEnd(), '```', ''];
  return [`## ${name}`, '', ...(meaning === '' ? [] : [meaning, '']), ...table, ...example].join('\n');
}
/** The lines of a table of all keys of a schema, and an empty one; none for what has no keys. */
export function tableOf(schema: Schema): readonly string[] {
  const rows = rowsOf(schema, '', 0).map((row) => `| \`${row.key}\` | ${cell(row.type)} | ${cell(row.fallback)} | ${cell(row.meaning)} |`);
  return rows.length === 0 ? [] : ['| key | type | default | meaning |', '|---|---|---|---|', ...rows, ''];
}
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ');

/** A row per field, then the rows inside it. */
function rowsOf(schema: Schema, path: string, depth: number): Row[] {
  if (depth > 12) return []; // a schema that contains itself
  const def = bare(schema).schema._zod.def;
  if (def.type === 'object') {
    return Object.entries(def.shape).flatMap(([key, field]) => {
      const at = path === '' ? key : `${path}.${key}`;
      return [rowOf(at, field), ...rowsOf(field, at, depth + 1)];
    });
  }
  if (def.type === 'array') return rowsOf(def.element, `${path}[]`, depth + 1);
  if (def.type === 'record') return rowsOf(def.valueType, `${path}.<name>`, depth + 1);
  if (def.type === 'union') return merged(def.options.flatMap((option) => rowsOf(option, path, depth + 1)));
  return [];
}
/** Variants of a union share keys; each is shown once. */
function merged(rows: readonly Row[]): Row[] {
  const byKey = new Map<string, Row>();
  for (const row of rows) {
    const other = byKey.get(row.key);
    if (other === undefined) byKey.set(row.key, row);
    else if (other.type !== row.type && !other.type.split(' or ').includes(row.type)) byKey.set(row.key, { ...other, type: `${other.type} or ${row.type}` });
  }
  return [...byKey.values()];
}

function rowOf(key: string, field: Schema): Row {
  const { required, fallback, meaning, nullable } = bare(field);
  return { key, type: typeText(field) + (nullable ? ' or empty' : ''), fallback: required ? 'required' : defaultText(fallback), meaning };
}
function defaultText(fallback: { readonly value: unknown } | undefined): string {
  if (fallback === undefined) return '—';
  const value = fallback.value;
  return value !== null && typeof value === 'object' && Object.keys(value).length === 0 ? (Array.isArray(value) ? 'none' : '—') : `\`${JSON.stringify(value)}\``;
}

/** The type in words. */
function typeText(schema: Schema): string {
  const { schema: inner, isSecretRef } = bare(schema);
  const def = inner._zod.def;
  if (isSecretRef) return 'secret reference';
  if (inner instanceof z.ZodNumber) return numberText(inner);
  if (def.type === 'enum') return Object.values(def.entries).map((value) => `\`${value}\``).join(', ');
  if (def.type === 'literal') return def.values.map((value) => `\`${String(value)}\``).join(', ');
  if (def.type === 'array') return `list of ${plural(typeText(def.element))}`;
  if (def.type === 'union') return [...new Set(def.options.map(typeText))].join(' or ');
  return NAMES[def.type] ?? 'any';
}
const NAMES: Readonly<Record<string, string>> = { string: 'text', boolean: '`true` or `false`', record: 'map by name', object: 'map', null: 'empty' };
const plural = (type: string): string => (type === 'text' ? 'texts' : type === 'map' ? 'maps' : type === 'secret reference' ? 'secret references' : type);
function numberText(schema: z.ZodNumber): string {
  const kind = schema.isInt ? 'whole number' : 'number';
  const low = schema.minValue !== null && schema.minValue > Number.MIN_SAFE_INTEGER ? schema.minValue : null;
  const high = schema.maxValue !== null && schema.maxValue < Number.MAX_SAFE_INTEGER ? schema.maxValue : null;
  if (low !== null && high !== null) return `${kind}, ${low} to ${high}`;
  if (low !== null) return `${kind}, at least ${low}`;
  return high === null ? kind : `${kind}, at most ${high}`;
}
