import type { ErrorObject } from 'ajv';
import type { JsonObject } from '../call/json.ts';
import { isNode, type Node } from './edges.ts';
import { inPlace, type Judge, own, segmentsOf, step } from './follow.ts';
import type { ReadSchema } from './read.ts';

/** Most characters, and most faults, of one explanation. */
const MOST_TEXT = 500;
const MOST_FAULTS = 5;

/**
 * Tells a model how to mend its arguments. Built from the schema alone, which the caller may read anyway: no value and no key of the caller's is
 * repeated, so nothing it was tricked into sending comes back as the gateway's own words; and no sentence of the server's either,
 * only names and short constants.
 */
export function explain(schema: ReadSchema, value: JsonObject, fault: ErrorObject): string {
  const judges = inPlace([{ node: schema.root, isCertain: true }], schema.graph);
  const faults = [...missing(judges, value), ...misfits(judges, value, schema), ...unknownKeys(judges, value)];
  const decided = phraseOf(fault);
  const path = pathOf(segmentsOf(fault.instancePath), schema);
  const isSaid = fault.instancePath === '' ? faults.length > 0 : faults.some((f) => f.startsWith(`${path.split(/[.[]/)[0] ?? ''}: `) && segmentsOf(fault.instancePath).length === 1);
  if (!isSaid) faults.unshift(path === '' ? decided : `${path}: ${decided}`);
  let text = '';
  for (const part of faults.slice(0, MOST_FAULTS)) {
    if (text.length + part.length + 2 > MOST_TEXT) break;
    text += text === '' ? part : `; ${part}`;
  }
  return text === '' ? `${decided.slice(0, MOST_TEXT)}.` : `${text}.`;
}

/** What a number breaks that had to be judged digit by digit. */
export function explainNumber(schema: ReadSchema, pointer: string, kind: 'breaks' | 'unknown'): string {
  const path = pathOf(segmentsOf(pointer), schema);
  const why = kind === 'breaks' ? 'the number is outside the bounds of the schema' : 'the number has more digits than can be compared exactly; use fewer, or a string if the schema takes one';
  return path === '' ? `${why}.` : `${path}: ${why}.`;
}

function missing(judges: readonly Judge[], value: JsonObject): string[] {
  const names = new Set(judges.filter((j) => j.isCertain).flatMap(({ node }) => (Array.isArray(node['required']) ? node['required'].filter((n) => typeof n === 'string') : [])));
  return [...names].filter((name) => !Object.hasOwn(value, name)).map((name) => `${shown(name)}: is required`);
}

/** Named arguments whose own schema is broken in a plain way. */
function misfits(judges: readonly Judge[], value: JsonObject, schema: ReadSchema): string[] {
  const found: string[] = [];
  for (const name of namesOf(judges)) {
    const given = own(value, name);
    if (given === undefined) continue;
    const wrong = step(judges, name, schema.graph).find(({ node, isCertain }) => isCertain && isMisfit(node, given));
    if (wrong !== undefined) found.push(`${shown(name)}: ${want(wrong.node)}`);
    if (found.length === MOST_FAULTS) break;
  }
  return found;
}

function unknownKeys(judges: readonly Judge[], value: JsonObject): string[] {
  const isClosed = judges.some(({ node, isCertain }) => isCertain && (node['additionalProperties'] === false || node['unevaluatedProperties'] === false));
  if (!isClosed || judges.some(({ node }) => node['patternProperties'] !== undefined)) return [];
  const names = namesOf(judges);
  const count = Object.keys(value).filter((key) => !names.has(key)).length;
  if (count === 0) return [];
  return [`${count} unknown key${count === 1 ? '' : 's'}: ${allowed(names)}`];
}

function allowed(names: ReadonlySet<string>): string {
  if (names.size === 0) return 'no keys are taken';
  const some = [...names].slice(0, 12).map(shown).join(', ');
  return `allowed keys are ${some}${names.size > 12 ? ` and ${names.size - 12} more` : ''}`;
}

const namesOf = (judges: readonly Judge[]): ReadonlySet<string> => new Set(judges.flatMap(({ node }) => (isNode(node['properties']) ? Object.keys(node['properties']) : [])));

function isMisfit(node: Node, given: unknown): boolean {
  const types = typesOf(node);
  if (types.length > 0 && !types.some((type) => isOfType(given, type))) return true;
  return Array.isArray(node['enum']) && typeof given !== 'object' && !node['enum'].includes(given);
}

