import type { Answer, Journaled } from '../../call/call.ts';
import { isObject } from '../../call/json.ts';
import { cutAt, membersOf } from '../../lib/json-spans.ts';
import type { Room } from '../room.ts';
import { UpstreamFault, type Exchange, type Question, type Reply } from '../upstream.ts';
import { judge } from './asks.ts';
import { inputRequired } from './input-required.ts';
import { createTell, type Tell } from './tell.ts';
import { send, type Trip } from './trip.ts';

/** Makes the client's answer of what the server said. Throws an UpstreamFault. */
export type Finish = (exchange: Exchange) => Answer;

/** A server that asks two things at once says them one after the other; so long the first waits for the second, ms. */
const BATCH_MS = 10;

interface Open {
  readonly method: string;
  readonly paramsText: string;
  readonly answer: (reply: Reply) => void;
  /** ms of the monotonic clock. */
  readonly until: number;
}
/** The client's request that waits at the moment: the first, or a retry. */
interface Leg {
  readonly call: Journaled;
  readonly tell: Tell;
  readonly finish: Finish;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (fault: unknown) => void;
}

/** One request at a legacy server, and the client's requests that follow it, one after the other. */
export class Parked {
  readonly principalId: string;
  readonly #trip: Trip;
  readonly #room: Room;
  readonly #place: (parked: Parked) => { readonly ticket: string; readonly remove: () => void };
  readonly #open = new Map<string, Open>();
  readonly #given = new AbortController();
  #lastKey = 0;
  #leg: Leg | null = null;
  #outcome: { readonly exchange: Exchange } | { readonly fault: unknown } | null = null;
  #batch: NodeJS.Timeout | null = null;
  #expiry: NodeJS.Timeout | null = null;
  #remove: (() => void) | null = null;
  /** Gives back its place among the calls that wait; held from its first question to its end. */
  #release: (() => void) | null = null;

  constructor(trip: Trip, room: Room, place: (parked: Parked) => { readonly ticket: string; readonly remove: () => void }) {
    this.principalId = trip.call.principal.id;
    this.#trip = trip;
    this.#room = room;
    this.#place = place;
  }

  begin(paramsText: string, finish: Finish): Promise<Answer> {
    const answer = this.#seat(this.#trip.call, finish);
    const { tell } = this.#leg ?? { tell: createTell(this.#trip.call, this.#room) };
    send(this.#trip, paramsText, {
      signal: this.#given.signal,
      onNotification: (method, params) => this.#leg?.tell.notification(method, params),
      progressToken: tell.wantsProgress,
      onQuestion: (question) => this.#ask(question),
    }).then((exchange) => this.#settle({ exchange }), (fault: unknown) => this.#settle({ fault }));
    return answer;
  }

  /** The retry: its answers go to the questions that wait, and it takes the place of the one that was answered. */
  resume(call: Journaled, finish: Finish): Promise<Answer> {
    this.#remove = null;
    if (this.#expiry !== null) clearTimeout(this.#expiry);
    const answer = this.#seat(call, finish);
    if (this.#outcome !== null) this.#end();
    else {
      this.#deliver(call);
      if (this.#open.size > 0) this.#batch = setTimeout(this.#park, BATCH_MS); // what was not answered is asked again
    }
    return answer;
  }

  /** Nobody came in time, or nobody may come any more: cancelled at the server, and forgotten. */
  readonly lapse = (): void => {
    this.#remove?.();
    if (this.#expiry !== null) clearTimeout(this.#expiry);
    this.#given.abort();
    this.#free();
  };

  #seat(call: Journaled, finish: Finish): Promise<Answer> {
    // A modern client cancels by leaving; between two of its requests there is nothing it could leave.
    if (call.signal.aborted) this.#given.abort();
    call.signal.addEventListener('abort', this);
    return new Promise((resolve, reject) => (this.#leg = { call, tell: createTell(call, this.#room), finish, resolve, reject }));
  }
  /** The client left in the middle of a leg. */
  handleEvent(): void {
    this.#given.abort();
  }

  #ask(question: Question): Promise<Reply> {
    const judged = judge(question.method, question.paramsText, question.params, this.#trip);
    if ('instead' in judged) return Promise.resolve(judged.instead);
    const until = this.#room.deps.clock.monotonic() + this.#room.questionMs;
    return new Promise((answer) => {
      this.#open.set(`q${++this.#lastKey}`, { method: question.method, paramsText: judged.ask, answer, until });
      if (this.#leg !== null) this.#batch ??= setTimeout(this.#park, BATCH_MS);
    });
  }

  #deliver(call: Journaled): void {
    const { text, params } = call.message;
    const given = params['inputResponses'];
    const cut = isObject(given) ? cutAt(text, ['params', 'inputResponses']) : null;
    for (const member of cut === null ? [] : membersOf(text, cut.start)) {
      const open = this.#open.get(member.name);
      if (open === undefined || !isObject(given) || !isObject(given[member.name])) continue; // unknown keys are ignored (MCP 2026-07-28 MRTR)
      this.#open.delete(member.name);
      open.answer({ result: text.slice(member.start, member.end) });
    }
  }

  /** Hands the open questions to the client, with a new ticket. */
  readonly #park = (): void => {
    this.#batch = null;
    const leg = this.#leg;
    if (leg === null || this.#open.size === 0) return;
    this.#release ??= this.#room.places.take(this.principalId);
    if (this.#release === null) {
      this.#unseat();
      this.#given.abort();
      return leg.reject(new UpstreamFault({ code: 'dispatch.questions', effect: 'unknown' }));
    }
    const { ticket, remove } = this.#place(this);
    this.#remove = remove;
    this.#unseat();
    const { clock } = this.#room.deps;
    const { expiresAt } = leg.call.principal;
    const lapsesIn = Math.min(...[...this.#open.values()].map((open) => open.until - clock.monotonic()), expiresAt === null ? Infinity : expiresAt - clock.now());
    this.#expiry = setTimeout(this.lapse, Math.max(0, lapsesIn)).unref();
    const questions = [...this.#open].map(([key, { method, paramsText }]) => ({ key, method, paramsText }));
    leg.resolve(inputRequired(leg.call, questions, this.#room.sealed.close('ticket', leg.call, ticket)));
  };

  #settle(outcome: { readonly exchange: Exchange } | { readonly fault: unknown }): void {
    this.#outcome = outcome;
    if (this.#leg !== null) this.#end(); // else it is kept for the retry, until that may not come any more
  }

  #end(): void {
    const leg = this.#leg;
    const outcome = this.#outcome;
    if (leg === null || outcome === null) return;
    this.#unseat();
    this.#free();
    try {
      if ('fault' in outcome) leg.reject(outcome.fault);
      else leg.resolve(leg.finish(outcome.exchange));
    } catch (thrown) {
      leg.reject(thrown);
    }
  }
  #unseat(): void {
    if (this.#batch !== null) clearTimeout(this.#batch);
    this.#batch = null;
    this.#leg?.call.signal.removeEventListener('abort', this);
    this.#leg = null;
  }
  #free(): void {
    this.#release?.();
    this.#release = null;
  }
}
