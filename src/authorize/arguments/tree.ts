import { skeleton } from '../../lib/look-alike.ts';
import { compileCheck, type Compiled } from './check.ts';
import type { Constraint } from './constraint.ts';
import { type Check, type Finding, PolicyFault, type Say, sayFor, type TextCheck } from './finding.ts';
import { parsePath, type Step } from './places.ts';
import { oneOf } from './text.ts';

/** All constraints of a rule, by the place they speak of: one walk over the arguments judges them all. */
export interface Node {
  readonly check: Check | null;
  readonly members: readonly Member[] | null;
  readonly each: Node | null;
  /** Does something here or below ask for the text of a number? */
  readonly reads: boolean;
  readonly takesNull: boolean;
  readonly mayBeEmpty: boolean;
  /** What an absent value means; null: it holds. */
  readonly whenAbsent: Finding | null;
  readonly pairs: readonly Pair[];
  /** null: members that the rule does not name are admitted, unless they look like one it names. */
  readonly unnamed: Finding | null;
  /** What the named members look like. */
  readonly looks: ReadonlySet<string>;
  readonly findings: Readonly<Record<'isNull' | 'noObject' | 'noList' | 'isEmpty' | 'differs' | 'alike', Finding>>;
}
export interface Member {
  readonly name: string;
  readonly node: Node;
}
/** An amount and the argument beside it that says its currency. */
export interface Pair {
  readonly amount: string;
  readonly currency: string;
  readonly isCurrency: TextCheck;
  readonly missing: Finding;
}

/** A node while the paths are read. */
interface Draft {
  readonly path: string;
  readonly members: Map<string, Draft>;
  each: Draft | null;
  own: { readonly wanted: Constraint; readonly compiled: Compiled | null } | null;
  mayBeEmpty: boolean;
  readonly pairs: Pair[];
}
const draft = (path: string): Draft => ({ path, members: new Map(), each: null, own: null, mayBeEmpty: false, pairs: [] });

/** No path is spelled so: an argument may well be called `arguments`. */
const ROOT = 'all arguments';

/** What is wrong with a rule's arguments: `path` as the rule writes it, null for the whole. */
export interface Fault {
  readonly path: string | null;
  readonly message: string;
}

/** Compiles the constraints of one rule; tells every fault. The tree is of use only when there was none. */
export function plant(constraints: Iterable<readonly [string, Constraint]>, isClosed: boolean, tell: (fault: Fault) => void): Node {
  const root = draft(ROOT);
  for (const [path, wanted] of constraints) attempt(path, tell, () => put(root, path, parsePath(path), wanted));
  return finish(root, isClosed, tell);
}

function attempt(path: string, tell: (fault: Fault) => void, work: () => void): void {
  try {
    work();
  } catch (thrown) {
    if (!(thrown instanceof PolicyFault)) throw thrown;
    tell({ path, message: thrown.message });
  }
}

function put(root: Draft, path: string, steps: readonly Step[], wanted: Constraint): void {
  let [at, parent, list]: [Draft, Draft | null, Draft | null] = [root, null, null];
  for (const step of steps) {
    [parent, list] = [at, step === 'each' ? at : list];
    at = step === 'each' ? (at.each ??= draft(`${at.path}[]`)) : memberOf(at, root, step.name);
  }
  if (at.own !== null) throw new PolicyFault('is named twice; put both constraints under one path');
  at.own = { wanted, compiled: compileCheck(wanted, sayFor(at.path)) };
  if (wanted.optional === true && wanted.unless_absent === true) throw new PolicyFault('`optional` and `unless_absent` contradict each other; keep one');
  if (wanted.empty === true && list === null) throw new PolicyFault('`empty` speaks of the list before `[]`, and the path has none; remove it');
  if (wanted.empty === true && list !== null) list.mayBeEmpty = true;
  if (wanted.amount !== undefined) pairUp(wanted.amount, steps, parent ?? root, root);
}

