import type { JsonObject } from '../../call/json.ts';
import { type ArgumentsConfig, constraintsOf, isClosed } from './config.ts';
import { type Finding, PolicyFault } from './finding.ts';
import { judge, type Sink } from './judge.ts';
import { type Node, plant } from './tree.ts';

export { type ArgumentsConfig, argumentsSchema } from './config.ts';
export type { Finding } from './finding.ts';

/** A call's arguments. `text` is their exact JSON text, from which `value` was strictly parsed: numbers are compared as they are written. */
export interface Judged {
  readonly value: JsonObject;
  readonly text: string;
}

/**
 * match: every constraint holds. no_match: one of them clearly does not. error: it cannot be told (missing, null, mistyped, several spellings,
 * look-alikes, arguments that the rule does not name). An allow rule then does not match; a deny rule does. `error` holds words of the rule, nothing of the
 * caller's; yet it tells what the rule is about, so it belongs in records and not in answers.
 */
export type ArgumentsVerdict = 'match' | 'no_match' | { readonly error: string };

/** Compiles a rule's `arguments`, as `argumentsSchema` gave it. Throws an Error for what the schema would refuse. The judge never throws on strictly parsed JSON. */
export function compileArguments(config: ArgumentsConfig): (args: Judged) => ArgumentsVerdict {
  const root = rootOf(config);
  return (args) => verdictOf(look(root, args, null));
}

export interface ArgumentsExplained {
  readonly verdict: ArgumentsVerdict;
  /** What does not hold, once for each path and reason; paths that are not here hold. */
  readonly findings: readonly Finding[];
}

/** The same judgement with everything that did not hold: which path and why, in words that hold nothing of the caller's. */
export function explainArguments(config: ArgumentsConfig, args: Judged): ArgumentsExplained {
  const findings = new Map<string, Finding>();
  const decides = look(rootOf(config), args, findings);
  return { verdict: verdictOf(decides), findings: [...findings.values()] };
}

const look = (root: Node, { value, text }: Judged, sink: Sink): Finding | null => judge(root, value, text, root.reads ? 0 : -1, sink);

function rootOf(config: ArgumentsConfig): Node {
  return plant(constraintsOf(config), isClosed(config), ({ path, message }) => {
    throw new PolicyFault(path === null ? message : `${path}: ${message}`);
  });
}

function verdictOf(finding: Finding | null): ArgumentsVerdict {
  if (finding === null) return 'match';
  return finding.kind === 'no' ? 'no_match' : { error: `${finding.path}: ${finding.why}` };
}
