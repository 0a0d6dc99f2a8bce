import type { Approved, Known, Outcome, Received } from '../call/call.ts';
import type { Decision } from '../call/decision.ts';
import type { Principal } from '../call/principal.ts';
import type { Effect, Refusal } from '../call/refusal.ts';
import type { Target } from '../call/target.ts';
import { sha256 } from '../lib/hash.ts';
import type { Scrub } from './scrub.ts';

/** The part of a call's records that both share; kept while the call runs. Pieces of JSON text, each beginning with a comma. */
export interface Intent {
  /** Of the call. */
  readonly id: string;
  /** 0: not yet written. */
  seq: number;
  /** Its outcome could not be written. */
  lost: boolean;
  /** `correlation_id` to `tool_risk`. */
  readonly who: string;
  /** `policy_ids` to `approval_id`. */
  readonly policy: string;
  readonly inputHash: string;
  readonly resource: string;
}
export interface Records {
  readonly intent: (call: Approved) => Intent;
  /** From `correlation_id` on: what follows the seq of `call.intended`. */
  readonly intended: (intent: Intent, call: Approved) => string;
  /** The same for `call.finished`, in pieces. */
  readonly finished: (intent: Intent, outcome: Outcome, outputHash: string | null, latencyMs: number) => readonly string[];
  /** The same for `call.refused`: a call that ended before it had an intent. */
  readonly refused: (known: Known, refusal: Refusal, effect: Effect, latencyMs: number) => string;
  /** An open call as it stands in a segment's head. */
  readonly still: (intent: Intent) => string;
}

const NO_RESULT = ',"output_summary":null,"output_hash":null,"output_classification":null';
const NO_OUTCOME = ',"success":null,"effect":null,"error":null,"latency_ms":null';
const NOBODY = ',"caller_id":null,"caller_team":null,"user_id":null,"workspace_id":null,"environment":null,"agent_id":null,"client_id":null,"tenant_id":null,"caller_groups":null,"caller_roles":null';
const json = (value: string | null): string => (value === null ? 'null' : JSON.stringify(value));

/**
 * Joins records by hand from pieces that are rendered once per caller, tool and rule: JSON.stringify of a whole record costs four
 * times as much. Order of the fields: fields.ts; a test compares both ways.
 */
export function makeRecords(scrub: Scrub): Records {
  const callers = new WeakMap<Principal, { readonly who: string; readonly grants: string }>();
  const tools = new WeakMap<object, { readonly risk: string; readonly aim: string; readonly resource: string }>();
  const rules = new WeakMap<object, { readonly version: string; readonly policy: string }>();

  const caller = (principal: Principal | undefined): { readonly who: string; readonly grants: string } => {
    if (principal === undefined) return { who: NOBODY, grants: ',"token_audience":null,"scopes":null' };
    let made = callers.get(principal);
    if (made === undefined) callers.set(principal, (made = renderCaller(principal)));
    return made;
  };
  const aimed = (known: Received & { readonly target?: Target }): { readonly aim: string; readonly resource: string } => {
    const target = known.target;
    if (target === undefined) return { aim: aim(scrub.short(known.server), scrub.short(toolOf(known)), null), resource: ',"downstream_resource":null' };
    const tool = target.tool;
    if (tool === null) return { aim: aim(target.server, scrub.short(methodOf(known)), target.risk), resource: `,"downstream_resource":${json(scrub.long(resourceOf(target)))}` };
    let made = tools.get(tool);
    // The class is part of the key: an operator's override may move a tool without changing what the server sent.
    if (made?.risk !== target.risk) tools.set(tool, (made = { risk: target.risk, aim: aim(tool.server, tool.name, target.risk), resource: `,"downstream_resource":${json(resourceOf(target))}` }));
    return made;
  };
  const ruled = ({ ruleIds, policyVersion: version, shadows }: Decision): string => {
    let made = rules.get(ruleIds);
    if (made?.version !== version) rules.set(ruleIds, (made = { version, policy: `,"policy_ids":${JSON.stringify(ruleIds)},"policy_version":${json(version)}` }));
    return made.policy + trial(shadows);
  };
  const who = (known: Received, by: string, at: string): string =>
    `,"correlation_id":"${known.id}"${by},"model_request_id":${json(scrub.short(known.modelRequestId))}${at}`;

  return {
    intent: (call) => {
      const { who: by, grants } = caller(call.principal);
      const { aim: at, resource } = aimed(call);
      const policy = `${ruled(call.decision)}${grants},"approval_id":${json(call.approvalId)}`;
      return { id: call.id, seq: 0, lost: false, who: who(call, by, at), policy, inputHash: inputHash(call), resource };
    },
    intended: (intent, call) =>
      `${intent.who},"decision":"allow","reason_code":"ok"${intent.policy},"tool_input":${scrub.input(call, true)},"input_hash":"${intent.inputHash}"${NO_RESULT}${intent.resource}${NO_OUTCOME}`,
    finished: (intent, outcome, outputHash, latencyMs) => {
      const refusal = 'refusal' in outcome ? outcome.refusal : null;
      const start = `${intent.who},"decision":"allow","reason_code":"${refusal?.code ?? 'ok'}"${intent.policy},"tool_input":null,"input_hash":"${intent.inputHash}"`;
      const stop = `${intent.resource}${end(outcome, scrub, latencyMs)}`;
      if (!('result' in outcome)) return [start, NO_RESULT, stop];
      const { summary, classification } = outcome.result;
      return [`${start},"output_summary":`, json(scrub.cut(summary, 500)), `,"output_hash":${json(outputHash)},"output_classification":"${classification}"${stop}`];
    },
    refused: (known, refusal, effect, latencyMs) => {
      const { who: by, grants } = caller(known.principal);
      const { aim: at, resource } = aimed(known);
      const decision = refusal.decision ?? known.decision ?? null;
      const policy = decision === null ? ',"policy_ids":null,"policy_version":null,"shadow_rules":null' : ruled(decision);
      const judged = `,"decision":${json(effectOf(decision, refusal))},"reason_code":"${refusal.code}"${policy}${grants},"approval_id":${json(known.approvalId ?? refusal.approval?.id ?? null)}`;
      const input = `,"tool_input":${scrub.input(known, known.principal !== undefined)},"input_hash":"${inputHash(known)}"`;
      return `${who(known, by, at)}${judged}${input}${NO_RESULT}${resource}${end({ refusal, effect }, scrub, latencyMs)}`;
    },
    still: (intent) => `{"seq":${intent.seq}${intent.who},"decision":"allow"${intent.policy},"input_hash":"${intent.inputHash}"${intent.resource}}`,
  };
}

