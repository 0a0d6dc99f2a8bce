import type { parse } from '@bufbuild/cel';

type Expr = NonNullable<ReturnType<typeof parse>['expr']>;
type Kind<C extends NonNullable<Expr['exprKind']['case']>> = Extract<Expr['exprKind'], { case: C }>['value'];

/** What a condition may read. `args` has whatever the call has. */
const FIELDS: Readonly<Record<string, ReadonlySet<string>>> = {
  caller: new Set(['id', 'name', 'user', 'team', 'groups', 'roles', 'agent', 'client', 'workspace', 'environment', 'tenant', 'scopes']),
  target: new Set(['server', 'tool', 'method', 'class', 'environment', 'region', 'tenant']),
};
const ROOTS = ['caller', 'target', 'args', 'now'];
/**
 * Of CEL's standard library. Left out: `type`, `dyn` and `bytes`, which nobody needs; the parts of a moment (`getHours`), which the library
 * reads off the machine's own time zone, wrong on days when its clocks change: that is what `during` is for.
 */
const FUNCTIONS = new Set([
  '_&&_', '_||_', '!_', '_?_:_', '_==_', '_!=_', '_<_', '_<=_', '_>_', '_>=_', '_+_', '_-_', '_*_', '_/_', '_%_', '-_', '@in', '_[_]', '@not_strictly_false',
  'size', 'contains', 'startsWith', 'endsWith', 'matches', 'int', 'uint', 'double', 'string', 'bool', 'timestamp', 'duration',
]);

/** What a condition names. */
export interface Names {
  readonly roots: ReadonlySet<string>;
  readonly args: ArgNames | null;
  readonly patterns: readonly string[];
}
export interface ArgNames {
  /** The only top-level arguments that are read; null: any. */
  readonly keys: ReadonlySet<string> | null;
  /** It goes over lists, so that its cost grows with them. */
  readonly loops: boolean;
  /** It computes with doubles, which cannot hold every whole number. */
  readonly doubles: boolean;
}

interface Walk {
  readonly roots: Set<string>;
  readonly keys: Set<string>;
  readonly patterns: string[];
  anyKey: boolean;
  loops: boolean;
  doubles: boolean;
}

/** Walks the tree once, at load: there is no type checker, so an unknown name would only be found by the calls it denies. Throws Error, with what to mend. */
export function readNames(expr: Expr | undefined): Names {
  const walk: Walk = { roots: new Set(), keys: new Set(), patterns: [], anyKey: false, loops: false, doubles: false };
  visit(expr, walk, [], 0);
  const args = walk.roots.has('args') ? { keys: walk.anyKey ? null : walk.keys, loops: walk.loops, doubles: walk.doubles } : null;
  return { roots: walk.roots, args, patterns: walk.patterns };
}

/** `locals`: variables of the macros around. */
function visit(expr: Expr | undefined, walk: Walk, locals: readonly string[], depth: number): void {
  const kind = expr?.exprKind;
  switch (kind?.case) {
    case 'constExpr':
      walk.doubles ||= kind.value.constantKind.case === 'doubleValue';
      return;
    case 'identExpr':
      return root(kind.value.name, walk, locals);
    case 'selectExpr':
      return select(kind.value.operand, kind.value.field, walk, locals, depth);
    case 'callExpr':
      return call(kind.value, walk, locals, depth);
    case 'listExpr':
      for (const element of kind.value.elements) visit(element, walk, locals, depth);
      return;
    case 'comprehensionExpr':
      return loop(kind.value, walk, locals, depth);
    case 'structExpr':
      throw new Error('a condition makes no maps or messages; compare the fields one by one'); // an error inside a map literal is swallowed
    default:
      throw new Error('the condition is empty or cannot be read');
  }
}

/** A name that stands alone: the whole of it is read. */
function root(name: string, walk: Walk, locals: readonly string[]): void {
  if (locals.includes(name)) return;
  if (!ROOTS.includes(name)) throw new Error(`\`${name}\` is no name a condition knows; it knows ${ROOTS.join(', ')}`);
  if (Object.hasOwn(FIELDS, name)) throw new Error(`\`${name}\` stands alone; name one of its fields: ${fieldsOf(name)}`);
  walk.roots.add(name);
  if (name === 'args') walk.anyKey = true;
}

