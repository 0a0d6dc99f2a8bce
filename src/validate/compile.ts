import { _, type ErrorObject, type KeywordCxt, type ValidateFunction } from 'ajv';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { JsonObject } from '../call/json.ts';
import type { Tool } from '../call/target.ts';
import { closeSchema } from './close.ts';
import type { Graph } from './edges.ts';
import { SchemaFault } from './fault.ts';
import { FORMATS } from './formats.ts';
import { linearPattern } from './pattern.ts';
import { readSchema, type ReadSchema, type SchemaLimits } from './read.ts';
import type { Work } from './work.ts';

/** A schema ready to judge, or the reason why it never can. */
export type Compiled =
  | { readonly ok: true; readonly schema: ReadSchema; /** null: fits. Else the fault that decided. May throw TooMuchWork or RangeError. */ readonly judge: (value: JsonObject) => ErrorObject | null }
  | { readonly ok: false; readonly fault: string };

const COST = 'sallyport:cost';
/** What it costs to apply the emptiest schema, in steps. */
const BASE_COST = 20;
const MOST_PATTERN_TEXT = 32_768;
const MOST_PATTERN_STATES = 20_000;

/**
 * Compiles the pinned input schema of a tool; never throws. Takes milliseconds: belongs off the hot path. Each schema gets a compiler of its own, so
 * that no `$id`, pattern or memory is shared between the schemas of different servers.
 */
export function compileSchema(tool: Tool, isClosed: boolean, limits: SchemaLimits, work: Work): Compiled {
  try {
    const schema = readSchema(tool, limits);
    if (isClosed) closeSchema(schema.root, schema.graph);
    price(schema.graph);
    const validate: ValidateFunction = createCompiler(schema.dialect, work).compile(schema.root);
    work.left = Infinity;
    validate({}); // V8 reads a function when it is first run: better here than on the hot path, its faults too
    // oxlint-disable-next-line typescript/no-unnecessary-boolean-literal-compare -- only an exact true goes on, whatever a schema made of the function
    return { ok: true, schema, judge: (value) => (validate(value) === true ? null : (validate.errors?.at(-1) ?? UNNAMED)) };
  } catch (thrown) {
    if (thrown instanceof SchemaFault) return { ok: false, fault: thrown.message };
    if (thrown instanceof RangeError) return { ok: false, fault: 'nested too deeply' };
    return { ok: false, fault: `not a valid JSON Schema: ${(thrown instanceof Error ? thrown.message : String(thrown)).slice(0, 200)}` };
  }
}

function createCompiler(dialect: ReadSchema['dialect'], work: Work): Ajv2019 | Ajv2020 {
  let [written, states] = [0, 0];
  const regExp = Object.assign(
    (text: string) => {
      // Before it is compiled: a few kilobytes of patterns can keep a compiler busy for seconds (CWE-400).
      if ((written += text.length) > MOST_PATTERN_TEXT || states > MOST_PATTERN_STATES) throw new SchemaFault('the patterns are too large');
      const pattern = linearPattern(text, work.charge);
      states += pattern.states;
      return pattern;
    },
    { code: 'linear' },
  );
  const options = {
    // The schema is a stranger's: keywords we do not know are its own affair, but nothing is fetched, filled in or converted.
    strict: false, meta: false, validateSchema: false, logger: false, messages: false, addUsedSchema: false, inlineRefs: false, formats: FORMATS,
    // `required: ["toString"]` must not be met by what every object inherits.
    ownProperties: true, loopEnum: 8, code: { regExp, optimize: false },
  } as const;
  const compiler = dialect === '2020-12' ? new Ajv2020(options) : new Ajv2019(options);
  // First of all keywords, so that it counts even where a later one fails.
  compiler.addKeyword({ keyword: COST, schemaType: 'number', before: '$ref', code: (cxt: KeywordCxt) => void cxt.gen.code(_`${cxt.gen.scopeValue('func', { ref: work.charge })}(${cxt.schema})`) });
  // ajv compares every pair of items, which takes minutes for an array of objects (CWE-407).
  compiler.removeKeyword('uniqueItems');
  compiler.addKeyword({
    keyword: 'uniqueItems', type: 'array', schemaType: 'boolean',
    validate: (isWanted: boolean, items: readonly unknown[]): boolean => {
      work.charge(items.length * 50);
      return !isWanted || new Set(items.map(sorted)).size === items.length;
    },
  });
  return compiler;
}

/** JSON with sorted keys: equal texts for equal values. */
const sorted = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => (typeof part === 'object' && part !== null && !Array.isArray(part) ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1))) : part));

/** Writes into each schema what it costs to apply it once: the base, and one more for each entry of its keywords. */
function price(graph: Graph): void {
  for (const node of graph.keys()) {
    let cost = BASE_COST;
    for (const [keyword, value] of Object.entries(node)) {
      if (typeof value === 'object' && value !== null && !NOT_APPLIED.has(keyword)) cost += Object.keys(value).length;
    }
    node[COST] = cost;
  }
}
const NOT_APPLIED = new Set(['$defs', 'definitions', 'examples', 'default']);

const UNNAMED: ErrorObject = { keyword: 'false schema', instancePath: '', schemaPath: '', params: {} };