const typesOf = ({ type, nullable }: Node): readonly string[] => [...(Array.isArray(type) ? type : [type]).filter((t) => typeof t === 'string'), ...(nullable === true ? ['null'] : [])];

function isOfType(given: unknown, type: string): boolean {
  if (type === 'integer') return Number.isInteger(given);
  if (type === 'array') return Array.isArray(given);
  if (type === 'null') return given === null;
  if (type === 'object') return isNode(given);
  return typeof given === type;
}

function want(node: Node): string {
  if (Array.isArray(node['enum'])) return `must be one of ${constants(node['enum'])}`;
  return mustBe(typesOf(node));
}

const ARTICLE: Readonly<Record<string, string>> = { array: 'an array', integer: 'an integer', object: 'an object', null: 'null', string: 'a string', number: 'a number', boolean: 'a boolean' };
const mustBe = (types: readonly string[]): string => `must be ${types.map((type) => ARTICLE[type] ?? 'of another type').join(' or ')}`;

/** The rule that was broken, in words; from the validator's parameters, which come from the schema. */
function phraseOf({ keyword, params }: ErrorObject): string {
  const limit = Number(params['limit']);
  switch (keyword) {
    case 'type':
      return mustBe([params['type']].flat().flatMap((type) => String(type).split(',')));
    case 'enum':
      return `must be one of ${constants(params['allowedValues'])}`;
    case 'const':
      return `must be ${constants([params['allowedValue']])}`;
    case 'required':
      return `${shown(String(params['missingProperty']))} is required`;
    case 'additionalProperties':
    case 'unevaluatedProperties':
      return 'has an unknown key';
    case 'minimum':
    case 'maximum':
    case 'exclusiveMinimum':
    case 'exclusiveMaximum':
      return `must be ${String(params['comparison'])} ${limit}`;
    case 'minLength':
      return `must have at least ${limit} characters`;
    case 'maxLength':
      return `must have at most ${limit} characters`;
    case 'minItems':
      return `must have at least ${limit} items`;
    case 'maxItems':
      return `must have at most ${limit} items`;
    case 'minProperties':
      return `must have at least ${limit} keys`;
    case 'maxProperties':
      return `must have at most ${limit} keys`;
    case 'multipleOf':
      return `must be a multiple of ${Number(params['multipleOf'])}`;
    case 'uniqueItems':
      return 'must not hold an item twice';
    case 'format':
      return `must be a valid ${shown(String(params['format']))}`;
    case 'pattern':
      return 'does not match the pattern of the schema';
    case 'anyOf':
    case 'oneOf':
      return keyword === 'anyOf' ? 'fits none of the alternatives in the schema' : 'must fit exactly one of the alternatives in the schema';
    default:
      return `breaks the schema’s ${/^[A-Za-z]{1,30}$/.test(keyword) ? keyword : 'rule'}`;
  }
}

/** Where the fault is, in names the schema knows: `items[3].name`; `*` stands for a key the caller made up. */
function pathOf(segments: readonly string[], schema: ReadSchema): string {
  let judges = inPlace([{ node: schema.root, isCertain: true }], schema.graph);
  let path = '';
  for (const segment of segments) {
    const isKnown = namesOf(judges).has(segment);
    const isIndex = !isKnown && /^\d{1,9}$/.test(segment) && judges.some(({ node }) => node['items'] !== undefined || node['prefixItems'] !== undefined);
    path += isIndex ? `[${segment}]` : `${path === '' ? '' : '.'}${isKnown ? shown(segment) : '*'}`;
    judges = step(judges, segment, schema.graph);
  }
  return path;
}

/** A name of the schema; one that could be a sentence is not repeated. */
const shown = (name: string): string => (/^[\w.$:@-]{1,64}$/.test(name) ? name : '(a key with an unusual name)');

function constants(values: unknown): string {
  const list = Array.isArray(values) ? values : [];
  const some = list.slice(0, 10).map((value) => {
    if (typeof value === 'string') return /^[^\p{C}]{0,40}$/u.test(value) ? JSON.stringify(value) : '(a longer text)';
    return typeof value === 'object' && value !== null ? '(a structure)' : String(value);
  });
  return `${some.join(', ')}${list.length > 10 ? ` and ${list.length - 10} more` : ''}`;
}
