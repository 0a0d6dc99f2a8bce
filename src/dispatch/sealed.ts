import type { Journaled } from '../call/call.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import { sha256 } from '../lib/hash.ts';
import { textAt, without } from '../lib/json-spans.ts';
import type { Seal } from '../lib/seal.ts';

/**
 * What clients keep for servers: cursors and `requestState`. When it comes back it is whatever the client likes (MCP 2026-07-28
 * MRTR, "attacker-controlled"), so it goes out sealed and bound to the caller, the server, the method and, for a state, the very
 * parameters: another caller's opens as little as an invented one, and a state cannot be carried to other arguments.
 */
export interface Sealed {
  readonly close: (kind: SealedKind, call: Journaled, inner: string) => string;
  /** null: unknown, changed, somebody else's, for something else, or too old. */
  readonly open: (kind: SealedKind, call: Journaled, sealed: string) => string | null;
}
/** ticket: the gateway's own state, by which a call that waits for its client's answers is found again. */
export type SealedKind = 'state' | 'cursor' | 'ticket';

export function createSealed(seal: Seal, now: () => number, ttlMs: number): Sealed {
  return {
    close: (kind, call, inner) => seal.close(inner, boundOf(kind, call), now() + ttlMs),
    open: (kind, call, sealed) => seal.open(sealed, boundOf(kind, call), now()),
  };
}

const boundOf = (kind: SealedKind, call: Journaled): string =>
  JSON.stringify([kind, call.principal.id, call.server, call.target.server, call.message.method, kind === 'cursor' ? '' : digestOf(call)]);

/** Of everything that says what is asked, however it is spelled; the envelope and the answers differ from round to round. */
const digestOf = (call: Journaled): string => sha256(canonicalJson(without(textAt(call.message.text, ['params']) ?? '{}', ['_meta', 'inputResponses', 'requestState'])));
