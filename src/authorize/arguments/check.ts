import { RE2JS } from 're2js';
import { amountCheck } from './amounts.ts';
import { cidr } from './addresses.ts';
import type { Constraint } from './constraint.ts';
import { email } from './emails.ts';
import { type Check, deciding, type Finding, PolicyFault, type Say, type TextCheck } from './finding.ts';
import { branchFault, repositoryFault } from './names.ts';
import { amongNumbers, atLeast, atMost, type Bound, boundOf, type Demand, numberCheck, whole } from './numbers.ts';
import { extension, pathGlob, under } from './paths.ts';
import { likeOneOf, noneOf, oneOf, partedFault, proseFault } from './text.ts';
import { urlCheck } from './urls.ts';

type Scalar = string | number | boolean;
type Kind = 'text' | 'number' | 'boolean' | 'list' | 'amount' | 'any' | 'absent';

const KINDS: { readonly [K in keyof Constraint]?: Kind } = {
  any: 'any', absent: 'absent', boolean: 'boolean', min: 'number', max: 'number', integer: 'number', min_items: 'list', max_items: 'list', amount: 'amount',
  min_length: 'text', max_length: 'text', pattern: 'text', glob: 'text', repository: 'text', branch: 'text', path: 'text', extension: 'text', url: 'text', cidr: 'text', email: 'text',
};

export interface Compiled {
  readonly check: Check;
  readonly kind: Kind;
}

/** Compiles what a constraint demands of a value that is there. null: it demands nothing of its own. Throws PolicyFault. */
export function compileCheck(wanted: Constraint, say: Say): Compiled | null {
  const kind = kindOf(wanted);
  return kind === null ? null : { kind, check: CHECKS[kind](wanted, say) };
}

const CHECKS: { readonly [K in Kind]: (wanted: Constraint, say: Say) => Check } = {
  any: () => () => null,
  absent: (_, say) => always(say.no('is there, and the rule wants it absent')),
  boolean: booleans,
  number: (wanted, say) => numberCheck(demandsOf(wanted), say),
  text: texts,
  list: lists,
  amount: ({ amount }, say) => amountCheck(amount ?? throwFault('needs `amount`'), say),
};
const always = (finding: Finding): Check => () => finding;

/** The one type that a constraint speaks of: text under a rule about numbers would be judged by half of it. */
function kindOf(wanted: Constraint): Kind | null {
  const found = new Map<Kind, string>();
  for (const key of Object.keys(wanted)) {
    const kind = KINDS[key as keyof Constraint];
    if (kind !== undefined) found.set(kind, key);
  }
  for (const key of ['equals', 'enum', 'not_in'] as const) {
    for (const value of [wanted[key] ?? []].flat()) found.set(scalarKind(value), key);
  }
  if (found.size > 1) throw new PolicyFault(`\`${[...found.values()].join('` and `')}\` are about values of different types; no value would do`);
  return [...found.keys()][0] ?? null;
}
const scalarKind = (value: Scalar): Kind => (typeof value === 'string' ? 'text' : typeof value === 'number' ? 'number' : 'boolean');

function booleans(wanted: Constraint, say: Say): Check {
  const [mistyped, other] = [say.error('is neither true nor false'), say.no('is the other truth value')];
  const { yes, no } = listsOf(wanted);
  return (value) => {
    if (typeof value !== 'boolean') return mistyped;
    return yes.every((list) => list.includes(value)) && !no.includes(value) ? null : other;
  };
}

function demandsOf(wanted: Constraint): Demand[] {
  const [min, max] = [bound('min', wanted.min), bound('max', wanted.max)];
  if (min !== null && max !== null && !atMost(max).holds(min.decimal)) throw new PolicyFault('`min` is above `max`; no number would do');
  const { yes, no } = listsOf(wanted);
  return [
    ...(min === null ? [] : [atLeast(min)]),
    ...(max === null ? [] : [atMost(max)]),
    ...(wanted.integer === true ? [whole] : []),
    ...yes.map((list) => amongNumbers(boundsOf('enum', list), true)),
    ...(no.length === 0 ? [] : [amongNumbers(boundsOf('not_in', no), false)]),
  ];
}
function bound(key: string, written: number | string | undefined): Bound | null {
  try {
    return written === undefined ? null : boundOf(written);
  } catch (thrown) {
    throw thrown instanceof PolicyFault ? new PolicyFault(`\`${key}\` ${thrown.message}`) : thrown;
  }
}

const boundsOf = (key: string, list: readonly Scalar[]): Bound[] => list.filter(isNumber).flatMap((value) => bound(key, value) ?? []);

