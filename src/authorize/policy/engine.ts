import type { Decision } from '../../call/decision.ts';
import { type JsonObject, isObject } from '../../call/json.ts';
import { parseStrict } from '../../lib/strict-json.ts';
import type { AuthorizeConfig } from '../config.ts';
import { type Authorize, createAuthorize, type Explained, type Judged, type Place } from '../index.ts';
import { ARGUMENT_LIMITS } from './test-file.ts';

/** One call as a test, or `policy explain`, puts it. */
export interface Asked {
  readonly principal: Parameters<Authorize['decide']>[0];
  readonly target: Parameters<Authorize['decide']>[1];
  /** Where the server stands. */
  readonly place: Place;
  /** JSON text; null: it has none. */
  readonly argumentsText: string | null;
  /** ms since epoch. */
  readonly at: number;
}
/** The room that decides calls, with its clock and the place of the server as each call says. */
export interface Engine {
  readonly version: string;
  /** Never throws. */
  readonly decide: (call: Asked) => Decision;
  readonly explain: (call: Asked) => Explained;
}

/** Throws for rules that do not compile. */
export function createEngine(config: AuthorizeConfig): Engine {
  let now = 0;
  const rooms = new Map<string, Authorize>(); // one for each place: the room remembers what it made of a server
  const roomAt = (place: Place): Authorize => {
    const key = JSON.stringify([place.environment, place.region, place.tenant]);
    let room = rooms.get(key);
    if (room === undefined) rooms.set(key, (room = createAuthorize(config, { clock: { now: () => now, monotonic: () => now }, placeOf: () => place })));
    return room;
  };
  const version = roomAt({ environment: null, region: null, tenant: null }).version;
  const ask = <T>(call: Asked, how: (room: Authorize, args: Judged | undefined) => T): T => {
    now = call.at;
    return how(roomAt(call.place), judgedOf(call));
  };
  return {
    version,
    decide: (call) => ask(call, (room, args) => room.decide(call.principal, call.target, args)),
    explain: (call) => ask(call, (room, args) => room.explain(call.principal, call.target, args)),
  };
}

/** As receive reads them. Text that a call could not be made of, and what is no object, is as good as no arguments: constraints refuse it. */
export function judgedOf({ argumentsText: text }: Pick<Asked, 'argumentsText'>): Judged | undefined {
  if (text === null) return undefined;
  const read = parseStrict(text, ARGUMENT_LIMITS);
  const value: JsonObject | null = read.ok && isObject(read.value) ? read.value : null;
  return value === null ? { value: {}, text: '{}' } : { value, text };
}
