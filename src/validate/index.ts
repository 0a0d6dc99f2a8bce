import { LRUCache } from 'lru-cache';
import type { Authorized, ValidInput, Validated } from '../call/call.ts';
import type { Json, JsonObject } from '../call/json.ts';
import type { Refusal } from '../call/refusal.ts';
import type { Stage, Verdict } from '../call/stage.ts';
import type { Tool } from '../call/target.ts';
import { mostSpecific } from '../lib/glob-order.ts';
import { type Compiled, compileSchema } from './compile.ts';
import type { ValidateConfig } from './config.ts';
import { judgeExactly } from './exact.ts';
import { explain, explainNumber } from './explain.ts';
import { createHeaderJudge } from './headers.ts';
import { misshapen } from './other.ts';
import { createWork, TooMuchWork } from './work.ts';

export interface Validate {
  /** Adds the judged arguments. Refuses with `validate.arguments`, `validate.number`, `validate.schema` and `validate.header_mismatch`. */
  readonly stage: Stage<Authorized, Pick<Validated, 'input'>>;
  /** Compiles a tool's schema ahead of its first call; says why it cannot be used, or null. Never throws. */
  readonly prepare: (tool: Tool) => string | null;
}

type Judged = Verdict<{ readonly input: ValidInput }>;
const ARGUMENTS = '/arguments';

/** The room that holds arguments against the tool's pinned schema. Changes nothing: the text that is judged is the text that is sent. */
export function createValidate(config: ValidateConfig): Validate {
  const work = createWork();
  const headersOf = createHeaderJudge();
  const exceptionFor = mostSpecific(config.tools);
  const compiled = { closed: new LRUCache<string, Compiled>({ max: config.max_compiled }), open: new LRUCache<string, Compiled>({ max: config.max_compiled }) };

  const schemaOf = (tool: Tool): Compiled => {
    const isClosed = (exceptionFor(tool.id)?.[1].unknown_arguments ?? config.unknown_arguments) === 'refuse';
    const kept = isClosed ? compiled.closed : compiled.open;
    const known = kept.get(tool.digest);
    if (known !== undefined) return known;
    const made = compileSchema(tool, isClosed, config, work);
    kept.set(tool.digest, made); // faults too: a hostile schema is read once
    return made;
  };

  const judge = (schema: Compiled, value: JsonObject, call: Authorized): Refusal | null => {
    if (!schema.ok) return { code: 'validate.schema', note: schema.fault };
    const inexact = call.message.inexact.filter((n) => n.pointer.startsWith(`${ARGUMENTS}/`)).map((n) => ({ pointer: n.pointer.slice(ARGUMENTS.length), literal: n.literal }));
    const exact = inexact.length === 0 ? null : judgeExactly(schema.schema, value, inexact);
    if (exact !== null && exact.kind !== 'fits') {
      const code = exact.kind === 'breaks' ? 'validate.arguments' : 'validate.number';
      return { code, tell: explainNumber(schema.schema, exact.at.pointer, exact.kind) };
    }
    work.left = config.max_work;
    const fault = schema.judge(exact === null ? value : exact.value);
    return fault === null ? null : { code: 'validate.arguments', tell: explain(schema.schema, value, fault), note: `${fault.keyword} at ${fault.schemaPath}` };
  };

  const judgeTool = (tool: Tool, call: Authorized): Judged => {
    const mismatch = headersOf(tool, call);
    if (mismatch !== null) return { stop: mismatch };
    const value = argumentsOf(call);
    if (value === null) return { stop: { code: 'validate.arguments', tell: 'arguments: must be an object.' } };
    const refusal = safely(() => judge(schemaOf(tool), value, call));
    return refusal === null ? { go: { input: mint(value, call) } } : { stop: refusal };
  };

  return {
    stage: {
      name: 'validate',
      run: (call) => {
        if (call.target.tool !== null) return judgeTool(call.target.tool, call);
        const wrong = misshapen(call.target.method, call.message.params);
        return wrong === null ? { go: { input: mint(argumentsOf(call) ?? {}, call) } } : { stop: { code: 'validate.arguments', tell: `${wrong}.` } };
      },
    },
    prepare: (tool) => {
      const schema = schemaOf(tool);
      return schema.ok ? null : schema.fault;
    },
  };
}

/** The schema's fault must not become the caller's way through: whatever goes wrong in judging refuses. */
function safely(judge: () => Refusal | null): Refusal | null {
  try {
    return judge();
  } catch (thrown) {
    if (thrown instanceof TooMuchWork) return { code: 'validate.arguments', tell: 'The arguments are too large to be judged against this schema.', note: thrown.message };
    return { code: 'validate.schema', note: thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown) };
  }
}

/** Absent means none. null: there, but not an object. */
function argumentsOf(call: Authorized): JsonObject | null {
  const given: Json | undefined = call.message.params['arguments'];
  if (given === undefined) return NONE;
  return typeof given === 'object' && given !== null && !Array.isArray(given) ? (given as JsonObject) : null;
}
const NONE: JsonObject = Object.freeze({});

/** The only place that mints a ValidInput. */
const mint = (value: JsonObject, call: Authorized): ValidInput => ({ value, text: call.message.argumentsText }) as ValidInput;
