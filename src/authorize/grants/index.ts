import type { LoadedRule } from '../load.ts';
import { activate, close } from './break-glass.ts';
import { endByItself, revoke } from './end.ts';
import { give, type Wanted } from './give.ts';
import type { Emergency, Grant, Held } from './record.ts';
import type { Desk, Done, GrantsDeps, Person } from './room.ts';
import { emergencyRule, grantRule } from './rule.ts';
import { createShelf } from './shelf.ts';
import { onward } from './time.ts';

export type { Wanted } from './give.ts';
export type { By, Emergency, Grant, Held } from './record.ts';
export type { Done, GrantFault, GrantsDeps, Person } from './room.ts';
export type { RuleText } from './rule.ts';

/** Grants and emergencies: what is allowed for a while, by whom and why. Every act is recorded before it is done. Methods reject when store or record are gone. */
export interface Grants {
  readonly give: (person: Person, wanted: Wanted) => Promise<Done<Grant>>;
  readonly revoke: (person: Person, id: string) => Promise<Done<Grant>>;
  readonly activate: (person: Person, wanted: { readonly role: string; readonly caller: string; readonly reason: string }) => Promise<Done<Emergency>>;
  /** Ends an activation before its time; its review stays open. */
  readonly end: (person: Person, id: string) => Promise<Done<Emergency>>;
  /** Closes the review, by a second person; what still runs ends. */
  readonly close: (person: Person, id: string, finding: string) => Promise<Done<Emergency>>;
  /** Newest first, also those that ended. */
  readonly list: () => Promise<readonly Held[]>;
  /** Whether something is in force now. */
  readonly isLive: (id: string) => boolean;
  /** Whether every grant among these ids of rules (`grant:…`, `break_glass:…`) still holds. */
  readonly areLive: (ruleIds: readonly string[]) => boolean;
  /** What an operator should know, for `/ready`. */
  readonly notes: () => readonly string[];
  /** Told of each activation whose role has an alarm, in the process in which it happens. */
  readonly onAlarm: (listener: (emergency: Emergency) => void) => () => void;
  /** Looks at the store now instead of within 100 ms. */
  readonly refresh: () => Promise<void>;
  readonly stop: () => Promise<void>;
}
interface State {
  live: ReadonlyMap<string, Held>;
  openReviews: number;
  /** Why grants cannot be seen; null: they can. */
  fault: string | null;
  config: ReturnType<GrantsDeps['config']> | null;
  saw: number;
}
/** A revocation by another process works within this and the time of one look. */
const POLL_MS = 100;
/** How much of a turned-back clock a restart may miss. */
const SAW_MS = 60_000;

/** Loads what is in force and follows the store. Rejects when it cannot be read. */
export async function createGrants(deps: GrantsDeps): Promise<Grants> {
  const shelf = createShelf(deps.store);
  const time = onward(deps.clock);
  time.atLeast(await shelf.seen());
  const state: State = { live: new Map(), openReviews: 0, fault: null, config: null, saw: 0 };
  const listeners = new Set<(emergency: Emergency) => void>();
  // Who cannot see revocations must not allow by what may be revoked (fail closed, CWE-636).
  const isLive = (id: string): boolean => state.fault === null && time.now() < (state.live.get(id)?.until ?? 0);
  let turn: Promise<void> = Promise.resolve();
  const desk: Desk = {
    deps, shelf, time, isLive,
    liveCount: () => state.live.size,
    alarm: (emergency) => {
      for (const listener of listeners) listener(emergency);
    },
    refresh: () => (turn = turn.then(() => look(desk, state)).then(() => void (state.fault = null), (thrown: unknown) => {
      if (state.fault === null) deps.log('grants cannot be read, none holds', { error: String(thrown) });
      state.fault = String(thrown);
    })),
  };
  await look(desk, state);
  let waiting = false;
  const timer = setInterval(() => {
    if (waiting) return;
    waiting = true;
    void desk.refresh().finally(() => (waiting = false));
  }, POLL_MS);
  timer.unref();
  return {
    give: (person, wanted) => give(desk, person, wanted),
    revoke: (person, id) => revoke(desk, person, 'grant', id),
    activate: (person, wanted) => activate(desk, person, wanted),
    end: (person, id) => revoke(desk, person, 'break_glass', id),
    close: (person, id, finding) => close(desk, person, id, finding),
    list: async () => (await shelf.look()).all.toSorted((a, b) => (a.id < b.id ? 1 : -1)),
    isLive,
    areLive: (ruleIds) => ruleIds.every((id) => !/^(?:grant|break_glass):/.test(id) || isLive(id.slice(id.indexOf(':') + 1))),
    notes: () => [
      ...([...state.live.values()].some(({ kind, id }) => kind === 'break_glass' && isLive(id)) ? ['grants: break glass in use'] : []),
      ...(state.openReviews > 0 ? ['grants: break glass review open'] : []), ...(state.fault === null ? [] : ['grants: cannot be read']),
    ],
    onAlarm: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    refresh: desk.refresh,
    stop: async () => {
      clearInterval(timer);
      await turn;
    },
  };
}

/** One look at the store: what is over is ended, what holds is put into force. */
async function look(desk: Desk, state: State): Promise<void> {
  const { deps, shelf, time } = desk;
  const { all, isNew, unreadable } = await shelf.look();
  const config = deps.config();
  if (isNew) for (const id of unreadable) deps.log('a grant cannot be read and allows nothing', { id });
  const live = new Map<string, Held>();
  const over: (readonly [Held, string])[] = [];
  const people = new Map<string, boolean>();
  const isGood = async (id: string): Promise<boolean> => {
    const known = people.get(id) ?? (await deps.personNow(id)) !== null;
    people.set(id, known);
    return known;
  };
  for (const held of all) {
    if (held.ended !== null) continue;
    if (held.until <= time.now()) over.push([held, 'its time is over']);
    // As with approvals: what a person said counts as long as his credential does.
    else if (!(await isGood(held.by.id))) over.push([held, 'the credential that gave it is good no more']);
    else live.set(held.id, held);
  }
  if (config !== state.config || live.size !== state.live.size || [...live].some(([id, held]) => state.live.get(id) !== held)) put(desk, state, live, config);
  state.openReviews = all.filter((held) => held.kind === 'break_glass' && held.review === null).length;
  for (const [held, why] of over) await endByItself(desk, held, why);
  const now = time.now();
  if ((live.size > 0 && now - state.saw >= SAW_MS) || over.length > 0) {
    await shelf.saw(now);
    state.saw = now;
  }
}

function put({ deps, isLive }: Desk, state: State, live: ReadonlyMap<string, Held>, config: ReturnType<GrantsDeps['config']>): void {
  const rules: LoadedRule[] = [];
  for (const held of live.values()) {
    const role = held.kind === 'grant' ? null : config.break_glass.find(({ name }) => name === held.role);
    if (role === undefined) continue; // the role is gone from the configuration
    const rule = held.kind === 'grant' ? grantRule(held, () => isLive(held.id), deps.namesOf) : role === null ? null : emergencyRule(held, role, () => isLive(held.id));
    if (rule === null) deps.log('a grant cannot be used and allows nothing', { id: held.id });
    else rules.push(rule);
  }
  const isFirst = state.config === null;
  const hadNone = state.live.size === 0;
  state.live = live; // first: what was revoked is over even if the rest cannot be put into force
  if (!hadNone || live.size > 0) {
    const [fault] = deps.apply(rules);
    if (fault !== undefined) throw new Error(`rule ${fault.id ?? fault.at}: ${fault.wrong}`);
    if (!isFirst) deps.onChange();
  }
  state.config = config;
}
