import type { Deny } from './decision.ts';
import type { RefusalCode } from './refusals.ts';

export type Effect = 'none' | 'unknown' | 'done';

export type StageName =
  | 'authenticate' | 'resolve' | 'authorize' | 'validate' | 'limit' | 'approve' | 'journal' | 'dispatch' | 'inspect';

/** An expected "no": a value, never an exception. What each code means is in refusals.ts and docs/reference/refusals.md. */
export interface Refusal {
  readonly code: RefusalCode;
  /** Added to the catalogue's sentence for the caller. Built from schemas and names we know, never from what the caller sent. */
  readonly tell?: string;
  /** For the audit record only; redacted there. */
  readonly note?: string;
  readonly retryAfterMs?: number;
  /** Scopes for the `insufficient_scope` challenge (RFC 6750 section 3.1). */
  readonly wantScopes?: readonly string[];
  /** The decision that refused, when policy did: its rule ids belong in the record. */
  readonly decision?: Deny;
  /** The request that people are asked about, or have decided; `expiresAt`: ms since epoch. */
  readonly approval?: { readonly id: string; readonly expiresAt: number };
  /** JSON text of an `input_required` result that the caller gets in place of the refusal: its own user is asked first (MCP 2026-07-28 MRTR). */
  readonly asks?: string;
  /** Did the server act? Left out: judged by how far the call came. */
  readonly effect?: Effect;
}
