import type { CallId, Outcome, Received } from '../call/call.ts';
import type { Principal } from '../call/principal.ts';
import type { Refusal } from '../call/refusal.ts';
import type { Clock } from '../lib/clock.ts';
import type { Load } from './arrive.ts';
import type { ReceiveConfig } from './config.ts';
import type { OriginGuard } from '../lib/origin.ts';
import type { StreamRegistry } from './streams.ts';

/** A request refused before the corridor, for its record. */
export interface EarlyRefusal {
  readonly id: CallId;
  /** ms since epoch. */
  readonly receivedAt: number;
  readonly door: 'mcp' | 'rest';
  readonly server: string | null;
  readonly remoteAddress: string;
  readonly refusal: Refusal;
}

/** What the room needs from the rest of the gateway. */
export interface ReceiveDeps {
  /** The corridor. */
  readonly handle: (call: Received) => Promise<Outcome>;
  /** Records what is refused before the corridor. When it rejects, the answer is `audit.unavailable`. */
  readonly refuse: (early: EarlyRefusal) => Promise<void>;
  /** Names of servers we have may stand in a record; what a stranger wrote into the path may not. */
  readonly serverExists: (name: string) => boolean;
  readonly health: () => { readonly ready: boolean; readonly causes: readonly string[]; readonly notes?: readonly string[]; readonly servers: Record<string, unknown> };
  /** Asked every second about each open stream. */
  readonly stillValid: (principal: Principal) => boolean;
  readonly clock: Clock;
  readonly log: (message: string, fields?: object) => void;
  /** Reads the references under `receive.tls`; needed only when they are set. */
  readonly secret?: (ref: string) => Promise<string>;
}

/** What all exchanges share. */
export interface Room {
  readonly config: ReceiveConfig;
  readonly deps: ReceiveDeps;
  readonly guard: OriginGuard;
  readonly load: Load;
  readonly streams: StreamRegistry;
  /** Called whenever a request or stream has ended: a drain may be waiting for it. */
  readonly ended: () => void;
}