function renderCaller(p: Principal): { readonly who: string; readonly grants: string } {
  const who = `,"caller_id":${json(p.id)},"caller_team":${json(p.team)},"user_id":${json(p.user)},"workspace_id":${json(p.workspace)}`
    + `,"environment":${json(p.environment)},"agent_id":${json(p.agent)},"client_id":${json(p.client)},"tenant_id":${json(p.tenant)}`
    + `,"caller_groups":${JSON.stringify(p.groups)},"caller_roles":${JSON.stringify(p.roles)}`;
  return { who, grants: `,"token_audience":${json(p.tokenAudience)},"scopes":${JSON.stringify(p.scopes)}` };
}
/** A field of its own, and words of its own: what a rule on trial would have said must never read as what was decided. */
const trial = (shadows: Decision['shadows']): string =>
  shadows === undefined || shadows.length === 0 ? ',"shadow_rules":null' : `,"shadow_rules":${JSON.stringify(shadows.map(({ ruleId, would }) => ({ rule: ruleId, would: `would ${would}` })))}`;
const aim = (server: string | null, tool: string | null, risk: string | null): string =>
  `,"mcp_server":${json(server)},"tool":${json(tool)},"tool_risk":${json(risk)}`;

/** A duty that policy asked for and nobody met is policy's no: such a call must not read as allowed. */
const effectOf = (decision: Decision | null, refusal: Refusal): 'allow' | 'deny' | null => (decision !== null && refusal.code.startsWith('approve.') ? 'deny' : (decision?.effect ?? null));

/** What stands in `tool` when the call names none: the method; `$response` for a client's answer, which has no method. */
const methodOf = (call: Received): string => (call.message.method === '' ? '$response' : call.message.method);

const toolOf = (call: Received): string => (call.message.method === 'tools/call' && call.name !== null ? call.name : methodOf(call));

/** `server/tool`, `server/prompt`, a resource's URI, or the server; null: the gateway itself. */
function resourceOf(target: Target): string | null {
  if (target.server === null) return null;
  if (target.name === null) return target.server;
  return target.tool === null && target.method.startsWith('resources/') ? target.name : `${target.server}/${target.name}`;
}
/** Tools: over the exact text of the arguments; everything else: over the message's bytes. */
const inputHash = (call: Received): string => sha256(call.message.method === 'tools/call' ? call.message.argumentsText : call.message.bytes);

function end(outcome: Outcome, scrub: Scrub, latencyMs: number): string {
  const success = 'result' in outcome && outcome.result.success;
  return `,"success":${success},"effect":"${outcome.effect}","error":${json(errorOf(outcome, scrub))},"latency_ms":${latencyMs}`;
}
/** Why it failed; for a call that went through, what inspection found. */
function errorOf(outcome: Outcome, scrub: Scrub): string | null {
  if ('refusal' in outcome) return scrub.long(outcome.refusal.note ?? null);
  return outcome.result.findings.length === 0 ? null : scrub.long(`inspect: ${outcome.result.findings.join(', ')}`);
}
