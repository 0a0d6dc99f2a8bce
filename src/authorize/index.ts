import { LRUCache } from 'lru-cache';
import type { Authorized, Resolved } from '../call/call.ts';
import type { Decision } from '../call/decision.ts';
import type { Principal } from '../call/principal.ts';
import type { Stage } from '../call/stage.ts';
import type { Target, Tool } from '../call/target.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import { sha256 } from '../lib/hash.ts';
import { type Caller, describeCaller } from './caller.ts';
import type { AuthorizeConfig } from './config.ts';
import { type Aimed, createJudge } from './judge.ts';
import { compileRule } from './rules.ts';

export interface Authorize {
  /** Adds the decision. Refuses with `authorize.*`, the decision and the scopes that would have been enough. */
  readonly stage: Stage<Resolved, Pick<Authorized, 'decision'>>;
  /** The same decision, for lists: what may not be called is not shown (MISSION P5). Never throws: an error denies. */
  readonly decide: (principal: Principal, target: Target) => Decision;
  /** First 16 hex digits of the SHA-256 of the policy in canonical JSON. */
  readonly version: string;
}

/** Non-tool targets that are remembered; their ids may hold what callers make up. */
const REMEMBERED = 4_096;

/** The room that says who may do what: a pure function of principal, target and policy, so that what it says may be remembered. */
export function createAuthorize(config: AuthorizeConfig): Authorize {
  const version = sha256(canonicalJson(JSON.stringify(config))).slice(0, 16);
  const rules = config.rules.map(compileRule);
  const judge = createJudge(config, rules, version);
  const callers = new WeakMap<Principal, Caller>();
  const tools = new WeakMap<Tool, Aimed>();
  const others = new LRUCache<string, Aimed>({ max: REMEMBERED });

  const callerOf = (principal: Principal): Caller => {
    const known = callers.get(principal);
    if (known !== undefined) return known;
    const caller = describeCaller(principal, rules);
    callers.set(principal, caller);
    return caller;
  };
  const aimedAt = (target: Target): Aimed => {
    if (target.tool !== null && target.method === 'tools/call' && target.risk === target.tool.risk) {
      const known = tools.get(target.tool);
      if (known !== undefined) return known;
      const aimed = judge.aim(target);
      tools.set(target.tool, aimed);
      return aimed;
    }
    // Not by `target.id`: a server may be called `gateway`.
    const key = `${target.server ?? ''} ${target.risk} ${target.method}`;
    const known = target.tool === null ? others.get(key) : undefined;
    if (known !== undefined) return known;
    const aimed = judge.aim(target);
    if (target.tool === null) others.set(key, aimed);
    return aimed;
  };
  /** What was decided on a tool for a caller; the same object each time, so that what hangs on it (records) is made once too. */
  const decided = new WeakMap<Caller, WeakMap<Aimed, Decision>>();
  const decideOn = (caller: Caller, aimed: Aimed, target: Target): Decision => {
    if (target.tool === null) return judge.decide(caller, aimed, target); // its name may be anything
    let ofCaller = decided.get(caller);
    if (ofCaller === undefined) decided.set(caller, (ofCaller = new WeakMap()));
    let decision = ofCaller.get(aimed);
    if (decision === undefined) ofCaller.set(aimed, (decision = judge.decide(caller, aimed, target)));
    return decision;
  };
  const decide = (principal: Principal, target: Target): Decision => {
    try {
      return decideOn(callerOf(principal), aimedAt(target), target);
    } catch {
      // A rule that cannot be evaluated must not count as one that did not match (agentgateway, Envoy AI Gateway: deny rules failed open).
      return { effect: 'deny', ruleIds: [], policyVersion: version, reason: 'authorize.error', wantScopes: [] };
    }
  };

  return {
    version,
    decide,
    stage: {
      name: 'authorize',
      run: (call) => {
        const decision = decide(call.principal, call.target);
        if (decision.effect === 'allow') return { go: { decision } };
        return { stop: { code: decision.reason, decision, ...(decision.wantScopes.length > 0 && { wantScopes: decision.wantScopes }) } };
      },
    },
  };
}
