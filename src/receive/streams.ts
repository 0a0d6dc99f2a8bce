import type { GivenUp } from '../call/call.ts';
import type { Principal } from '../call/principal.ts';
import type { Clock } from '../lib/clock.ts';

/** An event stream towards a client, as the registry sees it. */
export interface OpenStream {
  readonly principal: () => Principal | null;
  /** The session a GET stream belongs to, once resolve/ has found it to be the caller's own; null for other streams. */
  readonly sessionId: () => string | null;
  /** The 2024-11-05 channel it is, once dispatch/ has opened it; null for other streams. */
  readonly channel: () => Channel | null;
  readonly resumes: boolean;
  /** ms of the monotonic clock. */
  readonly lastWriteAt: () => number;
  readonly write: (block: Buffer) => boolean;
  /** Open-ended: a GET or a listen, not the answer to a call. */
  readonly isStream: boolean;
  /** Ends it at once and stops the work behind it. */
  readonly cut: () => void;
}

/** A 2024-11-05 client's one stream, as those who answer on it see it. */
export interface Channel {
  readonly id: string;
  /** The endpoint it was opened on. */
  readonly server: string | null;
  readonly principalId: string;
  /** What `initialize` agreed on, or nothing yet: 2024-11-05. */
  readonly version: () => string;
  /** Aborted when it is no more: what runs in it has nobody left to answer to. */
  readonly signal: GivenUp;
  /** False: the reader is gone or too slow. */
  readonly write: (block: Buffer) => boolean;
}

const TICK_MS = 1000;
/** How long an answer waits for its client to come back, how many wait per session, and how many bytes wait in all. */
const HELD_MS = 60_000;
const HELD_PER_SESSION = 16;
const HELD_BYTES = 32 * 1_048_576;
const KEEP_ALIVE = Buffer.from(':\n\n');

/**
 * All open streams: keeps them alive, closes them when their credential dies, and passes answers on whose own stream has ended
 * (MCP 2025-11-25 "Resumability": an answer goes out on one stream only).
 */
export class StreamRegistry {
  private readonly open = new Set<OpenStream>();
  private readonly channels = new Map<string, Channel>();
  private readonly held = new Map<string, { readonly block: Buffer; readonly until: number }[]>();
  private heldBytes = 0;
  private timer: NodeJS.Timeout | null = null;
  private readonly clock: Clock;
  private readonly stillValid: (principal: Principal) => boolean;
  private readonly keepaliveMs: number;

  constructor(clock: Clock, stillValid: (principal: Principal) => boolean, keepaliveMs: number) {
    this.clock = clock;
    this.stillValid = stillValid;
    this.keepaliveMs = keepaliveMs;
  }

  add(stream: OpenStream): void {
    this.open.add(stream);
    this.wake();
    const channel = stream.channel();
    if (channel !== null) this.channels.set(channel.id, channel);
    const session = stream.sessionId();
    if (session === null || !stream.resumes) return;
    const waiting = this.held.get(session) ?? [];
    while (waiting.length > 0 && stream.write(waiting[0]!.block)) this.drop(session, waiting);
  }

  delete(stream: OpenStream): void {
    if (!this.open.delete(stream)) return;
    const channel = stream.channel();
    if (channel !== null) this.channels.delete(channel.id);
  }

  /** The open channel of that id on that endpoint; says nothing about whose it is. */
  channel(id: string, server: string | null): Channel | null {
    const channel = this.channels.get(id);
    return channel !== undefined && channel.server === server ? channel : null;
  }

  get size(): number {
    return this.open.size;
  }

  /** Writes an answer to a GET stream of its session, the one that resumes first of all; or keeps it until one comes. */
  deliver(session: string, block: Buffer): void {
    const streams = [...this.open].filter((s) => s.sessionId() === session).sort((a, b) => Number(b.resumes) - Number(a.resumes));
    if (streams.some((stream) => stream.write(block))) return;
    const waiting = this.held.get(session) ?? [];
    // Bounded: a client that never comes back must not fill the memory (CWE-770). What does not fit is lost; the record stays.
    if (waiting.length >= HELD_PER_SESSION || this.heldBytes + block.length > HELD_BYTES) return;
    waiting.push({ block, until: this.clock.monotonic() + HELD_MS });
    this.heldBytes += block.length;
    this.held.set(session, waiting);
    this.wake();
  }

  /** Revocation: the streams of this principal end now, not when the client next says something (CWE-613). */
  closeOf(principalId: string): void {
    for (const stream of this.open) if (stream.principal()?.id === principalId) stream.cut();
  }

  /** The gateway stops: what would stay open for ever ends, answers under way may still be finished; those of a channel need its stream. */
  closeOpenEnded(): void {
    for (const stream of this.open) if (stream.isStream && stream.channel() === null) stream.cut();
    this.held.clear();
    this.heldBytes = 0;
  }

  /** The last to be closed when the gateway stops. */
  closeChannels(): void {
    for (const stream of this.open) if (stream.channel() !== null) stream.cut();
  }

  private wake(): void {
    this.timer ??= setInterval(() => this.tick(), TICK_MS).unref();
  }

  private tick(): void {
    const now = this.clock.monotonic();
    for (const stream of this.open) {
      const principal = stream.principal();
      if (principal === null || !this.valid(principal)) stream.cut();
      else if (now - stream.lastWriteAt() >= this.keepaliveMs) stream.write(KEEP_ALIVE);
    }
    for (const [session, waiting] of this.held) while (waiting.length > 0 && waiting[0]!.until <= now) this.drop(session, waiting);
    if (this.open.size > 0 || this.held.size > 0 || this.timer === null) return;
    clearInterval(this.timer);
    this.timer = null;
  }

  private valid(principal: Principal): boolean {
    try {
      return this.stillValid(principal);
    } catch {
      return false; // a check that fails proves nothing: closed
    }
  }

  private drop(session: string, waiting: { readonly block: Buffer }[]): void {
    this.heldBytes -= waiting.shift()?.block.length ?? 0;
    if (waiting.length === 0) this.held.delete(session);
  }
}
