import type { Principal } from '../../call/principal.ts';
import type { Target } from '../../call/target.ts';
import type { AuthorizeConfig } from '../config.ts';
import type { ExplainedRule, Place } from '../index.ts';
import { breathing } from './breath.ts';
import { decisionWords } from './duty-words.ts';
import { type Asked, createEngine, type Engine } from './engine.ts';

/** Tools whose rights change in the same way for one caller. */
export interface RightsChange {
  readonly caller: string;
  readonly before: string;
  readonly after: string;
  readonly tools: string[];
}
export interface RightsDiff {
  readonly version_before: string;
  readonly version_after: string;
  readonly at: string;
  readonly callers: number;
  readonly tools: number;
  readonly changes: readonly RightsChange[];
}
export interface RightsAsked {
  readonly callers: readonly Principal[];
  readonly tools: readonly { readonly target: Target; readonly place: Place }[];
  /** ms since epoch: rules with `during` are judged at this time. */
  readonly at: number;
  /** Called now and then with how many callers are done. */
  readonly progress: (done: number) => void;
}

/**
 * What each caller may do with each tool under two policies, where it differs. As in lists: an allow that looks at arguments counts, a deny that does is told
 * beside it; so a rule whose condition alone has changed shows too.
 */
export async function diffRights(before: AuthorizeConfig, after: AuthorizeConfig, { callers, tools, at, progress }: RightsAsked): Promise<RightsDiff> {
  const breath = breathing();
  const [old, next] = [sideOf(before), sideOf(after)];
  const changes = new Map<string, RightsChange>();
  for (const [n, principal] of callers.entries()) {
    for (const { target, place } of tools) {
      await breath();
      const asked: Asked = { principal, target, place, argumentsText: null, at };
      const [a, b] = [old.rights(asked), next.rights(asked)];
      if (a.whole === b.whole) continue;
      const [was, is] = a.shown === b.shown ? [`${a.shown} (${conditionsIn(a, b)})`, `${b.shown} (${conditionsIn(b, a)})`] : [a.shown, b.shown];
      const key = JSON.stringify([principal.id, was, is]);
      const known = changes.get(key);
      if (known === undefined) changes.set(key, { caller: principal.id, before: was, after: is, tools: [target.id] });
      else known.tools.push(target.id);
    }
    progress(n + 1);
  }
  return { version_before: old.engine.version, version_after: next.engine.version, at: new Date(at).toISOString(), callers: callers.length, tools: tools.length, changes: [...changes.values()] };
}

interface Rights {
  readonly shown: string;
  readonly whole: string;
  /** Rule to what it hangs on. */
  readonly conditions: ReadonlyMap<string, string>;
}
function sideOf(config: AuthorizeConfig): { readonly engine: Engine; readonly rights: (asked: Asked) => Rights } {
  const engine = createEngine(config);
  // Nothing is allowed now whatever the arguments: of the conditions only those that time changes could say otherwise.
  const inTime = new Set(config.rules.filter(({ during, when }) => during !== undefined || when?.includes('now') === true).map(({ id }) => `rule:${id}`));
  const hang = new Map(config.rules.map(({ id, effect, arguments: wanted, when, during }) => [`rule:${id}`, wanted === undefined && when === undefined && during === undefined ? null : JSON.stringify([effect, wanted, when, during])]));
  return {
    engine,
    rights: (asked) => {
      const { decision, rules } = engine.explain(asked);
      const conditions = new Map(rules.filter(speaksOf).flatMap(({ id }) => {
        const on = hang.get(id) ?? null;
        return on === null || (decision.effect === 'deny' && (decision.reason === 'authorize.credential' || !inTime.has(id))) ? [] : [[id, on] as const];
      }));
      const shown = decisionWords(decision);
      return { shown, conditions, whole: JSON.stringify([shown, [...conditions.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1))]) };
    },
  };
}
/** All but what hangs on the call itself holds. */
const speaksOf = ({ shadow, parts }: ExplainedRule): boolean => !shadow && parts.every(({ half, holds }) => holds === true || half === 'when' || half === 'arguments' || half === 'condition');

/** Conditions of one side that the other does not have so. */
function conditionsIn(side: Rights, other: Rights): string {
  const own = [...side.conditions].filter(([id, on]) => other.conditions.get(id) !== on).map(([id]) => id);
  return own.length === 0 ? 'no other condition' : `conditions of ${own.join(', ')}`;
}
