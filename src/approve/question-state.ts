import type { Limited } from '../call/call.ts';
import { isObject, type Json } from '../call/json.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import { sha256 } from '../lib/hash.ts';
import { randomToken } from '../lib/ids.ts';
import { textAt, without } from '../lib/json-spans.ts';
import { createSeal } from '../lib/seal.ts';
import type { Owed } from './form.ts';

/** What a modern client keeps while its user reads the form. */
export interface QuestionState {
  /** Spent when a yes is taken: an answer is good once. */
  readonly nonce: string;
  /** Of the call that was shown. */
  readonly binding: string;
  readonly owed: Owed;
  readonly isLate: boolean;
}
/**
 * The `requestState` of the gateway's own questions. What comes back is whatever the client likes (MCP 2026-07-28 MRTR,
 * "attacker-controlled"; CWE-639), so it goes out sealed and bound to caller, endpoint, server, method and parameters.
 */
export interface QuestionStates {
  readonly close: (call: Limited, binding: string, owed: Owed) => string;
  /** null: not ours, changed, somebody else's or for another call. One that came too late is still known as ours, so that no server gets it. */
  readonly open: (call: Limited) => QuestionState | null;
}
/** How long a late one is told from a stranger's. */
const KNOWN_MS = 30 * 86_400_000;

/** `key`: 32 bytes that only this gateway knows. `ttlMs`: how long an answer counts. */
export function createQuestionStates(key: Buffer, now: () => number, ttlMs: number): QuestionStates {
  const seal = createSeal(key);
  return {
    close: (call, binding, { reason, ticket, confirm }) =>
      seal.close(JSON.stringify([randomToken(16), binding, now() + ttlMs, reason, ticket, confirm]), boundOf(call), now() + KNOWN_MS),
    open: (call) => {
      const sealed = call.message.params['requestState'];
      const text = call.era === 'modern' && call.door === 'mcp' && typeof sealed === 'string' ? seal.open(sealed, boundOf(call), now()) : null;
      if (text === null) return null;
      const [nonce, binding, until, reason, ticket, confirm] = JSON.parse(text) as [string, string, number, boolean, boolean, boolean]; // what we sealed ourselves
      return { nonce, binding, owed: { reason, ticket, confirm }, isLate: now() >= until };
    },
  };
}

/** Another first word than any seal of dispatch has, so that one can never be opened as the other. */
const boundOf = (call: Limited): string => JSON.stringify(['approve', call.principal.id, call.server, call.target.server, call.message.method, digestOf(call)]);
/** Of everything that says what is asked; the envelope and the answers differ from round to round. */
const digestOf = (call: Limited): string => sha256(canonicalJson(without(textAt(call.message.text, ['params']) ?? '{}', ['_meta', 'inputResponses', 'requestState'])));

/** The answer to our question among those a modern client brings. */
export function answerTo(call: Limited, name: string): Json | undefined {
  const responses = call.message.params['inputResponses'];
  return isObject(responses) && Object.hasOwn(responses, name) ? responses[name] : undefined;
}
