import type { Era, GivenUp } from '../call/call.ts';
import type { JsonObject } from '../call/json.ts';
import type { Refusal } from '../call/refusal.ts';

/** The exact JSON text of the `result` or of the `error` member of the server's answer; exactly one is not null. */
export interface Exchange {
  readonly result: string | null;
  readonly error: string | null;
  /** The same, parsed by a parser that refuses what parsers read differently (`parseObject`). Left out: the own lane parses it. */
  readonly parsed?: JsonObject;
}

export interface RequestOptions {
  /** Whose call it is: upstream sessions are never shared between principals. */
  readonly principalId: string;
  readonly signal: GivenUp;
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** Progress for this request only; the progress token in `paramsText` is the upstream's own. */
  readonly onNotification: (method: string, paramsText: string) => void;
  /** Ask the server for progress. */
  readonly progressToken: boolean;
}

/** One MCP server behind us, as the own lane sees it. */
export interface Upstream {
  readonly name: string;
  readonly transport: 'http' | 'stdio';
  /** null: not known yet. */
  readonly era: () => Era | null;
  /** Connects, probes or spawns in the background; never throws. */
  readonly start: () => void;
  /**
   * `paramsText`: JSON text of the params WITHOUT the modern envelope; the upstream adds what its era wants, its own ids and
   * its own progress tokens. Throws `UpstreamFault`, nothing else.
   */
  readonly request: (method: string, paramsText: string, options: RequestOptions) => Promise<Exchange>;
  /** The tools list changed, or the server was (re)connected. */
  readonly onChanged: (listener: () => void) => void;
  /** What the server said about itself; null until it was reached. */
  readonly info: () => { readonly capabilities: JsonObject; readonly serverInfo: JsonObject; readonly instructions: string | null; readonly version: string } | null;
  readonly state: () => { readonly ok: true } | { readonly ok: false; readonly cause: string };
  readonly close: () => Promise<void>;
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
