import type { Rate } from '../lib/rate.ts';

/** Remembers what was admitted, so that no window of the rate's length ever holds more than its count. */
export interface Window {
  /** ms until one more may pass; 0: now. Changes nothing. */
  readonly waitMs: (now: number) => number;
  /** Counts one. Only after `waitMs(now)` was 0. */
  readonly take: (now: number) => void;
  /** True when nothing it remembers can matter any more: forgetting it changes no answer. */
  readonly isIdle: (now: number) => boolean;
}

/** Above it the exact times would cost too much memory (8 bytes each) and slots are counted instead. */
const EXACT = 1_024;
const SLOTS = 128;

/** `now` is a monotonic clock in ms. */
export const createWindow = (rate: Rate): Window => (rate.count <= EXACT ? new Exact(rate) : new Slotted(rate));

/**
 * The times of the last N admitted calls in a ring: the next may pass when the N-th last has left the window. Exact, O(1); the ring
 * grows with use, so that a caller who makes three calls costs three times.
 */
class Exact implements Window {
  private readonly rate: Rate;
  private times: Float64Array;
  private used = 0;
  private next = 0;
  private last = -Infinity;
  constructor(rate: Rate) {
    this.rate = rate;
    this.times = new Float64Array(Math.min(rate.count, 8));
  }
  waitMs(now: number): number {
    if (this.used < this.rate.count) return 0;
    const oldest = this.times[this.next] ?? Infinity;
    return Math.max(0, oldest + this.rate.windowMs - now);
  }
  take(now: number): void {
    if (this.used === this.times.length && this.used < this.rate.count) this.grow();
    this.times[this.next] = now;
    this.next = (this.next + 1) % this.times.length;
    if (this.used < this.times.length) this.used++;
    this.last = now;
  }
  isIdle(now: number): boolean {
    return now - this.last >= this.rate.windowMs;
  }
  /** Only when full and never yet wrapped over: `next` stands at 0 and the newest entry is the last. */
  private grow(): void {
    const larger = new Float64Array(Math.min(this.rate.count, this.times.length * 4));
    larger.set(this.times);
    this.next = this.times.length;
    this.times = larger;
  }
}

/**
 * Counts per 1/128 of the window. A slot counts until its last moment has left the window, so it errs towards refusing: never more
 * than the count in any window, at times up to 1/128 of the window later than the exact answer.
 */
class Slotted implements Window {
  private readonly rate: Rate;
  private readonly slotMs: number;
  private readonly counts = new Uint32Array(SLOTS + 1);
  /** Number of the newest slot, counted from the clock's start. */
  private newest = -1;
  private total = 0;
  constructor(rate: Rate) {
    this.rate = rate;
    this.slotMs = rate.windowMs / SLOTS;
  }
  waitMs(now: number): number {
    this.advance(now);
    if (this.total < this.rate.count) return 0;
    for (let slot = Math.max(0, this.newest - SLOTS); slot <= this.newest; slot++) {
      if ((this.counts[slot % (SLOTS + 1)] ?? 0) > 0) return Math.max(0, (slot + SLOTS + 1) * this.slotMs - now);
    }
    return this.rate.windowMs; // not reached: a total above zero lies in some slot; if it were, it refuses
  }
  take(now: number): void {
    this.advance(now);
    const at = this.newest % (SLOTS + 1);
    this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.total++;
  }
  isIdle(now: number): boolean {
    this.advance(now);
    return this.total === 0;
  }
  private advance(now: number): void {
    const slot = Math.floor(now / this.slotMs);
    if (slot <= this.newest) return;
    for (let gone = Math.max(this.newest + 1, slot - SLOTS); gone <= slot; gone++) {
      const at = gone % (SLOTS + 1);
      this.total -= this.counts[at] ?? 0;
      this.counts[at] = 0;
    }
    this.newest = slot;
  }
}