function select(operand: Expr | undefined, field: string, walk: Walk, locals: readonly string[], depth: number): void {
  const of = rootOf(operand, locals);
  if (of === null) {
    if (operand?.exprKind.case === 'selectExpr' && isKnown(operand, locals)) throw new Error(`\`.${field}\` is read of what has no fields`);
    return visit(operand, walk, locals, depth);
  }
  if (of === 'args') walk.keys.add(field);
  else if (of === 'now') throw new Error(`\`now.${field}\`: a moment has no fields; compare it with timestamp("2027-01-31T00:00:00Z"), or use during for hours and days`);
  else if (!ROOTS.includes(of)) throw new Error(`\`${of}\` is no name a condition knows; it knows ${ROOTS.join(', ')}`);
  else if (FIELDS[of]?.has(field) !== true) throw new Error(`\`${of}.${field}\` does not exist; there is ${fieldsOf(of)}`);
  walk.roots.add(of);
}
/** The name of a root that is no variable of a macro. */
const rootOf = (expr: Expr | undefined, locals: readonly string[]): string | null =>
  expr?.exprKind.case === 'identExpr' && !locals.includes(expr.exprKind.value.name) ? expr.exprKind.value.name : null;
/** A field of `caller` or `target`: a text or a list of texts, with nothing below. */
const isKnown = (expr: Expr, locals: readonly string[]): boolean =>
  expr.exprKind.case === 'selectExpr' && ['caller', 'target'].includes(rootOf(expr.exprKind.value.operand, locals) ?? '');
const fieldsOf = (name: string): string => [...(FIELDS[name] ?? [])].join(', ');

function call(value: Kind<'callExpr'>, walk: Walk, locals: readonly string[], depth: number): void {
  const { function: name, target, args } = value;
  if (!FUNCTIONS.has(name)) throw new Error(`\`${name}\` is no function a condition knows${name.startsWith('get') ? '; for hours and days there is `during`' : ''}`);
  walk.doubles ||= name === 'double';
  const [first, second] = args;
  // A literal index is a field like any other.
  if (name === '_[_]' && second?.exprKind.case === 'constExpr' && second.exprKind.value.constantKind.case === 'stringValue') {
    return select(first, second.exprKind.value.constantKind.value, walk, locals, depth);
  }
  if (name === 'timestamp') literal(first, '`timestamp` takes a text that stands in the rule, like "2027-01-31T00:00:00Z"'); // of a number the library makes milliseconds
  if (name === 'matches') pattern(target === undefined ? second : first, walk);
  if (target !== undefined) visit(target, walk, locals, depth);
  for (const arg of args) visit(arg, walk, locals, depth);
}
/** A pattern out of the arguments would be the caller's own (CWE-625). */
function pattern(expr: Expr | undefined, walk: Walk): void {
  walk.patterns.push(literal(expr, 'the pattern of `matches` must stand in the rule, as a text'));
}
function literal(expr: Expr | undefined, wrong: string): string {
  const constant = expr?.exprKind.case === 'constExpr' ? expr.exprKind.value.constantKind : null;
  if (constant?.case !== 'stringValue') throw new Error(wrong);
  return constant.value;
}

/** `all`, `exists`, `exists_one`, `map`, `filter`. One inside another costs the product of their lists. */
function loop(value: Kind<'comprehensionExpr'>, walk: Walk, locals: readonly string[], depth: number): void {
  if (depth > 0) throw new Error('`all`, `exists`, `map` and `filter` do not stand inside one another');
  walk.loops = true;
  visit(value.iterRange, walk, locals, depth);
  const inner = [...locals, value.iterVar, value.accuVar];
  for (const part of [value.accuInit, value.loopCondition, value.loopStep, value.result]) visit(part, walk, inner, depth + 1);
}
