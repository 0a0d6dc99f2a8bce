import { type CelInput, celUint, isCelUint } from '@bufbuild/cel';
import type { Principal } from '../call/principal.ts';
import type { Target } from '../call/target.ts';
import { isExact, isWhole, parseDecimal } from '../lib/decimal.ts';
import type { Judged } from './arguments/index.ts';
import type { ArgNames } from './condition-names.ts';
import type { Place } from './place.ts';

/** Everything a decision looks at. Made by the gateway; of the caller's own words only the arguments, and only as `args`. */
export interface Seen {
  readonly principal: Principal;
  readonly target: Target;
  /** Of the target's server. */
  readonly place: Place;
  /** null: nobody knows them yet, as for a list. */
  readonly judged: Judged | null;
  /** ms since epoch. */
  readonly now: number;
}

/** A missing fact is an empty text: no fact is ever empty, so it equals no value that is there. */
const text = (value: string | null): string => value ?? '';

export function callerOf(p: Principal): Map<string, CelInput> {
  return new Map<string, CelInput>([
    ['id', p.id], ['name', p.caller], ['user', text(p.user)], ['team', text(p.team)], ['groups', [...p.groups]], ['roles', [...p.roles]], ['agent', text(p.agent)], ['client', text(p.client)],
    ['workspace', text(p.workspace)], ['environment', text(p.environment)], ['tenant', text(p.tenant)], ['scopes', [...p.scopes]],
  ]);
}
export function targetOf({ target, place, principal }: Seen): Map<string, CelInput> {
  return new Map<string, CelInput>([
    ['server', text(target.server)], ['tool', text(target.tool?.name ?? null)], ['method', target.method], ['class', target.risk],
    ['environment', text(place.environment ?? principal.environment)], ['region', text(place.region)], ['tenant', text(place.tenant ?? principal.tenant)],
  ]);
}
export const timestampOf = (now: number): CelInput => ({ $typeName: 'google.protobuf.Timestamp', seconds: BigInt(Math.floor(now / 1_000)), nanos: (Math.floor(now) % 1_000) * 1_000_000 });

/** What a condition reads of the arguments is bounded, so that its cost is (CWE-400): values in all, and fewer where it goes over lists. */
const MOST_VALUES = 4_096;
const MOST_IN_LOOPS = 512;
const MOST_TEXT = 65_536;

interface Budget {
  values: number;
  text: number;
  /** A whole number beyond 2^53, and one with a fraction, were seen. */
  big: boolean;
  fraction: boolean;
}
type Args = Map<string, CelInput>;

/** The arguments a condition names, as CEL sees them; a text says why they cannot be shown to it. Whole numbers are `int` or `uint`, exactly; the rest is `double`, or an error. */
export function argsOf(judged: Judged, names: ArgNames): Args | string {
  try {
    const exact: Readonly<Record<string, unknown>> = MAY_ROUND.test(judged.text) ? exactly(judged.text) : judged.value;
    const budget: Budget = { values: names.loops ? MOST_IN_LOOPS : MOST_VALUES, text: MOST_TEXT, big: false, fraction: names.doubles };
    const keys = names.keys === null ? Object.keys(exact) : [...names.keys].filter((key) => Object.hasOwn(exact, key));
    const args: Args = new Map();
    for (const key of keys) args.set(key, valueOf(exact[key] ?? null, budget));
    // CEL compares an int with a double as doubles: 2^53 + 1 would equal 2^53 (CWE-681).
    return budget.big && budget.fraction ? 'a whole number beyond 2^53 stands beside one with a fraction' : args;
  } catch (thrown) {
    return thrown instanceof Unfit ? thrown.message : 'the arguments cannot be read';
  }
}
class Unfit extends Error {}

/** Short literals without an exponent are exact as they are. */
const MAY_ROUND = /[0-9][0-9.]{15}|[0-9][eE]/;

/** Reads the text again, each number by its own digits. */
function exactly(source: string): Readonly<Record<string, unknown>> {
  if (source.length > 1_048_576) throw new Unfit('the arguments are too large for a condition');
  return JSON.parse(source, (_key, value: unknown, context?: { readonly source?: string }) => (typeof value === 'number' ? numberOf(context?.source ?? '') : value));
}
function numberOf(literal: string): CelInput {
  const decimal = parseDecimal(literal);
  if (decimal === null) throw new Unfit('a number cannot be read exactly');
  if (!isWhole(decimal)) {
    if (!isExact(literal)) throw new Unfit('a number has more digits than can be compared');
    return Number(literal);
  }
  if (decimal.exponent > 20) throw new Unfit('a number is too large to be compared'); // before it is written out: 1e999999999
  const whole = decimal.digits * 10n ** BigInt(decimal.exponent);
  if (whole >= -(2n ** 63n) && whole < 2n ** 63n) return whole;
  if (whole > 0n && whole < 2n ** 64n) return celUint(whole);
  throw new Unfit('a number is too large to be compared');
}

function valueOf(value: unknown, budget: Budget): CelInput {
  if (--budget.values < 0) throw new Unfit('the arguments hold more values than a condition may look at');
  if (typeof value === 'string') {
    if ((budget.text -= value.length) < 0) throw new Unfit('the arguments hold more text than a condition may look at');
    return value;
  }
  if (typeof value === 'bigint') {
    budget.big ||= value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER;
    return value;
  }
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return BigInt(value);
    budget.fraction = true;
    return value;
  }
  if (value === null || typeof value === 'boolean') return value;
  if (isCelUint(value)) {
    budget.big = true;
    return value;
  }
  if (Array.isArray(value)) return value.map((item: unknown) => valueOf(item, budget));
  if (typeof value !== 'object') throw new Unfit('the arguments cannot be read');
  return new Map(Object.entries(value).map(([key, item]) => [key, valueOf(item, budget)]));
}
