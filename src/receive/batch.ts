import type { Outcome } from '../call/call.ts';
import type { Exchange } from './exchange.ts';
import type { Carrier, Part, Refused } from './part.ts';

/**
 * The answers of a batch: one event stream, each message as its own event, in the order they are ready (MCP 2025-03-26 transports).
 * Where the batch as a whole was refused (no credential, no session), that is the HTTP answer; where nothing asks for an answer, 202.
 */
export class Batch implements Carrier {
  readonly #exchange: Exchange;
  #left: number;
  #isOpen = false;
  /** Answers to refused messages, until the stream begins. */
  #early: Buffer[] = [];
  readonly #refused: Refused[] = [];
  readonly #size: number;

  constructor(exchange: Exchange, size: number) {
    this.#exchange = exchange;
    this.#left = this.#size = size;
  }

  event(part: Part, block: Buffer): boolean {
    this.#open(part);
    return block.length === 0 || this.#exchange.write(block);
  }

  ended(part: Part, outcome: Outcome): void {
    this.#left--;
    const block = part.answerTo(outcome);
    if ('refusal' in outcome) this.#refused.push({ asked: part.asked(), refusal: outcome.refusal });
    if (block !== null && 'refusal' in outcome && !this.#isOpen) this.#early.push(block);
    else if (block !== null) this.#send(part, block);
    if (this.#left === 0) this.#end(part);
  }

  #end(part: Part): void {
    const [first] = this.#refused;
    if (!this.#isOpen && first !== undefined && (this.#early.length === 0 || this.#wasRefused(first))) return this.#exchange.reply(first);
    if (!this.#isOpen && this.#early.length === 0) return this.#exchange.accept();
    this.#open(part);
    this.#exchange.endStream();
  }

  /** Refused for what is the same of every message: who sent it, in which session, in what form. */
  #wasRefused({ refusal }: Refused): boolean {
    return this.#refused.length === this.#size && /^(?:authenticate\.|receive\.|resolve\.unknown_session$)/.test(refusal.code) && this.#refused.every((other) => other.refusal.code === refusal.code);
  }

  #send(part: Part, block: Buffer): void {
    this.#open(part);
    if (!this.#exchange.write(block)) this.#exchange.handOver(block);
  }

  #open(part: Part): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#exchange.openFor(part.known);
    const early = this.#early;
    this.#early = [];
    for (const block of early) this.#exchange.write(block);
  }
}
