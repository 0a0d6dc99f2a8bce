import type { Era, GivenUp } from '../call/call.ts';
import type { JsonObject } from '../call/json.ts';
import type { Refusal } from '../call/refusal.ts';
import type { LogLevel } from '../call/session.ts';

/** The exact JSON text of the `result` or of the `error` member of the server's answer; exactly one is not null. */
export interface Exchange {
  readonly result: string | null;
  readonly error: string | null;
  /** The same, parsed by a parser that refuses what parsers read differently (`parseObject`). Left out: the own lane parses it. */
  readonly parsed?: JsonObject;
}

/** What a legacy server asks its client in the middle of a call: `elicitation/create`, `sampling/createMessage`, `roots/list`. */
export interface Question {
  readonly method: string;
  /** The exact text of its params, `{}` when absent. */
  readonly paramsText: string;
  readonly params: JsonObject;
}
/** What the server gets to hear: JSON text of a `result`, or of an `error` object. */
export type Reply = { readonly result: string } | { readonly error: string };

export interface RequestOptions {
  /** Whose call it is: upstream sessions are never shared between principals. '' is the gateway's own (`CONTROL`). */
  readonly principalId: string;
  /** JSON text of the client capabilities to declare, already cut to what the server may know of; `{}`: none. Legacy sessions are kept per principal and this text. */
  readonly capabilities: string;
  /** Log messages of at least this level are wanted; null: none. */
  readonly logLevel: LogLevel | null;
  readonly signal: GivenUp;
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** `notifications/progress` and `notifications/message` of this request only; the progress token in `paramsText` is the upstream's own. May throw: the upstream goes on. */
  readonly onNotification: (method: string, paramsText: string) => void;
  /** Ask the server for progress. */
  readonly progressToken: boolean;
  /**
   * Answers what a legacy server asks about this request; the request's time-out stands still meanwhile. null, or a question that
   * cannot be laid to exactly one request: declined. Never rejects. A reply that comes after the request has ended is dropped.
   */
  readonly onQuestion: ((question: Question) => Promise<Reply>) | null;
}

/** What a server said has changed; `connected`: it was (re)connected, so anything may have. */
export type Change = 'tools' | 'prompts' | 'resources' | 'connected';

/** One MCP server behind us, as the own lane sees it. */
export interface Upstream {
  readonly name: string;
  readonly transport: 'http' | 'stdio';
  /** null: not known yet. */
  readonly era: () => Era | null;
  /** Connects, probes or spawns in the background; never throws. */
  readonly start: () => void;
  /**
   * `paramsText`: JSON text of the params WITHOUT the modern envelope; a `_meta` in it holds only what belongs to the server and is
   * kept. The upstream adds what its era wants, its own ids and its own progress tokens. Throws `UpstreamFault`, nothing else.
   */
  readonly request: (method: string, paramsText: string, options: RequestOptions) => Promise<Exchange>;
  /**
   * Tells when a resource changes: the params of `notifications/resources/updated`, as the server wrote them. One subscription at the server
   * for all who watch the same URI, taken up again after a reconnection. Resolves with how to stop; throws `UpstreamFault` when the server refuses.
   */
  readonly watch: (uri: string, onUpdated: (paramsText: string) => void) => Promise<() => void>;
  readonly onChanged: (listener: (change: Change) => void) => void;
  /** What the server said about itself, and when (ms since epoch); null until it was reached. */
  readonly info: () => UpstreamInfo | null;
  readonly state: () => { readonly ok: true } | { readonly ok: false; readonly cause: string };
  readonly close: () => Promise<void>;
}
export interface UpstreamInfo {
  readonly capabilities: JsonObject;
  readonly serverInfo: JsonObject;
  readonly instructions: string | null;
  readonly version: string;
  readonly askedAt: number;
}

/** No answer came, and why: a refusal of this stage, with the effect. */
export class UpstreamFault extends Error {
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.note === undefined ? refusal.code : `${refusal.code}: ${refusal.note}`);
    this.name = 'UpstreamFault';
    this.refusal = refusal;
  }
}
