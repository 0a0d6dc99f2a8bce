import type { Outcome } from '../call/call.ts';
import type { Exchange } from './exchange.ts';
import type { Carrier, Part } from './part.ts';
import type { Channel } from './streams.ts';

/** So long a POST may wait for a refusal of its own; then it is accepted. */
const ACCEPT_MS = 500;
/** How often it is asked meanwhile how far the corridor has come: after so long, and each time after twice as long. */
const ASK_MS = 1;
const ASK_AT_MOST_MS = 32;

/**
 * A POST to a channel: the answers go out on the channel's stream (MCP 2024-11-05 transports), the POST is only told that it was taken. Who
 * turns out not to own the channel hears nothing of it: the refusal is the POST's HTTP answer. To the owner every answer goes on the
 * stream, refusals too: some clients stop sending for good after a POST that failed.
 */
export class ChannelPost implements Carrier {
  readonly #exchange: Exchange;
  readonly #channel: Channel;
  #left: number;
  #timer: NodeJS.Timeout | null = null;
  #waitedMs = 0;

  constructor(exchange: Exchange, channel: Channel, size: number) {
    this.#exchange = exchange;
    this.#channel = channel;
    this.#left = size;
  }

  /**
   * Once the parts run: accepts as soon as one is on record and with its server, for then the session is theirs, and a cancellation that
   * follows finds the call.
   */
  accept(parts: readonly Part[]): void {
    setImmediate(() => this.#ask(parts));
  }

  event(part: Part, block: Buffer): boolean {
    return this.#isOurs(part) && (block.length === 0 || this.#channel.write(block));
  }

  ended(part: Part, outcome: Outcome): void {
    this.#left--;
    const block = part.answerTo(outcome);
    const toStream = block !== null && this.#isOurs(part);
    if (toStream) this.#channel.write(block); // false: it is gone, and the answer with it; the record stays
    if (!toStream && 'refusal' in outcome) this.#exchange.reply({ asked: part.asked(), refusal: outcome.refusal });
    else if (toStream || this.#left === 0) this.#exchange.accept();
    if (this.#left === 0) this.#stop();
  }

  /** resolve/ has made sure already; without this an answer would reach another caller if it ever failed to (CVE-2026-25536). */
  #isOurs(part: Part): boolean {
    return part.known?.principal?.id === this.#channel.principalId;
  }

  #ask(parts: readonly Part[]): void {
    if (this.#left === 0) return;
    if (this.#waitedMs >= ACCEPT_MS || parts.some((part) => part.known?.journalSeq !== undefined)) return this.#exchange.accept();
    const waitMs = Math.min(ASK_AT_MOST_MS, this.#waitedMs + ASK_MS);
    this.#waitedMs += waitMs;
    this.#timer = setTimeout(() => this.#ask(parts), waitMs);
  }

  #stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}
