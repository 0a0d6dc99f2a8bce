import type { Answer, Journaled } from '../call/call.ts';
import type { JsonObject } from '../call/json.ts';
import type { Principal } from '../call/principal.ts';
import type { Refusal } from '../call/refusal.ts';
import type { Session } from '../call/session.ts';
import type { Verdict } from '../call/stage.ts';
import type { Tool } from '../call/target.ts';
import type { Clock } from '../lib/clock.ts';
import type { ServerConfig } from './config.ts';
import type { InFlight } from './in-flight.ts';
import type { Egress, Log } from './http/link.ts';
import type { Places } from './places.ts';
import type { Questions } from './questions.ts';
import type { Sealed } from './sealed.ts';
import type { Streams } from './streams.ts';
import type { Upstream } from './upstream.ts';

/** What dispatch needs of the other rooms. */
export interface DispatchDeps {
  readonly egress: Egress;
  /** Makes the upstream for a server with a `command`: `createStdioUpstream` of this room, given what it needs. */
  readonly stdio: (name: string, config: ServerConfig) => Upstream;
  /** The value behind a reference; rejects when there is none. */
  readonly secret: (ref: string) => Promise<string>;
  /** 32 bytes that only this gateway knows: seals what clients keep for servers. */
  readonly sealKey: Buffer;
  /** inspect's judgement of an event that precedes the answer: the block to send, or null to withhold it. */
  readonly screen: (block: Buffer, call: Journaled) => Buffer | null;
  /** The catalog, filtered by the very decision that guards the call. */
  readonly visibleTools: (call: Journaled) => readonly Tool[];
  readonly catalogVersion: () => string | number;
  /** Could the server's tools be read when they were last asked for? */
  readonly toolsKnown: (server: string) => boolean;
  /**
   * Would this caller be let through, were the method asked of that server? What needs a person's yes counts as no: nobody can be asked
   * for one line of a list or one subscription of many. `name`: the prompt's name or the resource's URI as the server knows it.
   */
  readonly mayUse: (principal: Principal, server: string, method: string, name: string | null) => boolean;
  /** What became of this caller's own request for an approval; null: it has none by that id. Left out: nobody has any. */
  readonly approvalOf?: (principal: Principal, id: string) => Promise<JsonObject | null>;
  readonly sessions: {
    readonly admit: (session: Session) => void;
    readonly end: (id: string) => void;
    readonly all: () => Iterable<Session>;
    /** Called once for each session that ends, for whatever reason. */
    readonly onEnd: (listener: (session: Session) => void) => void;
  };
  readonly clock: Clock;
  readonly log: Log;
}

/** What the lanes share. */
export interface Room {
  readonly deps: DispatchDeps;
  readonly inFlight: InFlight;
  readonly streams: Streams;
  readonly sealed: Sealed;
  readonly questions: Questions;
  readonly places: Places;
  /** How long a question waits for its answer, ms. */
  readonly questionMs: number;
  /** A server's tools may have changed: the catalog reads them again. */
  readonly nudge: (server: string) => void;
  /** A server could not be reached: its connection is checked. */
  readonly suspect: (server: string) => void;
}

export type Done = Verdict<{ answer: Answer }>;
export const go = (answer: Answer): Done => ({ go: { answer } });
export const stop = (refusal: Refusal): Done => ({ stop: refusal });
