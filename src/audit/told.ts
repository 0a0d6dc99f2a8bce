import type { Received } from '../call/call.ts';
import type { Refusal } from '../call/refusal.ts';
import type { Clock } from '../lib/clock.ts';
import { renderFields, renderStart } from './fields.ts';
import type { AuditFields } from './fields.ts';
import type { OpenCalls } from './open-calls.ts';
import type { Intent, Records } from './records.ts';
import type { Scrub } from './scrub.ts';
import type { Queued } from './writer.ts';

// Records that are not on the hot path: what the audit tells about itself, notes of others, refusals of receive/.

const NOTE_BYTES = 16 * 1024;

/** A refusal of receive/, before there is a call. */
export interface EarlyRefusal extends Pick<Received, 'id' | 'receivedAt' | 'door' | 'server'> {
  readonly remoteAddress: string;
  readonly refusal: Refusal;
}

/** How many records were refused since writing failed. */
export interface Failed {
  since: number;
  records: number;
}

/** Timestamps are rendered once per millisecond. */
export function stamp(clock: Clock): (event: string) => string {
  let at = Number.NaN;
  let text = '';
  return (event) => {
    const now = Math.floor(clock.now());
    if (now !== at) {
      at = now;
      text = new Date(now).toISOString();
    }
    return renderStart(text, event);
  };
}
/** Says, before anything else is written again, that records were refused; and closes the calls whose outcome was among them. */
export function renderResumed(failed: Failed, open: OpenCalls, records: Records, start: (event: string) => string, clock: Clock): Queued[] {
  const told = failed.records;
  const quiet = { durable: false, done: nothing, fail: nothing };
  const details = { records_refused: told, for_ms: Math.max(0, Math.round(clock.now() - failed.since)) };
  const list: Queued[] = [{ ...quiet, start: start('audit.resumed'), rest: renderFields({ tool_input: details }), written: () => (failed.records -= told) }];
  for (const intent of open) {
    if (!intent.lost) continue;
    const error = 'the outcome could not be written when the call ended';
    const rest = renderFields({ ...JSON.parse(records.still(intent)), effect: 'unknown', error });
    list.push({ ...quiet, start: start('call.outcome_unknown'), rest, written: () => open.delete(intent.id) });
  }
  return list;
}

/** The details of a segment's first record: what it follows, and the calls that are open. */
export function renderHead(previous: { readonly segment: string; readonly hash: string }, open: Iterable<Intent>, records: Records): string {
  const calls: string[] = [];
  for (const intent of open) if (intent.seq > 0) calls.push(records.still(intent));
  const details = `{"previous_segment":"${previous.segment}","previous_hash":"${previous.hash}","open_intents":[${calls.join(',')}]}`;
  return renderFields({}).replace('"tool_input":null', () => `"tool_input":${details}`);
}

/** The record of a request that was refused before there was a call. */
export const earlyFields = (early: EarlyRefusal, clock: Clock): Partial<AuditFields> => ({
  correlation_id: early.id, mcp_server: early.server, reason_code: early.refusal.code, success: false, effect: 'none',
  tool_input: { door: early.door, remote_address: early.remoteAddress }, error: early.refusal.note ?? null,
  latency_ms: Math.max(0, Math.round(clock.now() - early.receivedAt)),
});

/** Free text of a note is redacted and cut like that of a call. */
export function clean(fields: Partial<AuditFields>, scrub: Scrub): Partial<AuditFields> {
  const id = fields.correlation_id ?? null;
  return {
    ...fields,
    correlation_id: id !== null && /^[\w.:-]{1,64}$/.test(id) ? id : null,
    mcp_server: scrub.short(fields.mcp_server ?? null),
    tool: scrub.short(fields.tool ?? null),
    error: scrub.long(fields.error ?? null),
    tool_input: fields.tool_input == null ? null : JSON.parse(scrub.json(JSON.stringify(fields.tool_input), NOTE_BYTES)),
  };
}
const nothing = (): void => undefined;