function memberOf(at: Draft, root: Draft, name: string): Draft {
  const found = at.members.get(name);
  if (found !== undefined) return found;
  const shown = /^[^.[\]"*\s]+$/.test(name) ? name : JSON.stringify(name);
  const made = draft(at === root ? shown : `${at.path}.${shown}`);
  at.members.set(name, made);
  return made;
}

/** An amount without its currency says nothing: 1000 KWD are not 1000 EUR. */
function pairUp({ currency, currency_at: beside }: NonNullable<Constraint['amount']>, steps: readonly Step[], parent: Draft, root: Draft): void {
  if (beside === undefined) return;
  const last = steps[steps.length - 1];
  if (currency === undefined) throw new PolicyFault('`currency_at` needs `currency`, the currency of `max`');
  if (last === undefined || last === 'each' || last.name === beside) throw new PolicyFault('`currency_at` names another argument beside the amount, in the same object');
  const { path } = memberOf(parent, root, beside);
  const say = sayFor(path);
  parent.pairs.push({ amount: last.name, currency: beside, isCurrency: oneOf([currency], say), missing: say.error('is missing or not text, so the amount has no currency') });
}

function finish(at: Draft, isClosed: boolean, tell: (fault: Fault) => void): Node {
  const say = sayFor(at.path);
  const kind = at.own?.compiled?.kind ?? null;
  const fault = misfit(at, kind);
  if (fault !== null) tell({ path: at.path, message: fault });
  const members = at.members.size === 0 && at.path !== ROOT ? null : [...at.members].map(([name, below]) => ({ name, node: finish(below, isClosed, tell) }));
  const each = at.each === null ? null : finish(at.each, isClosed, tell);
  const isLeaf = members === null && each === null;
  return {
    check: at.own?.compiled?.check ?? null,
    members,
    each,
    reads: kind === 'number' || kind === 'amount' || each?.reads === true || members?.some(({ node }) => node.reads) === true,
    takesNull: isLeaf && (kind === 'any' || at.own === null),
    mayBeEmpty: at.mayBeEmpty,
    whenAbsent: whenAbsent(at, say, isLeaf, members ?? [], each),
    pairs: at.pairs,
    unnamed: isClosed && kind !== 'any' ? say.error('has members that the rule does not name') : null,
    looks: new Set([...at.members.keys()].map(skeleton)),
    findings: {
      isNull: say.error('is null'), noObject: say.error('is not an object'), noList: say.error('is not a list'), isEmpty: say.error('is an empty list'),
      differs: say.error('has elements that hold and others that do not'), alike: say.error('has members that only look like those that the rule names'),
    },
  };
}

/** Constraints on one place that no value could meet. */
function misfit(at: Draft, kind: Compiled['kind'] | null): string | null {
  const isLeaf = at.members.size === 0 && at.each === null;
  if (at.members.size > 0 && at.each !== null) return 'is an object in one path and a list in another; no value is both';
  if (isLeaf && at.own !== null && kind === null) return 'demands nothing; name a constraint, or `any: true` to admit any value';
  if (kind === null || kind === 'any' || isLeaf || (kind === 'list' && at.each !== null)) return null;
  return 'has members or elements in another path, so it cannot be judged as one value; only `any`, `optional` and, for lists, `min_items` and `max_items` go here';
}

/** An absent value is what the server chooses, which nobody here can judge: error, unless the rule says otherwise (CWE-1188). */
function whenAbsent(at: Draft, say: Say, isLeaf: boolean, members: readonly Member[], each: Node | null): Finding | null {
  const wanted = at.own?.wanted;
  if (wanted?.unless_absent === true) return say.no('is absent');
  if (wanted?.optional === true || wanted?.absent === true) return null;
  if (isLeaf) return wanted === undefined || wanted.any === true ? null : say.error('is missing');
  if (at.own?.compiled?.kind === 'list') return say.error('is missing');
  const below = [...members.map(({ node }) => node), ...(each === null ? [] : [each])].map((node) => node.whenAbsent);
  return below.find((finding) => finding?.kind === 'no') ?? below.find((finding) => finding !== null) ?? null;
}
