import type { Allow, Decision } from './decision.ts';
import type { JsonObject, Marked } from './json.ts';
import type { Principal } from './principal.ts';
import type { Effect, Refusal } from './refusal.ts';
import type { Session } from './session.ts';
import type { Target } from './target.ts';

/** UUIDv7 (RFC 9562); the correlation id of everything the call leaves behind. */
export type CallId = Marked<string, 'CallId'>;
/** modern: 2026-07-28 and later, stateless. legacy: everything with an `initialize` handshake. */
export type Era = 'modern' | 'legacy';

/** A JSON-RPC message, parsed once by receive/. `bytes` are what is judged, hashed and, when nothing changes, sent. */
export interface Message {
  /** stream: a GET that opens an event stream. end: a DELETE that ends a session. poll: a GET for the state of an approval. */
  readonly kind: 'request' | 'notification' | 'response' | 'stream' | 'end' | 'poll';
  /** Empty for responses; `$stream`, `$end` and `$approval` for the HTTP acts that carry no message. */
  readonly method: string;
  readonly rpcId: string | number | null;
  readonly params: JsonObject;
  readonly bytes: Buffer;
  /** The decoded text of `bytes`. */
  readonly text: string;
  /** The exact text of `params.arguments`, `{}` when absent: what input_hash covers. */
  readonly argumentsText: string;
  /** JSON Pointers, within `params`, of numbers a double cannot hold exactly, with their literal. Empty almost always. */
  readonly inexact: readonly { readonly pointer: string; readonly literal: string }[];
}

/** What the request offered as proof of identity. Stays inside authenticate/; no later stage, log or record reads it. */
export interface Presented {
  readonly authorization: string | null;
  readonly apiKey: string | null;
  readonly remoteAddress: string;
}

/**
 * Tells that the client gave up: the part of an AbortSignal that is used. A real one costs each call a listener whose removal leaves
 * everything the call holds to the full garbage collection.
 */
export interface GivenUp {
  readonly aborted: boolean;
  readonly addEventListener: (type: 'abort', listener: (() => void) | { readonly handleEvent: () => void }) => void;
  readonly removeEventListener: (type: 'abort', listener: (() => void) | { readonly handleEvent: () => void }) => void;
}
/** Where messages go that precede the answer. Implemented by receive/, fed by dispatch/. */
export interface Side {
  /** One complete SSE event block, screened by inspect/. False: the reader is gone or too slow, stop sending. */
  readonly event: (block: Buffer) => boolean;
  /** The server closed its stream and will answer on a resumed one (MCP 2025-11-25 transports, polling). */
  readonly detached: () => void;
}

export interface Received {
  readonly id: CallId;
  /** ms since epoch, UTC. */
  readonly receivedAt: number;
  readonly door: 'mcp' | 'rest';
  /** The endpoint's server; null: the aggregate. */
  readonly server: string | null;
  readonly era: Era;
  /** The protocol revision the client speaks. */
  readonly version: string;
  readonly message: Message;
  /** The tool, prompt or URI the message names, as the client wrote it. */
  readonly name: string | null;
  readonly sessionId: string | null;
  readonly lastEventId: string | null;
  /** It opens, or came by, a 2024-11-05 HTTP+SSE channel: `sessionId` is then the channel's, and its answer goes out on the channel's stream. */
  readonly channel?: true;
  /** It came in a JSON-RPC batch, which only sessions of 2025-03-26 and older may send. */
  readonly batched?: true;
  /** `Mcp-Param-*` and `Mcp-Name` headers, lower-case names, as received: mirrored to the server in the same era. */
  readonly mirrored: readonly (readonly [string, string])[];
  readonly presented: Presented;
  /** The client's own id for the model request (`_meta["sallyport/modelRequestId"]` or `X-Model-Request-Id`): an assertion, recorded as such. */
  readonly modelRequestId: string | null;
  /** Aborted when the client gives up. */
  readonly signal: GivenUp;
  readonly side: Side;
}

/** Arguments that validate/ has judged: parsed, and the exact text that dispatch sends. */
export type ValidInput = Marked<{ readonly value: JsonObject; readonly text: string }, 'ValidInput'>;

/** Holds a place among the calls a server may run at once; released exactly once, whatever happens. */
export interface Permit {
  readonly release: () => void;
}

/** What the server (or, in the local lane, the gateway) answered; unchecked. */
export interface Answer {
  /** HTTP status for the client. */
  readonly status: number;
  /** The JSON-RPC response in the client's era, or empty for 202 and ended streams. */
  readonly bytes: Buffer;
  /** `bytes` parsed; null when there is no message. */
  readonly message: JsonObject | null;
  /** The SSE event that carried it, when the server answered with a stream: id and retry lines must survive. */
  readonly event: Buffer | null;
  readonly session: Session | null;
  readonly effect: Effect;
  /** Bytes the server sent and we did not keep: more than the limit. */
  readonly droppedBytes: number;
}

/** Checked on its way out; minted only by inspect/. */
export type SafeResult = Marked<
  {
    readonly status: number;
    readonly bytes: Buffer;
    readonly event: Buffer | null;
    readonly session: Session | null;
    readonly success: boolean;
    /** Redacted, at most 500 characters. */
    readonly summary: string;
    readonly classification: 'public' | 'internal' | 'confidential' | 'secret';
    readonly findings: readonly string[];
    readonly effect: Effect;
    /** Sentences for the REST door's `warnings`. */
    readonly warnings: readonly string[];
  },
  'SafeResult'
>;

export type Authenticated = Received & { readonly principal: Principal };
export type Resolved = Authenticated & { readonly target: Target; readonly session: Session | null };
export type Authorized = Resolved & { readonly decision: Allow };
export type Validated = Authorized & { readonly input: ValidInput };
export type Limited = Validated & { readonly permit: Permit };
export type Approved = Limited & {
  readonly approvalId: string | null;
  /** The message's `inputResponses` and `requestState` answer a question of the gateway's own: no server gets them. */
  readonly answersUs?: true;
};
export type Journaled = Approved & { readonly journalSeq: number };
export type Answered = Journaled & { readonly answer: Answer };
export type Inspected = Answered & { readonly result: SafeResult };

/** What is known of a call at whatever point it ended. */
export type Known = Received & Partial<Omit<Inspected, keyof Received | 'decision'>> & { readonly decision?: Decision };

export type Outcome = { readonly effect: Effect } & ({ readonly result: SafeResult } | { readonly refusal: Refusal });
