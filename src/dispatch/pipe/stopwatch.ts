import type { Clock } from '../../lib/clock.ts';

/** The longest a timer can be set for, ms. */
const LONGEST_MS = 2_147_483_647;

/** The time a request may take: stretched by progress up to an absolute maximum, and standing still while its client is asked something. */
export class Stopwatch {
  private readonly clock: Clock;
  private readonly ms: number;
  private readonly onOver: () => void;
  private timer: NodeJS.Timeout | undefined;
  /** clock.monotonic() at which the timer was set, for how long, and where no stretching helps any more. */
  private setAt: number;
  private setFor: number;
  private deadline: number;
  private pausedAt: number | null = null;

  /** `ms` Infinity: never over. */
  constructor(clock: Clock, ms: number, maxStretch: number, onOver: () => void) {
    this.clock = clock;
    this.ms = ms;
    this.onOver = onOver;
    this.setAt = clock.monotonic();
    this.setFor = ms;
    this.deadline = this.setAt + maxStretch * ms;
    if (ms !== Infinity) this.timer = setTimeout(onOver, Math.min(LONGEST_MS, ms));
  }

  /** Begins anew, as far as the deadline allows. */
  stretch(): void {
    if (this.timer === undefined) return;
    const now = this.clock.monotonic();
    const left = this.deadline - now;
    if (left < this.ms || this.setFor !== this.ms) return this.arm(Math.min(this.ms, left), now);
    this.setAt = now;
    this.timer.refresh();
  }

  pause(): void {
    if (this.pausedAt !== null) return;
    this.pausedAt = this.clock.monotonic();
    clearTimeout(this.timer);
    this.timer = undefined;
  }
  /** Goes on where it stood; what passed meanwhile counts for nothing. */
  resume(): void {
    if (this.pausedAt === null) return;
    const now = this.clock.monotonic();
    this.deadline += now - this.pausedAt;
    const left = this.setFor - (this.pausedAt - this.setAt);
    this.pausedAt = null;
    if (this.ms !== Infinity) this.arm(left, now);
  }
  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.pausedAt = null;
  }

  private arm(ms: number, now: number): void {
    clearTimeout(this.timer);
    this.setAt = now;
    this.setFor = Math.max(1, ms);
    this.timer = setTimeout(this.onOver, Math.min(LONGEST_MS, this.setFor));
  }
}