/** What `equals`, `enum` and `not_in` name. */
function listsOf({ equals, enum: among, not_in: excluded = [] }: Constraint): { readonly yes: readonly (readonly Scalar[])[]; readonly no: readonly Scalar[] } {
  return { yes: [...(equals === undefined ? [] : [[equals]]), ...(among === undefined ? [] : [among])], no: excluded };
}
const isNumber = (value: Scalar): value is number => typeof value === 'number';
const isText = (value: Scalar): value is string => typeof value === 'string';

function texts(wanted: Constraint, say: Say): Check {
  const mistyped = say.error('is not text');
  const checks = textChecks(wanted, say);
  const [only] = checks;
  if (checks.length === 1 && only !== undefined) return (value) => (typeof value === 'string' ? only(value) : mistyped);
  return (value) => {
    if (typeof value !== 'string') return mistyped;
    let worst: Finding | null = null;
    for (const check of checks) {
      worst = deciding(worst, check(value));
      if (worst?.kind === 'no') return worst;
    }
    return worst;
  };
}

function textChecks(wanted: Constraint, say: Say): TextCheck[] {
  const checks: TextCheck[] = [];
  const add = <T>(given: T | undefined, make: (given: T) => TextCheck): void => {
    if (given !== undefined) checks.push(make(given));
  };
  const { yes, no } = listsOf(wanted);
  for (const list of yes) checks.push(oneOf(list.filter(isText), say));
  add(no.length === 0 ? undefined : no, (list) => noneOf(list.filter(isText), say));
  add(wanted.min_length === undefined && wanted.max_length === undefined ? undefined : wanted, (w) => lengths(w, say));
  add(wanted.glob, (globs) => likeOneOf([globs].flat(), '/', partedFault, say));
  add(wanted.repository, (globs) => likeOneOf([globs].flat(), '/', repositoryFault, say));
  add(wanted.branch, (globs) => likeOneOf([globs].flat(), '/', branchFault, say));
  add(wanted.path, (path) => paths(path, say));
  add(wanted.extension, (ends) => extension([ends].flat(), say));
  add(wanted.url, (url) => urlCheck(url, say));
  add(wanted.cidr, (ranges) => cidr([ranges].flat(), say));
  add(wanted.email, ({ domains }) => email(domains, say));
  add(wanted.pattern, (pattern) => patterns(pattern, say));
  return checks;
}

function paths(wanted: NonNullable<Constraint['path']>, say: Say): TextCheck {
  if (typeof wanted === 'string' || Array.isArray(wanted)) return pathGlob([wanted].flat(), say);
  const checks = [...(wanted.under === undefined ? [] : [under([wanted.under].flat(), say)]), ...(wanted.glob === undefined ? [] : [pathGlob([wanted.glob].flat(), say)])];
  if (checks.length === 0) throw new PolicyFault('`path` needs `under` or `glob`');
  return (value) => checks.reduce<Finding | null>((worst, check) => deciding(worst, check(value)), null);
}

/** Code points: what a pair of surrogates stands for counts once. */
function lengths({ min_length: min = 0, max_length: max = Infinity }: Constraint, say: Say): TextCheck {
  if (min > max) throw new PolicyFault('`min_length` is above `max_length`; no text would do');
  const [short, long] = [say.no('is shorter than the rule allows'), say.no('is longer than the rule allows')];
  return (value) => {
    let characters = value.length;
    if (characters > max || (min > 0 && characters >= min)) for (let i = 1; i < value.length; i++) if (isPair(value, i)) characters--;
    return characters > max ? long : characters < min ? short : null;
  };
}
const isPair = (text: string, at: number): boolean => (text.charCodeAt(at) & 0xfc00) === 0xdc00 && (text.charCodeAt(at - 1) & 0xfc00) === 0xd800;

/** RE2: linear in the text, whatever the pattern (CWE-1333), and always the whole text: an unanchored pattern matches what an attacker puts around it (CWE-777). */
function patterns(pattern: string, say: Say): TextCheck {
  let engine: RE2JS;
  try {
    engine = RE2JS.compile(pattern);
  } catch {
    throw new PolicyFault('`pattern` is not a regular expression of RE2, which has no look-around and no back-references');
  }
  if (engine.programSize() > 2000) throw new PolicyFault('`pattern` is too large; use smaller repetitions');
  const other = say.no('does not match the pattern of the rule');
  return (value) => {
    const fault = proseFault(value);
    return fault !== null ? say.error(fault) : engine.testExact(value) ? null : other;
  };
}

function lists({ min_items: min = 0, max_items: max = Infinity }: Constraint, say: Say): Check {
  if (min > max) throw new PolicyFault('`min_items` is above `max_items`; no list would do');
  const [mistyped, few, many] = [say.error('is not a list'), say.no('has fewer elements than the rule allows'), say.no('has more elements than the rule allows')];
  return (value) => (!Array.isArray(value) ? mistyped : value.length < min ? few : value.length > max ? many : null);
}

function throwFault(message: string): never {
  throw new PolicyFault(message);
}
