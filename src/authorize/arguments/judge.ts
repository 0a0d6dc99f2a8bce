import type { Json, JsonObject } from '../../call/json.ts';
import { isObject } from '../../call/json.ts';
import { elementsOf, type Member as Cut, membersOf } from '../../lib/json-spans.ts';
import { skeleton } from '../../lib/look-alike.ts';
import { deciding, type Finding } from './finding.ts';
import type { Node, Pair } from './tree.ts';

/** Takes every finding, for whoever explains; without one the walk ends at the first clear no. */
export type Sink = Map<string, Finding> | null;

/**
 * Judges a value and all below it; null: every constraint holds. `at` is where the value begins in `text`, -1 where no number is asked for.
 * A clear no anywhere is a no; else an error anywhere is an error. Linear in the text times the depth of the rule's paths.
 */
export function judge(node: Node, value: Json, text: string, at: number, sink: Sink): Finding | null {
  // JSON null is "absent" to one server, a value to the next and a default to a third: never judged (CWE-476 of policies).
  if (value === null) return node.takesNull ? null : note(node.findings.isNull, sink);
  let worst = node.check === null ? null : note(node.check(value, text, at), sink);
  if (worst?.kind === 'no' && sink === null) return worst;
  if (node.members !== null) worst = deciding(worst, judgeMembers(node, value, text, at, sink));
  if (node.each !== null) worst = deciding(worst, judgeEach(node, node.each, value, text, at, sink));
  return worst;
}

function note(finding: Finding | null, sink: Sink): Finding | null {
  if (finding !== null && sink !== null) sink.set(`${finding.path}: ${finding.why}`, finding);
  return finding;
}

function judgeMembers(node: Node, value: Json, text: string, at: number, sink: Sink): Finding | null {
  // An array where one value was expected is how rules on `path` are passed by (OWASP MCP Top 10, issue 62).
  if (!isObject(value)) return note(node.findings.noObject, sink);
  const cuts = node.reads && at >= 0 ? membersOf(text, at) : NONE;
  let worst: Finding | null = null;
  let present = 0;
  for (const { name, node: below } of node.members ?? []) {
    const held = own(value, name);
    if (held !== undefined) present++;
    worst = deciding(worst, held === undefined ? note(below.whenAbsent, sink) : judge(below, held, text, below.reads ? startOf(cuts, name) : -1, sink));
    if (worst?.kind === 'no' && sink === null) return worst;
  }
  for (const pair of node.pairs) worst = deciding(worst, note(judgePair(pair, value), sink));
  if (worst?.kind === 'no' && sink === null) return worst;
  return deciding(worst, note(judgeUnnamed(node, value, present), sink));
}
const NONE: readonly Cut[] = Object.freeze([]);
const own = (value: JsonObject, name: string): Json | undefined => (Object.hasOwn(value, name) ? value[name] : undefined);
const startOf = (cuts: readonly Cut[], name: string): number => cuts.find((cut) => cut.name === name)?.start ?? -1;

function judgePair({ amount, currency, isCurrency, missing }: Pair, value: JsonObject): Finding | null {
  if (own(value, amount) === undefined) return null;
  const held = own(value, currency);
  return typeof held === 'string' ? isCurrency(held) : missing;
}

/**
 * Members that no path names. Closed: the server may take one of them for what the rule judged (`paths` beside `path`). Open: still refused when
 * it reads like a named one, for a server that folds case takes `Amount` for `amount` (CVE-2026-27896, CWE-178).
 */
function judgeUnnamed(node: Node, value: JsonObject, present: number): Finding | null {
  const names = Object.keys(value);
  if (names.length === present) return null;
  if (node.unnamed !== null) return node.unnamed;
  const isNamed = (name: string): boolean => node.members?.some((member) => member.name === name) === true;
  return names.some((name) => node.looks.has(skeleton(name)) && !isNamed(name)) ? node.findings.alike : null;
}

/**
 * Each element, never any. All hold: holds. All clearly do not: no. Else error, so that neither an allow rule passes for the sake of one good element nor a
 * deny rule is put off by adding a harmless one. An empty list says nothing, and to some servers it means everything.
 */
function judgeEach(node: Node, each: Node, value: Json, text: string, at: number, sink: Sink): Finding | null {
  if (!Array.isArray(value)) return note(node.findings.noList, sink);
  if (value.length === 0) return node.mayBeEmpty ? null : note(node.findings.isEmpty, sink);
  const cuts = each.reads && at >= 0 ? elementsOf(text, at) : NONE;
  let refused: Finding | null = null;
  let holds = 0;
  let unclear: Finding | null = null;
  for (let i = 0; i < value.length; i++) {
    const finding = judge(each, value[i], text, cuts[i]?.start ?? -1, sink);
    if (finding === null) holds++;
    else if (finding.kind === 'no') refused ??= finding;
    else unclear ??= finding;
    if (unclear !== null && sink === null) return unclear;
    if (holds > 0 && refused !== null && sink === null) break;
  }
  if (unclear !== null) return unclear;
  return holds > 0 && refused !== null ? note(node.findings.differs, sink) : refused;
}
