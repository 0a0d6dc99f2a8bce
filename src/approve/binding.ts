import type { Limited } from '../call/call.ts';
import type { Obligation } from '../call/decision.ts';
import type { Json } from '../call/json.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import { sha256 } from '../lib/hash.ts';

/** Where a server stands, as the operator says: a yes for the test system is none for production. */
export interface Place {
  readonly environment: string | null;
  readonly region: string | null;
  readonly tenant: string | null;
}
/** What an approval is for. */
export interface Bound {
  /** SHA-256, hex. */
  readonly binding: string;
  readonly argumentsText: string;
  /** The same act by whomever: for putting equal requests together on a screen. */
  readonly group: string;
}

/**
 * Everything that makes this call this call. One changed byte in any of it is another call, which nobody has approved: other arguments,
 * another caller, a tool that was redefined, another policy (THREATS "approvals"; CWE-367, CWE-294). `isOurs`: `inputResponses` and
 * `requestState` answer the gateway and not the server, so they are no part of the act. Throws SyntaxError for text without a canonical form.
 */
export function bind(call: Limited, isOurs: boolean, place: Place): Bound {
  const { principal, target, decision } = call;
  const argumentsText = canonicalJson(call.input.text);
  const act = {
    server: target.server, tool: target.name, target: target.id, method: target.method, digest: target.tool?.digest ?? null,
    input: sha256(argumentsText), rest: rest(call, isOurs),
  };
  const whole = {
    act, caller: principal.id, environment: principal.environment, place, policy: decision.policyVersion, duties: decision.obligations.map(dutyOf),
  };
  return { binding: hash(whole), argumentsText, group: hash(act) };
}
const hash = (value: object): string => sha256(canonicalJson(JSON.stringify(value)));

/** A rule that now asks for more people is another question, even if somebody forgot to count the policy's version up. */
function dutyOf(duty: Obligation): object {
  const { why: _, ...asked } = duty;
  return asked;
}

const JUDGED = new Set(['name', 'arguments', '_meta']);
const ANSWERS = new Set(['inputResponses', 'requestState']);
/** The params besides name and arguments (a URI, a task, answers to the server), with the digits that a double cannot hold. */
function rest(call: Limited, isOurs: boolean): object {
  const { params, inexact } = call.message;
  const kept: Record<string, Json> = {};
  for (const key of Object.keys(params)) {
    const value = params[key];
    if (value !== undefined && !JUDGED.has(key) && !(isOurs && ANSWERS.has(key))) kept[key] = value;
  }
  return { kept, exact: inexact.filter((n) => Object.hasOwn(kept, n.pointer.split('/')[1] ?? '')).map((n) => [n.pointer, n.literal]) };
}
