import { compileGlob } from '../lib/glob.ts';
import type { Obligation } from '../call/decision.ts';
import type { Risk, Target } from '../call/target.ts';
import type { LimitConfig } from './config.ts';
import { parseRate, type Rate } from '../lib/rate.ts';
import { createWindow, type Window } from './window.ts';

/** The counters of one caller. */
export interface Buckets {
  /** All messages together. */
  readonly overall: Window;
  readonly targets: Map<string, Window>;
}
export interface Store {
  /** The caller's counters; null when no more can be kept. */
  readonly of: (caller: string, name: string, now: number) => Buckets | null;
  /** The counter of one target among them; null when no more can be kept. */
  readonly target: (buckets: Buckets, target: Target, now: number) => Window | null;
  /** The counters of the rates that policy set for this call; null when no more can be kept. */
  readonly duties: (buckets: Buckets, duties: readonly Obligation[], now: number) => readonly Duty[] | null;
}

/** A rate that a rule of the policy set. */
export interface Duty {
  readonly id: string;
  readonly window: Window;
}
const NO_DUTIES: readonly Duty[] = [];
/** Whose counters belong to rules, not to a caller; no caller has an empty name. */
const EVERYBODY = '';

/** A sweep walks every counter, so it runs at most this often. */
const SWEEP_MS = 1_000;

/**
 * Counters by caller and target, at most `max_buckets`. Only idle ones are ever forgotten, those whose absence changes no answer: with
 * an LRU an attacker could fill the table to have his own limit forgotten. When it is full of live ones, newcomers are refused.
 */
export function createStore(config: LimitConfig): Store {
  const callers = new Map<string, Buckets>();
  const callerRate = byGlob(config.rates.callers, compile('3000/minute'));
  const targetRate = createTargetRate(config.rates);
  let kept = 0;
  let sweptAt = -Infinity;
  const hasRoom = (now: number): boolean => {
    if (kept < config.max_buckets) return true;
    if (now - sweptAt < SWEEP_MS) return false;
    sweptAt = now;
    kept = sweep(callers, now);
    return kept < config.max_buckets;
  };
  const of: Store['of'] = (caller, name, now) => {
    const found = callers.get(caller);
    if (found !== undefined) return found;
    if (!hasRoom(now)) return null;
    const made: Buckets = { overall: createWindow(callerRate(name)), targets: new Map() };
    callers.set(caller, made);
    kept++;
    return made;
  };
  const counter = (buckets: Buckets, key: string, rate: () => Rate, now: number): Window | null => {
    const found = buckets.targets.get(key);
    if (found !== undefined) return found;
    if (!hasRoom(now)) return null;
    const made = createWindow(rate());
    buckets.targets.set(key, made);
    kept++;
    return made;
  };
  return {
    of,
    target: (buckets, target, now) => counter(buckets, target.id, () => targetRate(target), now),
    duties: (buckets, obligations, now) => {
      if (obligations.length === 0) return NO_DUTIES;
      const found: Duty[] = [];
      for (const duty of obligations) {
        if (duty.by !== 'limit') continue;
        const whose = duty.per === 'caller' ? buckets : of(EVERYBODY, EVERYBODY, now);
        // With the rate in the key: after a change of policy a looser counter must not stand for a stricter one. No target's id begins with `rate:`.
        const window = whose === null ? null : counter(whose, `${duty.id} ${duty.count} ${duty.windowMs}`, () => duty, now);
        if (window === null) return null;
        found.push({ id: duty.id, window });
      }
      return found;
    },
  };
}

/** Forgets what is idle; returns how many are left. */
function sweep(callers: Map<string, Buckets>, now: number): number {
  let left = 0;
  for (const [caller, buckets] of callers) {
    for (const [id, window] of buckets.targets) if (window.isIdle(now)) buckets.targets.delete(id);
    if (buckets.targets.size === 0 && buckets.overall.isIdle(now)) callers.delete(caller);
    else left += 1 + buckets.targets.size;
  }
  return left;
}

function createTargetRate(rates: LimitConfig['rates']): (target: Target) => Rate {
  const classes = new Map<string, Rate>(Object.entries(rates.classes).map(([name, text]) => [name, compile(text)]));
  const strictest = compile('5/minute');
  const tools = Object.entries(rates.tools).map(([glob, text]) => ({ matches: compileGlob(glob), rate: compile(text) }));
  return (target) => tools.find((tool) => tool.matches(target.id))?.rate ?? classes.get(classOf(target.risk, target.name)) ?? strictest;
}

function classOf(risk: Risk, name: string | null): string {
  if (risk !== 'read' || name === null) return risk;
  const words = name.replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase().split(/[^a-z0-9]+/);
  if (words.includes('log') || words.includes('logs')) return 'read_log';
  return words.includes('search') ? 'read_search' : risk;
}

function byGlob(rates: Readonly<Record<string, string>>, otherwise: Rate): (name: string) => Rate {
  const rules = Object.entries(rates).map(([glob, text]) => ({ matches: compileGlob(glob), rate: compile(text) }));
  return (name) => rules.find((rule) => rule.matches(name))?.rate ?? otherwise;
}

/** The schema has read it already; an error here is a fault of ours and must not become "no limit". */
function compile(text: string): Rate {
  const rate = parseRate(text);
  if (rate === null) throw new Error(`not a rate: ${text}`);
  return rate;
}
