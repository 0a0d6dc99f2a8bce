import { LRUCache } from 'lru-cache';
import type { Principal } from '../call/principal.ts';
import type { Target, Tool } from '../call/target.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import { sha256 } from '../lib/hash.ts';
import type { Judged } from './arguments/index.ts';
import { type Caller, describeCaller } from './caller.ts';
import type { Seen } from './condition-values.ts';
import type { AuthorizeConfig } from './config.ts';
import { type Aimed, createJudge, type Ruling } from './judge.ts';
import type { LoadedRule } from './load.ts';
import type { Place } from './place.ts';
import type { Rule } from './rules.ts';

/** One version of the policy with all it remembers; another version is another object, so nothing remembered outlives its rules. */
export interface Policy {
  readonly version: string;
  readonly rules: readonly Rule[];
  /** Never throws: an error denies. `judged` null: the arguments are not known. */
  readonly decide: (principal: Principal, target: Target, judged: Judged | null, now: number) => Ruling;
  readonly seen: (principal: Principal, target: Target, judged: Judged | null, now: number) => Seen;
}

/** Non-tool targets that are remembered; their ids may hold what callers make up. */
const REMEMBERED = 4_096;

export function createPolicy(config: AuthorizeConfig, loaded: readonly LoadedRule[], placeOf: (server: string | null) => Place): Policy {
  const version = versionOf(config, loaded);
  const rules = loaded.map(({ rule }) => rule);
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
      const aimed = judge.aim(target, placeOf(target.server));
      tools.set(target.tool, aimed);
      return aimed;
    }
    // Not by `target.id`: a server may be called `gateway`.
    const key = `${target.server ?? ''} ${target.risk} ${target.method}`;
    const known = target.tool === null ? others.get(key) : undefined;
    if (known !== undefined) return known;
    const aimed = judge.aim(target, placeOf(target.server));
    if (target.tool === null) others.set(key, aimed);
    return aimed;
  };
  /** What was decided on a tool for a caller, where neither arguments nor time count; the same object each time, so that what hangs on it (records) is made once too. */
  const decided = new WeakMap<Caller, WeakMap<Aimed, Ruling | 'anew'>>();
  const seen: Policy['seen'] = (principal, target, judged, now) => ({ principal, target, place: placeOf(target.server), judged: judged ?? uriOf(target), now });
  const decideOn = (caller: Caller, aimed: Aimed, see: () => Seen, target: Target): Ruling => {
    if (target.tool === null) return judge.decide(caller, aimed, see()); // its name may be anything
    let ofCaller = decided.get(caller);
    if (ofCaller === undefined) decided.set(caller, (ofCaller = new WeakMap()));
    const known = ofCaller.get(aimed);
    if (known !== undefined && known !== 'anew') return known;
    const ruling = judge.decide(caller, aimed, see());
    if (known === undefined) ofCaller.set(aimed, judge.isFixed(caller, aimed) ? ruling : 'anew');
    return ruling;
  };
  return {
    version, rules, seen,
    decide: (principal, target, judged, now) => {
      try {
        return decideOn(callerOf(principal), aimedAt(target), () => seen(principal, target, judged, now), target);
      } catch (thrown) {
        // An error is a no: anything else would be a way in (CWE-636).
        return { decision: { effect: 'deny', ruleIds: [], policyVersion: version, reason: 'authorize.error', wantScopes: [] }, note: String(thrown) };
      }
    },
  };
}

/** Known whenever the target is, for a list as for a call. */
const uriOf = (target: Target): Judged | null =>
  target.tool === null && target.name !== null && target.method.startsWith('resources/') ? { value: { uri: target.name }, text: JSON.stringify({ uri: target.name }) } : null;

/** By what the rules say, in whatever order and files they stand. */
function versionOf(config: AuthorizeConfig, loaded: readonly LoadedRule[]): string {
  // Grants come and go without another policy: approvals that wait stay valid, and the record names each grant by its id.
  const rules = loaded.flatMap(({ config: own, rule }) => (rule.temporary === undefined ? [own] : [])).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return sha256(canonicalJson(JSON.stringify({ ...config, rules }))).slice(0, 16);
}
