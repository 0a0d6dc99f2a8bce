import type { Known, Outcome, Received, Side } from '../call/call.ts';
import type { Refusal } from '../call/refusal.ts';
import { eventBlock } from '../lib/sse.ts';
import { type Asked, refusalMessage, tell } from './respond.ts';
import type { Room } from './room.ts';

/** Carries the events and the answers of calls that have no HTTP answer of their own. */
export interface Carrier {
  /** An event that precedes the part's answer; empty: only that there will be some. False: nobody reads any more. */
  readonly event: (part: Part, block: Buffer) => boolean;
  /** Called once for each part. */
  readonly ended: (part: Part, outcome: Outcome) => void;
}

/** One call whose answer is one event among others: a message on a channel, or one of a batch. */
export class Part implements Side {
  readonly #room: Room;
  readonly #carrier: Carrier;
  #call: Received | null = null;
  #isOver = false;

  constructor(room: Room, carrier: Carrier) {
    this.#room = room;
    this.#carrier = carrier;
  }

  /** Hands the call to the corridor. Counted as a request of its own. */
  run(call: Received): void {
    this.#call = call;
    this.#room.load.inFlight++;
    this.#room.deps.handle(call).then(this.#finish, (thrown: unknown) => this.#finish({ effect: 'unknown', refusal: { code: 'gateway.bug', note: String(thrown) } }));
  }

  /** What the stages have found out so far. */
  get known(): Known | null {
    return this.#call;
  }

  readonly event = (block: Buffer): boolean => !this.#isOver && this.#carrier.event(this, withoutIds(block));
  /** The answer will come on the same stream as everything else: there is nothing to end. */
  readonly detached = (): void => undefined;

  /** The event that answers it; null for what is not answered. */
  answerTo(outcome: Outcome): Buffer | null {
    if ('result' in outcome) return outcome.result.bytes.length === 0 ? null : eventBlock(outcome.result.bytes);
    const asked = this.asked();
    return asked.rpcId === null ? null : eventBlock(refusalMessage(asked, tell(outcome.refusal, 'mcp', asked.method)));
  }

  asked(): Asked {
    const call = this.#call;
    if (call === null) throw new Error('a part that was not run');
    return { id: call.id, door: 'mcp', era: call.era, method: call.message.method, rpcId: call.message.kind === 'request' ? call.message.rpcId : null };
  }

  readonly #finish = (outcome: Outcome): void => {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#room.load.inFlight--;
    this.#carrier.ended(this, outcome);
    this.#room.ended();
  };
}

/** A refusal and the question it answers. */
export interface Refused {
  readonly asked: Asked;
  readonly refusal: Refusal;
}

const EMPTY = Buffer.alloc(0);
/**
 * Events of several streams share one here: an id would make the client resume at one of them and lose the others, so `id` and `retry`
 * go. What is left without a message and without a comment is nothing.
 */
function withoutIds(block: Buffer): Buffer {
  const text = block.toString('utf8');
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line !== '');
  const kept = lines.filter((line) => !/^(?:id|retry)(?::|$)/.test(line));
  if (!kept.some((line) => line.startsWith(':') || /^data: ?./.test(line))) return EMPTY;
  return kept.length === lines.length ? block : Buffer.from(`${kept.join('\n')}\n\n`);
}
